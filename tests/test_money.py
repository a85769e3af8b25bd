"""Money: one strict parser, exact arithmetic, and words that say the same as the digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from daozhang.money import MalformedAmount, capitals, parse_yuan, yuan

HOSTILE = (
    "", " ", "0x10", "-1", "+1", "1e3", "NaN", "Infinity", "inf", "１００", "١٢", "1,000", "1_000", "1 000", "12.", ".5", "1.234",
    "0.001",     "1.2.3", "100\n", "\n100", "100 ", "100\x00", "9e15", "123456789", "1" * 1_000_000, "5０", "五十", "1．5", "1.٥",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_am_01_what_is_no_amount_is_none(text: str) -> None:
    with pytest.raises(MalformedAmount):
        parse_yuan(text)


@given(some.text(max_size=20))
def test_am_01_any_text_is_an_amount_of_that_form_or_none(text: str) -> None:
    try:
        fen = parse_yuan(text)
    except MalformedAmount:
        return
    whole, _, fraction = text.partition(".")
    assert fen == int(whole) * 100 + int((fraction + "00")[:2])
    assert text.isascii()


@given(some.integers(0, 9_999_999_999))
def test_am_03_what_is_written_is_read_again(fen: int) -> None:
    assert parse_yuan(yuan(fen, grouped=False)) == fen
    assert yuan(fen).replace(",", "") == yuan(fen, grouped=False)
    assert yuan(-fen) == ("-" if fen else "") + yuan(fen)


@pytest.mark.parametrize(
    ("fen", "words"),
    [
        (0, "零元整"), (1, "壹分"), (10, "壹角整"), (5_000, "伍拾元整"), (100_000, "壹仟元整"), (100_100, "壹仟零壹元整"),
        (1_000_000, "壹万元整"), (1_000_100, "壹万零壹元整"), (12_345, "壹佰贰拾叁元肆角伍分"),
    ],
)  # fmt: skip
def test_capitals_are_those_of_a_cheque(fen: int, words: str) -> None:
    assert capitals(fen) == words
