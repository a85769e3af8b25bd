"""What every payment channel looks like from inside the house.

An adapter speaks one protocol. It reads and writes no database; it turns foreign bytes into these values and back.
Foreign results reduce to four words, `unknown` among them: an unknown outcome is shown as "checking", never as failed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec

NOWHERE = 99
"""The handiness of a way to pay where it does not work at all."""


class Outcome(StrEnum):
    """The outcome that a channel's answer gives to the payment or refund it is about."""

    SUCCESS = "success"
    FAILURE = "failure"
    PENDING = "pending"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Native:
    """The channel's own words, kept for staff: code, message, HTTP status, and the trace number of the answer."""

    code: str
    message: str = ""
    http: int | None = None
    trace: str = ""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """Ask a channel to take a payment. Times are UTC; texts hold neither `&` nor `=`.

    `bank` is the bank of the card that the payer named beforehand, if one was named; no channel is told.
    """

    out_trade_no: str
    method: str
    amount_fen: int
    description: str
    expires_at: datetime
    notify_url: str
    client_ip: str = "127.0.0.1"
    payer_openid: str = ""
    return_url: str = ""
    bank: str = ""


@dataclass(frozen=True, slots=True)
class Prepay:
    """Answer to an order. On success `action` says what the payer does next.

    `qr` and `link` hold {"text": ...}, a code to draw or an address to open; `jsapi` a signed dict for WeChat's own bridge; `form`
    {"url": ..., "fields": {name: value}}, which the payer's browser posts to the channel.
    """

    outcome: Outcome
    action: Literal["qr", "link", "jsapi", "form"] | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    reason: str | None = None
    native: Native | None = None


class Report(msgspec.Struct, frozen=True):
    """What one witness says about one payment or refund. Only `recharge/settle` turns it into money.

    `number` is ours (out_trade_no or out_refund_no, exactly as the channel told it), `channel_txn` the channel's own number.
    `merchant` and `app` are compared with the channel row, `amount_fen` and `currency` with the order. `payer` is the channel's
    name for who paid (personal data: it is sealed before it is stored). `bank` is the payer's bank where the channel tells it, as a
    short word in lower case such as `icbc`; `instrument` likewise `credit` for a credit card or line, `debit` for a debit card.
    """

    witness: Literal["notification", "query", "bill"]
    subject: Literal["payment", "refund"]
    channel_id: int
    number: str
    outcome: Outcome
    amount_fen: int | None
    currency: str
    merchant: str
    app: str
    channel_txn: str = ""
    happened_at: datetime | None = None
    payer: str = ""
    native: Native | None = None
    reason: str | None = None
    bank: str = ""
    instrument: str = ""


class Notification(msgspec.Struct, frozen=True):
    """A verified message at a channel's door. `key` is the channel's own number of the message, the same on every re-send.

    Of a kind that asks first, `report` is only a claim: its number is asked about, and what the answer says is settled.
    """

    key: str
    kind: str
    report: Report | None


class Invalid(Exception):
    """The message at the door does not hold: the code is a word for staff (`signature`, `stale`, `signtest`, `malformed` ...)."""

    def __init__(self, code: str, detail: str = "", http: int = 401) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail, self.http = code, detail, http


Opened = Notification | Invalid | None
"""What came of a message that was read with others; None: it has to be read alone, since somebody must be asked first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer to a query, a close or a refund call. `report` is there whenever the channel said something about the payment."""

    outcome: Outcome
    report: Report | None = None
    exists: bool | None = None
    reason: str | None = None
    native: Native | None = None


class Acknowledgement(msgspec.Struct, frozen=True):
    """The HTTP answer to a channel's notification."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Ask for money to go back. The same `out_refund_no` on every retry, persisted before the first call.

    `refunded_fen` is what earlier refunds of the payment gave back for certain, `others_open` that another refund of it has no end
    yet, `again` that an earlier call with this number may have been taken in: a channel without refund numbers is asked how much it
    gave back before it is asked to give, and is asked to give only once.
    """

    out_trade_no: str
    out_refund_no: str
    channel_txn: str
    amount_fen: int
    total_fen: int
    why: str
    notify_url: str
    refunded_fen: int = 0
    again: bool = False
    others_open: bool = False


class Channel(Protocol):
    """One merchant account of one kind. Calls never raise for foreign faults: a fault is an `unknown` outcome.

    A kind may have `read_together(messages) -> list[Opened]` besides, in which each step is done for all of several messages: that
    costs less than one after the other. For each it answers what `read` answers or raises, in order.
    """

    id: int
    kind: str
    merchant: str
    app: str
    methods: tuple[str, ...]
    no_credit: bool
    """The shop takes no credit cards here, and buyers were told so."""

    async def order(self, request: OrderRequest) -> Prepay:
        """Place the order at the channel. Safe to repeat with the same request."""

    async def query(self, out_trade_no: str) -> Answer:
        """What the channel knows of the payment. A payment it does not know answers `exists=False`."""

    async def close(self, out_trade_no: str) -> Answer:
        """Close an unpaid payment. `success` = closed, `failure` = already paid (query it).

        `unknown` with `exists=False`: the channel cannot close what no payer has come to yet, and only the expiry that went with
        the order ends it. A channel without any close answers `unknown` as long as the payment may come, `success` afterwards.
        """

    async def refund(self, request: RefundRequest) -> Answer:
        """Ask for a refund; `pending` = accepted. Safe to repeat with the same number."""

    async def query_refund(self, out_refund_no: str, out_trade_no: str = "") -> Answer:
        """What the channel knows of the refund; `out_trade_no` is our number of the payment it belongs to, when that is known."""

    async def read(self, headers: dict[str, str], body: bytes) -> Notification:
        """Verify the raw message and read it strictly. Header names are lower case. Raises `Invalid`.

        `body` is the raw body of a POST, or the raw query string of a GET, as the kind is notified.
        """

    def acknowledge(self, invalid: Invalid | None) -> Acknowledgement:
        """The channel's own form of yes (None) or no."""

    async def close_connections(self) -> None:
        """Close the connections to the channel."""
