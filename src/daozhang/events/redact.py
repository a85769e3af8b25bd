"""Take secrets and personal data out of a message before it is kept for staff.

Two nets, because a channel may put anything anywhere: fields whose name says that they are secret are dropped whole, and whatever
looks like a key, a phone number, a card or an identity number is dropped from every other text. What cannot be understood goes
through the second net as plain text. It rather drops too much: the log is for reading, the truth is elsewhere.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec

from daozhang.outbound import forms

HIDDEN = "***"
MOST_BYTES = 8192
_MOST_PARSED_BYTES = 256 * 1024
_MOST_TEXT = 32 * 1024
_DEEPEST = 40
_MOST_FIELDS = 200

_SECRET_NAME = re.compile(
    r"authori[sz]ation|cookie|signature|(^|[_-])sign$|paysign|secret|passw|token|openid|unionid|cipher|(^|[_-])pwd"
    r"|(^|[_-])key$|private_?key|api_?v[23]_?key|encrypt_certificate|certificate$|pem$"
    r"|card|acc_?no|bank_?account|real_?name|payer_?name|id_?(no|number)|identity"
    r"|phone|mobile|(^|[_-])tel(ephone)?$|e?mail|cvv|cvn2"
    r"|(^|[_-])buyer$|buyer_(id|logon|open)|buyer_user|prepay_id",
    re.IGNORECASE,
)
_HARMLESS_NAME = frozenset({"sign_type", "signtype", "signature_type", "wechatpay-signature-type", "wechatpay-serial"})

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----[^-]*(?:-----END [A-Z0-9 ]{1,40}-----)?")
_QUOTED = re.compile(r'((?:signature|sign|paysign|nonce_str|openid)\s*=\s*)"[^"]{0,20000}"', re.IGNORECASE)
_AUTHORIZATION = re.compile(r"\b(WECHATPAY2-SHA256-RSA2048|Bearer|Basic)\s+[^\r\n]{1,20000}", re.IGNORECASE)
_OPENID = re.compile(r"(?<![A-Za-z0-9_-])o[A-Za-z0-9_-]{27}(?![A-Za-z0-9_-])")
_IDENTITY = re.compile(r"(?<![0-9])[1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9Xx](?![0-9])")
_PHONE = re.compile(r"(?<![0-9])(?:\+?86[ -]?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}(?![0-9])")
_CARD = re.compile(r"(?<![0-9])(?<!wx)[3-9][0-9]{3}(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,7}(?![0-9])")
_KEY = re.compile(
    r"(?<![A-Za-z0-9+/=_-])(?:[A-Za-z0-9]{32}|[0-9A-Fa-f]{64}|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/_-]{86,}={0,2})(?![A-Za-z0-9+/=_-])"
)
_ELEMENT = re.compile(r"<([A-Za-z_][\w.-]{0,60})>(?:<!\[CDATA\[)?[^<]{0,20000}</\1>")
_LONG_WORD, _LONG_NUMBER = re.compile(r"[A-Za-z0-9+/_-]{28}"), re.compile(r"[0-9][0-9 -]{10}")
_SHORTEST_SECRET = 9
_FOREIGN_DIGIT = re.compile(r"[^\D0-9]")
_TRACE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

_MOST_KNOWN, _LONGEST_KNOWN = 2_048, 128
_plain_names: dict[str, tuple[str, bool]] = {}
_plain_values: dict[str, str] = {}
"""What is said to a channel is the same most of the time, so its words are remembered: only those of which nothing had to be
dropped, which stand in the log anyway. What looks secret or personal is looked at anew each time and stays nowhere."""


def text(raw: str) -> str:
    """Plain text with everything dropped that looks like a secret or like personal data."""
    if len(raw) < _SHORTEST_SECRET:
        return raw.replace("\0", "")
    plain = raw[:_MOST_TEXT]
    if not plain.isascii():
        # A phone number in full-width or Arabic digits is still a phone number.
        plain = _FOREIGN_DIGIT.sub(lambda match: str(unicodedata.digit(match.group())), plain)
    # Each pattern costs more than the cheap look before it, which lets nothing pass that the pattern would drop.
    if "-----BEGIN" in plain:
        plain = _PEM.sub(HIDDEN, plain)
    low = plain.lower()
    if "bearer" in low or "basic" in low or "wechatpay2" in low:
        plain = _AUTHORIZATION.sub(rf"\1 {HIDDEN}", plain)
    if "=" in plain and '"' in plain:
        plain = _QUOTED.sub(rf'\1"{HIDDEN}"', plain)
    if _LONG_WORD.search(plain):
        plain = _OPENID.sub(HIDDEN, _KEY.sub(HIDDEN, plain))
    if _LONG_NUMBER.search(plain):
        for pattern in (_IDENTITY, _PHONE, _CARD):
            plain = pattern.sub(HIDDEN, plain)
    return plain


def headers(given: Mapping[str, str]) -> str:
    """Headers, one a line."""
    return "\n".join(f"{_seen(name)[0]}: {_header(name, value)}" for name, value in given.items())


def trace(raw: str) -> str:
    """The channel's own number of an exchange; kept when it is one word that is not itself a phone, card or identity number."""
    if _TRACE.fullmatch(raw) and not any(pattern.fullmatch(raw) for pattern in (_IDENTITY, _PHONE, _CARD, _OPENID)):
        return raw
    return bounded(text(raw), 128)


