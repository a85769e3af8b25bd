"""Commits are never cancelled: no clock of asyncio runs around a call to the database.

asyncpg answers a wait that times out by cancelling the statement. A cancelled commit can be confirmed and yet be lost at a
fail-over, so what takes too long is cut off instead, and its outcome is unknown.
"""

import ast

import pytest
from tests.house.sources import SOURCE, calls, files, named, nothing, text, tree

CLOCKS = {"wait_for", "timeout", "timeout_at"}
"""What asyncio offers to cancel a wait with."""
DATABASE = {
    "transact",
    "rows",
    "row",
    "value",
    "run",
    "fetch",
    "fetchrow",
    "fetchval",
    "execute",
    "executemany",
    "acquire",
    "connect",
}
"""What a call to the database is named; `put` of a batch is shielded and may be waited for."""
FOREIGN = {"outbound", "simulators"}
"""Rooms that never see a database connection: their clocks run around the network."""
ARGUMENTS = {"command_timeout"}
PER_CALL = {"execute", "fetch", "fetchrow", "fetchval", "executemany", "run", "row", "rows", "value", "transact"}
"""Calls in which an argument `timeout` would be a cancel; connecting may have one, because nothing is under way yet."""


def clocked(module: ast.Module) -> list[int]:
    """The lines on which a clock of asyncio runs around a call to the database."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, (ast.AsyncWith, ast.With)):
            if any(_is_clock(item.context_expr) for item in node.items) and _touches(node.body):
                found.append(node.lineno)
        elif isinstance(node, ast.Call):
            if _is_clock(node) and _touches(node.args):
                found.append(node.lineno)
            names = {keyword.arg for keyword in node.keywords}
            if ARGUMENTS & names or ("timeout" in names and _name(node) in PER_CALL and not _is_process(node)):
                found.append(node.lineno)
    return found


def _is_clock(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node) in CLOCKS


def _is_process(node: ast.Call) -> bool:
    called = node.func
    return isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "subprocess"


def _touches(nodes: list[ast.stmt] | list[ast.expr]) -> bool:
    return any(isinstance(inner, ast.Call) and _name(inner) in DATABASE for node in nodes for inner in ast.walk(node))


def _name(node: ast.Call) -> str:
    called = node.func
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def test_no_clock_runs_around_a_call_to_the_database() -> None:
    nothing(
        f"{named(path)}:{line}"
        for path in files(".py", below=SOURCE)
        if path.relative_to(SOURCE).parts[0] not in FOREIGN
        for line in clocked(tree(path))
    )


def test_only_the_postgres_room_opens_connections() -> None:
    opened = [
        f"{named(path)}:{node.lineno}"
        for path in files(".py", below=SOURCE)
        if path.relative_to(SOURCE).parts[0] not in {"postgres", "bench"}  # a bench makes the yardstick's database
        for name, node in calls(tree(path))
        if name in {"create_pool", "connect"} and "asyncpg" in text(path)
    ]
    nothing(opened)


def test_nothing_asks_for_a_level_of_isolation_that_is_unsafe_for_money() -> None:
    nothing(
        named(path)
        for path in files(".sql", below=SOURCE)
        if "isolation level serializable" in text(path).lower() or "set transaction_isolation" in text(path).lower()
    )


@pytest.mark.parametrize(
    "code",
    [
        "async def f(db):\n    await asyncio.wait_for(db.transact(g), 3)",
        "async def f(db):\n    async with asyncio.timeout(3):\n        await db.rows('select 1')",
        "async def f(db):\n    async with timeout(3):\n        x = [await db.value(s) for s in y]",
        "async def f(c):\n    await c.fetch('select 1', timeout=3)",
        "async def f():\n    await asyncpg.create_pool(dsn, command_timeout=3)",
    ],
)
def test_the_rule_sees_what_it_is_about(code: str) -> None:
    assert clocked(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "async def f(db):\n    await asyncio.wait_for(event.wait(), 3)\n    await db.rows('select 1')",
        "async def f():\n    await asyncpg.connect(dsn, timeout=3)",
        "async def f():\n    async with asyncio.timeout(3):\n        await reader.read()",
    ],
)
def test_the_rule_lets_other_waits_be(code: str) -> None:
    assert not clocked(ast.parse(code))
