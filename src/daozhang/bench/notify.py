"""`notify`: signed WeChat callbacks per second over HTTP, verified, decrypted, stored, credited, committed and acknowledged.

The yardstick is a handler that reads the body and does nothing, in the same server process, under the same requests over as many
connections. The load comes from a process of its own with requests signed beforehand; when the yardstick needs more than 80 % of
what that process can send, the ratio would measure the generator, and none is printed.

`bound` is the ratio that this machine could reach: all processors busy all the time with what a callback cannot do without, each
part measured by itself in the same run: an empty answer, the generator, a message read with others, a settlement without HTTP.
"""

import asyncio
import os
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec

from daozhang import ids
from daozhang.bench import seed
from daozhang.bench.child import Child, ChildTrouble, child
from daozhang.bench.credit import credit_all
from daozhang.bench.floors import reading_us, signature_us
from daozhang.bench.machine import machine
from daozhang.bench.ports import free_port
from daozhang.bench.run_in import run_in
from daozhang.bench.stage import Stage, stage
from daozhang.bench.usage import cpu_s
from daozhang.channels.port import Channel
from daozhang.ledger import Accounts
from daozhang.policy.books import Books
from daozhang.proof import prove
from daozhang.recharge.settle import Settle
from daozhang.simulators.merchant import Enrolment, enrol
from daozhang.simulators.presign import Payment, presign_many
from daozhang.simulators.wechatpay.station import card_of
from daozhang.vault import Vault

MOST_OF_CEILING = 0.8
NOBODY = "http://127.0.0.1:9"
"""The channel's interface in this bench: callbacks are verified with keys of the row, so nobody is called."""
PAUSE_MS = 4.0
WARM_UP = 200
MOST_AT_ONCE = 4_096
"""Settlements that wait together for the part of `bound`: a batch is as large as it gets."""
READ = 2_000
"""Messages that are read by themselves, for the floor of reading."""


async def bench(
    *,
    messages: int = 20_000,
    singles: int = 400,
    connections: int = 512,
    users: int = 2_000,
    empty_s: float = 1.5,
    settlements: int = 10_000,
) -> dict[str, Any]:
    """Measure: single messages first, then the two loads in turn, since a machine's pace drifts; the parts at the end."""
    enrolment = enrol(seed.MERCHANT, seed.APP)
    async with stage(users) as set_up:
        await run_in(set_up.server)
        channel_id = await set_up.add_channel(card_of(enrolment.merchant, NOBODY))
        port, file = free_port(), set_up.settings.data / "requests"
        orders = await seed.make_orders(set_up.app, set_up.people, WARM_UP + singles + messages, channel_id)
        some = _write_requests(file, enrolment, orders, port)
        async with child("daozhang.bench.program", environment=_environment(set_up, port)) as program:
            await program.hear()
            async with child("daozhang.bench.generator", str(file)) as generator, child("daozhang.bench.sink") as sink:
                load = Load(generator, program, set_up.server.pid or 0, port, channel_id, connections)
                idle_ms = await load.idle(singles)
                alone = await set_up.app.value("select count(distinct xact) from events where kind = 'order.credited'")
                await load.measure(WARM_UP + singles, WARM_UP + singles + messages, empty_s)
                ceiling = await load.ceiling((await sink.hear())["port"], empty_s)
        credited = await set_up.app.value("select count(*) from orders where state = 'credited'")
        commits = await set_up.app.value("select count(distinct xact) from events where kind = 'order.credited'")
        async with set_up.channel(channel_id) as channel:
            floors = signature_us(), reading_us(channel, some)
            settling_us = await _settling_us(set_up, channel, settlements)
        proof = await prove(set_up.app)
    yardstick, figure = mean(load.empty_per_s), messages / load.credit_took_s
    below = max(yardstick, figure) <= MOST_OF_CEILING * ceiling
    parts_us = load.empty_cpu_us + load.generator_cpu_us + floors[1] + settling_us
    return {
        "name": "notify",
        "figure": round(figure, 1),
        "unit": "callbacks/s",
        "yardstick": round(yardstick, 1),
        "yardstick_is": "an empty ASGI handler in the same server process under the same requests, answers/s",
        "ratio": round(figure / yardstick, 3) if below else None,
        "generator_ceiling": round(ceiling, 1),
        "connections": connections,
        "messages": len(orders),
        "credits_per_commit": round(messages / max(1, commits - alone), 1),
        "idle_p50_ms": _percentile(idle_ms, 50),
        "idle_p99_ms": _percentile(idle_ms, 99),
        "bound": round((os.cpu_count() or 1) * 1e6 / parts_us / yardstick, 3),
        "empty_cpu_us": load.empty_cpu_us,
        "generator_cpu_us": load.generator_cpu_us,
        "program_cpu_us": round(load.program_cpu_s / messages * 1e6),
        "signature_cpu_us": floors[0],
        "reading_cpu_us": floors[1],
        "settling_cpu_us": settling_us,
        "postgres_cpu_us": round(load.postgres_cpu_s / messages * 1e6),
        "proof_ok": proof.ok and credited == len(orders),
        "machine": machine(),
    }