def body(raw: bytes) -> str:
    """A body of any kind: JSON and forms field by field, all else as text."""
    if not raw:
        return ""
    plain = raw[:_MOST_PARSED_BYTES].decode("utf-8", "replace")
    if len(raw) <= _MOST_PARSED_BYTES:
        if plain.lstrip()[:1] in ("{", "["):
            try:
                return _json(plain, 0)
            except (ValueError, RecursionError):
                return text(plain)
        if _looks_like_a_form(plain):
            return query(plain)
    return text(_xml(plain[:_MOST_TEXT]))


def query(encoded: str) -> str:
    """A query string or form body, decoded for the look and encoded again."""
    try:
        pairs = forms.split(encoded, _MOST_FIELDS)
    except ValueError:
        return text(encoded)
    told = []
    for name, value in pairs:
        shown, secret = _field(name)
        told.append(f"{shown}={HIDDEN if secret else _told(value)}")
    return "&".join(told)


def url(raw: str) -> str:
    """An address with its query redacted."""
    address, mark, encoded = raw.partition("?")
    return text(address) + (mark + query(encoded) if mark else "")


def bounded(plain: str, most_bytes: int = MOST_BYTES) -> str:
    """Cut to at most so many bytes of UTF-8 without splitting a character, and say so."""
    encoded = plain.replace("\0", "").encode("utf-8", "replace")
    if len(encoded) <= most_bytes:
        return encoded.decode()
    mark = f" …[{len(encoded)} bytes]"
    return encoded[: most_bytes - len(mark.encode())].decode("utf-8", "ignore") + mark


def _header(name: str, value: str) -> str:
    if name.casefold() in _HARMLESS_NAME and _TRACE.fullmatch(value):
        return value
    return HIDDEN if _seen(name)[1] else text(value)


def _json(plain: str, depth: int) -> str:
    """A text of JSON, looked at field by field. Raises `ValueError` and `RecursionError` for what is none."""
    try:
        # A tenth of what the library of the language takes; what it refuses (a lone surrogate, a huge number) may be JSON yet.
        return msgspec.json.encode(_value(msgspec.json.decode(plain), depth)).decode()
    except (ValueError, TypeError):
        return json.dumps(_value(json.loads(plain), depth), ensure_ascii=False, separators=(",", ":"))


def _value(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return HIDDEN
    if isinstance(value, dict):
        named = [(_seen(name), inner) for name, inner in value.items()]
        return {name: HIDDEN if secret and inner else _value(inner, depth + 1) for (name, secret), inner in named}
    if isinstance(value, list):
        return [_value(inner, depth + 1) for inner in value]
    if isinstance(value, str):
        return _nested(value, depth)
    if isinstance(value, int | float) and not isinstance(value, bool):
        digits = str(value)
        return value if text(digits) == digits else HIDDEN
    return value


def _nested(value: str, depth: int) -> str:
    # Channels put JSON into JSON strings (attach, detail), and names decide there too.
    if value[:1] in ("{", "[") and value[-1:] in ("}", "]"):
        try:
            return _json(value, depth + 1)
        except (ValueError, RecursionError):
            return text(value)
    return text(value)


def _xml(plain: str) -> str:
    if plain.lstrip()[:1] != "<":
        return plain
    return _ELEMENT.sub(lambda match: f"<{match[1]}>{HIDDEN}</{match[1]}>" if _seen(match[1])[1] else match[0], plain)


def _looks_like_a_form(plain: str) -> bool:
    head = plain.split("=", 1)[0]
    return "=" in plain and 0 < len(head) <= 64 and head.isascii() and not any(letter in head for letter in " <>\r\n\"'")


def _seen(name: str) -> tuple[str, bool]:
    """A name as the log shows it, and whether what it names is secret."""
    known = _plain_names.get(name)
    if known is not None:
        return known
    shown = text(name)
    seen = shown, name.casefold() not in _HARMLESS_NAME and _SECRET_NAME.search(name) is not None
    if shown == name:
        _remember(_plain_names, name, seen)
    return seen


def _field(encoded: str) -> tuple[str, bool]:
    """A field's name as a form shows it, and whether its value is secret."""
    shown, secret = _seen(forms.unquoted(encoded))
    return forms.quoted(shown, "*"), secret


def _told(encoded: str) -> str:
    """A value as a form shows it."""
    known = _plain_values.get(encoded)
    if known is not None:
        return known
    plain = forms.unquoted(encoded)
    shown = _nested(plain, 0)
    if shown != plain or not encoded.isascii():
        return forms.quoted(shown, "*")
    # Nothing was dropped, so it may stand as it came: what it says is what was looked at, letter by letter.
    _remember(_plain_values, encoded, encoded)
    return encoded


def _remember(known: dict[str, Any], word: str, seen: Any) -> None:
    if len(word) <= _LONGEST_KNOWN:
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[word] = seen
