"""The driver's connection as we use it: nothing of a session to put back, and ends of a transaction that travel with statements.

A statement is sent as Bind, Execute and Sync, and PostgreSQL answers up to the Sync ("Extended Query", "Pipelining" in its manual,
chapter 55.2). Between them there may be more: BEGIN is put before the first statement's Bind, and COMMIT after the last one's
Execute. A transaction of two statements is two round trips instead of four. Whatever fails before it, no COMMIT is carried out: the
server passes over everything up to the Sync.
"""

import struct
from collections.abc import Callable, Iterable
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import asyncpg
import asyncpg.protocol
from asyncpg import connect_utils
from asyncpg.protocol import protocol

FIRST_OWN_TYPE = 16_384
"""Numbers of types from here on are made by this database (FirstNormalObjectId)."""
_TYPES: dict[frozenset[int], Any] = {}
_NOTHING_ASKED = SimpleNamespace(name="none")
"""Stands for the statement that was not run: a named one, which leaves the driver's anonymous statement as it was."""
_LISTS: tuple[type, ...] = (list, tuple, set, frozenset, type({}.keys()), type({}.values()))

_BIND, _SYNC = b"B", b"S\x00\x00\x00\x04"
_ENDS = {"daozhang_begin": "BEGIN", "daozhang_commit": "COMMIT"}
"""Statements that every session of ours has prepared, by name. They take and give nothing."""


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


def _carried_out(name: str) -> bytes:
    """Bind and Execute of a statement that takes and gives nothing."""
    return _message(b"B", b"\0" + name.encode() + b"\0" + bytes(6)) + _message(b"E", b"\0" + bytes(4))


_BEGIN, _COMMIT = map(_carried_out, _ENDS)


class Outgoing:
    """A transport that puts BEGIN before the next statement that is carried out, or COMMIT after one that is named."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.write: Callable[[Any], None] = transport.write
        self.waiting = False
        """Whether something is to be put to a statement that has not come yet."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def join(self, before: bytes, after: bytes, name: str | None) -> None:
        """Put messages before and after the next Bind and Execute; with a `name` only those of that statement."""
        named = b"" if name is None else b"\0" + name.encode() + b"\0"

        def write(data: Any) -> None:
            # A view: a settlement's columns are more than a megabyte, and each copy of them costs as much as sending them.
            content = memoryview(data)
            # A statement that is not prepared yet is, before its Bind comes; and the driver may have a question of its own.
            if content[:1] != _BIND or content[5 : 5 + len(named)] != named or content[-len(_SYNC) :] != _SYNC:
                self._transport.write(data)
                return
            self.part()
            self._transport.writelines([part for part in (before, content[: -len(_SYNC)], after + _SYNC) if part])

        self.write, self.waiting = write, True

    def part(self) -> None:
        """Put nothing to anything from here on."""
        self.write, self.waiting = self._transport.write, False


class Wire(asyncpg.protocol.Protocol):
    """The driver's protocol over a transport of ours."""

    def connection_made(self, transport: Any) -> None:
        """Send over `outgoing` from the first word on."""
        self.outgoing = Outgoing(transport)
        super().connection_made(self.outgoing)


