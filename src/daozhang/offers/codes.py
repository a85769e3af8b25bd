"""Codes of coupons. Only a hash is kept: eighty random bits are guessed by nobody, and a copy of the books spends no coupon."""

import hashlib
import re
import secrets
from uuid import UUID

from daozhang import ids

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("OIL", "011")
"""Letters that are not in the alphabet and stand for the digit that they look like."""
_LETTERS = 16
_NOISE = re.compile(r"[\s-]+")
LONGEST = 64
"""Characters of a code as it may be typed."""


def new_code() -> str:
    """A code for whoever holds it, in groups of four as people read it."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
    return "-".join(text[at : at + 4] for at in range(0, _LETTERS, 4))


def code_of(coupon_id: UUID) -> str:
    """The code of a coupon that belongs to one user: its number. Only that user can use it, so nothing is secret about it."""
    return ids.text26(coupon_id)


def digest(typed: str) -> bytes | None:
    """What a typed code is looked up by; None for a text that can be no code."""
    plain = _NOISE.sub("", typed[:LONGEST]).upper().translate(_READ_AS)
    if not plain or plain.strip(_ALPHABET) or len(plain) not in (_LETTERS, 26):
        return None
    return hashlib.sha256(plain.encode()).digest()
