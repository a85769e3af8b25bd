"""What a kind's tests hand to the contract: an adapter, its simulator behind real HTTP, and a door for what it is told.

A kind plugs in with one small file: it derives from `Rig`, says in `Traits` what its channel is like, gives a fixture `rig`, and
takes the contract's tests by a star import.
"""

import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import web
from tests.patience import MOST_S

from daozhang import clock, ids
from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Channel, Invalid, Notification, OrderRequest, Outcome, RefundRequest
from daozhang.outbound import Exchange, Reply, Request, Transport
from daozhang.outbound.lines import Lines

FACTS = ("subject", "number", "outcome", "amount_fen", "currency", "merchant", "app", "channel_txn", "happened_at", "payer")


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What one channel is like where channels differ. The usual answer is the default."""

    method: str
    """The method of the contract's orders: one that is asked of the channel by our server."""
    unseen_is_known: bool = True
    """Whether the channel knows an order before the payer has come to it."""
    closes_unseen: bool = True
    """Whether closing what the channel does not know is as good as closed (else it may still come, and nobody knows)."""
    closes: bool = True
    """Whether the channel has a close at all."""
    shows_closed: bool = True
    """Whether a query tells a closed payment from one that still waits."""
    numbers_refunds: bool = True
    """Whether the channel knows refunds by numbers of ours; else it is asked once, and about the payment afterwards."""
    refund_first: Outcome = Outcome.PENDING
    """The answer to a refund call that was taken in."""
    tells_refunds: bool = True
    """Whether the door hears of refunds."""
    tells_refund_amount: bool = True
    """Whether what the door hears of a refund names the amount of that refund."""
    shows_part_refund: bool = True
    """Whether a query shows that a part went back; else only that all of it did."""
    shows_refunds: bool = True
    """Whether a query of the payment shows refunds at all; where it does not, they are asked after by themselves."""
    facts: tuple[str, ...] = FACTS
    """What callback and query tell alike."""
    silences: tuple[str, ...] = ("hang", "booked_error", "truncate", "garbage", "unsigned", "forge", "empty_503")
    """Faults of the dial that leave us without an answer to believe."""
    wordless: tuple[tuple[str, str], ...] = ()
    """Pairs of point and fault that do nothing there, because the answer has no body."""


@dataclass
class Door:
    """What arrived at the callback door, read by the channel under test."""

    url: str = ""
    channel: Channel | None = None
    read: list[Notification] = field(default_factory=list)
    refused: list[Invalid] = field(default_factory=list)
    raw: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        assert self.channel is not None
        verbs = KINDS[self.channel.kind].notified_by
        assert request.method in (("GET", "POST") if verbs == "EITHER" else (verbs,))
        body = await request.read() if request.method == "POST" else request.rel_url.raw_query_string.encode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.raw.append((headers, body))
        try:
            self.read.append(await self.channel.read(headers, body))
            answer = self.channel.acknowledge(None)
        except Invalid as invalid:
            self.refused.append(invalid)
            answer = self.channel.acknowledge(invalid)
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)


@asynccontextmanager
async def open_door(channel: Channel) -> AsyncIterator[Door]:
    """A merchant's callback door over real HTTP on this machine."""
    opened = Door(channel=channel)
    application = web.Application()
    application.router.add_route("*", "/notify", opened.receive)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    opened.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify"
    try:
        yield opened
    finally:
        await runner.cleanup()


class Rig(ABC):
    """One kind under test. `channel` is its adapter, `door` hears its simulator, `exchanges` are the adapter's own calls."""

    traits: Traits
    channel: Channel
    door: Door
    exchanges: list[Exchange]

    @abstractmethod
    def make(self, **changes: Any) -> Channel:
        """Another adapter for the same merchant: `total_s`, `hosts`, `keys` and the fields of its row may differ."""

    @abstractmethod
    def pay(self, number: str) -> str:
        """The payer pays; the channel's number of the payment."""

    def see(self, number: str) -> None:  # noqa: B027 - where the channel knows every order, looking changes nothing.
        """The payer comes to the payment and does nothing yet."""

    @abstractmethod
    def fault(self, point: str, kind: str, **settings: Any) -> None:
        """Turn the dial."""

    @abstractmethod
    def calm(self) -> None:
        """Everything works again."""

    @abstractmethod
    async def quiet(self) -> None:
        """Every callback is acknowledged or given up, every refund has met its fate."""

    @abstractmethod
    def acknowledged(self) -> int:
        """How many callbacks the channel saw acknowledged."""

    @abstractmethod
    def refunded_fen(self) -> int:
        """What the channel's own books say went back."""

    def wish(self, **changes: Any) -> OrderRequest:
        """A fresh order of 50 yuan."""
        values: dict[str, Any] = {
            "out_trade_no": ids.text26(ids.new_id()),
            "method": self.traits.method,
            "amount_fen": 5000,
            "description": "到账 · 余额充值",
            "expires_at": clock.now() + timedelta(minutes=30),
            "notify_url": self.door.url,
            "client_ip": "203.0.113.9",
            "return_url": "https://shop.example/back/1",
        }
        return OrderRequest(**(values | changes))

    def back(self, order: OrderRequest, txn: str = "", **changes: Any) -> RefundRequest:
        """A refund of an order."""
        values: dict[str, Any] = {
            "out_trade_no": order.out_trade_no,
            "out_refund_no": ids.text26(ids.new_id()),
            "channel_txn": txn,
            "amount_fen": order.amount_fen,
            "total_fen": order.amount_fen,
            "why": "用户申请",
            "notify_url": order.notify_url,
        }
        return RefundRequest(**(values | changes))

    async def placed(self, **changes: Any) -> OrderRequest:
        """An order that the channel has taken in."""
        order = self.wish(**changes)
        assert (await self.channel.order(order)).outcome is Outcome.SUCCESS
        return order

    async def seen(self, **changes: Any) -> OrderRequest:
        """An order that the payer has come to, so that every channel knows it."""
        order = await self.placed(**changes)
        self.see(order.out_trade_no)
        return order


class Patient(Transport):
    """Waits for a channel as long as a busy machine may need; with `total_s` it gives up so long after it asked.

    To reach the channel it has all the time there is, so what is given up was asked for.
    """

    def __init__(self, bases: Iterable[str], *, total_s: float = MOST_S, **other: Any) -> None:
        super().__init__(bases, loopback=True, connect_s=MOST_S, total_s=total_s, **other)

    async def _send(self, base: str, request: Request) -> Reply:
        if base not in self._lines:
            self._lines[base] = Lines(base, self._most_bytes, MOST_S, self._tls)
        lines = self._lines[base]
        lines._give_back(await lines._take())
        return await super()._send(base, request)


_NOBODY: list[socket.socket] = []
"""Ports that are taken and not listened on: whoever knocks is refused, and nobody else gets them."""


def closed_port() -> str:
    """An address where nobody is at home."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    _NOBODY.append(taken)
    return f"http://127.0.0.1:{taken.getsockname()[1]}"
