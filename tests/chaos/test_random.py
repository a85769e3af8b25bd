"""NF: orders at random over all channels while everything goes wrong that can. At the end the books are equal to the fen."""

import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.chaos.audit import Entry, compare, our_book, stories, sums_agree, told_people, unfinished
from tests.chaos.town import HEARD_S, TRANSIENT, Toll, Town
from tests.flows.naive import make_tables, settle_naively
from tests.flows.shop import make_users, open_shop

from daozhang.channels.port import Outcome
from daozhang.outbound import Transport
from daozhang.postgres import Database
from daozhang.proof import prove
from daozhang.recharge.judgement import Effect
from daozhang.recharge.settle import Settle
from daozhang.recharge.settlement import Arrival, Settled
from daozhang.settings import Settings
from daozhang.simulators.stations import KNOWN

ORDERS = int(os.environ.get("DAOZHANG_ORDERS", "10000" if os.environ.get("DAOZHANG_LONG") else "1000"))
CONTROL_ORDERS = 200


@pytest.fixture
def quiet_log() -> Any:
    """Thousands of faults are expected here; their lines would hide what matters."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls end sooner than in production: most of a run is spent beside channels that are silent."""
    assert Transport.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(Transport.__init__.__kwdefaults__, "total_s", HEARD_S)


@pytest.mark.usefixtures("quiet_log", "brisk")
async def test_nf_02_04_05_random_orders_over_all_channels_end_with_equal_books(
    database: Database, owner_database: Database, settings: Settings, seed: int
) -> None:
    await owner_database.transact(lambda tx: tx.run("update clock_offset set test_mode = true"))
    people = await make_users(owner_database.dsn, max(50, ORDERS // 4))
    began = time.monotonic()
    async with open_shop(database, settings, work=True, kinds=tuple(KNOWN)) as shop:
        town = Town(shop, people, random.Random(seed))
        toll = await town.live(ORDERS)
        ours = await our_book(shop)
        audit = compare(shop.sim, ours, await told_people(shop))
        wrong = audit.wrong + await sums_agree(shop, ours, audit) + await unfinished(shop)
        wrong += await stories(shop, wrong)
        await tell(database, shop.sim.dial.struck, toll, seed, time.monotonic() - began, [str(each) for each in audit.resting])
    assert wrong == [], "\n".join([f"seed {seed}", *wrong])
    proof = await prove(database)
    assert proof.ok, [check for check in proof.checks if check.wrong]
    assert toll.orders == ORDERS


@pytest.mark.usefixtures("quiet_log", "brisk")
async def test_nf_02_a_naive_settlement_fails_the_same_run(
    database: Database, owner_database: Database, settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks whether a payment is known, credits it, and writes that it is known: the judge finds what that does."""
    await make_tables(owner_database)
    await owner_database.transact(lambda tx: tx.run("update clock_offset set test_mode = true"))
    people = await make_users(owner_database.dsn, 50)
    monkeypatch.setattr(Settle, "__call__", naive(database))
    async with open_shop(database, settings, work=True, kinds=tuple(KNOWN)) as shop:
        await Town(shop, people, random.Random(seed)).live(CONTROL_ORDERS, to_the_end=False)
        rows = await database.rows("select number, sum(amount_fen)::bigint as took_fen from naive_credits group by number")
        credited = {row["number"]: Entry(row["took_fen"], 0) for row in rows}
        audit = compare(shop.sim, dict.fromkeys(await our_book(shop), Entry(0, 0)) | credited, {})
    assert audit.wrong, "the judge finds nothing wrong with the control, so it would find nothing wrong with us"


def naive(database: Database) -> Callable[[Settle, Arrival], Awaitable[Settled]]:
    """A settlement without a key, a lock or a look at what it is told."""

    async def settle(_: Settle, arrival: Arrival) -> Settled:
        report = arrival.report
        if report.outcome is Outcome.SUCCESS and report.subject == "payment":
            await settle_naively(database, report.number, report.amount_fen or 0)
        return Settled(Effect.CREDITED, "naive")

    return settle


async def tell(database: Database, struck: Any, toll: Toll, seed: int, took_s: float, resting: list[str]) -> None:
    """Print what the run met."""
    states = {
        row["state"]: row["n"] for row in await database.rows("select state, count(*) as n from orders group by 1 order by 1")
    }
    refunds = {
        row["state"]: row["n"] for row in await database.rows("select state, count(*) as n from refunds group by 1 order by 1")
    }
    odd = {row["kind"]: row["n"] for row in await database.rows("select kind, count(*) as n from anomalies group by 1 order by 1")}
    by_channel = await database.rows("select channel_id, method, count(*) as n from orders group by 1, 2 order by 1, 2")
    waiting = await database.rows("select channel_id, why, report::text as report from notifications where state = 'stored'")
    resting += [f"message {tuple(row)}" for row in waiting]
    faults = Counter(f"{each.point}.{each.kind}" for each in struck)
    lines = [
        f"random run: seed {seed}, {toll.orders} orders in {took_s:.0f} s over {', '.join(KNOWN)}",
        f"  orders {states}",
        f"  refunds {refunds}",
        f"  anomalies {odd}",
        f"  ways {[tuple(row) for row in by_channel]}",
        f"  people {dict(toll.did.most_common())}",
        f"  {sum(faults.values())} faults of {len(faults)} kinds: {dict(faults.most_common())}",
        f"  resting for a person: {len(resting)}",
    ]
    sys.stdout.write("\n" + "\n".join(lines + resting[-10:]) + "\n")


def test_every_kind_says_which_codes_mean_try_again() -> None:
    assert set(TRANSIENT) == set(KNOWN)
