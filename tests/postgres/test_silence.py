"""A server that says nothing any more: the connection stands, no byte comes. Nobody waits for ever, and outcomes stay honest."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable, pool
from daozhang.postgres.supervisor import Supervisor


class Wire:
    """A unix socket in front of the server's that swallows every byte while `silent`."""

    def __init__(self, upstream: Path) -> None:
        self._upstream, self.silent, self.swallowed = upstream, False, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(str(self._upstream))
        await asyncio.gather(self._pass(reader, up_writer), self._pass(up_reader, writer))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if self.silent:
                self.swallowed += len(data)
            else:
                sink.write(data)
        sink.close()


@pytest.fixture
async def wire(server: Supervisor, fresh: str) -> AsyncIterator[tuple[Wire, Database]]:
    dsn = server.dsn("app", fresh)
    line = Wire(server.home.sockets / ".s.PGSQL.5432")
    with tempfile.TemporaryDirectory() as folder:
        listener = await asyncio.start_unix_server(line.serve, str(Path(folder) / ".s.PGSQL.5432"))
        database = await Database.open(dsn.split("?", 1)[0] + f"?host={folder}&port=5432")
        yield line, database
        database.pool.terminate()
        listener.close()


async def test_a_read_that_gets_no_answer_is_unavailable(wire: tuple[Wire, Database], monkeypatch: pytest.MonkeyPatch) -> None:
    line, database = wire
    assert await database.value("select 1") == 1
    line.silent = True
    with monkeypatch.context() as short:
        short.setattr(pool, "READ_LIMIT_S", 0.3)
        with pytest.raises(Unavailable):
            await database.value("select 2")
    line.silent = False
    assert await database.value("select 3") == 3


async def test_a_transaction_that_gets_no_answer_is_unknown(wire: tuple[Wire, Database]) -> None:
    line, database = wire

    async def work(tx: Tx) -> None:
        await tx.value("select 1")
        line.silent = True
        await tx.value("select 2")

    limit_s = 0.3
    while not line.silent:
        # On a busy machine it may be cut before anything was asked in it, and then nothing happened: once more, with more time.
        with pytest.raises((OutcomeUnknown, Unavailable)) as ended:
            await database.transact(work, limit_s=limit_s)
        limit_s *= 4
    assert ended.type is OutcomeUnknown


async def test_giving_a_connection_back_is_bounded_too(wire: tuple[Wire, Database]) -> None:
    line, database = wire

    async def work(tx: Tx) -> None:
        await tx.run("set local work_mem = '1MB'")

    original = database._release

    async def release(connection: object) -> None:
        line.silent = True
        await original(connection)  # type: ignore[arg-type]

    database._release = release  # type: ignore[method-assign]
    await database.transact(work, limit_s=10)
