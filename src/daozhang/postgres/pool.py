"""Connections and transactions.

A commit is never cancelled: asyncpg answers a cancelled wait by cancelling the statement, and a cancelled commit can be
confirmed here and lost at a fail-over. So every transaction runs in a task of its own that its caller awaits shielded; when it
takes too long its connection is cut and its outcome is *unknown*, which is an answer of its own.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from functools import partial
from types import coroutine
from typing import Any, Self, TypeVar, cast

import asyncpg

from daozhang.postgres.driver import Session, give_back, make_ends, session_of
from daozhang.postgres.hosts import connect
from daozhang.postgres.trouble import told

T = TypeVar("T")
log = logging.getLogger(__name__)

TRANSACTION_LIMIT_S = 15.0
"""How long a transaction may take before its connection is cut."""
READ_LIMIT_S = 15.0
"""How long a single reading statement may take before its connection is cut."""

SESSION = {
    "default_transaction_isolation": "read committed",
    "jit": "off",
    # Whoever cut a connection sent no cancel: the server looks by itself whether anybody still listens.
    "client_connection_check_interval": "5s",
    "idle_in_transaction_session_timeout": "60s",
    # Every statement here is a look by key, and planning one anew over all partitions costs a millisecond.
    "plan_cache_mode": "force_generic_plan",
}
"""What every session of ours is set to."""
BY_KEY = {"enable_seqscan": "off"}
"""For a session that only looks by key: a plan made while a table is tiny would read all of it, and still when it is large."""
BEGIN = "BEGIN"
BEGIN_POOLED = "BEGIN ISOLATION LEVEL READ COMMITTED;" + ";".join(
    f"SET LOCAL {name} = '{value}'" for name, value in SESSION.items() if name != "default_transaction_isolation"
)
"""Behind a transaction pooler there is no session: the next transaction may have another connection, so each brings them."""

_PASSED_OVER = "a failed statement was passed over in this transaction"
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg says when it is used on a connection that broke a moment ago.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
    OSError,
)


MOST_QUERIES = 10_000_000
"""Statements of a connection before it is opened anew. What it has planned is its worth: the driver's 50,000 last for minutes."""


class OutcomeUnknown(Exception):
    """The connection was lost or cut while a commit was under way: the work may or may not have happened. Look, then decide."""


class Unavailable(Exception):
    """The database could not be reached or began no transaction: nothing happened."""


