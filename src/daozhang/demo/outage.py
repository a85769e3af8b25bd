"""Our own database that can only be read for a while: what a visitor of the demo meets as a fault of the platform's.

The sessions of this process are told so, each of them: nothing is changed in the database, and with the process it is over.
"""

import asyncio
import contextlib

from daozhang.postgres import Database

ACQUIRE_S = 5.0
"""How long a session that is at work is waited for."""
BEGINS, ENDS = "set default_transaction_read_only = on", "reset default_transaction_read_only"


class Outage:
    """One at a time, for every pool of the program. A session keeps what it was told (`postgres/pool.py` puts nothing back)."""

    def __init__(self, *databases: Database) -> None:
        self._pools = [each.pool for each in databases]
        self._over: asyncio.Task[None] | None = None

    async def begin(self, seconds: float) -> None:
        """Nothing can be written for so long. Raises `TimeoutError` when a session does not come free, with nothing changed."""
        await self.end()
        try:
            await self._tell(BEGINS)
        except BaseException:
            await self._tell(ENDS)
            raise
        self._over = asyncio.create_task(self._end_after(seconds))

    async def end(self) -> None:
        """It can be written again, if it could not."""
        if self._over is None:
            return
        over, self._over = self._over, None
        over.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await over
        await self._tell(ENDS)

    async def _end_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._tell(ENDS)

    async def _tell(self, words: str) -> None:
        """Tell every session that there may be: all are taken at once, so that none is opened beside them."""
        held = []
        try:
            for pool in self._pools:
                for _ in range(pool.get_max_size()):
                    held.append((pool, await pool.acquire(timeout=ACQUIRE_S)))  # noqa: PERF401 -- what is taken has to be given back
            for _, session in held:
                await session.execute(words)
        finally:
            for pool, session in held:
                await pool.release(session)
