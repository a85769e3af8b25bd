"""Each check of eligibility: what it stops, what it lets through, and what it says."""

import msgspec

from daozhang.policy.book import Book
from daozhang.policy.decide import UNANSWERED, decide, shown
from daozhang.policy.model import Facts, Stage


def with_(facts: Facts, **changes: object) -> Facts:
    return msgspec.structs.replace(facts, **changes)


def test_what_is_not_agreed_to_is_asked_for(sound: Facts, book: Book) -> None:
    refused = decide(Stage.PLACE, with_(sound, agreement_version=3, agreement_agreed=False, agreement_ticked=2), book)
    assert (refused.reason, refused.facts) == ("eligibility.agreement", {"version": 3})
    assert decide(Stage.PLACE, with_(sound, agreement_version=3, agreement_ticked=3), book).admits
    assert decide(Stage.PLACE, with_(sound, agreement_agreed=None), book).reason == UNANSWERED, "not knowing is no consent"


def test_on_the_page_it_is_a_rule_and_no_stop(sound: Facts, book: Book) -> None:
    lines = shown(with_(sound, agreement_version=3, agreement_agreed=None), book)
    (line,) = [line for line in lines if line.check == "eligibility.agreement"]
    assert (line.outcome, line.facts) == (None, {"version": 3})
