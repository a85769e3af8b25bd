"""Wakes tasks that wait for a change: one LISTEN connection per process, one coalesced empty NOTIFY after a commit.

Nobody trusts a wake-up to come: a waiter also looks every few seconds, and what it sees are the rows. Events are read by
(transaction, sequence) and only below the oldest transaction still running, so a late commit is never passed over.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg

from daozhang.postgres import Database, Unavailable, statements
from daozhang.postgres.listen import listen

sql = statements("daozhang.events")
log = logging.getLogger(__name__)

CHANNEL = "daozhang"
LOOK_S = 2.0
"""How often to look without being woken."""
PAUSE_S = 0.02
"""How long after a NOTIFY the next one comes at the soonest: under load one stands for all commits of that time."""
MOST = 500


class Hub:
    """Tells waiters which orders changed, in whatever process they changed."""

    def __init__(self, database: Database, direct_dsn: str) -> None:
        self._database, self._dsn = database, direct_dsn
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self._awake = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        self._told_again = False
        self._at: tuple[str, int] | None = None

    def tell(self) -> None:
        """Something was committed: wake every process, in one empty NOTIFY for however many commits."""
        self._awake.set()
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._notify())
        else:
            self._told_again = True

    async def changes(self, order_id: UUID) -> AsyncIterator[None]:
        """Yields after each change of the order, and every now and then without one; the row is the truth."""
        event = asyncio.Event()
        if not self._waiting:
            self._awake.set()
        self._waiting.setdefault(order_id, set()).add(event)
        try:
            while True:
                timer = asyncio.get_running_loop().call_later(LOOK_S * 2, event.set)
                await event.wait()
                timer.cancel()
                event.clear()
                yield
        finally:
            waiters = self._waiting[order_id]
            waiters.discard(event)
            if not waiters:
                del self._waiting[order_id]

    async def run(self) -> None:
        """Listen and hand on until cancelled; a lost connection is opened again."""
        listening = asyncio.create_task(listen(self._dsn, CHANNEL, self._awake.set))
        try:
            while True:
                try:
                    await self._hand_on()
                except (Unavailable, asyncpg.PostgresError) as fault:
                    log.warning("events were not read: %s", fault)
                timer = asyncio.get_running_loop().call_later(LOOK_S, self._awake.set)
                await self._awake.wait()
                timer.cancel()
                self._awake.clear()
                if listening.done():
                    # It never ends by itself: whatever broke it breaks this loop too, and both begin again.
                    await listening
        finally:
            listening.cancel()

    async def _hand_on(self) -> None:
        if not self._waiting:
            # Nobody to tell: what happens meanwhile need not be read.
            self._at = None
            return
        if self._at is None:
            self._at = (await self._database.value(sql.horizon), 0)
            # What was committed before this is not read here, so whoever came in the meantime looks once by himself.
            for event in [event for events in self._waiting.values() for event in events]:
                event.set()
        while True:
            rows = await self._database.rows(sql.events_after, *self._at, MOST)
            for row in rows:
                for event in self._waiting.get(row["order_id"], ()):
                    event.set()
            if rows:
                self._at = (rows[-1]["xact"], rows[-1]["seq"])
            if len(rows) < MOST:
                return

    async def _notify(self) -> None:
        self._told_again = True
        while self._told_again:
            self._told_again = False
            try:
                await self._database.value(sql.wake)
                await asyncio.sleep(PAUSE_S)
            except (Unavailable, asyncpg.PostgresError):
                return
