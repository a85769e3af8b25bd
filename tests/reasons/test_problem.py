"""Problem documents hold what RFC 9457 asks for, and no fact that the reason does not disclose."""

from datetime import UTC, datetime

import msgspec

from daozhang.reasons import Refusal, catalogue, problem


def test_a_refusal_becomes_a_problem_document() -> None:
    until_at = datetime(2026, 11, 22, 16, tzinfo=UTC)
    refusal = Refusal("limits.day", limit_fen=2_000_000, left_fen=100, until_at=until_at, user_phone="13800138000")
    told = problem(refusal, "en", trace="t-1", instance="/orders/RC-1")
    assert told.status == told.body["status"] == 403
    assert told.headers == {"content-type": "application/problem+json", "content-language": "en"}
    assert told.body["type"] == "/reasons/limits.day"
    assert told.body["code"] == "limits.day"
    assert told.body["facts"] == {"limit_fen": 2_000_000, "left_fen": 100, "until_at": until_at.isoformat()}
    assert (told.body["trace"], told.body["instance"]) == ("t-1", "/orders/RC-1")
    assert "13800138000" not in msgspec.json.encode(told.body).decode()


def test_a_wait_is_also_told_to_programs() -> None:
    assert problem(Refusal("account.locked", wait_s=0.2)).headers["retry-after"] == "1"
    assert problem(Refusal("account.locked", wait_s=61.2)).headers["retry-after"] == "62"


def test_every_reason_makes_a_sound_document() -> None:
    samples = {"_fen": 100, "_s": 5, "_count": 2, "_at": datetime(2026, 1, 1, tzinfo=UTC)}
    for reason in catalogue():
        facts = {
            name: next((v for end, v in samples.items() if name.endswith(end)), "word") for name in (*reason.facts, *reason.may)
        }
        for locale in ("zh", "en"):
            told = problem(Refusal(reason.code, **facts), locale)
            assert {"type", "title", "status", "detail", "code", "layer", "cure", "cured_by", "retry", "facts"} <= told.body.keys()
            assert told.body["detail"], reason.code
            assert "{" not in told.body["title"] + told.body["detail"] + told.body["cure"], reason.code
            msgspec.json.encode(told.body)
