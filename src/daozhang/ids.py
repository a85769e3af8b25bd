"""Identifiers: UUID version 7 (RFC 9562 §5.7), sortable by time, with 74 random bits.

Shown to people and channels they are 26 characters `[0-9A-Z]` (Crockford's base 32), behind a prefix that says their kind.
"""

import os
from datetime import UTC, datetime
from uuid import UUID

from daozhang import clock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_RANDOM_BITS = (1 << 62) - 1


def new_id() -> UUID:
    """A fresh identifier whose first 48 bits are the milliseconds of `clock.now()`."""
    noise = int.from_bytes(os.urandom(10), "big")
    high = (clock.now_ms() << 16) | 0x7000 | (noise >> 68)
    return UUID(int=(high << 64) | (0b10 << 62) | (noise & _RANDOM_BITS))


def text26(identifier: UUID) -> str:
    """The identifier as 26 characters `[0-9A-Z]`: what channels know as our order number."""
    value, letters = identifier.int, []
    for _ in range(13):
        letters.append(_PAIRS[value & 1023])
        value >>= 10
    return "".join(reversed(letters))


def parse26(text: str) -> UUID | None:
    """Read what `text26` wrote; None for anything else (foreign text is never trusted)."""
    if len(text) != 26 or not text.isascii():
        return None
    value = 0
    for letter in text:
        digit = _VALUES.get(letter)
        if digit is None:
            return None
        value = value << 5 | digit
    return UUID(int=value) if value < 1 << 128 else None


def made_at(identifier: UUID) -> datetime:
    """When the identifier was made, to the millisecond."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
