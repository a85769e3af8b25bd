"""A server as it is after some use, and not as it is in its first minute.

A new cluster makes each piece of its write-ahead log when it first needs it: sixteen megabytes of zeros, written and synced while
whoever commits waits. Later a checkpoint hands old pieces on, and nothing is made anew (`min_wal_size` in `postgres/cluster.py`).
What a bench measures is the later, for the figure and for its yardstick.
"""

import asyncpg

from daozhang.postgres.supervisor import Supervisor

PIECES = 40
"""Pieces of log that are there when the measuring begins: about what a bench writes."""


async def run_in(server: Supervisor) -> None:
    """Fill so many pieces and have a checkpoint hand them on."""
    admin = await asyncpg.connect(server.dsn("superuser", "postgres"))
    try:
        for _ in range(PIECES):
            # A piece is changed for the next one only when something stands in it.
            await admin.execute("select pg_logical_emit_message(false, '', '')")
            await admin.execute("select pg_switch_wal()")
        await admin.execute("checkpoint")
    finally:
        await admin.close()
