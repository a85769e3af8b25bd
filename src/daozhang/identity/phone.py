"""Chinese mobile numbers: eleven ASCII digits, the first three 130 to 199."""

import re

from daozhang.reasons.refusal import Refusal

_MOBILE = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
_LONGEST = 24


def read_phone(text: str) -> str:
    """The number a person typed; ASCII blanks, hyphens and a leading +86 are taken off.

    Raises `account.phone_fullwidth` for digits of another script, `account.phone_malformed` for anything else.
    """
    number = text[: _LONGEST + 1].strip(" \t").replace(" ", "").replace("-", "").removeprefix("+86")
    if _MOBILE.fullmatch(number) and len(text) <= _LONGEST:
        return number
    foreign = any(letter.isdecimal() and not letter.isascii() for letter in number)
    raise Refusal("account.phone_fullwidth" if foreign else "account.phone_malformed")


def mask_phone(number: str) -> str:
    """The number as pages show it: 138****8000."""
    return f"{number[:3]}****{number[-4:]}"
