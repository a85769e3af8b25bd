"""Migrations: each once, one runner at a time, and restartable after `kill -9` at every statement."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from tests.patience import until

from daozhang.postgres.migrate import Migration, MigrationTrouble, migrate, missing, read_migrations
from daozhang.postgres.supervisor import Supervisor

STATEMENTS = 5


@pytest.fixture
async def empty(server: Supervisor, fresh: str) -> str:
    """An owner's DSN to a database without anything in it."""
    name = f"{fresh}_e"
    admin = await asyncpg.connect(server.dsn("superuser", "postgres"))
    await admin.execute(f'create database "{name}" template template0 owner daozhang_owner')
    await admin.close()
    return server.dsn("owner", name)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A small set; every statement of the second waits at a gate of its own."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text("-- the first table\ncreate table a (n int);\ninsert into a values (1);\n", "utf-8")
    gated = "".join(f"create table b{n} (n int);\nselect pg_advisory_xact_lock({n});\n" for n in range(STATEMENTS))
    (folder / "0002_gated.sql").write_text("-- one table and one gate after another\n" + gated, "utf-8")
    (folder / "0003_steps.sql").write_text(
        "-- an index that is made beside the running program\n-- no-transaction\n"
        "drop index concurrently if exists a_n;\ncreate index concurrently a_n on a (n);\n",
        "utf-8",
    )
    return folder


async def test_rc_21_killed_at_every_statement_it_starts_again_and_completes(empty: str, files: Path) -> None:
    keeper = await asyncpg.connect(empty)
    for gate in range(STATEMENTS):
        await keeper.execute("select pg_advisory_lock($1)", gate)
        process = start_migration(empty, files)
        while not await keeper.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted and database = "
            "(select oid from pg_database where datname = current_database())"
        ):
            assert process.poll() is None, process.communicate()
            await asyncio.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        await keeper.execute("select pg_advisory_unlock($1)", gate)
        assert [row["number"] for row in await keeper.fetch("select number from migrations order by 1")] == [1]
        assert await keeper.fetchval("select count(*) from pg_tables where tablename like 'b_'") == 0
    done = await migrate(empty, folder=files)
    assert [each.number for each in done] == [2, 3]
    assert await keeper.fetchval("select count(*) from pg_tables where tablename like 'b_'") == STATEMENTS
    assert await keeper.fetchval("select count(*) from a") == 1
    assert await migrate(empty, folder=files) == []
    await keeper.close()


async def test_rc_21_an_interrupted_concurrent_index_is_made_anew(empty: str, files: Path) -> None:
    (files / "0002_gated.sql").unlink()
    keeper = await asyncpg.connect(empty)
    await keeper.execute("create table a (n int)")
    # A transaction that holds the table keeps the index waiting, half made and invalid.
    holder = await asyncpg.connect(empty)
    (files / "0001_first.sql").write_text("-- nothing to do\nselect 1;\n", "utf-8")
    await migrate(empty, folder=only(files, 1))
    held = holder.transaction()
    await held.start()
    await holder.execute("insert into a values (1)")
    process = start_migration(empty, files)
    while not await keeper.fetchval("select count(*) from pg_index where not indisvalid"):
        assert process.poll() is None, process.communicate()
        await asyncio.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    await held.commit()
    assert [each.number for each in await migrate(empty, folder=files)] == [3]
    assert await keeper.fetchval("select indisvalid from pg_index where indexrelid = 'a_n'::regclass")
    await holder.close()
    await keeper.close()


