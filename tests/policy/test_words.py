"""What the rules of a release are for: in two languages, from one source, and an operator's own words as they were given."""

from pathlib import Path

import msgspec
import pytest

from daozhang.policy import reference
from daozhang.policy.book import defaults, renewed
from daozhang.policy.model import Outcome
from daozhang.policy.rules.words import described, words

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "rules.md"


def test_every_rule_of_the_release_has_words_in_both_languages_and_no_others_do() -> None:
    assert words().keys() == {rule.key for rule in defaults().rules}
    for rule in defaults().rules:
        zh, en = described(rule, "zh"), described(rule, "en")
        assert rule.note == en, "a version of the book says it by itself"
        assert zh != en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in zh)


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_an_operators_words_stay_as_they_were_given(locale: str) -> None:
    rule = msgspec.structs.replace(defaults().rules[0], note="双十一期间更严")
    assert described(rule, locale) == "双十一期间更严"
    assert described(msgspec.structs.replace(rule, key="t.own", note=""), locale) == ""


def test_the_reference_page_is_current() -> None:
    assert DOCS.read_text("utf-8") == reference.page(), "run: python -m daozhang.policy.reference > docs/reference/rules.md"


def test_a_newer_release_replaces_its_own_rules_and_no_others() -> None:
    begun = defaults()
    first, second, *rest = begun.rules
    own = msgspec.structs.replace(first, key="t.own")
    older = msgspec.structs.replace(begun, rules=(msgspec.structs.replace(second, outcome=Outcome.REFUSE), *rest, own))
    assert renewed(older).rules == (second, *rest, own), "what the shop gave up is not brought back"
    assert renewed(begun) == begun
