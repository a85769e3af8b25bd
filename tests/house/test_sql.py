"""SQL lives in files, is known to PostgreSQL before it runs, asks one clock, and is never put together by Python."""

import ast
import re
from pathlib import Path

import pytest
from tests.house.sources import SOURCE, files, named, nothing, text, tree

from daozhang.postgres import Database, statements

MIGRATIONS = tuple(sorted((SOURCE / "postgres" / "migrations").glob("*.sql")))
ROOMS = tuple(
    "daozhang." + ".".join(path.parent.relative_to(SOURCE).parts)
    for path in files(".sql", below=SOURCE)
    if path.name == "queries.sql"
)
VERB = re.compile(
    r"^\s*(select\s|insert\s+into\s|update\s+\w+\s+set|delete\s+from\s|with\s+\w+\s+as\s*\(|truncate\s|call\s)", re.IGNORECASE
)
CLOCK_MADE = {
    "0001_ground.sql",
    "0042_between_two_identifiers.sql",
    "0085_one_look_one_write.sql",
    "0124_wishes_are_read_by_one.sql",
}
"""The migrations that make the one clock, or read its offset in their own statement where a call would cost too much."""
WALL_CLOCK = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\("
    r"|\bcurrent_(timestamp|date|time)\b|\blocaltime",
    re.IGNORECASE,
)
COMMENT = re.compile(r"--[^\n]*")


def uncommented(sql: str) -> str:
    return COMMENT.sub("", sql)


def joined(module: ast.Module) -> list[int]:
    """Lines where Python puts values into a text that begins like a statement."""
    found = []
    for node in ast.walk(module):
        parts: list[ast.expr] = []
        if isinstance(node, ast.JoinedStr) and any(isinstance(part, ast.FormattedValue) for part in node.values):
            parts = node.values[:1]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
            parts = [node.left]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"format", "format_map"}:
            parts = [node.func.value]
        found += [
            node.lineno
            for part in parts
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and VERB.match(part.value)
        ]
    return found


@pytest.mark.parametrize("room", ROOMS)
async def test_every_statement_prepares(database: Database, room: str) -> None:
    refused = {}
    async with database.pool.acquire() as connection:
        for name in statements(room).names():
            try:
                await connection.prepare(getattr(statements(room), name))
            except Exception as fault:  # noqa: BLE001 -- every refusal of this room is reported at once
                refused[name] = f"{type(fault).__name__}: {fault}"
    nothing(refused.items())


@pytest.mark.parametrize("room", ROOMS)
def test_every_statement_is_used(room: str) -> None:
    """As `sql.name`, or by its name as a text (proof keeps its laws in a table)."""
    code = "".join(text(path) for path in files(".py", below=SOURCE))
    nothing([name for name in statements(room).names() if not re.search(rf'\.{name}\b|"{name}"', code)])


def test_sql_asks_one_clock() -> None:
    """The doctor alone compares the server's own clock with the machine's."""
    found = []
    for path in set(files(".sql", below=SOURCE)) - {SOURCE / "doctor" / "queries.sql"}:
        for number, line in enumerate(text(path).splitlines(), 1):
            inside_clock_now = path.name in CLOCK_MADE and "offset_s" in line
            if WALL_CLOCK.search(uncommented(line)) and not inside_clock_now:
                found.append(f"{named(path)}:{number}")
    for path in files(".py", below=SOURCE):
        found += [
            f"{named(path)}:{node.lineno}"
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and VERB.match(node.value)
            and WALL_CLOCK.search(node.value)
        ]
    nothing(found)


def test_python_never_puts_sql_together() -> None:
    nothing([f"{named(path)}:{line}" for path in files(".py", below=SOURCE) for line in joined(tree(path))])


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_begins_with_why(path: Path) -> None:
    assert re.fullmatch(r"[0-9]{4}_[a-z][a-z0-9_]*", path.stem)
    head = text(path).splitlines()[0]
    assert re.fullmatch(r"-- \S.{20,}\.", head), head


def test_migrations_are_numbered_once_each() -> None:
    numbers = [path.stem[:4] for path in MIGRATIONS]
    assert len(set(numbers)) == len(numbers)


async def test_the_program_owns_no_table_and_changes_no_history(database: Database) -> None:
    """The role of the program inserts and reads; it deletes nothing, and what is append-only it cannot update either."""
    owned = await database.rows("select tablename from pg_tables where schemaname = 'public' and tableowner = current_user")
    assert owned == []
    loose = await database.rows(
        """select table_name, privilege_type from information_schema.role_table_grants
           where grantee = current_user and table_schema = 'public'
             and privilege_type in ('DELETE', 'TRUNCATE', 'UPDATE', 'TRIGGER')"""
    )
    nothing([tuple(row) for row in loose])


async def test_no_grant_goes_to_everybody(database: Database) -> None:
    open_functions = await database.rows(
        """select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname = 'public' and p.prosecdef and has_function_privilege('public', p.oid, 'execute')"""
    )
    nothing(sorted(row["proname"] for row in open_functions))


async def test_a_trusted_function_has_a_fixed_path(database: Database) -> None:
    loose = await database.rows(
        """select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname = 'public' and p.prosecdef
             and not exists (select from unnest(p.proconfig) setting where setting like 'search_path=%')"""
    )
    nothing(sorted(row["proname"] for row in loose))


def test_the_rules_see_what_they_forbid() -> None:
    """The control: each rule finds its own transgression."""
    assert joined(ast.parse('f"select * from {table}"')) == [1]
    assert joined(ast.parse('"delete from orders where id = " + order_id')) == [1]
    assert joined(ast.parse('"update orders set state = %s" % state')) == [1]
    assert joined(ast.parse('"select {}".format(column)')) == [1]
    assert joined(ast.parse('f"Select one of {count} ways"')) == [1]
    assert joined(ast.parse('f"selected {count}"')) == []
    assert WALL_CLOCK.search("select now()")
    assert not WALL_CLOCK.search("select clock_now(), known()")
    assert not WALL_CLOCK.search(uncommented("-- never now()"))