class Tx:
    """One open transaction at READ COMMITTED. Rows are `asyncpg.Record`."""

    def __init__(self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", session: Session) -> None:
        self._connection, self._session = connection, session
        self.ending = self.committed = False
        """Whether COMMIT was sent with the last statement, and whether it was done."""

    @property
    def known(self) -> set[bytes]:
        """Hashes that the session of this transaction has found in tables that only grow, committed by others.

        Behind a pooler a session says nothing of the server, which may be another one by now: nothing is known then.
        """
        return self._session.known if self._session.joins else set()

    async def rows(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Every row of the answer."""
        return await self._connection.fetch(sql, *args)

    async def row(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        return await self._connection.fetchrow(sql, *args)

    async def value(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        return await self._connection.fetchval(sql, *args)

    async def run(self, sql: str, *args: Any) -> int:
        """Carry out a statement; the number of rows it touched."""
        tag = await self._connection.execute(sql, *args)
        last = tag.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    async def last(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """Carry out the statement that is the last of its transaction, and commit with it where the connection can; its first row.

        Nothing may be asked in this transaction after it, and nothing that matters may be done in `work` but to return.
        """
        if not self._session.joins:
            return await self._connection.fetchrow(sql, *args)
        self.ending = True
        rows, done = await self._session.commit_with(sql, *args)
        if done != "COMMIT":
            raise asyncpg.InFailedSQLTransactionError(_PASSED_OVER)
        self.committed = True
        return rows[0] if rows else None

    async def copy(self, table: str, columns: Sequence[str], records: Sequence[tuple[Any, ...]]) -> None:
        """Append rows by COPY: what many rows of an append-only table cost least by, for the driver and for PostgreSQL."""
        if self._session.begins_yet():
            # COPY is a statement of another kind, which nothing can be put before.
            await self._connection.execute(BEGIN)
        await self._connection.copy_records_to_table(table, columns=columns, records=records)


class Database:
    """A pool on one database as one role."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", dsn: str, begin: str = BEGIN) -> None:
        self.pool, self.dsn, self._begin = pool, dsn, begin
        self._tasks: set[asyncio.Task[Any]] = set()

    @classmethod
    async def open(cls, dsn: str, *, size: int = 10, pooled: bool = False, idle_s: float = 60.0, by_key: bool = False) -> Self:
        """Connect. The DSN may name several hosts; the one that accepts writes is chosen.

        `pooled`: it points at a transaction pooler, so no statement is kept prepared and nothing is asked of the session.
        A connection that rests for `idle_s` is closed, with all it had planned; 0 keeps it.
        `by_key`: no table is read from its beginning to its end, see `BY_KEY`; not behind a pooler.
        Raises `Unavailable`, with why in words for the operator, when no host takes writes.
        """
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size,
                timeout=10,
                statement_cache_size=0 if pooled else 512,
                max_queries=MOST_QUERIES,
                max_inactive_connection_lifetime=idle_s,
                connection_class=Session,
                init=None if pooled else make_ends,
                connect=cast("Any", connect),
                server_settings={"application_name": "daozhang"} | ({} if pooled else SESSION | (BY_KEY if by_key else {})),
            )
        except (*_LOST, asyncpg.PostgresError, ValueError, OverflowError) as fault:
            # What the driver says of a DSN may repeat a part of its password, so that is not even a cause.
            raise Unavailable(told(fault, dsn)) from None
        return cls(pool, dsn, BEGIN_POOLED if pooled else BEGIN)

    async def close(self) -> None:
        """Wait for the transactions under way, then close every connection."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.pool.close()

    async def transact(
        self, work: Callable[[Tx], Awaitable[T]], *, limit_s: float = TRANSACTION_LIMIT_S, joined: bool = False
    ) -> T:
        """Run `work` in one transaction and commit. The caller may be cancelled; the transaction is not.

        `joined`: the transaction begins with the first statement of `work`, in one message (`driver.py`).

        Raises `Unavailable` (nothing happened), `OutcomeUnknown` (it may have happened), or what `work` raised (rolled back).
        Passing over a failed statement within `work` is a bug of ours and raises `asyncpg.InFailedSQLTransactionError`.
        """
        task = asyncio.create_task(self._transact(work, limit_s, joined=joined))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _transact(self, work: Callable[[Tx], Awaitable[T]], limit_s: float, *, joined: bool) -> T:
        connection = await self._acquire()
        cutter = asyncio.get_running_loop().call_later(limit_s, _cut, connection)
        session = session_of(connection)
        tx, joined = Tx(connection, session), joined and session.joins
        began = False
        try:
            if joined:
                session.begin_with_next()
            else:
                await connection.execute(self._begin)
                began = True
            result = await work(tx)
            if not tx.committed and not session.begins_yet():
                tx.ending = True
                if await connection.execute("COMMIT") != "COMMIT":
                    # PostgreSQL answers so when a statement had failed and `work` went on as if it had not: nothing was kept.
                    raise asyncpg.InFailedSQLTransactionError(_PASSED_OVER)  # noqa: TRY301
        except (*_LOST, AttributeError) as fault:
            if isinstance(fault, asyncpg.InterfaceError | AttributeError) and _open(connection):
                # The driver says either of a closed connection (see `_read`) and of our own misuse alike; this is the latter.
                await _undo(connection, session)
                raise
            log.warning("transaction lost its connection: %s", type(fault).__name__)
            _cut(connection)
            raise (OutcomeUnknown if began or tx.ending else Unavailable)(type(fault).__name__) from fault
        except BaseException:
            try:
                await _undo(connection, session)
            except (*_LOST, asyncpg.PostgresError):
                # A lost connection is rolled back by the server; what `work` raised is what the caller should hear.
                _cut(connection)
            raise
        finally:
            # Giving back asks the server something, too: a server that has gone silent must not keep us there.
            await self._release(connection)
            cutter.cancel()
        return result

    async def _release(self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
        if give_back(connection):
            return
        try:
            await self.pool.release(connection)
        except (*_LOST, asyncpg.PostgresError) as fault:
            # The transaction has its outcome already: a connection that dies after it changes nothing, and the pool drops it.
            log.warning("a connection broke when it was given back: %s", type(fault).__name__)

    async def _acquire(self) -> "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]":
        try:
            return await self.pool.acquire()
        except (*_LOST, asyncpg.PostgresError, TimeoutError) as fault:
            raise Unavailable(type(fault).__name__) from fault

    async def rows(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """One reading statement outside any transaction, at most `READ_LIMIT_S` long. Raises `Unavailable`."""
        return await self._read("fetch", sql, *args)  # type: ignore[no-any-return]

    async def row(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        return await self._read("fetchrow", sql, *args)  # type: ignore[no-any-return]

    async def value(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        return await self._read("fetchval", sql, *args)

    async def _read(self, how: str, sql: str, *args: Any) -> Any:
        connection = await self._acquire()
        cutter = asyncio.get_running_loop().call_later(READ_LIMIT_S, _cut, connection)
        try:
            return await getattr(connection, how)(sql, *args)
        except (*_LOST, TimeoutError, AttributeError) as fault:
            # Cut between its preparing of a statement and its carrying it out, the driver looks for a protocol that is gone.
            if isinstance(fault, AttributeError) and _open(connection):
                raise
            raise Unavailable(type(fault).__name__) from fault
        finally:
            await self._release(connection)
            cutter.cancel()


async def while_waiting(asked: Coroutine[Any, Any, T], work: Callable[[], None]) -> T:
    """Do `work` on this processor while the server does `asked` on another; the server's answer, or what either raised.

    Nothing else may be asked on the connection before this has ended, and it ends only with the answer.
    """
    # Up to its first wait at once: a task would need a turn of the loop to begin, and one more to be heard of. The server has then
    # what is sent: a transport that has nothing waiting writes at once (uvloop since 0.23).
    waits = asked.send(None)
    try:
        work()
    finally:
        answer = await _rest(asked, waits)
    return answer


@coroutine
def _rest(asked: Coroutine[Any, Any, T], waits: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine from the wait that it has come to."""
    while True:
        try:
            heard = yield waits
        except BaseException as fault:  # noqa: BLE001 - it is the coroutine's to hear
            step = partial(asked.throw, fault)
        else:
            step = partial(asked.send, heard)
        try:
            waits = step()
        except StopIteration as done:
            answer: T = done.value
            return answer


async def _undo(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", session: Session) -> None:
    """Roll back, if a transaction was begun at all."""
    if not session.begins_yet():
        await connection.execute("ROLLBACK")


def _cut(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
    # A connection that broke may have gone back to the pool by itself, and then answers everything with an InterfaceError.
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


def _open(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> bool:
    """Whether the connection can still carry a statement; a proxy that lost its connection refuses even this question."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False
