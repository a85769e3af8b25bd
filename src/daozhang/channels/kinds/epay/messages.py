"""What an operator says of an order, read into the port's values. Every field is checked; nothing is guessed from a missing one.

Source: the published answers of `api.php?act=order` (V1) and `pay/query` (V2), which name the same fields.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from daozhang import clock, ids
from daozhang.channels.kinds.epay.caller import clip, word_of
from daozhang.channels.kinds.epay.dialects import Dialect
from daozhang.channels.native import native_codes
from daozhang.channels.port import Native, Outcome, Report
from daozhang.channels.strict import Unclear
from daozhang.clock import SHANGHAI
from daozhang.money import MalformedAmount, parse_yuan

_UNPAID = "0"
_NUMBER = re.compile(r"[0-9A-Za-z._|-]{1,64}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
# An `&` or `=` inside a text that is signed could be cut into other fields, and operators turn the others into HTML entities.
_SAFE = str.maketrans({"&": "＆", "=": "＝", "<": "＜", ">": "＞", '"': "＂", "'": "＇"})
_NAME_MOST_BYTES = 127


@dataclass(frozen=True, slots=True)
class Known:
    """An order as the operator knows it. `given_fen` is what went back: None when something did and nobody says how much."""

    report: Report
    given_fen: int | None


def known_order(told: dict[str, Any], number: str, channel: tuple[int, str, str], dialect: Dialect, returned: str) -> Known:
    """Read an order out of a query's answer; `channel` is (id, merchant, app). Raises `Unclear`, also when it is about another.

    The money counts whatever the type of payment: a payer may be offered another one at the operator's own cashier.
    """
    channel_id, merchant, app = channel
    if word_of(told, "out_trade_no", 64) != number:
        raise Unclear("it is about another number")
    pid = word_of(told, "pid", 64, optional=not dialect.tells_pid) or merchant
    status = dialect.states.get(word_of(told, "status", 32))
    if status is None:
        raise Unclear("status is not one of the operator's")
    meaning = native_codes("epay").read("state", f"status:{status}")
    outcome, reason = meaning.outcome, meaning.reason if status != "1" else None
    paid = outcome is Outcome.SUCCESS
    if status == _UNPAID and too_old(number, dialect):
        outcome, reason = Outcome.FAILURE, "operation.order_closed"
    amount_fen = fen_of(told, "money")
    report = Report(
        witness="query",
        subject="payment",
        channel_id=channel_id,
        number=number,
        outcome=outcome,
        amount_fen=amount_fen,
        currency="CNY",
        merchant=pid,
        app=app,
        channel_txn=number_of(told, "trade_no"),
        happened_at=_moment(told.get("endtime")) if paid else None,
        payer=clip(told.get("buyer"), 128) if paid else "",
        native=Native(f"status:{status}"),
        reason=reason,
    )
    return Known(report, _given_fen(told, status, returned, amount_fen))


def _given_fen(told: dict[str, Any], status: str, returned: str, amount_fen: int) -> int | None:
    if returned and told.get(returned) not in (None, ""):
        given_fen = fen_of(told, returned)
        return given_fen if given_fen <= amount_fen else None
    # Status 2 says that money went back; without a sum it was all of it, or nobody tells. V2 leaves the sum out only for all of it.
    return None if status == "2" else 0


def too_old(number: str, dialect: Dialect) -> bool:
    """Whether an order of ours was made so long ago that nothing at the operator can be paid any more.

    V1 has no close, so time is the only end; the number itself tells when it was made. Money that comes later is still money.
    """
    identifier = ids.parse26(number)
    return identifier is not None and clock.now() - ids.made_at(identifier) > dialect.payable()


def number_of(told: dict[str, Any], name: str) -> str:
    """An operator's number: letters, digits and `. _ | -`. Raises `Unclear`."""
    value = word_of(told, name, 64)
    if not _NUMBER.fullmatch(value):
        raise Unclear(f"{name} is not a number")
    return value


def fen_of(told: dict[str, Any], name: str) -> int:
    """An amount in yuan, as fen. Operators write `1`, `1.0`, `1.00` or a bare JSON number. Raises `Unclear`; never rounds."""
    value = told.get(name)
    text = repr(value) if type(value) in (int, float) else value
    if type(text) is str:
        try:
            return strict_fen(text)
        except MalformedAmount:
            pass
    raise Unclear(f"{name} is not an amount")


def strict_fen(text: str) -> int:
    """Yuan as operators write them, as fen: no zero in front, no sign, no exponent. Raises `MalformedAmount`."""
    if len(text) > 1 and text[0] == "0" and text[1] != ".":
        raise MalformedAmount(text[:32])
    return parse_yuan(text)


def safe_name(text: str) -> str:
    """What the payer is told to pay for: one line, nothing that could be cut into other fields, at most 127 bytes."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split()).translate(_SAFE)
    return plain.encode("utf-8", "ignore")[:_NAME_MOST_BYTES].decode("utf-8", "ignore") or "充值"


def _moment(value: object) -> datetime | None:
    """When it was paid, in Shanghai's time without a zone. None when it is not told in this form: then we heard of it now."""
    if type(value) is str and _TIME.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value).replace(tzinfo=SHANGHAI).astimezone(UTC)
        except ValueError:
            return None
        return moment if moment < clock.now() + timedelta(days=1) else None
    return None
