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

import aiohttp
from yarl import URL

from daozhang.outbound.hosts import ForbiddenHost, PublicResolver, pin

CONNECT_S = 3.0
TOTAL_S = 8.0
MOST_BYTES = 256 * 1024
_CONNECTIONS_PER_HOST = 64


class Fault(Exception):
    """No usable answer came. The text is a word for staff."""

    sent = True


class ConnectFault(Fault):
    """The connection or its TLS failed: the request was never sent."""

    sent = False


class TimeoutFault(Fault):
    """No whole answer within the deadline: the request may have been processed."""


class ReadFault(Fault):
    """The answer broke off, was too large, or was encoded in a way nobody asked for: the request may have been processed."""


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
class Request:
    """What to send. `target` is the path with its query, already encoded: it goes out as it is.

    `trace_header` (lower case) names the header of the answer that carries the other side's own number of this exchange.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    trace_header: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


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
        self._loopback, self._recorder, self._most_bytes, self._tls = loopback, recorder, most_bytes, tls
        self._timeout = aiohttp.ClientTimeout(total=total_s, connect=connect_s, sock_connect=connect_s)
        self._total_s = total_s
        self._session: aiohttp.ClientSession | None = None

    async def send(self, base: str, request: Request, subject: Subject) -> Reply:
        """Send exactly these bytes to `base` and read the whole answer. Raises a `Fault`; `ForbiddenHost` is our own bug."""
        if base not in self._bases or not request.target.startswith("/"):
            raise ForbiddenHost(base)
        started = time.perf_counter()
        reply: Reply | None = None
        result = "cancelled"
        try:
            reply = await self._send(base + request.target, request)
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
        """Let go of every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, url: str, request: Request) -> Reply:
        try:
            async with self._open().request(
                request.method,
                URL(url, encoded=True),
                headers={**request.headers, "Accept-Encoding": "identity"},
                data=request.body or None,
                allow_redirects=False,
            ) as answer:
                if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise ReadFault("encoded body")
                content = await self._read(answer)
                return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, content)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as fault:
            raise ConnectFault(type(fault).__name__) from fault
        except TimeoutError as fault:
            raise TimeoutFault(f"no answer within {self._total_s:g} s") from fault
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            raise ReadFault(type(fault).__name__) from fault

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in answer.content.iter_any():
            size += len(part)
            if size > self._most_bytes:
                raise ReadFault(f"body above {self._most_bytes} bytes")
            parts.append(part)
        return b"".join(parts)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit_per_host=_CONNECTIONS_PER_HOST,
                resolver=None if self._loopback else PublicResolver(),
                ssl=self._tls or True,
                ttl_dns_cache=60,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                loop=asyncio.get_running_loop(),
            )
        return self._session
