"""What is sent as an array is understood, whatever lies in it, and costs no question about each entry."""

from datetime import UTC, datetime
from typing import Any

import pytest
from asyncpg.protocol import protocol

from daozhang import ids
from daozhang.postgres import Database
from daozhang.postgres.driver import give_back, session_of

ONE, TWO = ids.new_ids(2)
COLUMNS: list[tuple[str, Any]] = [
    ("text", ["a", "", None, "{1,2}", "到账"]),
    ("bytea", [b"\x00", b"", None]),
    ("bigint", [1, None, -(2**62)]),
    ("boolean", [True, False, None]),
    ("uuid", [ONE, None, TWO]),
    ("timestamptz", [datetime(2026, 11, 28, 8, 30, tzinfo=UTC), None]),
    ("bigint", [[1, 2], [3, 4]]),
    ("text", []),
    ("text", ("a", "b")),
    ("text", dict.fromkeys("ab").keys()),
    ("text", dict(enumerate("ab")).values()),
    ("text", {"a"}),
    ("text", frozenset("a")),
]


@pytest.mark.parametrize(("name", "column"), COLUMNS)
async def test_an_array_comes_back_as_it_was_sent(database: Database, name: str, column: Any) -> None:
    assert await database.value(f"select $1::{name}[]", column) == list(column)


@pytest.mark.parametrize("column", ["ab", b"ab", {"a": "b"}, 1])
async def test_what_is_no_list_is_refused(database: Database, column: Any) -> None:
    with pytest.raises(Exception, match="sized iterable container expected"):
        await database.value("select $1::text[]", column)


def test_the_driver_asks_no_abstract_class() -> None:
    assert isinstance(protocol.IterableABC, tuple)
    assert isinstance(protocol.SizedABC, tuple)
    assert protocol.MappingABC is dict


async def test_every_connection_of_a_pool_can_join_and_goes_back_to_it_at_once(database: Database) -> None:
    connection = await database.pool.acquire()
    session = session_of(connection)
    assert session.joins
    assert give_back(connection)
    assert not give_back(connection)
    again = await database.pool.acquire()
    assert session_of(again) is session
    # One with a transaction on it is for the pool to put in order.
    await again.execute("BEGIN")
    assert not give_back(again)
    await again.execute("ROLLBACK")
    assert give_back(again)
