"""Patterns of account names that cost next to nothing to match: letters, digits and sets of them, each with a bounded count.

An operator writes `1[3-9][0-9]{9}` or `[a-z0-9_]{4,20}@[a-z0-9.]{3,20}`. There are no groups, no alternatives, no open repetition
and no back-references, and names are walked with a set of places instead of going back and forth: no text that a buyer types, and
no pattern that an operator writes, makes it slow.
"""

import re
from functools import lru_cache
from typing import NamedTuple

LONGEST = 64
"""Characters of an account's name."""
MOST_ITEMS = 24
_ITEM = re.compile(
    r"(?P<one>\[(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.@+-])+\]|[A-Za-z0-9_@#:-]|\\[.+-])"
    r"(?:\{(?P<least>[0-9]{1,2})(?:,(?P<most>[0-9]{1,2}))?\})?",
    re.ASCII,
)


class BadPattern(ValueError):
    """It is not of the small language, or could match nothing or something too long; the message is where it stops being one."""


class Item(NamedTuple):
    """Between `least` and `most` characters of a set."""

    letters: frozenset[str]
    least: int
    most: int


@lru_cache(512)
def compiled(text: str) -> tuple[Item, ...]:
    """The pattern's items. Raises `BadPattern`."""
    items: list[Item] = []
    place = 0
    while place < len(text):
        found = _ITEM.match(text, place)
        if found is None or len(items) == MOST_ITEMS:
            raise BadPattern(text[place : place + 16])
        least = int(found["least"]) if found["least"] else 1
        most = int(found["most"]) if found["most"] else least
        letters = _letters(found["one"])
        if not letters or most < max(least, 1):
            raise BadPattern(found[0])
        items.append(Item(letters, least, most))
        place = found.end()
    if sum(item.least for item in items) < 1 or sum(item.most for item in items) > LONGEST:
        raise BadPattern(text[:16])
    return tuple(items)


def fits(pattern: str, name: str) -> bool:
    """Whether an account's name is of the pattern, whole. Raises `BadPattern`."""
    if len(name) > LONGEST:
        return False
    places = {0}
    for letters, least, most in compiled(pattern):
        places = {
            end
            for start in places
            for end in range(start + least, min(start + most, len(name)) + 1)
            if letters.issuperset(name[start:end])
        }
    return len(name) in places


def _letters(one: str) -> frozenset[str]:
    if not one.startswith("["):
        return frozenset(one[-1])
    letters: set[str] = set()
    inner = one[1:-1]
    place = 0
    while place < len(inner):
        if inner[place + 1 : place + 2] == "-" and place + 2 < len(inner) and inner[place].isalnum() and inner[place + 2].isalnum():
            first, last = inner[place], inner[place + 2]
            if first > last:
                raise BadPattern(one[:16])
            letters |= {chr(code) for code in range(ord(first), ord(last) + 1)}
            place += 3
        else:
            letters.add(inner[place])
            place += 1
    return frozenset(letters)
