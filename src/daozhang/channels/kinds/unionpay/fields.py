"""The fields of UnionPay's messages as bytes: url-encoded in every POST, plain `k=v&k=v` in every answer.

In an answer nothing is escaped, so a value in braces or brackets may hold `&` and `=` of its own: `a=1&b={c=2&d=3}&e=4` has three
fields. Strict: a field twice, a name of another shape, an open bracket or bytes that are no UTF-8 have no meaning.
"""

import re
from urllib.parse import parse_qsl

from daozhang.channels.strict import MOST_BYTES, Unclear
from daozhang.outbound import forms

Fields = dict[str, str]

MOST_ANSWER = 256 * 1024
_MOST_FIELDS = 100
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}", re.ASCII)
_OPEN, _CLOSE = {"{": "}", "[": "]"}, frozenset("}]")
_BRACKET = re.compile(r"[{}\[\]&]")


def encode(fields: Fields) -> bytes:
    """The body of a POST."""
    return forms.encode(fields.items()).encode("ascii")


def read_form(body: bytes) -> Fields:
    """The fields of a POST to us. Raises `Unclear`."""
    if len(body) > MOST_BYTES:
        raise Unclear(f"above {MOST_BYTES} bytes")
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Unclear("not a url-encoded form in UTF-8") from None
    return _once(pairs)


def read_answer(body: bytes) -> Fields:
    """The fields of an answer to us. Raises `Unclear`."""
    if len(body) > MOST_ANSWER:
        raise Unclear(f"above {MOST_ANSWER} bytes")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Unclear("not UTF-8") from None
    pairs = []
    for part in _parts(text.strip("\r\n")):
        name, mark, value = part.partition("=")
        if not mark:
            raise Unclear("a part without a name")
        pairs.append((name, value))
    return _once(pairs)


def _parts(text: str) -> list[str]:
    """Cut at every `&` that stands outside of brackets. A bracket opens only where a value begins."""
    if "={" not in text and "=[" not in text:
        return text.split("&")[: _MOST_FIELDS + 1]
    parts: list[str] = []
    begin, closers = 0, ""
    for found in _BRACKET.finditer(text):
        letter, at = found.group(), found.start()
        if letter in _OPEN and (closers or text[at - 1 : at] == "="):
            closers += _OPEN[letter]
            if len(closers) > 16:
                raise Unclear("nested too deeply")
        elif letter in _CLOSE and closers:
            if letter != closers[-1]:
                raise Unclear("brackets that do not match")
            closers = closers[:-1]
        elif letter == "&" and not closers:
            parts.append(text[begin:at])
            begin = at + 1
    if closers:
        raise Unclear("an open bracket")
    return [*parts, text[begin:]]


def _once(pairs: list[tuple[str, str]]) -> Fields:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unclear("a field appears twice")
    if len(found) > _MOST_FIELDS:
        raise Unclear(f"more than {_MOST_FIELDS} fields")
    for name, value in found.items():
        if not _NAME.fullmatch(name):
            raise Unclear("a field's name is out of shape")
        if "\0" in value:
            raise Unclear(f"{name} holds NUL")
        if "&" in value and not (value[:1] in _OPEN and value[-1:] == _OPEN[value[0]]):
            # What is signed is not escaped either, so outside of brackets an `&` could be cut into another field.
            raise Unclear(f"{name} holds &")
    return found
