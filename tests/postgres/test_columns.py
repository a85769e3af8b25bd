"""A column that says one thing throughout travels as one entry, and arrives whole."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from daozhang.postgres import Database
from daozhang.postgres.columns import narrow


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(column=some.lists(some.sampled_from(["paid", "it's", None, ""]), max_size=6))
async def test_what_is_narrowed_here_is_whole_there(database: Database, column: list[str | None]) -> None:
    assert await database.value("select spread($1::text[], $2)", narrow(column), len(column)) == column


def test_only_what_is_the_same_throughout_is_narrowed() -> None:
    assert narrow(["a"] * 3) == ["a"]
    assert narrow(["a", "a", "b"]) == ["a", "a", "b"]
    assert narrow([None, None]) == [None]
    assert narrow([]) == []
