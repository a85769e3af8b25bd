"""Listening for NOTIFY on a connection of its own: never through a transaction pooler, and made anew when it is lost."""

import asyncio
import logging
from collections.abc import Callable

import asyncpg

from daozhang.postgres.hosts import connect, still_there
from daozhang.postgres.trouble import told

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
ASK_S, ANSWER_S = 30.0, 10.0
"""How often the server is asked whether it is still there, and for how long: one that lost its power does not say so."""


async def listen(dsn: str, channel: str, woke: Callable[[], None]) -> None:
    """Call `woke` after each NOTIFY, and once after each connection, since nobody knows what was missed. Ends when cancelled.

    A notification carries nothing: what changed stands in the rows. `dsn` may name several hosts; the one that writes is used.
    """
    wait_s = FIRST_WAIT_S
    while True:
        connection: asyncpg.Connection[asyncpg.Record] | None = None
        try:
            connection = await connect(dsn, timeout=10)
            turn = asyncio.Event()
            connection.add_termination_listener(lambda *_, turn=turn: turn.set())
            await connection.add_listener(channel, lambda *_: woke())
            woke()
            wait_s = FIRST_WAIT_S
            while not connection.is_closed():
                timer = asyncio.get_running_loop().call_later(ASK_S, turn.set)
                await turn.wait()
                timer.cancel()
                turn.clear()
                if not connection.is_closed():
                    await still_there(connection, ANSWER_S)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as fault:
            log.warning("listening was lost: %s", told(fault, dsn))
        finally:
            if connection is not None:
                connection.terminate()
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)
