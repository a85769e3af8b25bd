"""Stories of one day: the hour at which a run begins is no part of them."""

import time
from datetime import timedelta

from daozhang import clock
from daozhang.postgres import Database

SPARE = timedelta(minutes=10)


async def within_one_day(database: Database) -> None:
    """A day of the shop has some minutes left; if need be tomorrow begins at once, for everybody. The clock can be shifted."""
    at = clock.now()
    left = clock.next_day(at) - at
    if left < SPARE:
        offset_s = clock.now_s() - time.time() + left.total_seconds() + 60
        await database.value("select shift_clock($1)", offset_s)
        clock.shift(offset_s)
