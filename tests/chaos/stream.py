"""FT-01: a stream of callbacks at a server that is killed again and again. The channel is a process of its own and goes on sending.

`stream` runs it against any server that takes WeChat Pay's callbacks: against ours, and against the naive control.
"""

import asyncio
import ctypes
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from daozhang.bench.ports import free_port

CHUNKS_AT_ONCE = 25
READY_WITHIN_S = 240.0
PATIENCE_S = 240.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Run:
    """What happened: how many payments, how often the server was killed, and how long it took to answer again (seconds)."""

    payments: int
    kills: int = 0
    back_s: list[float] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)


@dataclass
class Served:
    """A server process that can be killed and begun again with the same words."""

    words: Sequence[str]
    environment: dict[str, str]
    url: str
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def begin(self) -> float:
        """Start it; seconds until it answers."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.words, env=os.environ | self.environment, stdout=log, stderr=log, preexec_fn=end_with_parent
            )
        async with aiohttp.ClientSession() as session:
            while True:
                assert self.process.returncode is None, self.log.read_text("utf-8")[-2_000:]
                assert time.monotonic() - began < READY_WITHIN_S, "it does not come back"
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return time.monotonic() - began
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def end(self) -> None:
        """Stop it in peace, or at least for good."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(15):
                    await self.process.wait()
            except TimeoutError:
                await self.kill()


class Channel:
    """The simulated channel's process, by its doors."""

    def __init__(self, served: Served, config: Path) -> None:
        self.served, self._config = served, config
        # A connection kept open through a minute of kills may be closed by the other side just when it is used again.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))

    def card(self) -> dict[str, Any]:
        """What a merchant copies out of the merchant platform."""
        card: dict[str, Any] = json.loads(self._config.read_text("utf-8"))["channels"][0]
        return card

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call of its dial or books."""
        async with self._session.request(method, f"{self.served.url}{path}", json=body) as answer:
            assert answer.status < 400, await answer.text()
            return await answer.json()

    async def acknowledged(self, numbers: Sequence[str]) -> set[str]:
        """The numbers of which the channel heard a yes: its own record, kept outside of every process that we kill."""

        async def one(number: str) -> bool:
            told = await self.ask("GET", f"/books/order?number={number}")
            return any(send["acknowledged"] for send in told["sends"])

        heard: set[str] = set()
        for chunk in _chunks(numbers, CHUNKS_AT_ONCE):
            answers = await asyncio.gather(*(one(number) for number in chunk))
            heard |= {number for number, yes in zip(chunk, answers, strict=True) if yes}
        return heard

    async def quiet(self) -> None:
        """Wait until everything that can be delivered is delivered."""
        for _ in range(int(PATIENCE_S / 0.1)):
            states = (await self.ask("GET", "/books"))["wechatpay"]["notices"]
            if not states.get("waiting", 0) and not states.get("sending", 0) and not states.get("held", 0):
                return
            await self.ask("POST", "/dial/wake")
            await asyncio.sleep(0.1)
        raise TimeoutError("the channel is still sending")

    async def end(self) -> None:
        """Stop it."""
        await self._session.close()
        await self.served.end()


async def stream(channel: Channel, server: Served, numbers: Sequence[str], kills: int, dice: random.Random) -> Run:
    """Pay every order in some order; kill the server `kills` times while the channel tells of the payments."""
    run = Run(len(numbers))
    await channel.ask("POST", "/dial", {"point": "notice", "kind": "duplicate", "times": None, "probability": 0.3, "copies": 3})
    waiting = dice.sample(list(numbers), k=len(numbers))
    for silent in waiting[:: max(1, len(waiting) // 10)]:
        await channel.ask("POST", "/dial", {"point": "notice", "kind": "silence", "number": silent})
    for chunk in _chunks(waiting, -(-len(waiting) // (kills + 1))):
        paying = asyncio.create_task(_pay(channel, chunk))
        if run.kills < kills:
            await asyncio.sleep(dice.random() * 0.002 * len(chunk))
            await server.kill()
            run.kills += 1
            run.back_s.append(await server.begin())
        await paying
    await channel.quiet()
    run.acknowledged = await channel.acknowledged(numbers)
    return run


async def settled(credits_by_number: Callable[[], Awaitable[Counter[str]]], count: int) -> Counter[str]:
    """The credits, once every payment has one or patience ends: what is still missing then is lost."""
    end = time.monotonic() + PATIENCE_S
    while len(found := await credits_by_number()) < count and time.monotonic() < end:  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(0.2)
    return found


async def open_channel(folder: Path, seed: int) -> Channel:
    """A simulated channel with books on disk, whose day is a hundred times shorter than ours."""
    folder.mkdir()
    config, port = folder / "card.json", free_port()
    words = [
        sys.executable, "-m", "daozhang.simulators", "--port", str(port), "--data", str(folder / "books"), "--config", str(config),
        "--time-scale", "0.01", "--kinds", "wechatpay", "--seed", str(seed), "--parent", str(os.getpid()),
    ]  # fmt: skip
    served = Served(words, {}, f"http://127.0.0.1:{port}", folder / "channel.log")
    channel = Channel(served, config)
    with served.log.open("ab") as log:
        served.process = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log, preexec_fn=end_with_parent)
    for _ in range(2_400):
        if config.exists():
            return channel
        await asyncio.sleep(0.05)
    raise TimeoutError("the simulated channel does not start")


def end_with_parent() -> None:
    """Ask the kernel to kill this child when its parent is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


async def _pay(channel: Channel, numbers: Sequence[str]) -> None:
    for few in _chunks(numbers, CHUNKS_AT_ONCE):
        await asyncio.gather(*(channel.ask("POST", "/dial/pay", {"number": number}) for number in few))


def _chunks(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
