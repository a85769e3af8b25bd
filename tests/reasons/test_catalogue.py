"""The catalogue holds itself to its rules, and never shows a person a brace or a bare code."""

import sys
from datetime import UTC, datetime

import pytest

from daozhang.reasons import BadCatalogue, Retry, catalogue
from daozhang.reasons.catalogue import read_catalogue

FAULT = """
[reasons."platform.fault"]
layer = "platform"
cured_by = "platform"
retry = "later"
http = 500
zh = { title = "出了错", text = "", cure = "再试" }
en = { title = "Fault", text = "", cure = "Try again" }
[words.kind.wechatpay]
zh = "微信支付"
en = "WeChat Pay"
"""


def row(code: str = "account.odd", **changes: str) -> bytes:
    fields = {
        "layer": '"account"',
        "cured_by": '"user"',
        "retry": '"now"',
        "http": "422",
        "zh": '{ title = "题", text = "文", cure = "法" }',
        "en": '{ title = "Title", text = "Text", cure = "Cure" }',
        **changes,
    }
    return (FAULT + f'[reasons."{code}"]\n' + "\n".join(f"{name} = {value}" for name, value in fields.items() if value)).encode()


@pytest.fixture
def bugs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(sys.modules["daozhang.reasons.catalogue"], "our_bug", heard.append)
    return heard


def test_the_sound_row_is_read() -> None:
    reason = read_catalogue(row()).get("account.odd")
    assert (reason.code, reason.told("zh").title, reason.told("en").cure) == ("account.odd", "题", "Cure")


@pytest.mark.parametrize(
    "content",
    [
        row("Account.Odd"),
        row("odd"),
        row(http="200"),
        row(http='"422"'),
        row(layer='"elsewhere"'),
        row(retry='"sometimes"'),
        row(zh=""),
        row(en=""),
        row(en='{ title = "Title", text = "Text", cure = "" }'),
        row(en='{ title = "Title", text = "Text" }'),
        row(zh='{ title = "", text = "文", cure = "法" }'),
        row(zh='{ title = "题", text = "{limit_fen}", cure = "法" }'),
        row(zh='{ title = "题", text = "{", cure = "法" }'),
        row(facts='["limit_fen"]', may='["limit_fen"]'),
        row(facts='["limit_fen"]', disclosure='"legal"'),
        row(colour='"red"'),
        b"not toml [",
        b"",
        row().replace(b"platform.fault", b"platform.other"),
    ],
)
def test_a_row_that_breaks_a_rule_stops_the_start(content: bytes) -> None:
    with pytest.raises(BadCatalogue):
        read_catalogue(content)


def test_an_unknown_code_is_our_bug_and_reads_as_a_fault_of_ours(bugs: list[str]) -> None:
    assert catalogue().get("no.such.code").code == "platform.fault"
    assert bugs == ["reason 'no.such.code' is not in the catalogue"]


def test_a_missing_fact_is_our_bug_and_its_sentence_is_left_out(bugs: list[str]) -> None:
    reason = catalogue().get("account.locked")
    for locale in ("zh", "en"):
        told = reason.told(locale, {})
        assert told.cure
        assert "{" not in told.title + told.text + told.cure
    assert bugs == ["reason account.locked was given without its fact wait_s"] * 2


def test_no_fact_at_all_still_leaves_something_to_read(bugs: list[str]) -> None:
    for reason in catalogue():
        for locale in ("zh", "en"):
            told = reason.told(locale, None)
            assert told.title, reason.code
            assert told.cure, reason.code
            assert "{" not in told.title + told.text + told.cure, reason.code
    assert all("was given without" in bug for bug in bugs)


def test_a_sentence_with_an_optional_fact_is_said_only_when_it_is_known() -> None:
    frozen = catalogue().get("account.frozen")
    until_at = datetime(2020, 1, 2, 4, 0, tzinfo=UTC)
    assert "2020年1月2日 12:00" in frozen.told("zh", {"why": "risk_review", "until_at": until_at}).text
    assert frozen.told("zh", {"why": "owner_request"}).text == "原因：您本人的要求。您可以登录和查看，余额还在。"
    assert "something has to be verified" in frozen.told("en", {"why": "a word nobody translated"}).text


def test_a_stored_fact_reads_like_a_fresh_one() -> None:
    day = catalogue().get("limits.day")
    fresh = {"limit_fen": 2_000_000, "left_fen": 0, "until_at": datetime(2020, 1, 1, 16, tzinfo=UTC)}
    stored = {**fresh, "until_at": "2020-01-01T16:00:00Z"}
    assert day.told("zh", fresh) == day.told("zh", stored)
    assert day.told("en", fresh).text.endswith("The full limit is back at 00:00 on 2 January 2020 (Beijing time).")


def test_what_cannot_pass_by_itself_is_lasting() -> None:
    for reason in catalogue():
        assert reason.lasting == (reason.retry in {Retry.AFTER_CURE, Retry.NEVER})


def test_facts_that_were_not_declared_are_never_shown() -> None:
    reason = catalogue().get("account.locked")
    assert reason.shown({"wait_s": 3, "phone": "13800138000", "left_count": None}) == {"wait_s": 3}


def test_in_a_list_an_ellipsis_stands_for_a_fact_that_is_not_at_hand() -> None:
    reason = catalogue().get("eligibility.ceiling_named")
    assert (reason.headline("zh"), reason.headline("en")) == ("余额最多 …", "The balance is at most …")
    assert reason.headline("fr") == reason.headline("zh")
