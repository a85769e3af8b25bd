"""FT-04: the connection between program and database is cut after any number of bytes, in either direction.

Whoever retries what may already be done credits twice: the naive control does. With a unique key in the same transaction and
*unknown* as an answer of its own nothing is lost and nothing happens twice.
"""

import asyncio
import contextlib
import os
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable
from daozhang.postgres.supervisor import Supervisor

CREDITS = 1000 * int(os.environ.get("DAOZHANG_CHAOS_FACTOR", "1"))
AMOUNT_FEN = 7
RETRIES = (OutcomeUnknown, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Scissors:
    """A unix socket in front of the server's that cuts some connections at a random byte."""

    def __init__(self, upstream: Path, dice: random.Random) -> None:
        self._upstream, self._dice, self.cuts, self.sharp = upstream, dice, 0, False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(str(self._upstream))
        except OSError:
            writer.close()
            return
        # Connecting takes about 900 bytes, one credit about 400: cuts fall into both.
        budget = [self._dice.randrange(200, 12_000) if self.sharp else 1 << 60]
        ends = (writer, upstream_writer)
        await asyncio.gather(self._pass(reader, upstream_writer, budget, ends), self._pass(upstream_reader, writer, budget, ends))

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, budget: list[int], ends: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data[: budget[0]])
                await sink.drain()
                budget[0] -= len(data)
                if budget[0] <= 0:
                    self.cuts += 1
                    break
        for end in ends:
            end.close()


@pytest.fixture
async def scissors(server: Supervisor, seed: int) -> AsyncIterator[tuple[Scissors, str]]:
    """The scissors, and the folder of their socket."""
    with tempfile.TemporaryDirectory(prefix="dz-") as folder:
        cutter = Scissors(server.home.sockets / ".s.PGSQL.5432", random.Random(seed))
        listener = await asyncio.start_unix_server(cutter.serve, f"{folder}/.s.PGSQL.5432")
        yield cutter, folder
        listener.close()


@pytest.fixture
async def wallet(owner_database: Database) -> Database:
    """One wallet and its once-only keys."""
    async with owner_database.pool.acquire() as connection:
        await connection.execute(
            "create table wallet (id int primary key, balance_fen bigint not null); insert into wallet values (1, 0);"
            "create table credit_keys (n int primary key);"
            "grant select, update on wallet to daozhang_app; grant select, insert on credit_keys to daozhang_app"
        )
    return owner_database


async def credit_naively(tx: Tx, _: int) -> None:
    """What a program without keys does."""
    await tx.run("update wallet set balance_fen = balance_fen + $1 where id = 1", AMOUNT_FEN)


async def credit_once(tx: Tx, n: int) -> None:
    """The key and the money in one transaction."""
    if await tx.run("insert into credit_keys values ($1) on conflict do nothing", n):
        await tx.run("update wallet set balance_fen = balance_fen + $1 where id = 1", AMOUNT_FEN)


async def test_ft_04_cut_connections_lose_nothing_and_credit_nothing_twice(
    server: Supervisor, fresh: str, wallet: Database, scissors: tuple[Scissors, str]
) -> None:
    acknowledged, cuts = await run_credits(server, fresh, scissors, credit_once)
    assert cuts >= CREDITS // 40
    assert acknowledged == CREDITS
    assert await wallet.value("select count(*) from credit_keys") == CREDITS
    assert await wallet.value("select balance_fen from wallet") == CREDITS * AMOUNT_FEN


async def test_ft_04_the_naive_control_credits_twice(
    server: Supervisor, fresh: str, wallet: Database, scissors: tuple[Scissors, str]
) -> None:
    # A double credit needs a cut between the commit and its answer: go on until the first.
    for turn in range(1, 11):
        await run_credits(server, fresh, scissors, credit_naively)
        if await wallet.value("select balance_fen from wallet") > turn * CREDITS * AMOUNT_FEN:
            return
    pytest.fail("the control found no double credit: this test would not find one either")


async def run_credits(
    server: Supervisor, name: str, scissors: tuple[Scissors, str], credit: Callable[[Tx, int], Awaitable[None]]
) -> tuple[int, int]:
    """Credit until each was acknowledged, four at a time; how many were, and how often a connection was cut."""
    cutter, folder = scissors
    dsn = server.dsn("app", name).split("?", 1)[0] + f"?host={folder}&port=5432"
    cutter.sharp = False
    database = await Database.open(dsn, size=4)
    cutter.sharp, before = True, cutter.cuts
    # The connections that were made while opening are never cut: begin with fresh ones.
    await database.pool.expire_connections()
    waiting = list(range(CREDITS))
    acknowledged = 0

    async def worker() -> None:
        nonlocal acknowledged
        while waiting:
            n = waiting.pop()
            while True:
                try:
                    await database.transact(lambda tx, n=n: credit(tx, n))  # type: ignore[misc]
                except RETRIES:
                    continue
                acknowledged += 1
                break

    await asyncio.gather(*(worker() for _ in range(4)))
    cutter.sharp = False
    database.pool.terminate()
    return acknowledged, cutter.cuts - before
