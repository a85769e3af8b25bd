"""Whatever is shared out is shared out whole: the parts of a bonus, and of what is spent, sum to what there was."""

from daozhang.ledger.spend import split
from daozhang.offers.take_back import due_fen

MOST_FEN = 100_000
PARTS = (1, 7, 3, 2, 11)
"""Weights in which an amount is returned or spent, so that most parts of it fall between two fen."""


def portions(amount_fen: int) -> list[int]:
    """The amount in parts; the last one takes the rest."""
    parts = [amount_fen * weight // sum(PARTS) for weight in PARTS[:-1]]
    return [*parts, amount_fen - sum(parts)]


def test_am_04_a_bonus_of_six_in_a_thousand_goes_back_whole_with_any_amount_in_parts() -> None:
    for paid_fen in range(1, MOST_FEN + 1):
        bonus_fen = paid_fen * 6 // 1000 or 1
        returned_fen = taken_fen = 0
        for part_fen in portions(paid_fen):
            returned_fen += part_fen
            due = due_fen(bonus_fen, paid_fen, returned_fen, taken_fen)
            taken_fen += due
            assert due >= 0
            assert taken_fen * paid_fen <= bonus_fen * returned_fen, "never more than the share of what went back"
        assert taken_fen == bonus_fen, paid_fen


def test_am_04_what_is_spent_in_parts_uses_cash_and_bonus_up_to_the_fen() -> None:
    for paid_fen in range(1, MOST_FEN + 1):
        cash_fen, bonus_fen = paid_fen, paid_fen * 6 // 1000
        for part_fen in portions(cash_fen + bonus_fen):
            from_cash_fen, from_bonus_fen = split(cash_fen, bonus_fen, part_fen)
            assert from_cash_fen + from_bonus_fen == part_fen
            assert 0 <= from_cash_fen <= cash_fen
            assert 0 <= from_bonus_fen <= bonus_fen
            cash_fen, bonus_fen = cash_fen - from_cash_fen, bonus_fen - from_bonus_fen
        assert (cash_fen, bonus_fen) == (0, 0), paid_fen
