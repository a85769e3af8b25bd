"""A load generator as a process of its own: requests made of bytes beforehand, sent over connections that stay open.

Each line it reads is a run, each line it writes what came of it. A connection sends its next request when its last one is answered.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvloop

_YES = b"HTTP/1.1 204"
_END = b"\r\n\r\n"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. Either each request from `first` to `last` once, or all of them in turn for `seconds`.

    With `pause_ms` it is one request at a time, so long after the last answer, and how long each answer took is told.
    """

    port: int
    path: str
    connections: int = 1
    first: int = 0
    last: int = 0
    seconds: float = 0.0
    pause_ms: float | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: answers with 204, the first other one, and how long it took on the wall and on the processor."""

    answers: int
    other: str
    took_s: float
    cpu_s: float
    times_ms: list[float] = []


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self.answers, self.other, self.heard = 0, b"", b""
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Connected; nothing is sent before `begin`."""
        self.transport = transport

    def begin(self) -> None:
        """Send the next request, if there is one."""
        request = next(self._requests, None)
        if request is None:
            self._end()
        else:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one. A 204 has no body, so it ends with its head."""
        if self.heard:
            data = self.heard + data
        if not data.startswith(_YES):
            self.other = data
            self._end()
        elif data.endswith(_END):
            self.heard = b""
            self.answers += 1
            self.begin()
        else:
            self.heard = data

    async def exchange(self, request: bytes) -> None:
        """Send one request and wait for its answer."""
        self._requests = iter((request,))
        self.answered = asyncio.get_running_loop().create_future()
        self.begin()
        await self.answered

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's own signature
        """The other side went away."""
        if not self.answered.done():
            self.other = self.other or b"connection lost"
            self.answered.set_result(None)

    def _end(self) -> None:
        if not self.answered.done():
            self.answered.set_result(None)


async def flood(run: Run, requests: list[bytes]) -> Outcome:
    """Keep every connection busy."""
    todo = _in_turn(run.seconds, requests) if run.seconds else iter(requests)
    lines = await asyncio.gather(*(_connect(run.port, todo) for _ in range(run.connections)))
    began, began_cpu = time.perf_counter(), time.process_time()
    for line in lines:
        line.begin()
    await asyncio.gather(*(line.answered for line in lines))
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    for line in lines:
        line.transport.close()
    other = next((line.other for line in lines if line.other), b"")
    return Outcome(answers=sum(line.answers for line in lines), other=other[:300].decode("latin-1"), took_s=took_s, cpu_s=cpu_s)


async def trickle(run: Run, requests: list[bytes]) -> Outcome:
    """One request at a time, with pauses: how long does each take when nothing else is going on?"""
    times_ms = []
    began, began_cpu = time.perf_counter(), time.process_time()
    line = await _connect(run.port, iter(()))
    for request in requests:
        await asyncio.sleep((run.pause_ms or 0) / 1000)
        sent = time.perf_counter()
        await line.exchange(request)
        times_ms.append((time.perf_counter() - sent) * 1000)
        if line.other:
            break
    line.transport.close()
    return Outcome(
        answers=line.answers, other=line.other[:300].decode("latin-1"), took_s=time.perf_counter() - began,
        cpu_s=time.process_time() - began_cpu, times_ms=times_ms,
    )  # fmt: skip


def _in_turn(seconds: float, requests: list[bytes]) -> Iterator[bytes]:
    """The requests again and again, for so long after the first is asked for."""
    end = time.perf_counter() + seconds
    for request in itertools.cycle(requests):
        if time.perf_counter() > end:
            return
        yield request


async def _connect(port: int, requests: Iterator[bytes]) -> Line:
    _, line = await asyncio.get_running_loop().create_connection(lambda: Line(requests), "127.0.0.1", port)
    return line


async def _main(file: Path) -> None:
    """Runs until standard input ends."""
    rests = _read(file)
    while order := await asyncio.to_thread(sys.stdin.buffer.readline):
        run = msgspec.json.decode(order, type=Run)
        head = f"POST {run.path} HTTP/1.1\r\n".encode()
        requests = [head + rest for rest in rests[run.first : run.last or len(rests)]]
        outcome = await (flood(run, requests) if run.pause_ms is None else trickle(run, requests))
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


def _read(file: Path) -> list[bytes]:
    """The requests without their first lines: each a JSON text of one line."""
    return [msgspec.json.decode(line, type=str).encode("latin-1") for line in file.read_bytes().splitlines()]


if __name__ == "__main__":
    uvloop.run(_main(Path(sys.argv[1])))