async def test_an_invalid_index_is_not_taken_for_done(empty: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text(
        "-- a table with two alike\ncreate table a (n int); insert into a values (1), (1);\n", "utf-8"
    )
    (tmp_path / "0002_b.sql").write_text(
        "-- a careless index\n-- no-transaction\ncreate unique index concurrently if not exists a_n on a (n);\n", "utf-8"
    )
    with pytest.raises(MigrationTrouble, match="23505"):
        await migrate(empty, folder=tmp_path)
    with pytest.raises(MigrationTrouble, match="invalid indexes: a_n"):
        await migrate(empty, folder=tmp_path)


async def test_two_runners_at_once_apply_each_file_once(empty: str, files: Path) -> None:
    results = await asyncio.gather(*(migrate(empty, folder=files) for _ in range(4)))
    assert sorted(each.number for result in results for each in result) == [1, 2, 3]


async def test_a_dry_run_changes_nothing(empty: str, files: Path) -> None:
    assert [each.number for each in await migrate(empty, dry_run=True, folder=files)] == [1, 2, 3]
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'") == 0
    await connection.close()
    await migrate(empty, folder=files)
    assert await migrate(empty, dry_run=True, folder=files) == []


async def test_a_changed_file_is_refused(empty: str, files: Path) -> None:
    await migrate(empty, folder=files)
    with (files / "0001_first.sql").open("a", encoding="utf-8") as file:
        file.write("drop table a;\n")
    with pytest.raises(MigrationTrouble, match="0001_first has changed"):
        await migrate(empty, folder=files)


async def test_a_failing_file_leaves_what_came_before_and_says_where(empty: str, files: Path) -> None:
    (files / "0002_gated.sql").write_text("-- broken\ncreate table c (n int);\n\nselect nothing from nowhere;\n", "utf-8")
    with pytest.raises(MigrationTrouble, match=r"0002_gated: 42P01 .*line 4"):
        await migrate(empty, folder=files)
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("select to_regclass('c')") is None
    assert await connection.fetchval("select max(number) from migrations") == 1
    await connection.close()


async def test_a_locked_table_makes_it_give_way_and_try_again(empty: str, files: Path) -> None:
    (files / "0002_gated.sql").write_text("-- widen\nalter table a add column m int;\n", "utf-8")
    (files / "0003_steps.sql").unlink()
    await migrate(empty, folder=only(files, 1))
    holder = await asyncpg.connect(empty)
    held = holder.transaction()
    await held.start()
    await holder.execute("select * from a")
    running = asyncio.create_task(migrate(empty, folder=files))
    await asyncio.sleep(5.5)
    assert not running.done()
    # While it waits for its turn again, others use the table.
    await holder.fetchval("select count(*) from a")
    await held.commit()
    assert [each.number for each in await running] == [2]
    await holder.close()


async def test_a_deadlock_with_the_shop_makes_it_give_way_and_try_again(
    server: Supervisor, fresh: str, empty: str, files: Path
) -> None:
    """It takes `a`, then `b`; a settlement has `b` and comes to want `a`. Who looks whether it is a deadlock ends."""
    (files / "0002_gated.sql").write_text("-- widen\nalter table a add column m int;\nalter table b add column m int;\n", "utf-8")
    (files / "0003_steps.sql").unlink()
    await migrate(empty, folder=only(files, 1))
    rival = await asyncpg.connect(server.dsn("superuser", f"{fresh}_e"))
    await rival.execute("set deadlock_timeout = '1h'; create table b (n int); alter table b owner to daozhang_owner")
    await rival.execute(f"alter database \"{fresh}_e\" set deadlock_timeout = '3s'")
    held = rival.transaction()
    await held.start()
    await rival.execute("select * from b")
    running = asyncio.create_task(migrate(empty, folder=files))
    await until(lambda: rival.fetchval("select exists (select from pg_locks where not granted and relation = 'b'::regclass)"))
    await rival.execute("select * from a")
    await held.commit()
    assert [each.number for each in await running] == [2]
    assert await rival.fetchval("select count(*) from information_schema.columns where column_name = 'm'") == 2
    await rival.close()


def test_files_out_of_order_or_gone_are_refused_and_newer_ones_let_be() -> None:
    files = [Migration(1, "a", "-- a", "x"), Migration(2, "b", "-- b", "y"), Migration(4, "d", "-- d", "z")]
    assert missing(files, {}) == files
    assert missing(files, {1: ("a", "x"), 2: ("b", "y"), 4: ("d", "z"), 5: ("e", "w")}) == []
    with pytest.raises(MigrationTrouble, match="0002_b comes before 0004"):
        missing(files, {1: ("a", "x"), 4: ("d", "z")})
    with pytest.raises(MigrationTrouble, match="0003_c is applied here"):
        missing(files, {1: ("a", "x"), 3: ("c", "v")})


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("1_a.sql", "-- x\n", "not named"),
        ("0001_A.sql", "-- x\n", "not named"),
        ("0009_a.sql", "select 1;", "sentence of why"),
        ("0001_twin.sql", "-- x\n", "given twice"),
        (
            "0009_f.sql",
            "-- x\n-- no-transaction\ncreate function f() returns int language sql as $$ select 1; $$;",
            "function bodies",
        ),
    ],
)
def test_a_bad_file_is_named(files: Path, name: str, text: str, why: str) -> None:
    (files / name).write_text(text, "utf-8")
    with pytest.raises(MigrationTrouble, match=why):
        read_migrations(files)


def test_our_own_files_are_well_formed() -> None:
    numbers = [migration.number for migration in read_migrations()]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))


def only(files: Path, last: int) -> Path:
    """A folder with the files up to a number."""
    part = files.parent / f"until{last}"
    part.mkdir()
    for file in files.iterdir():
        if int(file.name[:4]) <= last:
            (part / file.name).write_bytes(file.read_bytes())
    return part


def start_migration(dsn: str, folder: Path) -> subprocess.Popen[str]:
    """A process that migrates, for us to kill."""
    code = (
        "import asyncio, sys, pathlib; from daozhang.postgres.migrate import migrate; "
        "asyncio.run(migrate(sys.argv[1], folder=pathlib.Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, dsn, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
