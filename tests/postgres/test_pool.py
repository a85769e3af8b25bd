"""Transactions that are never cancelled, and outcomes that are told as they are."""

import asyncio
import socket

import asyncpg
import pytest
from tests.patience import until

from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable, hosts
from daozhang.postgres.migrate import migrate
from daozhang.postgres.pool import while_waiting
from daozhang.postgres.supervisor import Supervisor


@pytest.fixture
async def tally(owner_database: Database) -> Database:
    """A database with a table of numbers."""
    async with owner_database.pool.acquire() as connection:
        await connection.execute("create table tally (n int primary key); grant select, insert, update on tally to daozhang_app")
    return owner_database


async def test_a_cancelled_caller_takes_nothing_back(tally: Database, database: Database) -> None:
    reached = asyncio.Event()

    async def work(tx: Tx) -> None:
        await tx.run("insert into tally values (1)")
        reached.set()
        await tx.run("select pg_sleep(0.3)")

    caller = asyncio.create_task(database.transact(work))
    await reached.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await database.close()
    assert await tally.value("select count(*) from tally") == 1


async def test_a_caller_cancelled_while_the_commit_is_under_way_takes_nothing_back(tally: Database, database: Database) -> None:
    async with tally.pool.acquire() as connection:
        await connection.execute(
            "create function dawdle() returns trigger language plpgsql as "
            "$$ begin perform pg_advisory_xact_lock(7); return null; end $$;"
            "create constraint trigger slow_commit after insert on tally initially deferred for each row execute function dawdle()"
        )

    async def work(tx: Tx) -> None:
        await tx.run("insert into tally values (1)")

    async def committing() -> bool:
        active = (
            "select count(*) from pg_stat_activity where query = 'COMMIT' and state = 'active' and datname = current_database()"
        )
        return bool(await database.value(active))

    async with tally.pool.acquire() as gate:
        await gate.execute("select pg_advisory_lock(7)")
        caller = asyncio.create_task(database.transact(work))
        await until(committing)
        assert not caller.done()
        assert await tally.value("select count(*) from tally") == 0
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await gate.execute("select pg_advisory_unlock(7)")
    await database.close()
    assert await tally.value("select count(*) from tally") == 1


async def test_too_long_a_transaction_is_cut_and_its_outcome_unknown(tally: Database, database: Database) -> None:
    pid, sleeps = 0, False

    async def work(tx: Tx) -> None:
        nonlocal pid, sleeps
        pid = await tx.value("select pg_backend_pid()")
        await tx.run("insert into tally values (1)")
        sleeps = True
        await tx.run("select pg_sleep(3600)")

    limit_s = 0.3
    while not sleeps:
        # On a busy machine it may be cut before it has come so far, and then maybe nothing happened: once more, with more time.
        with pytest.raises((OutcomeUnknown, Unavailable)) as ended:
            await database.transact(work, limit_s=limit_s)
        limit_s *= 4
    assert ended.type is OutcomeUnknown
    # The connection was closed, and no cancel was sent: the statement runs on until the server notices, and commits nothing.
    assert await database.value("select 1") == 1
    async with tally.pool.acquire() as connection:
        await connection.execute("select pg_terminate_backend($1::int)", pid)
    assert await tally.value("select count(*) from tally") == 0


async def test_a_backend_killed_within_a_transaction_leaves_its_outcome_unknown(tally: Database, database: Database) -> None:
    async def work(tx: Tx) -> None:
        await tx.run("insert into tally values (1)")
        await tally.value("select pg_terminate_backend($1)", await tx.value("select pg_backend_pid()"))
        await tx.run("insert into tally values (2)")

    for _ in range(25):
        with pytest.raises(OutcomeUnknown):
            await database.transact(work)
    # No connection leaked: the pool has ten, and twenty-five broke.
    assert await database.value("select count(*) from tally") == 0


async def test_what_work_raises_is_rolled_back_and_heard(tally: Database, database: Database) -> None:
    async def work(tx: Tx) -> None:
        await tx.run("insert into tally values (1)")
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await database.transact(work)

    async def twice(tx: Tx) -> None:
        await tx.run("insert into tally values (1)")
        await tx.run("insert into tally values (1)")

    with pytest.raises(asyncpg.UniqueViolationError):
        await database.transact(twice)
    assert await tally.value("select count(*) from tally") == 0


