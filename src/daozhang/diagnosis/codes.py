"""The failure code that people quote: seven characters of chance and one that checks them, in Crockford's base 32.

No I, L, O or U, so that it survives a telephone; what is read as one of the first three is read as 1 or 0. The check character is
the weighted sum of the others modulo 31, a prime: it catches every single wrong character and every swapped pair of neighbours.
"""

import unicodedata

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 8
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_READ_AS = str.maketrans("ILO", "110")
_PRIME = 31
_LETTERS = ALPHABET[:_PRIME]
"""A code is made of these 31: as many as the prime has rests, so that no two characters weigh the same."""


def make(chance: int) -> str:
    """The code of a random number, of which 34 bits count."""
    letters = []
    for _ in range(LENGTH - 1):
        chance, rest = divmod(chance, _PRIME)
        letters.append(_LETTERS[rest])
    body = "".join(letters)
    return body + _check(body)


def parse(text: str) -> str | None:
    """Read a code as a person writes it: small letters, full width, hyphens and blanks. None when it cannot be one."""
    plain = unicodedata.normalize("NFKC", text[:64]).upper()
    letters = "".join(letter for letter in plain if letter.isalnum()).translate(_READ_AS)
    if len(letters) != LENGTH or any(letter not in _LETTERS for letter in letters):
        return None
    return letters if _check(letters[:-1]) == letters[-1] else None


def shown(code: str) -> str:
    """`7F3K92QX` -> `7F3K-92QX`."""
    return f"{code[:4]}-{code[4:]}"


def _check(body: str) -> str:
    return _LETTERS[sum(place * _VALUES[letter] for place, letter in enumerate(body, 2)) % _PRIME]
