"""Read foreign JSON strictly: one meaning or none.

Refused: duplicate keys (two readers would see two messages), NaN and Infinity, fractions where a protocol has none are left to the
reader of the field, deep nesting, invalid UTF-8, lone surrogates and NUL (PostgreSQL takes neither), and anything above the limit.
"""

import json
import re
from typing import Any

import msgspec

MOST_BYTES = 64 * 1024
_MOST_OPENINGS = 256
"""Brackets of a whole message; it bounds the depth before anything is parsed."""


class Unclear(ValueError):
    """The bytes are not one clear JSON object. The text says what is wrong, and holds nothing of the message."""


def read_object(body: bytes, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """Read one JSON object. Raises `Unclear`."""
    if len(body) > most_bytes:
        raise Unclear(f"above {most_bytes} bytes")
    if body.count(b"{") + body.count(b"[") > _MOST_OPENINGS:
        raise Unclear("nested too deeply")
    if b"\\" not in body:
        # What a second writer gives back byte for byte had no key twice and nothing that is not JSON; that costs a fifth.
        try:
            value = msgspec.json.decode(body)
            if type(value) is dict and msgspec.json.encode(value) == body:
                return value
        except (ValueError, RecursionError):
            pass
    return _read_slowly(body)


def _read_slowly(body: bytes) -> dict[str, Any]:
    try:
        value = _DECODER.decode(body.decode())
        if b"\\u" in body:
            # Only an escape can bring in a lone surrogate, which UTF-8 cannot hold.
            json.dumps(value, ensure_ascii=False).encode()
    except Unclear:
        raise
    except (ValueError, RecursionError):
        raise Unclear("not valid JSON") from None
    if type(value) is not dict or b"\\u0000" in body:
        raise Unclear("not an object, or NUL in a text")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unclear("a key appears twice")
    return found


def _refuse(_: str) -> Any:
    raise Unclear("a number that is not one")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)


def text_of(holder: dict[str, Any], name: str, most: int, *, optional: bool = False) -> str:
    """A text of 1 to `most` characters; `optional` lets it be absent, null or empty and answers ''. Raises `Unclear`."""
    value = holder.get(name)
    if type(value) is str and 0 < len(value) <= most:
        return value
    if optional and value in (None, ""):
        return ""
    raise Unclear(f"{name} is not a text of 1 to {most} characters")


def whole_of(holder: dict[str, Any], name: str, most: int = 10**12) -> int:
    """A whole number from 0 to `most`, written as an integer (not 1.0, not "1", not true). Raises `Unclear`."""
    value = holder.get(name)
    if type(value) is int and 0 <= value <= most:
        return value
    raise Unclear(f"{name} is not a whole number")


def object_of(holder: dict[str, Any], name: str) -> dict[str, Any]:
    """An object. Raises `Unclear`."""
    value = holder.get(name)
    if type(value) is dict:
        return value
    raise Unclear(f"{name} is not an object")


def named_field(fault: msgspec.ValidationError) -> str:
    """Which field of a settings file a validation error is about; `file` when it is about the whole. Shows no value."""
    found = re.search(r"at `\$\.([A-Za-z0-9_]+)", str(fault)) or re.search(r"field `([A-Za-z0-9_]+)`", str(fault))
    return found[1] if found else "file"