class Session(asyncpg.Connection):
    """A connection whose session holds nothing: no setting, lock, cursor or LISTEN of ours outlives its transaction.

    So there is nothing to put back when it returns to the pool, and a transaction saves a round trip and a walk over all settings.
    """

    _protocol: Any
    _listeners: Any
    _log_listeners: Any
    _top_xact: Any

    @cached_property
    def known(self) -> set[bytes]:
        """What a caller found in tables that only grow, while this session lasts: another server may lack some of it."""
        return set()

    def get_reset_query(self) -> str:
        """Nothing. A transaction that was left open is rolled back by the driver all the same."""
        return ""

    async def make_ends(self) -> None:
        """As the function of this name says."""
        self._ends = [await self.prepare(text, name=name) for name, text in _ENDS.items()]

    @property
    def joins(self) -> bool:
        """Whether this session can begin and end a transaction so. Not behind a pooler, where no statement stays prepared."""
        return hasattr(self, "_ends") and isinstance(self._protocol, Wire)

    def begin_with_next(self) -> None:
        """Begin a transaction with the statement that comes next."""
        self._protocol.outgoing.join(_BEGIN, b"", None)

    def begins_yet(self) -> bool:
        """Whether no statement has come since `begin_with_next`; from here on none will begin a transaction."""
        waits: bool = self.joins and self._protocol.outgoing.waiting
        if waits:
            self._protocol.outgoing.part()
        return waits

    async def commit_with(self, sql: str, *args: Any) -> tuple[list[asyncpg.Record], str]:
        """Carry out a statement and commit with it: its rows, and `COMMIT` when both were done.

        What fails leaves the transaction failed.
        """
        # Prepared first, so that the next Bind of its name is its own.
        statement = await self._get_statement(sql, None)  # type: ignore[attr-defined]
        self._protocol.outgoing.join(_BEGIN if self.begins_yet() else b"", _COMMIT, statement.name)
        try:
            rows, status, _ = await self._execute(sql, args, 0, None, return_status=True)  # type: ignore[attr-defined]
        finally:
            self._protocol.outgoing.part()
        return rows, status.decode()

    def _busy(self, holder: Any) -> bool:
        """Whether a holder in the pool has more to do than to take this back: what has not ended yet, or wear."""
        wire = self._protocol
        return bool(
            wire.is_in_transaction() or wire._is_cancelling() or self._listeners or self._log_listeners or self._top_xact
            or wire.queries_count >= holder._max_queries or holder._generation != holder._pool._generation
            or holder._pool._reset is not None
        )  # fmt: skip

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float) -> tuple[Any, Any]:  # noqa: ASYNC109 - the driver's own
        """What the driver asks the catalogue when a connection first meets an array: five times 10 ms amid somebody's payment.

        PostgreSQL's own types have the same numbers on every server, so one connection asks for all of the process.
        """
        wanted = frozenset(typeoids)
        if wanted in _TYPES:
            return _TYPES[wanted], _NOTHING_ASKED
        types, statement = await super()._introspect_types(typeoids, timeout)  # type: ignore[misc]
        if max(wanted) < FIRST_OWN_TYPE:
            _TYPES[wanted] = types
        return types, statement


def know_lists() -> None:
    """Let the driver know the entries of an array by their type.

    It asks two abstract classes about each entry of each array whether that is an array itself, which is half and more of what an
    array costs: 0.2 to 0.5 us an entry; and a third one about each array whether it is a mapping. What we send as arrays are
    Python's own lists, sets and views, and no others. A driver that asks in another way is left as it is.
    """
    for name, known in {"IterableABC": _LISTS, "SizedABC": _LISTS, "MappingABC": dict}.items():
        if hasattr(protocol, name):
            setattr(protocol, name, known)


def send_by_wire() -> None:
    """Let connections speak over `Wire`. A driver that is built in another way is left as it is, and `Session.joins` says so."""
    if getattr(connect_utils, "protocol", None) is asyncpg.protocol:
        setattr(asyncpg.protocol, "Protocol", Wire)  # noqa: B010


async def make_ends(session: Any) -> None:
    """Prepare on a new connection what begins and ends a transaction along with its statements."""
    await session.make_ends()


def session_of(proxy: Any) -> Session:
    """The session behind a connection of a pool."""
    session: Session = proxy._con
    return session


def give_back(proxy: Any) -> bool:
    """Give a connection back to its pool at once. False, and nothing done, when there is anything to be asked or ended for it.

    The pool makes a task of it, for what may have to be asked of the server. A `Session` that rests holds nothing.
    """
    holder, session = proxy._holder, proxy._con
    if session is None or session.is_closed() or not isinstance(session, Session) or session._busy(holder):
        return False
    session._on_release()  # type: ignore[attr-defined]
    holder._timeout = None
    holder._release()
    holder._setup_inactive_callback()
    return True


know_lists()
send_by_wire()