async def test_a_failed_statement_that_work_passes_over_is_not_taken_for_success(tally: Database, database: Database) -> None:
    async def careless(tx: Tx) -> str:
        await tx.run("insert into tally values (1)")
        try:
            await tx.run("insert into tally values (1)")
        except asyncpg.UniqueViolationError:
            return "all is well"
        return "never"

    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await database.transact(careless)
    assert await tally.value("select count(*) from tally") == 0


async def test_an_argument_that_cannot_be_encoded_is_a_bug_and_not_an_unknown_outcome(tally: Database, database: Database) -> None:
    async def work(tx: Tx) -> None:
        await tx.run("insert into tally values (1)")
        await tx.run("insert into tally values ($1)", "two")

    with pytest.raises((asyncpg.DataError, asyncpg.InterfaceError)):
        await database.transact(work)
    assert await tally.value("select count(*) from tally") == 0


async def test_transactions_are_read_committed_and_tell_how_many_rows(tally: Database, database: Database) -> None:
    async def work(tx: Tx) -> tuple[str, int, int]:
        level = await tx.value("select current_setting('transaction_isolation')")
        inserted = await tx.run("insert into tally select generate_series(1, 3)")
        return level, inserted, await tx.run("update tally set n = n + 10 where n > 1")

    assert await database.transact(work) == ("read committed", 3, 2)
    assert (await tally.row("select sum(n) as total from tally"))["total"] == 26  # type: ignore[index]


async def test_several_hosts_the_first_of_which_is_dead(server: Supervisor, fresh: str) -> None:
    # Bound and never listened on: it refuses everybody, and nobody else can get it meanwhile.
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    dead = probe.getsockname()[1]
    proxy = await asyncio.start_server(through(server), "127.0.0.1", 0)
    alive = proxy.sockets[0].getsockname()[1]
    secret = server.home.password("app")
    named = f"127.0.0.1:{dead},127.0.0.1:{alive}"
    opened = await Database.open(f"postgresql://daozhang_app:{secret}@{named}/{fresh}?sslmode=disable")
    assert await opened.value("select current_user") == "daozhang_app"
    await opened.close()
    with pytest.raises(Unavailable, match="no host of its DSN takes writes .of one of them: nobody listens there"):
        await Database.open(f"postgresql://daozhang_app:{secret}@127.0.0.1:{dead},127.0.0.1:{dead}/{fresh}?sslmode=disable")
    probe.close()
    proxy.close()
    await proxy.wait_closed()


