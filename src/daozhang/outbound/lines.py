"""The connections to one base: kept open between exchanges, at most so many at once, and each caller waits for its turn."""

import asyncio
import ssl
from functools import cache
from urllib.parse import urlsplit

from daozhang.outbound.hosts import PublicResolver, is_loopback
from daozhang.outbound.line import GoneBefore, Line, written
from daozhang.outbound.message import ConnectFault, Reply, Request

MOST_CONNECTIONS = 64
IDLE_S = 15.0
"""A connection that rested for longer is not used again: the other side may be about to close it."""
NAMES_KEPT_S = 60.0
LEAST_S = 1.0
"""What each address of a name is given to answer, however many there are; all of them together have the time to connect."""


class Lines:
    """See the module. Its base has been checked by `hosts.pin`; `tls` is for tests with their own authority."""

    def __init__(self, base: str, most_bytes: int, connect_s: float, tls: ssl.SSLContext | None) -> None:
        """Opens nothing yet."""
        parts = urlsplit(base)
        self.host = parts.netloc
        self._name, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._secure, self._tls = parts.scheme == "https", tls
        self._most_bytes, self._connect_s = most_bytes, connect_s
        self._idle: list[Line] = []
        self._all: set[Line] = set()
        self._turns = asyncio.Semaphore(MOST_CONNECTIONS)
        self._addresses: tuple[float, list[str]] = (0.0, [])
        self._sweep: asyncio.TimerHandle | None = None

    async def exchange(self, request: Request) -> Reply:
        """Send and hear. Raises `ConnectFault` and `ReadFault`; a `TimeoutError` of the caller's passes through.

        What only reads is sent once more when a connection from before turns out to be closed.
        """
        message = written(self.host, request)
        line = await self._take()
        try:
            try:
                return await line.exchange(message)
            except GoneBefore:
                if request.method != "GET":
                    raise
            self._all.discard(line)
            line = await self._connected()
            return await line.exchange(message)
        finally:
            self._give_back(line)

    def close(self) -> None:
        """Close every connection; calls still waiting for an answer fail as broken off."""
        for line in tuple(self._all):
            line.end()
        self._idle.clear()
        self._all.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    async def _take(self) -> Line:
        """A connection, within the time that connecting may take. Raises `ConnectFault`."""
        if self._turns.locked():
            try:
                async with asyncio.timeout(self._connect_s):
                    await self._turns.acquire()
            except TimeoutError as fault:
                raise ConnectFault("every connection is in use") from fault
        else:
            await self._turns.acquire()
        return self._rested() or await self._opened()

    async def _opened(self) -> Line:
        try:
            return await self._connected()
        except BaseException:
            self._turns.release()
            raise

    async def _connected(self) -> Line:
        """A new connection. Raises `ConnectFault`: nothing was sent."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                failed: OSError | None = None
                found = await self._found(loop)
                for address in found:
                    try:
                        async with asyncio.timeout(max(LEAST_S, self._connect_s / len(found))):
                            _, line = await loop.create_connection(
                                lambda: Line(self._most_bytes), address, self._port,
                                ssl=(self._tls or _trusted()) if self._secure else None,
                                server_hostname=self._name if self._secure else None,
                            )  # fmt: skip
                    except (OSError, TimeoutError) as fault:
                        failed = failed or fault
                        continue
                    self._all.add(line)
                    return line
                raise failed or OSError("no address")
        except (OSError, ValueError) as fault:
            self._addresses = (0.0, [])
            raise ConnectFault(type(fault).__name__) from fault

    async def _found(self, loop: asyncio.AbstractEventLoop) -> list[str]:
        """Where the name leads: this machine as it is, every other name to public addresses alone. Raises `OSError`."""
        if is_loopback(self._name):
            return [self._name]
        until, addresses = self._addresses
        if loop.time() >= until:
            addresses = await PublicResolver().resolve(self._name, self._port)
            self._addresses = (loop.time() + NAMES_KEPT_S, addresses)
        return addresses

    def _rested(self) -> Line | None:
        """The connection that rested for the shortest time, if there is a fresh one."""
        oldest = asyncio.get_running_loop().time() - IDLE_S
        while self._idle:
            line = self._idle.pop()
            if line.open and line.idle_since > oldest:
                return line
            line.end()
            self._all.discard(line)
        return None

    def _give_back(self, line: Line) -> None:
        self._turns.release()
        if not line.open or line not in self._all:
            line.end()
            self._all.discard(line)
            return
        loop = asyncio.get_running_loop()
        line.idle_since = loop.time()
        self._idle.append(line)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_S, self._let_go)

    def _let_go(self) -> None:
        """Close what rests too long; look again while any rests."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_S
        for line in [each for each in self._idle if not each.open or each.idle_since <= oldest]:
            self._idle.remove(line)
            self._all.discard(line)
            line.end()
        self._sweep = loop.call_later(IDLE_S, self._let_go) if self._idle else None


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that this machine trusts; names and dates are checked."""
    return ssl.create_default_context()
