"""What an offer brings is a matter of its row alone; codes are read as people type them; spending keeps the proportion."""

from hypothesis import given
from hypothesis import strategies as st

from daozhang.ledger.spend import split
from daozhang.offers import codes
from daozhang.offers.judge import tier_fen
from daozhang.offers.take_back import due_fen

FEN = st.integers(min_value=0, max_value=10**9)


def test_the_highest_tier_that_is_reached_counts() -> None:
    assert [tier_fen([100, 500], [10, 80], amount) for amount in (None, 99, 100, 499, 500, 10**9)] == [0, 0, 10, 10, 80, 80]


def test_a_code_is_read_however_it_is_typed() -> None:
    code = codes.new_code()
    assert codes.digest(code) == codes.digest(code.lower().replace("-", " ")) == codes.digest(code.replace("-", ""))
    assert codes.digest("OIL0-1111-2222-3333") == codes.digest("0110-1111-2222-3333")
    assert [codes.digest(text) for text in ("", "short", "U" * 16, "é" * 16, "0" * 17)] == [None] * 5


@given(FEN, FEN, FEN)
def test_a_spending_takes_what_is_there_and_never_more(cash_fen: int, bonus_fen: int, total_fen: int) -> None:
    from_cash_fen, from_bonus_fen = split(cash_fen, bonus_fen, total_fen)
    assert from_cash_fen + from_bonus_fen == total_fen
    if total_fen <= cash_fen + bonus_fen:
        assert 0 <= from_cash_fen <= cash_fen
        assert 0 <= from_bonus_fen <= bonus_fen
        # Never more of the bonus than its share: what cash is left is at most what the ratio gives back.
        assert from_bonus_fen * (cash_fen + bonus_fen) <= total_fen * bonus_fen


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.lists(st.integers(1, 10**8), max_size=8))
def test_refunds_together_take_exactly_the_share(paid_fen: int, bonus_fen: int, parts: list[int]) -> None:
    returned_fen = taken_fen = 0
    for part in [*parts, paid_fen]:
        returned_fen = min(paid_fen, returned_fen + part)
        due = due_fen(bonus_fen, paid_fen, returned_fen, taken_fen)
        assert due >= 0
        taken_fen += due
    assert taken_fen == bonus_fen
