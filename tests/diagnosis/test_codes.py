"""A failure code survives a telephone: no look-alikes, and a slip of one hand is caught."""

import random

import pytest

from daozhang.diagnosis import codes


def test_what_is_made_is_read_however_it_is_written(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        code = codes.make(chance.getrandbits(35))
        assert len(code) == 8
        assert not set(code) & set("ILOUZ")
        shown = codes.shown(code)
        full = shown.translate({ord(letter): ord(letter) + 0xFEE0 for letter in shown if letter.isalnum()})
        for written in (code, shown, shown.lower(), f" {code[:2]} {code[2:]} ", full):
            assert codes.parse(written) == code


def test_every_single_slip_and_every_swap_of_neighbours_is_caught(seed: int) -> None:
    chance = random.Random(seed)
    letters = codes.ALPHABET[:31]
    for _ in range(40):
        code = codes.make(chance.getrandbits(35))
        for place in range(8):
            for letter in letters:
                wrong = code[:place] + letter + code[place + 1 :]
                assert (codes.parse(wrong) == code) == (wrong == code)
        for place in range(7):
            swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
            assert swapped == code or codes.parse(swapped) is None


@pytest.mark.parametrize(
    "text", ["", "7F3K", "7F3K-92Q", "7F3K-92QXX", "我的失败编号", "UUUUUUUU", "ZZZZZZZZ", "' or 1=1", "\0" * 8]
)
def test_what_is_none_is_none(text: str) -> None:
    assert codes.parse(text) is None


def test_look_alikes_are_read_as_what_they_look_like() -> None:
    code = next(code for number in range(100_000) if set("01") <= set(code := codes.make(number * 7919 + 31**6)))
    assert codes.parse(code.replace("0", "O").replace("1", "l")) == code