async def test_a_host_that_says_nothing_costs_its_own_time_alone(
    server: Supervisor, fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without power refuses nobody, it says nothing. Who took over is reached all the same, and first next time."""
    monkeypatch.setattr(hosts, "EACH_S", 1.0)
    held: list[asyncio.StreamWriter] = []

    async def silence(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    proxy = await asyncio.start_server(through(server), "127.0.0.1", 0)
    gone = await asyncio.start_server(silence, "127.0.0.1", 0)
    named = ",".join(f"127.0.0.1:{each.sockets[0].getsockname()[1]}" for each in (gone, proxy))
    ends = f"@{named}/{fresh}?sslmode=disable"
    opened = await Database.open(f"postgresql://daozhang_app:{server.home.password('app')}{ends}")
    assert await opened.value("select current_user") == "daozhang_app"
    assert len(held) == 1
    await asyncio.gather(*(opened.value("select pg_sleep(0.1)") for _ in range(4)))
    assert len(held) == 1, "who took writes last is asked first"
    await opened.close()
    assert await migrate(f"postgresql://daozhang_owner:{server.home.password('owner')}{ends}") == []
    for writer in held:
        writer.close()
    for each in (proxy, gone):
        each.close()
        await each.wait_closed()


@pytest.mark.parametrize("hosts_named", [1, 2])
async def test_the_kernel_notices_a_machine_that_acknowledges_nothing(server: Supervisor, fresh: str, hosts_named: int) -> None:
    """Without this a read under way waits for its own limit. That a cut wire is noticed so was tried by hand (decision 0122)."""
    proxy = await asyncio.start_server(through(server), "127.0.0.1", 0)
    named = ",".join([f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"] * hosts_named)
    opened = await Database.open(f"postgresql://daozhang_app:{server.home.password('app')}@{named}/{fresh}?sslmode=disable")
    async with opened.pool.acquire() as connection:
        wire = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        asked = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)]
        assert [wire.getsockopt(*each) for each in asked] == [1, hosts.SILENT_S * 1_000]
        times = [
            wire.getsockopt(socket.IPPROTO_TCP, each) for each in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
        assert times[0] + times[1] * times[2] == hosts.SILENT_S
    await opened.close()
    proxy.close()
    await proxy.wait_closed()


async def test_a_host_that_accepts_no_writes_is_passed_over(server: Supervisor, fresh: str) -> None:
    async with server_setting(server, fresh, "default_transaction_read_only", "on"):
        with pytest.raises(Unavailable, match="takes writes: each is a standby"):
            await Database.open(server.dsn("app", fresh))
        with pytest.raises(Unavailable, match="takes writes: each is a standby"):
            await migrate(server.dsn("owner", fresh))
    opened = await Database.open(server.dsn("app", fresh))
    await opened.close()


async def test_why_it_cannot_be_reached_is_told_in_words_and_without_the_password(server: Supervisor, fresh: str) -> None:
    secret, dsn = server.home.password("app"), server.dsn("app", fresh)
    for wrong, words in (
        (dsn.replace(secret, "Sesame7"), "refuses the role or its password"),
        (dsn.replace(fresh, "nowhere"), "no database of that name"),
        ("postgresql://daozhang_app:Sesame7@127.0.0.1:1/x", "nobody listens there"),
        ("postgresql://daozhang_app:Sesame7@nohost.invalid/x", "its host has no address"),
        ("postgresql://daozhang_app:Sesame7/8@127.0.0.1/x", "the DSN cannot be read"),
        ("Sesame7", "the DSN cannot be read"),
        ("postgresql://daozhang_app:Sesame7@127.0.0.1:99999/x", "the DSN cannot be read"),
    ):
        for refused in (Database.open(wrong), migrate(wrong)):
            with pytest.raises(Unavailable, match=words) as caught:
                await refused
            assert "Sesame" not in str(caught.value)
            assert caught.value.__cause__ is None


@pytest.mark.parametrize("way", ["read", "first", "second", "last"])
async def test_a_connection_cut_between_two_steps_of_the_driver_is_a_lost_one(
    tally: Database, database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    prepare, told = asyncpg.Connection._get_statement, "insert into tally values ($1)"

    async def cut(self: "asyncpg.Connection[asyncpg.Record]", query: str, *args: object, **named: object) -> object:
        statement = await prepare(self, query, *args, **named)
        if query == told:
            self.terminate()
        return statement

    async def work(tx: Tx) -> None:
        if way == "second":
            await tx.value("select 1")
        await (tx.last(told, 1) if way == "last" else tx.run(told, 1))

    monkeypatch.setattr(asyncpg.Connection, "_get_statement", cut)
    before_anything = way in ("read", "first")
    with pytest.raises(Unavailable if before_anything else OutcomeUnknown):
        await (database.row(told, 1) if way == "read" else database.transact(work, joined=way == "first"))
    assert await tally.value("select count(*) from tally") == 0
    assert await database.value("select 1") == 1


async def test_a_bug_in_the_work_is_no_lost_connection(database: Database) -> None:
    async def work(tx: Tx) -> None:
        await tx.value("select 1")
        raise AttributeError

    with pytest.raises(AttributeError):
        await database.transact(work)
    assert await database.value("select 1") == 1


async def test_a_database_that_is_not_there_is_unavailable(server: Supervisor) -> None:
    with pytest.raises(Unavailable):
        await Database.open(server.dsn("app", "nowhere"))
    with pytest.raises(Unavailable):
        await Database.open(server.dsn("app").replace(server.home.password("app"), "wrong"))


class server_setting:  # noqa: N801 - read as a phrase
    """A setting of one database for the length of a block."""

    def __init__(self, server: Supervisor, name: str, setting: str, value: str) -> None:
        self._dsn, self._name, self._setting, self._value = server.dsn("superuser", "postgres"), name, setting, value

    async def __aenter__(self) -> None:
        await self._run(f'alter database "{self._name}" set {self._setting} = {self._value}')

    async def __aexit__(self, *_: object) -> None:
        await self._run(f'alter database "{self._name}" reset {self._setting}')

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self._dsn)
        await connection.execute(statement)
        await connection.close()


def through(server: Supervisor):  # type: ignore[no-untyped-def]
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(str(server.home.sockets / ".s.PGSQL.5432"))

        async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
            sink.close()

        await asyncio.gather(pipe(reader, upstream_writer), pipe(upstream_reader, writer), return_exceptions=True)

    return serve


async def test_work_is_done_while_the_server_answers_and_what_it_raises_leaves_the_connection_whole(database: Database) -> None:
    ready: list[int] = []
    async with database.pool.acquire() as connection:
        # The answer to what was asked has come, though nobody wanted it any more: the next question has the connection to itself.
        with pytest.raises(ZeroDivisionError):
            await while_waiting(connection.fetchval("select 7 from pg_sleep(0.1)"), lambda: ready.append(1 // 0))
        assert await while_waiting(connection.fetchval("select 8"), lambda: ready.append(6)) == 8
    assert ready == [6]


INSERT = "insert into tally values ($1)"
NUMBERS = "select array_agg(n order by n) from tally"


async def test_a_transaction_begins_with_its_first_statement_and_commits_with_its_last(tally: Database, database: Database) -> None:
    async def work(tx: Tx) -> tuple[bool, bool]:
        # Neither statement is prepared on this connection yet: what prepares it is no part of the transaction.
        first = await tx.value("select pg_current_xact_id()::text")
        assert await tx.run(INSERT, 1) == 1
        same = await tx.value("select pg_current_xact_id()::text") == first
        await tx.last("insert into tally select unnest($1::integer[])", [2, 3])
        return same, tx.committed

    assert await database.transact(work, joined=True) == (True, True)
    assert await tally.value(NUMBERS) == [1, 2, 3]
    await database.transact(lambda tx: tx.last(INSERT, 4), joined=True)
    await database.transact(lambda tx: tx.run(INSERT, 5), joined=True)
    await database.transact(lambda tx: tx.last(INSERT, 6))
    await database.transact(lambda tx: tx.copy("tally", ["n"], [(7,)]), joined=True)

    async def nothing(tx: Tx) -> None:
        """Asks nothing: then nothing is begun."""

    await database.transact(nothing, joined=True)
    assert await tally.value(NUMBERS) == [1, 2, 3, 4, 5, 6, 7]


async def test_a_joined_transaction_that_fails_anywhere_leaves_nothing_behind(tally: Database, database: Database) -> None:
    async with tally.pool.acquire() as connection:
        await connection.execute(
            "insert into tally values (9); create table half (n int references tally initially deferred);"
            "grant select, insert on half to daozhang_app"
        )

    async def fails(*statements: tuple[str, object], last: tuple[str, object], fault: type[Exception]) -> None:
        async def work(tx: Tx) -> None:
            for statement in statements:
                await tx.run(*statement)
            await tx.last(*last)

        with pytest.raises(fault):
            await database.transact(work, joined=True)
        # The connection is whole, and no transaction is open on it.
        async with database.pool.acquire() as connection:
            assert not connection.is_in_transaction()
        assert await tally.value(NUMBERS) == [9]

    one, nine, odd = (INSERT, 1), (INSERT, 9), (INSERT, "x")
    await fails(nine, last=one, fault=asyncpg.UniqueViolationError)
    await fails(one, last=nine, fault=asyncpg.UniqueViolationError)
    await fails(odd, last=one, fault=asyncpg.DataError)
    await fails(one, last=odd, fault=asyncpg.DataError)
    await fails(("insert into tallies values ($1)", 1), last=one, fault=asyncpg.UndefinedTableError)
    await fails(one, last=("insert into tallies values ($1)", 1), fault=asyncpg.UndefinedTableError)
    # What was put off to the commit fails with it.
    await fails(one, last=("insert into half values ($1)", 5), fault=asyncpg.ForeignKeyViolationError)

    async def passes_over(tx: Tx) -> None:
        with pytest.raises(asyncpg.UniqueViolationError):
            await tx.run(*nine)
        await tx.last(*one)

    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await database.transact(passes_over, joined=True)
    await database.transact(lambda tx: tx.last(*one), joined=True)
    assert await tally.value(NUMBERS) == [1, 9]


async def test_a_connection_lost_before_the_commit_was_sent_changed_nothing_and_after_it_nobody_knows(
    tally: Database, database: Database
) -> None:
    die = "select pg_terminate_backend(pg_backend_pid()) where $1"

    async def before(tx: Tx) -> None:
        await tx.run(INSERT, 1)
        await tx.run(die, True)  # noqa: FBT003

    with pytest.raises(Unavailable):
        await database.transact(before, joined=True)

    async def with_it(tx: Tx) -> None:
        await tx.run(INSERT, 1)
        await tx.last(die, True)  # noqa: FBT003

    with pytest.raises(OutcomeUnknown):
        await database.transact(with_it, joined=True)
    assert await tally.value(NUMBERS) is None
    await database.transact(lambda tx: tx.last(INSERT, 1), joined=True)
    assert await tally.value(NUMBERS) == [1]
