"""A program of ours in miniature, for tests to kill: it starts or joins the server of a data folder and writes to it.

`python program.py DATA [ACKS]` prints one JSON line when it is ready and one whenever it takes the server over. With ACKS it
inserts numbers and appends each to that file after its commit was acknowledged. It ends cleanly on SIGTERM.
"""

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path

import asyncpg

from daozhang.postgres.pool import Database, OutcomeUnknown, Tx, Unavailable
from daozhang.postgres.supervisor import Supervisor
from daozhang.settings import Settings


async def main() -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings(data=Path(sys.argv[1]), postgres_bin=Path(os.environ["TEST_BIN"]) if "TEST_BIN" in os.environ else None)
    async with Supervisor(settings) as server:
        if server.owned:
            owner = await asyncpg.connect(server.dsn("owner"))
            await owner.execute("create table if not exists acks (n bigint primary key)")
            await owner.execute("grant select, insert on acks to daozhang_app")
            await owner.close()
        assert server.run_as is not None or not server.owned
        how = server.run_as.how if server.run_as else None
        tasks = [asyncio.create_task(announce(server, owned=server.owned))]
        tell(owned=server.owned, postmaster=server.pid, dsn=server.dsn("app"), how=how)
        if len(sys.argv) > 2:
            tasks.append(asyncio.create_task(write(server.dsn("app"), Path(sys.argv[2]))))
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for task in done:
            task.result()


async def announce(server: Supervisor, *, owned: bool) -> None:
    """Say when the server becomes ours."""
    while True:
        await asyncio.sleep(0.02)
        if server.restarts and server.owned and not owned:
            owned = True
            tell(owned=True, postmaster=server.pid)


async def write(dsn: str, acks: Path) -> None:
    """Insert for ever; note what was acknowledged, and only that."""
    database = await reach(dsn)
    with acks.open("a", encoding="ascii", buffering=1) as file:
        while True:
            n = random.getrandbits(62)

            async def insert(tx: Tx, n: int = n) -> None:
                await tx.run("insert into acks values ($1)", n)

            try:
                await database.transact(insert)
            except (OutcomeUnknown, Unavailable, asyncpg.PostgresError):
                await asyncio.sleep(0.01)
                continue
            file.write(f"{n}\n")


async def reach(dsn: str) -> Database:
    """Connect, however long that takes: the owner of the server may be killed meanwhile."""
    while True:
        try:
            return await Database.open(dsn, size=2)
        except Unavailable:
            await asyncio.sleep(0.05)


def tell(**facts: object) -> None:
    """One JSON line."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