class Load:
    """The loads of this bench and what they cost."""

    def __init__(self, generator: Child, program: Child, postgres_pid: int, port: int, channel_id: int, connections: int) -> None:
        self._generator, self._program_pid, self._postgres_pid = generator, program.pid, postgres_pid
        self._port, self._connections, self._door = port, connections, f"/notify/wechatpay/{channel_id}"
        self.empty_per_s: list[float] = []
        self.empty_cpu_us = self.generator_cpu_us = 0
        self.credit_took_s = self.program_cpu_s = self.postgres_cpu_s = 0.0

    async def idle(self, singles: int) -> list[float]:
        """How long each of so many single messages took, in ms, with nothing else going on."""
        await self._run(path=self._door, connections=8, first=0, last=WARM_UP)
        await asyncio.sleep(0.5)
        run = await self._run(path=self._door, first=WARM_UP, last=WARM_UP + singles, pause_ms=PAUSE_MS)
        times_ms: list[float] = run["times_ms"]
        return times_ms

    async def measure(self, first: int, last: int, empty_s: float) -> None:
        """Nothing, half of the messages, nothing, the other half, nothing."""
        middle = (first + last) // 2
        await self._empty(empty_s)
        for start, stop in ((first, middle), (middle, last)):
            before = cpu_s(self._program_pid), cpu_s(self._postgres_pid)
            run = await self._run(path=self._door, connections=self._connections, first=start, last=stop)
            self.credit_took_s += run["took_s"]
            self.program_cpu_s += cpu_s(self._program_pid) - before[0]
            self.postgres_cpu_s += cpu_s(self._postgres_pid) - before[1]
            await self._empty(empty_s)

    async def ceiling(self, port: int, seconds: float) -> float:
        """What the generator can send when whoever answers does nothing at all."""
        run = await self._run(port=port, path="/", connections=self._connections, seconds=seconds)
        return float(run["answers"] / run["took_s"])

    async def _empty(self, seconds: float) -> None:
        before = cpu_s(self._program_pid)
        run = await self._run(path="/empty", connections=self._connections, seconds=seconds)
        self.empty_per_s.append(run["answers"] / run["took_s"])
        self.empty_cpu_us = round((cpu_s(self._program_pid) - before) / run["answers"] * 1e6)
        self.generator_cpu_us = round(run["cpu_s"] / run["answers"] * 1e6)

    async def _run(self, **order: Any) -> dict[str, Any]:
        run = await self._generator.ask(**({"port": self._port} | order))
        if run["other"] or not run["answers"]:
            raise ChildTrouble(f"{order['path']} was not answered with 204: {run['other']}")
        return run


Message = tuple[dict[str, str], bytes]


def _write_requests(file: Path, enrolment: Enrolment, orders: list[seed.Waiting], port: int) -> list[Message]:
    """Sign a callback for each order, each user with a wallet of its own; the generator sends them behind a first line.

    Answers some of them, as a door would hand them on.
    """
    some: list[Message] = []
    payments = [Payment(ids.text26(order.attempt_id), order.amount_fen, f"o{order.user_id:027d}") for order in orders]
    with file.open("wb") as out:
        for signed in presign_many(enrolment, payments):
            body = signed.body.encode()
            if len(some) < READ:
                some.append(({name.lower(): value for name, value in signed.headers.items()}, body))
            headers = {"host": f"127.0.0.1:{port}", **signed.headers, "content-length": str(len(body))}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
            out.write(msgspec.json.encode((head + b"\r\n" + body).decode("latin-1")) + b"\n")
    return some


async def _settling_us(set_up: Stage, channel: Channel, count: int) -> int:
    """What a settlement without HTTP costs program and PostgreSQL together, in the largest batches."""
    vault = await Vault.open(set_up.app, set_up.settings)
    settle = Settle(set_up.app, Books(set_up.app), vault, Accounts(), {channel.id: channel}.get)
    waiting = await seed.make_orders(set_up.app, set_up.people, count, channel.id)
    _, *used_us = await credit_all(settle, waiting, channel.id, MOST_AT_ONCE, set_up.server.pid or 0)
    return round(sum(used_us))


def _environment(set_up: Stage, port: int) -> dict[str, str]:
    ours = {
        "DAOZHANG_DATA": str(set_up.settings.data),
        "DAOZHANG_DATABASE": set_up.server.dsn("app"),
        "DAOZHANG_PORT": str(port),
        "DAOZHANG_TEST_MODE": "1",
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("DAOZHANG_")} | ours


def _percentile(times_ms: list[float], percent: int) -> float:
    ordered = sorted(times_ms)
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 2)
