"""The one way out: deadlines, TLS verification, no redirects, bounded bodies, pinned hosts, and a record of every exchange.

What went wrong is told apart by one question, because it decides what may be done next: was the request possibly processed?
`ConnectFault` says it was never sent; `TimeoutFault` and `ReadFault` say nobody knows.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from daozhang.outbound.hosts import ForbiddenHost, pin
from daozhang.outbound.lines import Lines
from daozhang.outbound.message import Fault, ReadFault, Reply, Request, TimeoutFault

CONNECT_S = 3.0
TOTAL_S = 8.0
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Subject:
    """What an exchange is about, for the record."""

    shop_id: int
    channel_id: int
    operation: str
    attempt_id: UUID | None = None
    refund_id: UUID | None = None
    order_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what became of it, as the recorder gets it: raw, to be redacted before it is kept."""

    subject: Subject
    direction: Literal["out", "in"]
    method: str
    url: str
    request_headers: Mapping[str, str] = field(repr=False)
    request_body: bytes = field(repr=False)
    reply: Reply | None
    result: str
    duration_us: int
    trace: str = ""


class Transport:
    """Calls a fixed set of hosts. One per channel; connections are kept open between calls.

    `bases` such as `https://api.example.com` are the only places it calls; `loopback` allows this machine over plain http.
    """

    def __init__(
        self,
        bases: Iterable[str],
        *,
        loopback: bool = False,
        recorder: Callable[[Exchange], None] | None = None,
        connect_s: float = CONNECT_S,
        total_s: float = TOTAL_S,
        most_bytes: int = MOST_BYTES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Opens nothing yet. Raises `ForbiddenHost` for a base it may never call. `tls` is for tests with their own authority."""
        self._bases = pin(bases, loopback=loopback)
        self._recorder, self._most_bytes, self._tls = recorder, most_bytes, tls
        self._connect_s, self._total_s = min(connect_s, total_s), total_s
        self._lines: dict[str, Lines] = {}

    async def send(self, base: str, request: Request, subject: Subject) -> Reply:
        """Send exactly these bytes to `base` and read the whole answer. Raises a `Fault`; `ForbiddenHost` is our own bug."""
        if base not in self._bases or not request.target.startswith("/"):
            raise ForbiddenHost(base)
        started = time.perf_counter()
        reply: Reply | None = None
        result = "cancelled"
        try:
            reply = await self._send(base, request)
            result = "answered"
        except Fault as fault:
            result = f"{type(fault).__name__}: {fault}"
            raise
        finally:
            if self._recorder is not None:
                trace = reply.headers.get(request.trace_header, "") if reply is not None else ""
                spent_us = int((time.perf_counter() - started) * 1_000_000)
                url, headers, body = base + request.target, request.headers, request.body
                self._recorder(Exchange(subject, "out", request.method, url, headers, body, reply, result, spent_us, trace))
        return reply

    async def close(self) -> None:
        """Close every connection."""
        lines, self._lines = self._lines, {}
        for each in lines.values():
            each.close()

    async def _send(self, base: str, request: Request) -> Reply:
        lines = self._lines.get(base)
        if lines is None:
            lines = self._lines[base] = Lines(base, self._most_bytes, self._connect_s, self._tls)
        try:
            async with asyncio.timeout(self._total_s):
                return await lines.exchange(request)
        except TimeoutError as fault:
            raise TimeoutFault(f"no answer within {self._total_s:g} s") from fault
        except (OSError, ValueError) as fault:
            raise ReadFault(type(fault).__name__) from fault
