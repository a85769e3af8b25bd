"""What arrives at an Epay door: a query string (or a form) that anybody may send. Read strictly, verified, and still only a claim.

With V1 the signature proves little: the same key signs our own orders, and the browser of whoever pays gets the very same message.
So each field may come once, none but the published ones, none that could be cut into others; and the operator is asked before
anything is booked. Source: the operators' page on notifications.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from daozhang import clock
from daozhang.channels.kinds.epay.dialects import Dialect
from daozhang.channels.kinds.epay.messages import strict_fen
from daozhang.channels.kinds.epay.signing import Signing
from daozhang.channels.port import Acknowledgement, Invalid, Native, Notification, Outcome, Report
from daozhang.money import MalformedAmount

FRESH_S = 300
MOST_BYTES = 8 * 1024
_MOST_FIELDS = 20

_SHARED = frozenset({"pid", "trade_no", "out_trade_no", "type", "name", "money", "trade_status", "param", "sign", "sign_type"})
_ALLOWED = {"MD5": _SHARED, "RSA": _SHARED | {"api_trade_no", "buyer", "timestamp"}}
_NEEDED = ("pid", "trade_no", "out_trade_no", "type", "money", "trade_status")
_NUMBER = re.compile(r"[0-9A-Za-z._|-]{1,64}", re.ASCII)
_STAMP = re.compile(r"[0-9]{10}", re.ASCII)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|#0?39);", re.ASCII)
_ESCAPES = re.compile(rb"%(?![0-9A-Fa-f]{2})")

YES, NO = b"success", b"fail"


class Reader:
    """Reads the messages of one channel: its id, merchant, label and type of payment, its keys and its operator's dialect."""

    def __init__(self, channel: tuple[int, str, str], kind_of_payment: str, signing: Signing, dialect: Dialect) -> None:
        self._channel, self._type, self._signing, self._dialect = channel, kind_of_payment, signing, dialect

    def read(self, body: bytes) -> Notification:
        """Verify and read one message. Raises `Invalid`; nothing unverified is interpreted."""
        if len(body) > MOST_BYTES:
            raise Invalid("too_large", http=413)
        fields = read_fields(body, _ALLOWED[self._signing.word])
        self._verify(fields)
        for name in _NEEDED:
            if not fields.get(name):
                raise Invalid("malformed", f"{name} is missing", 400)
        channel_id, merchant, app = self._channel
        if fields["pid"] != merchant:
            # An operator of V2 has one key for all its merchants, so a true signature alone does not say that it is for us.
            raise Invalid("foreign", "pid of another merchant")
        if fields["type"] != self._type:
            raise Invalid("foreign", "another type of payment")
        if fields.get("param") and not self._dialect.param:
            raise Invalid("malformed", "param, which was never sent", 400)
        if not _NUMBER.fullmatch(fields["trade_no"]) or not _NUMBER.fullmatch(fields["out_trade_no"]):
            raise Invalid("malformed", "a number is out of shape", 400)
        try:
            amount_fen = strict_fen(fields["money"])
        except MalformedAmount:
            raise Invalid("malformed", "money is not an amount", 400) from None
        word = fields["trade_status"]
        key = f"{fields['trade_no']}:{word[:32]}"
        if word not in self._dialect.paid_words:
            return Notification(key, word[:32], None)
        report = Report(
            witness="notification",
            subject="payment",
            channel_id=channel_id,
            number=fields["out_trade_no"],
            outcome=Outcome.SUCCESS,
            amount_fen=amount_fen,
            currency="CNY",
            merchant=fields["pid"],
            app=app,
            channel_txn=fields["trade_no"],
            payer=fields.get("buyer", "")[:128],
            native=Native(word),
        )
        return Notification(key, word, report)

    def _verify(self, fields: Mapping[str, str]) -> None:
        if not fields.get("sign"):
            raise Invalid("unsigned")
        if fields.get("sign_type", self._signing.word) != self._signing.word:
            raise Invalid("sign_type", "the way of signing is chosen by the channel, not by a message")
        if not self._signing.holds(fields, fields["sign"]):
            raise Invalid("signature")
        if self._signing.word == "RSA":
            stamp = fields.get("timestamp", "")
            if not _STAMP.fullmatch(stamp):
                raise Invalid("malformed", "timestamp", 400)
            if abs(clock.now_s() - int(stamp)) > FRESH_S:
                raise Invalid("stale", f"signed at {stamp}")


def read_fields(body: bytes, allowed: frozenset[str]) -> dict[str, str]:
    """Cut a query string into its fields. Raises `Invalid`.

    Each name once and in its plain spelling (`sign[]` is none), each value proper UTF-8 without `&`, `=` or control characters; the
    name of the goods may hold the HTML entities that operators put there.
    """
    fields: dict[str, str] = {}
    parts = body.split(b"&")
    if len(parts) > _MOST_FIELDS:
        raise Invalid("malformed", "too many fields", 400)
    for part in parts:
        name_raw, mark, value_raw = part.partition(b"=")
        name = name_raw.decode("latin-1")
        if not mark or name not in allowed:
            raise Invalid("malformed", "a field that does not belong here", 400)
        if name in fields:
            raise Invalid("malformed", f"{name} is there twice", 400)
        fields[name] = _value(name, value_raw)
    return fields


def acknowledge(invalid: Invalid | None) -> Acknowledgement:
    """Yes is the word `success`. Operators take any body that holds it for a yes, whatever the status: no other answer may."""
    if invalid is None:
        return Acknowledgement(200, YES, "text/plain")
    return Acknowledgement(invalid.http, NO, "text/plain")


def _value(name: str, raw: bytes) -> str:
    if b"=" in raw or _ESCAPES.search(raw):
        raise Invalid("malformed", f"{name} is not encoded", 400)
    try:
        value = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise Invalid("malformed", f"{name} is not UTF-8", 400) from None
    plain = _ENTITY.sub("", value) if name == "name" else value
    # Base64 ends in `=`, and nothing of a signature goes into the signed text.
    if "&" in plain or ("=" in plain and name != "sign") or not value.isprintable():
        raise Invalid("malformed", f"{name} holds what could be cut into other fields", 400)
    return value
