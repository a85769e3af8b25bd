"""`decide`: what it costs to judge an order by every check and rule, and to commit it with its decision.

The figure is what production does: eight callers at the one `Place` of a shop, over the connections that settlements and orders
share. What arrives while a commit is under way shares the next one, so with eight callers a commit holds up to eight orders;
each has its own facts under its user's lock, its own decision, marks, attempt and event, and nobody is answered before the commit
is on disk. The yardstick is a one-row insert that commits by itself, by the same client over eight connections. The two are
measured in turns of half a second: a machine that others share changes its pace within one run.

Beside it, `alone`: eight callers with a `Place` and a connection each, so that every order pays for a commit of its own. No shop
runs so (what waits is always taken together); it says what the batching is worth, and what one order costs on an idle system.

Pure: `decide` alone, on one core, with the comparisons that decided every hit.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from daozhang import __version__, clock, ids
from daozhang.app import Program, open_program
from daozhang.bench.machine import machine
from daozhang.bench.run_in import run_in
from daozhang.bench.stage import Stage as SetUp
from daozhang.bench.stage import stage
from daozhang.bench.usage import cpu_s
from daozhang.policy.book import Book, defaults, make_book
from daozhang.policy.books import Books
from daozhang.policy.decide import decide
from daozhang.policy.examine import examine
from daozhang.policy.model import NEVER_S, Facts, Signals, Stage
from daozhang.postgres import Database
from daozhang.proof import prove
from daozhang.recharge.model import PlaceRequest
from daozhang.recharge.place import Place
from daozhang.recharge.route import OPEN, Standing
from daozhang.serve import settle_memory
from daozhang.simulators.merchant import enrol
from daozhang.simulators.wechatpay.station import card_of

CONNECTIONS = 8
TURNS = 8
AMOUNT_FEN = 5_000
NOW = datetime(2026, 11, 22, 6, 2, 7, tzinfo=UTC)


async def bench(*, orders: int = 6_000, yardstick_s: float = 4.0, pure_s: float = 1.0) -> dict[str, Any]:
    """Measure. Each order is by a user of its own with a known device."""
    warm_up, single = max(CONNECTIONS, orders // 5), max(CONNECTIONS, orders // 2)
    pure = _pure(make_book(1, 1, defaults()), pure_s)
    async with stage(users=2 * warm_up + orders + TURNS + single) as set_up:
        await run_in(set_up.server)
        channel_id = await set_up.add_channel(card_of(enrol().merchant, "http://127.0.0.1:9"))
        devices = await _devices(set_up)
        await set_up.owner.rows("create table bench_rows (id uuid primary key, made_at timestamptz not null)")
        await set_up.owner.rows("grant insert on bench_rows to daozhang_app")
        dsn = set_up.server.dsn("app")
        async with open_program(set_up.settings, dsn, dsn, work=False) as program:
            people = iter(set_up.people)

            async def timed(desks: list[Place], many: int) -> Timed:
                return await _timed(set_up, desks, list(islice(people, many)), devices, channel_id)

            shop = [program.desk.place_order] * CONNECTIONS
            await timed(shop, warm_up)
            settle_memory()
            commits = await _commits(set_up)
            inserted, parts = [], []
            for _ in range(TURNS):
                inserted.append(await _inserts(program.database, yardstick_s / TURNS))
                parts.append(await timed(shop, -(-orders // TURNS)))
            served = together(parts)
            commits = await _commits(set_up) - commits
            desks = await _desks(program)
            await timed(desks, warm_up)
            alone = await timed(desks, single)
        admitted = await set_up.app.value(
            "select count(*) from decisions where stage = 'place' and outcome in ('admit', 'monitor')"
        )
        examined, proof = await examine(set_up.app), await prove(set_up.app)
    yardstick, placed = sum(inserted) / TURNS, 2 * warm_up + len(served.waits_s) + single
    return {
        "name": "decide",
        "figure": round(served.rate, 1),
        "unit": "orders decided and committed/s",
        "yardstick": round(yardstick, 1),
        "yardstick_is": f"one-row inserts that commit by themselves, same client, {CONNECTIONS} connections, rows/s",
        "ratio": round(served.rate / yardstick, 3),
        "orders_per_commit": round(len(served.waits_s) / commits, 1),
        **served.told(),
        "alone": {"figure": round(alone.rate, 1), "ratio": round(alone.rate / yardstick, 3), **alone.told()},
        "pure_decisions_per_s": round(pure),
        "orders": placed,
        "proof_ok": proof.ok and examined.ok and admitted == placed,
        "machine": machine(),
    }


async def _devices(set_up: SetUp) -> dict[int, UUID]:
    rows = await set_up.owner.rows(
        """insert into devices (id, shop_id, user_id, token_hash, agent, first_seen_at, seen_at)
        select u.id, 1, u.user_id, sha256(u.id::text::bytea), 'bench', clock_now() - interval '90 days', clock_now()
        from unnest($1::uuid[], $2::bigint[]) as u (id, user_id) returning id, user_id""",
        [ids.new_id() for _ in set_up.people],
        set_up.people,
    )
    return {row["user_id"]: row["id"] for row in rows}


async def _desks(program: Program) -> list[Place]:
    """A placing of its own per caller, so that nobody's order joins another one's commit."""
    books = Books(program.database)
    await books.current(1)

    async def open_way(_channel_id: int, _method: str) -> Standing:
        return OPEN

    return [
        Place(
            program.database, books, program.vault, program.registry.get, lambda channel: f"https://shop.test/notify/{channel.id}",
            __version__, lambda order_id: f"https://shop.test/back/{order_id}", open_way,
        )
        for _ in range(CONNECTIONS)
    ]  # fmt: skip


class Timed(NamedTuple):
    """How a stretch of orders went: orders per second, each one's wait in seconds (sorted), and processor time for one in µs."""

    rate: float
    waits_s: list[float]
    program_us: float
    postgres_us: float

    def told(self) -> dict[str, float]:
        """The waits and what an order costs, as the figures are printed."""
        return {
            "p50_ms": round(self.waits_s[len(self.waits_s) // 2] * 1e3, 2),
            "p99_ms": round(self.waits_s[len(self.waits_s) * 99 // 100] * 1e3, 2),
            "program_cpu_us": round(self.program_us),
            "postgres_cpu_us": round(self.postgres_us),
        }


def together(parts: Sequence[Timed]) -> Timed:
    """Stretches that hold as many orders each, as one."""
    many = len(parts)
    waits_s = sorted(wait_s for part in parts for wait_s in part.waits_s)
    rate = many / sum(1 / part.rate for part in parts)
    return Timed(rate, waits_s, sum(p.program_us for p in parts) / many, sum(p.postgres_us for p in parts) / many)


async def _commits(set_up: SetUp) -> int:
    """How many commits there were that placed orders: each writes its events under its own number."""
    return int(await set_up.owner.value("select count(distinct xact) from events where kind = 'order.created'"))


async def _timed(set_up: SetUp, desks: list[Place], people: list[int], devices: dict[int, UUID], channel_id: int) -> Timed:
    used = (time.process_time(), cpu_s(set_up.server.pid or 0))
    took_s, waits_s = await _admit(desks, people, devices, channel_id)
    program_s, postgres_s = time.process_time() - used[0], cpu_s(set_up.server.pid or 0) - used[1]
    many = len(people)
    return Timed(many / took_s, sorted(waits_s), program_s / many * 1e6, postgres_s / many * 1e6)


async def _admit(desks: list[Place], people: list[int], devices: dict[int, UUID], channel_id: int) -> tuple[float, list[float]]:
    """One order for each user, one at a time at each desk; seconds for all, and for each."""
    todo, waits_s = iter(people), []

    async def caller(desk: Place) -> None:
        for user_id in todo:
            began = time.perf_counter()
            await desk.admit(
                PlaceRequest(
                    1, user_id, AMOUNT_FEN, channel_id, "native", secrets.token_hex(16), __version__, "203.0.113.9",
                    device_id=str(devices[user_id]),
                )
            )  # fmt: skip
            waits_s.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller(desk) for desk in desks))
    return time.perf_counter() - began, waits_s


async def _inserts(database: Database, seconds: float) -> float:
    """Rows per second: each an insert that is its own transaction."""
    until, count = time.perf_counter() + seconds, 0

    async def caller() -> None:
        nonlocal count
        async with database.pool.acquire() as connection:
            insert = await connection.prepare("insert into bench_rows (id, made_at) values ($1, $2)")
            while time.perf_counter() < until:
                await insert.fetch(ids.new_id(), clock.now())
                count += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    return count / (time.perf_counter() - began)


def _pure(book: Book, seconds: float) -> float:
    """Decisions per second of one core's processor time: nine sound orders and one that a rule stops, in turns."""
    sound = _sound()
    signals = msgspec.structs.replace(sound.signals, large_count=5)  # type: ignore[type-var]
    fifth = msgspec.structs.replace(sound, amount_fen=300_000, signals=signals)
    events, count = [sound] * 9 + [fifth], 0
    assert decide(Stage.PLACE, sound, book).admits
    assert decide(Stage.PLACE, fifth, book).reason == "risk.velocity_large"
    began = time.process_time()
    while (took_s := time.process_time() - began) < seconds:
        for _ in range(100):
            for facts in events:
                decide(Stage.PLACE, facts, book)
        count += 100 * len(events)
    return count / took_s


def _sound() -> Facts:
    """Everything known, nothing odd."""
    return Facts(
        at=NOW, shop_id=1, user_id=7, standing="active", channel_id=3, channel_enabled=True, kind="wechatpay", no_credit=False,
        methods=("native", "h5"), method="native", amount_fen=AMOUNT_FEN, admitted_fen=0, day_ends_at=NOW + timedelta(hours=10),
        page_version="p", page_current="p", database_writes=True, notify_door=True, limits=(), payer_known=False, pass_fen=0,
        agreement_version=0, agreement_agreed=True, purchase=False, verified=True, age="adult", bought=True, stored_fen=0,
        month_fen=0, month_ends_at=NOW + timedelta(days=8), open_count=0, offer="none", coupon="none", offers_stack=True,
        recent_fen=(), confirmed=False, region_rules=(),
        signals=Signals(
            user_age_s=10**7, verification="none", large_count=0, orders_hour_count=1, orders_day_count=1,
            orders_day_fen=AMOUNT_FEN, unfrozen_s=NEVER_S, device_known=True, device_s=10**7, device_accounts_count=1,
            device_day_fen=AMOUNT_FEN, device_near_count=0, device_failures_count=0, place_known=True, place_usual=True,
            place_abroad=False, elsewhere_s=NEVER_S, tolerance_fen=AMOUNT_FEN,
        ),
    )  # fmt: skip
