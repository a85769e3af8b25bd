"""Periodic work: one leader, each slot once, and new months without holding anybody up."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from daozhang import clock
from daozhang.jobs.lease import Lease
from daozhang.jobs.timetable import Entry, Timetable, make_partitions
from daozhang.postgres import Database


async def months(database: Database, table: str) -> int:
    """How many leaves a table has."""
    return int(await database.value("select count(*) from pg_inherits where inhparent = $1::text::regclass", table))


async def forget_last_month(owner: Database, table: str) -> None:
    """As if the newest leaf had not been made yet."""
    leaf = await owner.value("select max(inhrelid::regclass::text) from pg_inherits where inhparent = $1::text::regclass", table)
    await owner.value(f"drop table {leaf}")


async def test_new_months_come_beside_an_open_reader(database: Database, owner_database: Database) -> None:
    """A long reader (a proof, a backup) has touched the tables: months are made all the same, and nobody waits."""
    for table in ("postings", "attempt_moves"):
        await forget_last_month(owner_database, table)
    before = await months(database, "postings"), await months(database, "attempt_moves")
    reader = await asyncpg.connect(database.dsn)
    try:
        await reader.execute("begin; select count(*) from postings; select count(*) from attempt_moves")
        await asyncio.gather(make_partitions(database), *(database.value("select count(*) from postings") for _ in range(5)))
    finally:
        await reader.close()
    assert (await months(database, "postings"), await months(database, "attempt_moves")) == (before[0] + 1, before[1] + 1)


async def test_a_table_that_is_locked_waits_for_the_next_slot(database: Database, owner_database: Database) -> None:
    await forget_last_month(owner_database, "events")
    await forget_last_month(owner_database, "transfers")
    before = await months(database, "events"), await months(database, "transfers")
    rival = await asyncpg.connect(owner_database.dsn)
    try:
        await rival.execute("begin; lock table events in share update exclusive mode")
        await make_partitions(database)
    finally:
        await rival.close()
    assert (await months(database, "events"), await months(database, "transfers")) == (before[0], before[1] + 1)
    await make_partitions(database)
    assert await months(database, "events") == before[0] + 1


async def test_a_leaf_is_like_its_sisters(database: Database, owner_database: Database) -> None:
    """Indexes, triggers, defaults and checks are those of the others; no check of the making is left."""
    rows = await owner_database.rows(
        """select p.name, i.inhrelid::regclass::text as leaf,
          (select count(*) from pg_index x where x.indrelid = i.inhrelid) as indexes,
          (select count(*) from pg_trigger t where t.tgrelid = i.inhrelid) as triggers,
          (select count(*) from pg_constraint c where c.conrelid = i.inhrelid) as constraints,
          (select count(*) from pg_index x where x.indrelid = i.inhparent) as parents_indexes
        from partitioned_tables p join pg_inherits i on i.inhparent = p.name::regclass"""
    )
    assert len({row["name"] for row in rows}) >= 10
    for name in {row["name"] for row in rows}:
        kinds = {(r["indexes"], r["triggers"], r["constraints"]) for r in rows if r["name"] == name}
        assert len(kinds) == 1, name
        assert {r["indexes"] for r in rows if r["name"] == name} == {r["parents_indexes"] for r in rows if r["name"] == name}
    assert await database.value("select count(*) from pg_constraint where conname = 'in_month'") == 0


async def test_a_lease_has_one_holder_and_a_growing_number(database: Database, owner_database: Database) -> None:
    first, second = Lease(database, "work"), Lease(database, "work")
    assert await first.take() == 1
    assert await first.take() == 1
    assert await second.take() is None
    await owner_database.transact(lambda tx: tx.run("update leases set until_at = clock_now() - interval '1 second'"))
    assert await second.take() == 2
    assert await first.take() is None


async def test_a_slot_is_done_once_and_a_missed_one_late(database: Database) -> None:
    done: list[datetime] = []

    async def work(_: Database) -> None:
        done.append(clock.now())

    # No slot of this length begins while the test runs, whenever it does.
    entries = (Entry("seldom", timedelta(days=1_000), work),)
    tables = [Timetable(database, entries) for _ in range(4)]
    await asyncio.gather(*(table.once() for table in tables))
    assert len(done) == 1
    for table in tables:
        await table.once()
    assert len(done) == 1
    await database.transact(lambda tx: tx.run("update timetable set slot_at = slot_at - interval '5000 days'"))
    await asyncio.gather(*(table.once() for table in tables))
    assert len(done) == 2


async def test_a_broken_entry_is_noted_and_the_next_one_runs(database: Database) -> None:
    ran: list[str] = []

    async def broken(_: Database) -> None:
        raise RuntimeError("broken")

    async def sound(_: Database) -> None:
        ran.append("sound")

    table = Timetable(database, (Entry("broken", timedelta(days=1), broken), Entry("sound", timedelta(days=1), sound)))
    assert await table.once() == ["broken", "sound"]
    assert ran == ["sound"]
    assert await database.value("select fault from timetable where name = 'broken'") == "RuntimeError"


@pytest.mark.parametrize("hours", [1, 6, 24])
def test_slots_begin_at_whole_multiples(hours: int) -> None:
    entry = Entry("x", timedelta(hours=hours), make_partitions)
    slot = entry.slot(datetime(2026, 11, 22, 14, 2, 7, tzinfo=UTC))
    assert slot.timestamp() % (hours * 3_600) == 0
    assert slot <= datetime(2026, 11, 22, 14, 2, 7, tzinfo=UTC) < slot + timedelta(hours=hours)
