"""Whether channels can reach us: a channel whose payments all had to be asked for is one whose messages do not arrive.

It costs nobody money, since every open payment is asked about as well; it costs minutes, and whoever pays is told so beforehand.
"""

import asyncio
import logging
from datetime import timedelta

from daozhang import clock
from daozhang.postgres import Database, Unavailable, statements

sql = statements("daozhang.recharge")
log = logging.getLogger(__name__)

WITHIN = timedelta(minutes=10)
FEWEST = 3
"""Fewer payments than this say nothing."""
LOOK_S = 10.0


class Hearing:
    """Knows for each channel whether its messages of the last minutes reached us."""

    def __init__(self, database: Database) -> None:
        self._database, self._heard = database, dict[int, bool]()

    def heard(self, channel_id: int) -> bool | None:
        """Whether the channel's messages arrive; None while too few of its payments are known."""
        return self._heard.get(channel_id)

    async def look(self) -> None:
        """Read it now. Raises `Unavailable`; then it stays as it was."""
        rows = await self._database.rows(sql.heard, clock.now() - WITHIN, FEWEST)
        self._heard = {row["channel_id"]: row["heard"] for row in rows}

    async def watch(self) -> None:
        """Read it every `LOOK_S` seconds until cancelled."""
        while True:
            try:
                await self.look()
            except Unavailable:
                log.warning("nobody can say whether channels reach us: the database is not reachable")
            await asyncio.sleep(LOOK_S)
