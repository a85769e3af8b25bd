"""What a day may have by strength of proof: one test per dated row, its reason, and when it holds."""

from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace
from tests.policy.test_decide import with_

from daozhang.policy.book import STRENGTHS, BadBook, Book, ConfirmRules, StrengthRow, checked, defaults, make_book
from daozhang.policy.decide import decide
from daozhang.policy.model import Facts, Outcome, Stage
from daozhang.policy.stated import stated

WIDE = ConfirmRules(from_fen=9_999_999_999, day_fen=9_999_999_999)
ONE, TWO = STRENGTHS


def licensed(book: Book, *rows: StrengthRow) -> Book:
    return replace(book, confirm=replace(WIDE, strengths=rows or STRENGTHS))


def test_the_shipped_rows_are_those_of_the_law() -> None:
    assert [(row.factors, row.day_fen, row.from_on, row.until_on) for row in STRENGTHS] == [
        ("one", 100_000, date(2016, 7, 1), None), ("two", 500_000, date(2016, 7, 1), None),
    ]  # fmt: skip
    assert all("43号" in row.reference for row in STRENGTHS)
    assert defaults().confirm.strengths == STRENGTHS


@pytest.mark.parametrize(
    ("admitted_fen", "amount_fen", "confirmed", "outcome", "reason", "limit_fen"),
    [
        (0, 100_000, False, Outcome.ADMIT, None, 0),
        (0, 100_001, False, Outcome.CHALLENGE, "operation.strength_two", 100_000),
        (99_901, 100, False, Outcome.CHALLENGE, "operation.strength_two", 100_000),
        (0, 100_001, True, Outcome.ADMIT, None, 0),
        (450_000, 50_000, True, Outcome.ADMIT, None, 0),
        (450_000, 50_001, False, Outcome.CHALLENGE, "operation.strength_signed", 500_000),
        (450_000, 50_001, True, Outcome.HOLD, "operation.strength_signed", 500_000),
    ],
)  # fmt: skip
def test_each_row_holds_to_the_fen(
    sound: Facts, book: Book, admitted_fen: int, amount_fen: int, confirmed: object, outcome: Outcome, reason: str, limit_fen: int
) -> None:
    facts = with_(sound, admitted_fen=admitted_fen, amount_fen=amount_fen, confirmed=bool(confirmed))
    for stage in (Stage.ASKED, Stage.PLACE):
        decision = decide(stage, facts, licensed(book))
        assert (decision.outcome, decision.reason) == (outcome, reason)
        assert decision.facts == ({"limit_fen": limit_fen} if reason else {})


def test_a_person_lets_an_agreement_go_and_never_the_second_factor(sound: Facts, book: Book) -> None:
    signed = with_(sound, admitted_fen=500_000, amount_fen=1_000, pass_fen=1_000)
    assert decide(Stage.PLACE, with_(signed, confirmed=True), licensed(book)).passed
    without = decide(Stage.PLACE, signed, licensed(book))
    assert (without.passed, without.outcome) == (False, Outcome.CHALLENGE)


@pytest.mark.parametrize(
    ("at", "limit_fen"),
    [
        (datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC), 100_000),
        (datetime(2026, 12, 31, 16, 0, 0, tzinfo=UTC), 50_000),  # midnight in Shanghai
    ],
)
def test_a_row_takes_effect_on_its_day_in_shanghai(sound: Facts, book: Book, at: datetime, limit_fen: int) -> None:
    ends, begins = replace(ONE, until_on=date(2027, 1, 1)), replace(ONE, day_fen=50_000, from_on=date(2027, 1, 1))
    dated = licensed(book, ends, begins, TWO)
    facts = with_(replace(sound, at=at), amount_fen=100_001)
    assert decide(Stage.PLACE, facts, dated).facts == {"limit_fen": limit_fen}
    assert decide(Stage.PLACE, with_(facts, amount_fen=limit_fen), dated).admits


@pytest.mark.parametrize(
    "rows",
    [
        (ONE, replace(ONE, day_fen=5)),
        (replace(ONE, reference=" "), TWO),
        (replace(ONE, day_fen=500_001), TWO),
        (replace(ONE, until_on=date(2016, 7, 1)), TWO),
    ],
)
def test_rows_that_contradict_each_other_are_not_published(rows: tuple[StrengthRow, ...]) -> None:
    with pytest.raises(BadBook, match="confirm"):
        checked(replace(defaults(), confirm=replace(WIDE, strengths=rows)))


def test_other_modes_keep_what_they_have_and_read_nothing_of_it(sound: Facts) -> None:
    card = make_book(1, 1, defaults())
    decision = decide(Stage.PLACE, with_(sound, amount_fen=100_001, stored_fen=0), card)
    assert decision.admits
    assert not {"operation.strength", "operation.signed"} & {verdict.check for verdict in decision.verdicts}
    assert decide(Stage.PLACE, with_(sound, amount_fen=450_000, admitted_fen=50_001), card).reason == "operation.confirm_needed"
    texts = [line.text for layer in stated(card, "zh") for line in layer.lines]
    assert not any("支付规定" in text for text in texts)


def test_the_rules_page_states_the_rows_that_hold(book: Book) -> None:
    texts = [line.text for layer in stated(licensed(book), "en") for line in layer.lines]
    assert any("with a password alone a day may have ¥1,000 at most" in text for text in texts)
    assert any("with a password and a code a day may have ¥5,000 at most" in text for text in texts)
