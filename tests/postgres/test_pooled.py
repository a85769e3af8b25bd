"""Behind a transaction pooler: nothing is kept in a session, and everything goes the same way."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.flows.conftest import proved
from tests.flows.shop import open_shop
from tests.patience import until
from tests.postgres.running import absent
from tests.postgres.test_pool import through

from daozhang.bench.ports import free_port
from daozhang.postgres import Database, Tx
from daozhang.postgres.pool import SESSION
from daozhang.postgres.supervisor import Supervisor
from daozhang.settings import Settings


async def settings_of(tx: Tx) -> dict[str, str]:
    """What holds within the transaction."""
    rows = await tx.rows("select name, setting || coalesce(unit, '') as setting from pg_settings where name = any($1)", [*SESSION])
    return {row["name"]: row["setting"] for row in rows}


async def test_each_transaction_brings_what_a_session_has(database: Database) -> None:
    pooled = await Database.open(database.dsn, size=1, pooled=True)
    try:
        assert await pooled.transact(settings_of) == await database.transact(settings_of)
        assert await pooled.value("show plan_cache_mode") == "auto"
    finally:
        await pooled.close()


async def test_a_recharge_leaves_nothing_in_its_sessions(database: Database, free_clock: None, settings: Settings) -> None:
    async with open_shop(database, replace(settings, database_pooled=True)) as shop:
        order = await shop.place()
        await shop.pay(order)
        await shop.reach(order.id, "credited")
        await shop.program.desk.refund(order.id, 2_000, "test", "test")
        pool = shop.program.database.pool
        held = [await pool.acquire() for _ in range(pool.get_size())]
        for connection in held:
            assert await connection.fetch("select name from pg_prepared_statements") == []
            assert await connection.fetch("select * from pg_cursors where is_holdable") == []
            await pool.release(connection)
        await proved(database)


@pytest.fixture
async def bouncer(server: Supervisor, fresh: str) -> AsyncIterator[str]:
    """A DSN through a PgBouncer that gives each transaction whichever connection is free."""
    program = shutil.which("pgbouncer")
    if program is None:
        absent("pgbouncer is not on this machine; `make test` installs it")
    upstream = await asyncio.start_server(through(server), "127.0.0.1", 0)
    port = free_port()
    secret = server.home.password("app")
    folder = Path(tempfile.mkdtemp(prefix="dz-"))
    # It will not run as root, and whoever it becomes must be able to read this.
    folder.chmod(0o755)
    (folder / "users").write_text(f'"daozhang_app" "{secret}"\n', "utf-8")
    (folder / "ini").write_text(
        f"""[databases]
{fresh} = host=127.0.0.1 port={upstream.sockets[0].getsockname()[1]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
server_round_robin = 1
default_pool_size = 4
min_pool_size = 3
""",
        "utf-8",
    )
    process = await asyncio.create_subprocess_exec(
        program, "-q", *(("-u", "nobody") if os.geteuid() == 0 else ()), str(folder / "ini")
    )

    async def listens() -> bool:
        assert process.returncode is None, "it has ended"
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    await until(listens)
    yield f"postgresql://daozhang_app:{secret}@127.0.0.1:{port}/{fresh}?sslmode=disable"
    process.terminate()
    await process.wait()
    upstream.close()
    shutil.rmtree(folder)


async def test_a_recharge_goes_through_pgbouncer(bouncer: str, database: Database, free_clock: None, settings: Settings) -> None:
    through = await Database.open(bouncer, pooled=True)
    try:
        async with open_shop(through, replace(settings, database_pooled=True), direct=database.dsn, work=True) as shop:
            orders = await asyncio.gather(*(shop.place(1_000 + n) for n in range(8)))
            for order in orders:
                await shop.pay(order)
            for order in orders:
                await shop.reach(order.id, "credited")
            await shop.program.desk.refund(orders[0].id, 500, "test", "test")
        await proved(database)
    finally:
        await through.close()
