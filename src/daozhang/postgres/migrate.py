"""Brings a database to the newest shape: numbered SQL files, forward only, each applied once.

One runner at a time (a session's advisory lock, so the connection must be direct, never through a transaction pooler). A file and
the row that records it are one transaction: `kill -9` at any point leaves the file done or not begun. A file whose second line is
`-- no-transaction` (for `create index concurrently`) runs statement by statement instead and must bear being run again.
"""

import asyncio
import hashlib
import logging
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import asyncpg

from daozhang import clock
from daozhang.postgres.hosts import connect
from daozhang.postgres.pool import Database, Unavailable
from daozhang.postgres.trouble import told

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 5
"""A statement that waits longer for a table gives up: behind it every other user of the table would wait too."""
TRIES = 4
QUEUE_S = 120.0
"""How long one runner waits for another."""

_LOCK = 0x64616F_7A68616E
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql", re.ASCII)


class MigrationTrouble(Exception):
    """A migration cannot be applied; the message names it and says why. What came before it stays applied."""


@dataclass(frozen=True)
class Migration:
    """One file: its number, its name without number, its text, and the SHA-256 of its bytes in hex."""

    number: int
    name: str
    text: str
    checksum: str

    @property
    def transactional(self) -> bool:
        """Whether the whole file is one transaction."""
        return "-- no-transaction" not in self.text.splitlines()[1:2]

    def statements(self) -> list[str]:
        """The statements of a file without transaction: each ends with a semicolon at the end of a line."""
        body = "\n".join(line for line in self.text.splitlines() if not line.startswith("--"))
        return [part.strip() for part in re.split(r";[ \t]*$", body, flags=re.MULTILINE) if part.strip()]


@dataclass(frozen=True)
class Applied:
    """What was done, or with `dry_run` would be: `seconds` is 0 then."""

    number: int
    name: str
    seconds: float


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """The files of the program, or of `folder`, by number. Raises `MigrationTrouble` for a misnamed, headless or doubled one."""
    place = folder or resources.files("daozhang.postgres") / "migrations"
    found: dict[int, Migration] = {}
    for file in place.iterdir():
        if not file.name.endswith(".sql"):
            continue
        name = _NAME.fullmatch(file.name)
        raw = file.read_bytes()
        if name is None:
            raise MigrationTrouble(f"{file.name} is not named NNNN_name.sql")
        if not raw.startswith(b"-- "):
            raise MigrationTrouble(f"{file.name} must begin with a sentence of why")
        migration = Migration(int(name[1]), name[2], raw.decode("utf-8"), hashlib.sha256(raw).hexdigest())
        if migration.number in found:
            raise MigrationTrouble(f"number {migration.number} is given twice: {found[migration.number].name}, {migration.name}")
        if not migration.transactional and "$$" in migration.text:
            raise MigrationTrouble(f"{file.name}: a file without transaction holds no function bodies")
        found[migration.number] = migration
    return [found[number] for number in sorted(found)]


async def migrate(owner_dsn: str, *, dry_run: bool = False, folder: Path | None = None) -> list[Applied]:
    """Apply what is missing and say what that was. `owner_dsn` is a direct connection as the role that owns the tables.

    Raises `MigrationTrouble` when an applied file has changed since, when one is missing below the newest applied, or when one
    fails; `Unavailable`, with why, when no host takes writes.
    """
    migrations = read_migrations(folder)
    connection = await _connect(owner_dsn)
    try:
        await _queue(connection)
        if not await connection.fetchval("select to_regclass('public.migrations') is not null"):
            if dry_run:
                return [Applied(migration.number, migration.name, 0.0) for migration in migrations]
            await connection.execute(_TABLE)
        rest = missing(migrations, await _applied(connection))
        return [Applied(each.number, each.name, 0.0 if dry_run else await _apply(connection, each)) for each in rest]
    finally:
        await connection.close()


