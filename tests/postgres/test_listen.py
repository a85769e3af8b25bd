"""A listener hears every wake-up, and after a lost connection it comes back and looks, because it may have missed one."""

import asyncio
import tempfile
from pathlib import Path

import asyncpg
import pytest
from tests.patience import until
from tests.postgres.test_silence import Wire

from daozhang.postgres import Database
from daozhang.postgres.listen import listen
from daozhang.postgres.supervisor import Supervisor


async def test_a_listener_hears_and_comes_back(
    server: Supervisor, fresh: str, database: Database, owner_database: Database
) -> None:
    heard = 0

    def woke() -> None:
        nonlocal heard
        heard += 1

    listening = asyncio.create_task(listen(server.dsn("app", fresh), "tested", woke))
    await until(lambda: heard == 1)
    await database.rows("notify tested")
    await until(lambda: heard == 2)
    pid = await database.value("select pid from pg_stat_activity where datname = current_database() and query like 'LISTEN%'")
    assert await database.value("select pg_terminate_backend($1)", pid)
    await until(lambda: heard == 3)
    await database.rows("notify tested")
    await until(lambda: heard == 4)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert listening.cancelled()
    count = "select count(*) from pg_stat_activity where datname = current_database() and query like 'LISTEN%'"

    async def gone() -> bool:
        return await database.value(count) == 0

    await until(gone)


async def test_a_server_that_is_not_there_is_asked_again_and_again() -> None:
    listening = asyncio.create_task(listen("postgresql://nobody@127.0.0.1:1/none", "tested", lambda: None))
    await asyncio.sleep(0.3)
    assert not listening.done()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_while_no_host_takes_writes_it_is_asked_again(server: Supervisor, fresh: str) -> None:
    """Between the loss of a primary and the promotion of its standby every host that answers is read-only."""
    heard, keeper = asyncio.Event(), await asyncpg.connect(server.dsn("superuser", "postgres"))
    await keeper.execute(f"alter database {fresh} set default_transaction_read_only = on")
    listening = asyncio.create_task(listen(server.dsn("app", fresh), "tested", heard.set))
    await asyncio.sleep(0.3)
    assert not listening.done()
    assert not heard.is_set()
    await keeper.execute(f"alter database {fresh} reset default_transaction_read_only")
    await keeper.close()
    await until(heard.is_set)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_server_that_is_gone_without_a_word_is_noticed(
    server: Supervisor, fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daozhang.postgres.listen.ASK_S", 0.05)
    monkeypatch.setattr("daozhang.postgres.listen.ANSWER_S", 0.5)
    line, heard = Wire(server.home.sockets / ".s.PGSQL.5432"), asyncio.Queue[None]()
    with tempfile.TemporaryDirectory() as folder:
        listener = await asyncio.start_unix_server(line.serve, str(Path(folder) / ".s.PGSQL.5432"))
        dsn = server.dsn("app", fresh).split("?", 1)[0] + f"?host={folder}&port=5432"
        listening = asyncio.create_task(listen(dsn, "tested", lambda: heard.put_nowait(None)))
        await heard.get()
        await asyncio.sleep(0.2)
        assert heard.empty(), "a server that answers is left in peace"
        line.silent = True
        await until(lambda: line.silent and line.swallowed > 0)
        line.silent = False
        await heard.get()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        listener.close()
