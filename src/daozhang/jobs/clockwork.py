"""Following the test clock: the offset row of the database, which only test mode may set."""

import asyncio
import contextlib

from daozhang import clock
from daozhang.postgres import Database, Unavailable, statements

sql = statements("daozhang.jobs")

LOOK_S = 0.5


async def follow_clock(database: Database, *, test_mode: bool) -> None:
    """Follow the row until cancelled. Outside test mode the row is always zero and is not looked at."""
    while test_mode:
        with contextlib.suppress(Unavailable):
            clock.shift(await database.value(sql.clock_offset))
        await asyncio.sleep(LOOK_S)
