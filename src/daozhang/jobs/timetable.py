"""Periodic work: the leader does each entry once per slot. A slot that nobody did while we were away is done once, late."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg

from daozhang import clock
from daozhang.jobs.lease import Lease
from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable, statements

sql = statements("daozhang.jobs")
log = logging.getLogger(__name__)

LOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timetable. Slots begin at whole multiples of `every` since 1970, so all processes agree on them."""

    name: str
    every: timedelta
    work: Callable[[Database], Awaitable[None]]

    def slot(self, at: datetime) -> datetime:
        """The beginning of the slot that holds `at`."""
        length = self.every.total_seconds()
        return datetime.fromtimestamp(at.timestamp() // length * length, UTC)


async def _ensure(table: str, tx: Tx) -> int:
    return int(await tx.value(sql.ensure_partitions_of, table))


async def make_partitions(database: Database) -> None:
    """Keep partitions a year ahead, one table per transaction. A table too busy for it waits for the next slot."""
    for row in await database.rows(sql.partitioned_tables):
        try:
            made = await database.transact(partial(_ensure, row["name"]))
        except asyncpg.LockNotAvailableError:
            log.warning("%s is too busy for a new month now", row["name"])
            continue
        if made:
            log.info("%s: made %d months", row["name"], made)


ENTRIES = (Entry("partitions", timedelta(hours=6), make_partitions),)


class Timetable:
    """Runs entries while this process leads."""

    def __init__(self, database: Database, entries: tuple[Entry, ...] = ENTRIES) -> None:
        self._database, self._entries = database, entries
        self._lease = Lease(database, "timetable")

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            try:
                await self.once()
            except (Unavailable, OutcomeUnknown) as fault:
                log.warning("the timetable waits: %s", fault)
            await asyncio.sleep(LOOK_S)

    async def once(self) -> list[str]:
        """Do what is due, if we lead; the names of what was done."""
        if await self._lease.take() is None:
            return []
        return [entry.name for entry in self._entries if await self._do(entry)]

    async def _do(self, entry: Entry) -> bool:
        slot = entry.slot(clock.now())
        taken = await self._database.transact(lambda tx: tx.value(sql.take_slot, entry.name, slot))
        if taken is None:
            return False
        fault: str | None = None
        try:
            await entry.work(self._database)
        except Exception as broken:
            log.exception("%s failed", entry.name)
            fault = type(broken).__name__
        await self._database.transact(lambda tx: tx.run(sql.end_slot, entry.name, slot, clock.now(), fault))
        return True
