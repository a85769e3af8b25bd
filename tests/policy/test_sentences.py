"""Every check reads well in both languages, whether it passed, stopped something, or is yet to come."""

import msgspec

from daozhang.policy.book import Book
from daozhang.policy.checks import CHECKS
from daozhang.policy.decide import decide, shown
from daozhang.policy.model import WISHED, Facts, Stage
from daozhang.policy.record import judged
from daozhang.policy.sentences import line, sentences


def test_every_check_has_its_sentences() -> None:
    assert [name for name in sentences() if not name.startswith("rule.")] == [check.name for check in CHECKS]


def test_passed_and_later_and_stopped_lines_are_whole(sound: Facts, book: Book) -> None:
    blank = msgspec.structs.replace(sound, **dict.fromkeys(WISHED), kind=None)
    spoilt = msgspec.structs.replace(sound, standing="closed", notify_door=False, amount_fen=1)
    for locale in ("zh", "en"):
        for facts in (sound, blank, spoilt):
            for verdict in shown(facts, book):
                told = line(verdict, locale)
                assert told is not None
                assert told.name
                assert told.text, verdict
                assert "{" not in told.text + told.cure
                assert bool(told.cure) == (told.mark in {"noted", "stopped"})
    marks = {told.check: told.mark for v in decide(Stage.PLACE, spoilt, book).verdicts if (told := line(v, "zh"))}
    assert (marks["account.standing"], marks["platform.notify_door"], marks["channel.method"]) == ("stopped", "noted", "passed")


def test_a_stored_verdict_reads_like_the_fresh_one(sound: Facts, book: Book) -> None:
    spent = msgspec.structs.replace(sound, admitted_fen=2_000_000, standing="frozen", standing_until_at=sound.day_ends_at)
    record = judged(Stage.PLACE, spent, book)
    stored = msgspec.json.decode(record.verdicts_json)
    for fresh, kept in zip(record.decision.verdicts, stored, strict=True):
        for locale in ("zh", "en"):
            assert line(fresh, locale) == line(kept, locale)


def test_a_check_that_is_no_more_and_one_that_is_not_shown_are_left_out() -> None:
    assert line({"check": "risk.gone", "layer": "risk", "outcome": "admit"}, "zh") is None
    assert line({"check": "account.standing", "layer": "account", "outcome": "admit", "shown": False}, "zh") is None