def missing(migrations: list[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    """Which of the files are to be applied, given name and checksum of the applied ones by number. Raises `MigrationTrouble`.

    A database that is newer than the program is let be: during a roll-out old and new run side by side.
    """
    known = {migration.number: migration for migration in migrations}
    head = max(applied, default=0)
    for number, (name, checksum) in sorted(applied.items()):
        migration = known.get(number)
        if migration is None:
            if number < max(known, default=0):
                raise MigrationTrouble(f"{number:04}_{name} is applied here, but this program does not have it")
            log.warning("the database is newer than this program: it has %04d_%s", number, name)
        elif migration.checksum != checksum:
            raise MigrationTrouble(f"{number:04}_{name} has changed since it was applied")
    rest = [migration for migration in migrations if migration.number not in applied]
    late = [migration for migration in rest if migration.number < head]
    if late:
        raise MigrationTrouble(f"{late[0].number:04}_{late[0].name} comes before {head:04}, which is applied already")
    return rest


async def _connect(dsn: str) -> "asyncpg.Connection[Any]":
    """The host that takes writes: what a standby says is applied may be old, and its advisory lock keeps nobody out."""
    try:
        connection: asyncpg.Connection[Any] = await connect(
            dsn, timeout=30, server_settings={"application_name": "daozhang-migrate"}
        )
    except (
        OSError, ValueError, OverflowError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    ) as fault:  # fmt: skip
        raise Unavailable(told(fault, dsn)) from None
    return connection


async def check_shape(database: Database) -> None:
    """Raises `MigrationTrouble`, with what to do, when a database is older than this program. A newer one is let be."""
    if not await database.value("select to_regclass('public.migrations') is not null"):
        raise MigrationTrouble("nothing has been made in this database yet: run `daozhang migrate`")
    rows = await database.rows("select number, name, checksum from migrations")
    rest = missing(read_migrations(), {row["number"]: (row["name"], row["checksum"]) for row in rows})
    if rest:
        first = f"{rest[0].number:04}_{rest[0].name}"
        raise MigrationTrouble(f"{len(rest)} migrations are to be applied, from {first}: run `daozhang migrate`")


async def _queue(connection: "asyncpg.Connection[Any]") -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + QUEUE_S
    while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
        if loop.time() > deadline:
            raise MigrationTrouble("another process has been migrating this database for too long")
        await asyncio.sleep(0.1)


async def _applied(connection: "asyncpg.Connection[Any]") -> dict[int, tuple[str, str]]:
    rows = await connection.fetch("select number, name, checksum from migrations")
    return {row["number"]: (row["name"], row["checksum"]) for row in rows}


async def _apply(connection: "asyncpg.Connection[Any]", migration: Migration) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for attempt in range(1, TRIES + 1):
        try:
            await (_apply_whole if migration.transactional else _apply_in_steps)(connection, migration)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            # Somebody's transaction holds the table, or another one and waits for ours. We got out of the way; later we ask again.
            if attempt == TRIES:
                raise MigrationTrouble(
                    f"{migration.number:04}_{migration.name}: a table stayed locked for {TRIES} times {LOCK_TIMEOUT_S} s"
                ) from None
            await asyncio.sleep(attempt)
        except asyncpg.PostgresError as fault:
            raise MigrationTrouble(
                f"{migration.number:04}_{migration.name}: {fault.sqlstate} {fault}{_line(migration, fault)}"
            ) from fault
        else:
            break
    log.info("applied %04d_%s", migration.number, migration.name)
    return loop.time() - began


async def _apply_whole(connection: "asyncpg.Connection[Any]", migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT_S}s'")
        await connection.execute(migration.text)
        await _record(connection, migration)


async def _apply_in_steps(connection: "asyncpg.Connection[Any]", migration: Migration) -> None:
    await connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT_S}s'")
    try:
        for statement in migration.statements():
            await connection.execute(statement)
        # A concurrent index whose making was interrupted stays behind, invalid, and "if not exists" would take it for done.
        broken = await connection.fetchval("select string_agg(indexrelid::regclass::text, ', ') from pg_index where not indisvalid")
        if broken:
            raise MigrationTrouble(
                f"{migration.number:04}_{migration.name} left invalid indexes: {broken}; drop them and run it again"
            )
        await _record(connection, migration)
    finally:
        if not connection.is_closed():
            await connection.execute("reset lock_timeout")


async def _record(connection: "asyncpg.Connection[Any]", migration: Migration) -> None:
    await connection.execute(
        "insert into migrations (number, name, checksum, applied_at) values ($1, $2, $3, $4)",
        migration.number,
        migration.name,
        migration.checksum,
        clock.now(),
    )


def _line(migration: Migration, fault: asyncpg.PostgresError) -> str:
    position = getattr(fault, "position", None)
    return f" (line {migration.text[: int(position)].count(chr(10)) + 1})" if position else ""


_TABLE = """
create table migrations (
  number integer primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null
);
grant select on migrations to daozhang_app;
"""
