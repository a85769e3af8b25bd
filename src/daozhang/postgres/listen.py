"""Listening for NOTIFY on a connection of its own: never through a transaction pooler, and made anew when it is lost."""

import asyncio
import logging
from collections.abc import Callable

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from daozhang.postgres.trouble import told

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0


async def listen(dsn: str, channel: str, woke: Callable[[], None]) -> None:
    """Call `woke` after each NOTIFY, and once after each connection, since nobody knows what was missed. Ends when cancelled.

    A notification carries nothing: what changed stands in the rows. `dsn` may name several hosts; the one that writes is used.
    """
    wait_s = FIRST_WAIT_S
    while True:
        connection: asyncpg.Connection[asyncpg.Record] | None = None
        try:
            connection = await asyncpg.connect(dsn, timeout=10, target_session_attrs=SessionAttribute.read_write)
            gone = asyncio.Event()
            connection.add_termination_listener(lambda *_, gone=gone: gone.set())
            await connection.add_listener(channel, lambda *_: woke())
            woke()
            wait_s = FIRST_WAIT_S
            await gone.wait()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as fault:
            log.warning("listening was lost: %s", told(fault, dsn))
        finally:
            if connection is not None:
                connection.terminate()
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)
