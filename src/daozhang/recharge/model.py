"""What a recharge is made of, as values that other rooms may hold."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import msgspec

from daozhang.policy.model import Decision


class Basket(msgspec.Struct, frozen=True):
    """A wish to buy: so many pieces of a good, at the price that the buyer saw. `balance_fen` of it is paid from the balance.

    `target` is the account that a direct top-up goes to.
    """

    goods_id: int
    count: int
    price_fen: int
    balance_fen: int = 0
    target: str = ""

    def __repr__(self) -> str:
        """The wish for hashes and logs: whom it is for is told by a digest alone."""
        whom = f", target={sha256(self.target.encode()).hexdigest()[:32]}" if self.target else ""
        of = f"goods_id={self.goods_id}, count={self.count}, price_fen={self.price_fen}, balance_fen={self.balance_fen}"
        return f"Basket({of}{whom})"


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """A wish to recharge, as a door hands it in.

    `key` is the client's idempotency key: 8 to 64 printable ASCII characters, made before the first send.
    """

    shop_id: int
    user_id: int
    amount_fen: int
    channel_id: int
    method: str
    key: str
    page_version: str
    client_ip: str
    device_id: str = ""
    payer_openid: str = ""
    locale: Literal["zh", "en"] = "zh"
    bank: str | None = None
    instrument: str | None = None
    """What the payer says of the card (`limits/model.py`): then the limits of its bank are held too. None = nothing was said."""
    agreement: int | None = None
    """The version of the service agreement that was ticked; None = nothing was."""
    sure_fen: int | None = None
    """The amount that the payer was asked about and said yes to."""
    basket: Basket | None = None
    """What the money is for, if not the wallet: then `amount_fen` is the channel's part of its price."""
    currency: str | None = None
    """What the payer would pay in, where the door was told; None = yuan, as everybody does."""
    offer: int | None = None
    """The campaign whose bonus is chosen."""
    coupon: str = ""
    """The coupon's code, as it was typed or chosen."""
    for_goods: bool = False
    """The order is for a purchase that was set aside before: it is tried again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an order's timeline. `what` is a text key such as `order.paid`; facts fill it."""

    at: datetime
    what: str
    actor: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as its owner may see it. `meaning` is the outward word of the state: what happened to the money.

    `money`: `none` (nothing was taken), `checking` (we do not know yet: do not pay again), `received` (held or misfit),
    `credited`, `returning`, `returned`.
    """

    id: UUID
    shown: str
    user_id: int
    state: str
    money: Literal["none", "checking", "received", "credited", "returning", "returned"]
    terminal: bool
    amount_fen: int
    refunded_fen: int
    channel_id: int
    kind: str
    method: str
    created_at: datetime
    expires_at: datetime | None
    credited_at: datetime | None
    action: Literal["qr", "link", "jsapi", "form"] | None
    payload: dict[str, Any]
    reason: str | None
    reason_facts: dict[str, Any]
    native_code: str
    channel_txn: str
    anomalies: tuple[str, ...]
    verdicts: tuple[dict[str, Any], ...]
    steps: tuple[Step, ...]
    version: int
    refunds: tuple["RefundView", ...] = ()
    payouts: tuple["Payout", ...] = ()
    paid_fen: int | None = None
    """What was paid, where a payment was booked for the order."""
    purpose: str = "wallet"
    """What the money is for: `wallet`, or `purchase`."""
    payload_until: datetime | None = None
    """Until when the payload opens the payment, where that ends before the payment itself does."""

    @property
    def going_fen(self) -> int:
        """What of `refunded_fen` is still on its way: it may come back to the balance."""
        return sum(each.amount_fen for each in self.refunds if each.origin == "cash" and each.state in ("reserved", "sent"))

    @property
    def gone_fen(self) -> int:
        """What of it has arrived where it came from."""
        return self.refunded_fen - self.going_fen

    @property
    def for_goods(self) -> bool:
        """Whether it pays for goods, and they were not gone when the money came."""
        return self.purpose == "purchase" and "undelivered" not in self.anomalies


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order in a list."""

    id: UUID
    shown: str
    state: str
    money: str
    amount_fen: int
    refunded_fen: int
    kind: str
    created_at: datetime
    reason: str | None
    purpose: str = "wallet"


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for among orders: states (none = any), and an amount."""

    states: tuple[str, ...] = ()
    amount_fen: int | None = None


EVERYTHING = Sought()


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt as its order's owner may see it."""

    id: UUID
    kind: str
    method: str
    state: str
    reason: str
    native_code: str
    created_at: datetime
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class RefundView:
    """A refund. `state`: reserved, sent, done, failed.

    `origin` says what money it is: `cash` (credited before), `review` (held), `suspense` (paid twice or another amount). `kind` and
    `instrument` are where the payment came from, which decides how long it takes.
    """

    id: UUID
    order_id: UUID | None
    state: str
    amount_fen: int
    created_at: datetime
    moved_at: datetime
    reason: str | None
    origin: str = "cash"
    kind: str = ""
    why: str = ""
    waits: bool = False
    """Whether a person was told of it and nobody has resolved that yet; known where the refunds of an order are read."""


@dataclass(frozen=True, slots=True)
class Payout:
    """Money paid back by hand, as its user may see it. `tail` is the end of the account's number."""

    state: str
    amount_fen: int
    tail: str
    created_at: datetime
    moved_at: datetime
    reference: str | None


@dataclass(frozen=True, slots=True)
class Considered:
    """One way to pay as the checks judge it at a moment; asking had no effect."""

    channel_id: int
    kind: str
    method: str
    decision: Decision
    at: datetime
