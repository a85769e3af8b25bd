"""What a new password must be: 8 to 128 characters as typed, and not one of those that everybody tries first.

Length and a list are all that is asked (OWASP ASVS 5.0, 6.2.1 to 6.2.5, 6.2.9 and 6.2.12): no rules of composition.
"""

import re
from functools import cache
from importlib import resources

from daozhang.reasons.refusal import Refusal

SHORTEST = 8
LONGEST = 128

_ROWS = ("01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p")
_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])", re.ASCII)
_TAIL = re.compile(r"[0-9!@#$%^&*._+\-]+", re.ASCII)
_LEET = str.maketrans("@4310$5!7", "aaeiossit")


def check_new_password(password: str, phone: str) -> None:
    """Raise the `account.password_*` reason that speaks against a new password, if one does."""
    if len(password) < SHORTEST:
        raise Refusal("account.password_too_short", min_count=SHORTEST)
    if len(password) > LONGEST:
        raise Refusal("account.password_too_long", limit_count=LONGEST)
    if phone in password or phone[-8:] in password or (phone[3:] in password):
        raise Refusal("account.password_has_phone")
    if is_obvious(password):
        raise Refusal("account.password_obvious")


def is_obvious(password: str) -> bool:
    """Whether the password is on the list (also with digits around it or letters as figures), a run, a repetition or a birthday."""
    plain = password.casefold().strip()
    words = obvious_words()
    stems = {plain, plain.translate(_LEET), _TAIL.sub("", plain)}
    core = plain.strip("0123456789!@#$%^&*._+-")
    stems |= {core, core.translate(_LEET)} if len(plain) - len(core) <= _MOST_AROUND else set()
    if stems & words:
        return True
    return _repeats(plain) or _runs(plain) or bool(_DATE.fullmatch(plain.strip("abcdefghijklmnopqrstuvwxyz")))


_MOST_AROUND = 6


def _repeats(text: str) -> bool:
    """One to four letters said again and again: 88888888, 12121212, abcabcabc."""
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, 5))


def _runs(text: str) -> bool:
    """Mostly runs along the alphabet, the digits or the keyboard, forwards or backwards: abcd1234, qwertyuiop, 87654321."""
    covered = place = 0
    while place < len(text):
        size = _run_at(text, place)
        if size >= _SHORTEST_RUN:
            covered += size
            place += size
        else:
            place += 1
    return len(text) - covered <= 1


_SHORTEST_RUN = 3


def _run_at(text: str, place: int) -> int:
    longest = 1
    for row in (*_ROWS, *(row[::-1] for row in _ROWS)):
        size = 1
        while place + size < len(text) and text[place : place + size + 1] in row:
            size += 1
        longest = max(longest, size)
    return longest


@cache
def obvious_words() -> frozenset[str]:
    """The list `obvious.txt`, one word a line."""
    text = resources.files("daozhang.identity").joinpath("obvious.txt").read_text("utf-8")
    return frozenset(word for line in text.splitlines() if (word := line.strip()) and not word.startswith("#"))
