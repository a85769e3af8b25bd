"""Work that is due: the row that needs work carries its due time. One loop per kind of row claims and does it.

A claim is a commit that sets the next due time before anything outside is touched, so a process that dies loses nothing: the row
comes due again. Rows claimed by another process are passed over (`skip locked`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often to look for due rows when nobody wakes us."""
MOST = 64
"""Rows claimed, and so worked on at the same time, at once."""


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
        self._stopping = False

    def wake(self) -> None:
        """Look now: something may have come due."""
        self._awake.set()

    async def run(self) -> None:
        """Work until `stop`. A fault of one row is logged and the row comes due again; the loop goes on."""
        while not self._stopping:
            try:
                if await self.once():
                    continue
            except (Unavailable, OutcomeUnknown) as fault:
                log.warning("%s: database away (%s)", self.name, fault)
            except Exception:
                log.exception("%s: claiming failed", self.name)
            await self._sleep()

    async def once(self) -> int:
        """Claim and do what is due now, once; how many rows that was."""
        claimed = await self._database.transact(lambda tx: self._claim(tx, MOST))
        await asyncio.gather(*(self._one(row) for row in claimed))
        return len(claimed)

    def stop(self) -> None:
        """End after the rows under way."""
        self._stopping = True
        self._awake.set()

    async def _one(self, row: Any) -> None:
        try:
            await self._work(row)
        except (Unavailable, OutcomeUnknown) as fault:
            log.warning("%s: %s comes due again (%s)", self.name, row["id"], fault)
        except Exception:
            log.exception("%s: %s failed and comes due again", self.name, row["id"])

    async def _sleep(self) -> None:
        timer = asyncio.get_running_loop().call_later(LOOK_S, self._awake.set)
        await self._awake.wait()
        timer.cancel()
        self._awake.clear()
