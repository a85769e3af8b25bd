"""Patterns of account names: a small language that says what it takes, and that no text and no pattern makes slow."""

import re

import pytest

from daozhang.goods.pattern import LONGEST, BadPattern, compiled, fits
from daozhang.goods.targets import TARGETS


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("1[3-9][0-9]{9}", ["13800138000", "19912345678"],
         ["12800138000", "1380013800", "138001380000", " 13800138000", "13800138000\n"]),
        ("[1-9][0-9]{4,10}", ["10001", "12345678901"], ["1000", "01234", "１０００１", "10001a", ""]),
        ("[A-Za-z0-9_.+-]{1,30}@[A-Za-z0-9.-]{3,33}", ["a.b+c@x.yz", "A@b.c"], ["a@b", "@b.cd", "a b@c.de", "a@b@c.de"]),
        (r"U\.[a-c]{2}", ["U.ab"], ["Uxab", "U.abc", "U.ad"]),
    ],
)  # fmt: skip
def test_a_name_fits_whole_or_not_at_all(pattern: str, good: list[str], bad: list[str]) -> None:
    assert all(fits(pattern, name) for name in good)
    assert not any(fits(pattern, name) for name in bad)


@pytest.mark.parametrize(
    "text",
    ["", "(a+)+", "a*", "a+b+", "[0-9]*", "a|b", "^a$", "[^a]", ".", "a{0}", "a{0,3}", "a{5,3}", "a{1,}", "[a", "[]", "[z-a]",
     r"\d{5}", r"(?i)a", "a{99}", "[0-9]{40}[0-9]{40}", "a" * 25, "a{1,2}{3}"],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        compiled(text)


def test_the_worst_pattern_of_the_language_is_walked_and_not_tried() -> None:
    """Twenty-four sets that all take the same letter: going back and forth would try billions of ways to part this name."""
    worst, name = "[a]{1,2}[ab]{0,2}" * 12, "a" * 47 + "!"
    calls = sum(most + 1 - least for _, least, most in compiled(worst)) * (LONGEST + 1)
    assert calls < 10_000, "so many looks at most, whatever the name"
    assert not fits(worst, name)
    assert not fits(worst, "a" * 4_000)


def test_it_agrees_with_what_a_regular_expression_says() -> None:
    """The control: where `re` is safe, both say the same."""
    for pattern in ("[ab]{1,3}[b]{2}", "a{2}[a-c]{0,2}c", "1[3-9][0-9]{2}"):
        for number in range(4_000):
            letters = "abc1390"
            name, rest = "", number
            while rest:
                rest, place = divmod(rest, len(letters))
                name += letters[place]
            assert fits(pattern, name) == bool(re.fullmatch(pattern, name)), (pattern, name)


def test_every_kind_of_account_has_a_pattern_that_its_example_fits() -> None:
    assert all(fits(target.pattern, target.example) for target in TARGETS.values())
