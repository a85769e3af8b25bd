"""Forms and query strings (`application/x-www-form-urlencoded`) for those who handle thousands a second.

The results are those of `urllib.parse`; what needs no escaping, which is most of a channel's fields, is not gone through letter by
letter. Source of the form: the URL standard, section 5.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote_plus, unquote_plus

_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*", re.ASCII)


def quoted(text: str, safe: str = "") -> str:
    """One name or value as it stands in a form, in UTF-8; the letters in `safe` stay as they are."""
    return text if _PLAIN.fullmatch(text) else quote_plus(text, safe=safe)


def unquoted(encoded: str) -> str:
    """What one name or value of a form says; bytes that are no UTF-8 become U+FFFD."""
    if "%" not in encoded:
        return encoded.replace("+", " ") if "+" in encoded else encoded
    return unquote_plus(encoded)


def encode(pairs: Iterable[tuple[str, str]], safe: str = "") -> str:
    """A form or query string, in the order given."""
    return "&".join(f"{quoted(name, safe)}={quoted(value, safe)}" for name, value in pairs)


def split(encoded: str, most: int) -> list[tuple[str, str]]:
    """Names and values, still encoded. Raises `ValueError` for more than `most` of them and for a part without `=`."""
    parts = encoded.split("&", most)
    if len(parts) > most:
        raise ValueError("too many fields")
    pairs = [part.partition("=") for part in parts]
    if not all(mark for _, mark, _ in pairs):
        raise ValueError("a part without =")
    return [(name, value) for name, _, value in pairs]
