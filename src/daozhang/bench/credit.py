"""`credit`: guarded credits per second through settle, writing all that production writes, against TPC-B-like pgbench.

Every report names an order of its own and a payer; all of them go through one channel account, of a channel that is set up as in
production. Raw message, fact key, attempt, moves, decision, event, mark of the payer, transfer and postings are written, and every
law is on.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from daozhang import clock, ids
from daozhang.bench import pgbench, seed
from daozhang.bench.machine import machine
from daozhang.bench.run_in import run_in
from daozhang.bench.usage import cpu_s
from daozhang.channels import console
from daozhang.channels.port import Outcome, Report
from daozhang.channels.registry import Registry
from daozhang.ledger import Accounts
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.postgres.migrate import migrate
from daozhang.postgres.throwaway import throwaway
from daozhang.proof import prove
from daozhang.recharge.inbox import Raw
from daozhang.recharge.judgement import Effect
from daozhang.recharge.settle import Settle
from daozhang.recharge.settlement import Arrival
from daozhang.serve import settle_memory
from daozhang.settings import Settings
from daozhang.simulators.merchant import enrol
from daozhang.simulators.wechatpay.station import card_of
from daozhang.vault import Vault

NOBODY = "http://127.0.0.1:9"
"""The channel's interface in this bench: nobody is called."""
HEADERS = msgspec.json.encode({
    "wechatpay-serial": "PUB_KEY_ID_0100000000000000000000000000000000", "wechatpay-timestamp": "1700000000",
    "wechatpay-nonce": "0123456789abcdef0123456789abcdef", "wechatpay-signature": "A" * 344,
}).decode()  # fmt: skip
BODY = b'{"id":"","create_time":"2026-11-22T14:02:10+08:00","resource":{"ciphertext":"' + b"A" * 800 + b'"}}'


async def bench(*, seconds: int = 6, users: int = 5_000, at_once: int = 4_096, writers: int = 2) -> dict[str, Any]:
    """Measure; half of the yardstick before the figure and half after it, since a machine's pace drifts."""
    async with throwaway() as server:
        await run_in(server)
        await migrate(server.dsn("owner"))
        await pgbench.prepare(server)
        with TemporaryDirectory() as folder:
            settings = Settings(data=Path(folder), test_mode=True)
            owner, app = await Database.open(server.dsn("owner")), await Database.open(server.dsn("app"))
            people = await seed.make_users(owner, users)
            vault = await Vault.open(app, settings)
            registry, channel_id = await _channel(app, vault, settings)
            settle = Settle(app, Books(app), vault, Accounts(), registry.get, writers=writers)
            before = await pgbench.transactions_per_s(server, seconds)
            first = await seed.make_orders(app, people, 5_000, channel_id)
            pace, *_ = await credit_all(settle, first, channel_id, at_once, server.pid or 0)
            count = max(5_000, int(pace * seconds))
            orders = await seed.make_orders(app, people, count, channel_id)
            figure, program_us, postgres_us = await credit_all(settle, orders, channel_id, at_once, server.pid or 0)
            after = await pgbench.transactions_per_s(server, seconds)
            marked = await app.value("select count(*) from payer_marks")
            proof = await prove(app)
            await registry.close()
            await owner.close()
            await app.close()
    yardstick = (before + after) / 2
    return {
        "name": "credit",
        "figure": round(figure, 1),
        "unit": "credits/s",
        "yardstick": round(yardstick, 1),
        "yardstick_is": "pgbench TPC-B-like, prepared, 16 clients, scale 10, transactions/s",
        "ratio": round(figure / yardstick, 3),
        "credits": count,
        "writers": writers,
        "program_cpu_us": round(program_us),
        "postgres_cpu_us": round(postgres_us),
        "proof_ok": proof.ok and marked == 5_000 + count,
        "machine": machine(),
    }


async def _channel(app: Database, vault: Vault, settings: Settings) -> tuple[Registry, int]:
    """An enabled channel, and the registry that knows it."""
    card = card_of(enrol(seed.MERCHANT, seed.APP).merchant, NOBODY)
    channel_id = await console.add(app, vault, settings, msgspec.convert(card, console.ChannelSettings))
    await console.enable(app, vault, settings, channel_id)
    registry = Registry(app, vault, settings)
    await registry.load()
    return registry, channel_id


async def credit_all(
    settle: Settle, waiting: Sequence[seed.Waiting], channel_id: int, at_once: int, postgres_pid: int
) -> tuple[float, float, float]:
    """Settle one report for each order, `at_once` at a time.

    Answers credits per second, and what one cost this process and PostgreSQL in us of processor time.
    """
    arrivals = iter([_arrival(order, channel_id) for order in waiting])
    settle_memory()
    credited = 0

    async def caller() -> None:
        nonlocal credited
        for arrival in arrivals:
            settled = await settle(arrival)
            credited += settled.effect is Effect.CREDITED

    began, before = time.perf_counter(), (time.process_time(), cpu_s(postgres_pid))
    await asyncio.gather(*(caller() for _ in range(at_once)))
    took_s = time.perf_counter() - began
    used_s = time.process_time() - before[0], cpu_s(postgres_pid) - before[1]
    count = len(waiting)
    assert credited == count, f"{count - credited} of {count} were not credited"
    return count / took_s, used_s[0] / count * 1e6, used_s[1] / count * 1e6


def _arrival(order: seed.Waiting, channel_id: int) -> Arrival:
    number = ids.text26(order.attempt_id)
    report = Report(
        witness="notification", subject="payment", channel_id=channel_id, number=number, outcome=Outcome.SUCCESS,
        amount_fen=order.amount_fen, currency="CNY", merchant=seed.MERCHANT, app=seed.APP, channel_txn=f"42{number}",
        happened_at=clock.now(), payer=f"o{order.user_id:027d}",
    )  # fmt: skip
    return Arrival(1, report, Raw(ids.new_id(), channel_id, f"EV-{number}", HEADERS, BODY))
