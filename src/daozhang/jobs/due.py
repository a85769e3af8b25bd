"""Work that is due: the row that needs work carries its due time. One loop per kind of row claims and does it.

A claim is a commit that sets the next due time before anything outside is touched, so a process that dies loses nothing: the row
comes due again. Rows claimed by another process are passed over (`skip locked`).
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often to look for due rows when nobody wakes us."""
MOST = 64
"""Rows worked on at the same time. One that hangs keeps its own slot and nobody else's."""
_GOLDEN = 0.618
"""However many loops there are, multiples of the golden ratio lie apart within a second."""
_begun = itertools.count(1)


class Due:
    """Claims due rows and hands each to `work`. `claim` runs in one transaction and reschedules what it returns."""

    def __init__(
        self,
        name: str,
        database: Database,
        claim: Callable[[Tx, int], Awaitable[Sequence[Any]]],
        work: Callable[[Any], Awaitable[None]],
    ) -> None:
        self.name, self._database, self._claim, self._work = name, database, claim, work
        self._awake = asyncio.Event()
        self._stopping = self._away = False
        self._apart = next(_begun) * _GOLDEN % 1.0
        self._busy: dict[asyncio.Task[None], Any] = {}

    def wake(self) -> None:
        """Wake the loop before its next interval: something may have come due."""
        self._awake.set()

    async def run(self) -> None:
        """Work until `stop`. A fault of one row is logged and the row comes due again; the loop goes on.

        Loops that began together look at moments of their own: a dozen looks at once are 10 ms that a payer's message waits.
        """
        wait_s = LOOK_S * self._apart
        try:
            while not self._stopping:
                if not await self._begin_free():
                    await self._sleep(wait_s)
                    wait_s = LOOK_S
            if self._busy:
                await asyncio.wait(set(self._busy))
        finally:
            for task in self._busy:
                task.cancel()

    async def once(self) -> int:
        """Claim and do what is due now, once; how many rows that was."""
        begun = await self._begin(MOST)
        if begun:
            await asyncio.wait(begun)
        return len(begun)

    def stop(self) -> None:
        """End after the rows under way."""
        self._stopping = True
        self._awake.set()

    async def _begin_free(self) -> bool:
        """Fill the free slots. True when all of them found work: then there may be more."""
        free = MOST - len(self._busy)
        if free <= 0:
            return False
        try:
            begun = len(await self._begin(free))
        except (Unavailable, OutcomeUnknown) as fault:
            # Told once: a dozen loops that look every second would fill a disk in a night without a database.
            if not self._away:
                log.warning("%s: database away (%s)", self.name, fault)
            self._away = True
        except Exception:
            log.exception("%s: claiming failed", self.name)
        else:
            if self._away:
                log.info("%s: the database is back", self.name)
            self._away = False
            return begun == free
        return False

    async def _begin(self, most: int) -> list[asyncio.Task[None]]:
        claimed = await self._database.transact(lambda tx: self._claim(tx, most))
        # A row that is still being worked on when it comes due again is not worked on twice by the same process.
        under_way = set(self._busy.values())
        begun = []
        for row in claimed:
            if row["id"] not in under_way:
                task = asyncio.create_task(self._one(row))
                self._busy[task] = row["id"]
                task.add_done_callback(self._ended)
                begun.append(task)
        return begun

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._busy[task]
        if len(self._busy) == MOST - 1:
            # Everything was busy, so more may be due than could be claimed.
            self._awake.set()

    async def _one(self, row: Any) -> None:
        try:
            await self._work(row)
        except (Unavailable, OutcomeUnknown) as fault:
            log.warning("%s: %s comes due again (%s)", self.name, row["id"], fault)
        except Exception:
            log.exception("%s: %s failed and comes due again", self.name, row["id"])

    async def _sleep(self, wait_s: float) -> None:
        timer = asyncio.get_running_loop().call_later(wait_s, self._awake.set)
        await self._awake.wait()
        timer.cancel()
        self._awake.clear()
