"""Turns of one user: his forms are judged one after the other, in whatever process they arrive.

Whether an order would double an open one is looked at before it is placed. Two forms that look at the same instant would both see
nothing. With a turn the second looks once the first is placed, and goes on with it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from daozhang import clock, ids
from daozhang.postgres import Database, statements

sql = statements("daozhang.recharge")

LEASE = timedelta(seconds=10)
"""After so long a turn is over even if nobody ended it: its process may have died."""
LOOK_S = 0.05


@asynccontextmanager
async def turn(database: Database, user_id: int) -> AsyncIterator[None]:
    """Wait for the user's turn, at most `LEASE`, and end it with the block. Raises `Unavailable`, `OutcomeUnknown`."""
    holder = ids.new_id()

    async def taken() -> bool:
        at = clock.now()
        return bool(await database.transact(lambda tx: tx.value(sql.take_turn, user_id, holder, at, at + LEASE)))

    while not await taken():  # noqa: ASYNC110 -- the turn is another process's as well
        await asyncio.sleep(LOOK_S)
    try:
        yield
    finally:
        await database.transact(lambda tx: tx.run(sql.end_turn, user_id, holder))
