"""A backup holds everything but the master key, and comes back only into an empty folder."""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.patience import until

from daozhang.postgres.backup import Backup, BackupTrouble, _begin, _hold, backup, check_empty, restore
from daozhang.postgres.home import find_home
from daozhang.postgres.migrate import migrate
from daozhang.postgres.place import External
from daozhang.postgres.predecessor import at_work
from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.trouble import ServerTrouble
from daozhang.settings import Settings


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="dz-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def shape(server: Supervisor) -> str:
    """Everything about the database but its rows."""
    assert server.binaries is not None
    command = [server.binaries.path("pg_dump"), "--schema-only", "--no-owner", f"--dbname={server.dsn('owner')}"]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.sub(r"^(--|\\(un)?restrict).*$", "", dumped, flags=re.MULTILINE)


async def test_what_is_backed_up_comes_back_whole(place: Path) -> None:
    settings = Settings(data=place / "data")
    async with Supervisor(settings, fsync=False) as server:
        await migrate(server.dsn("owner"))
        owner = await asyncpg.connect(server.dsn("owner"))
        await owner.execute("insert into shops (name, created_at) values ('第二家', clock_now())")
        shops = [tuple(row) for row in await owner.fetch("select * from shops order by id")]
        await owner.close()
        settings.key_file().write_text("ab" * 32, "ascii")
        written = await backup(settings, server, place)
        before = shape(server)
    assert written.file.parent == place
    assert written.file.stat().st_mode & 0o777 == 0o600
    assert written.size_bytes == written.file.stat().st_size
    assert b"ab" * 32 not in written.file.read_bytes()
    assert list(place.glob("*.partial")) == []

    again = Settings(data=place / "again")
    again.data.mkdir()
    again.key_file().write_text("ab" * 32, "ascii")
    assert await restore(again, written.file) == []
    async with Supervisor(again) as server:
        owner = await asyncpg.connect(server.dsn("owner"))
        assert [tuple(row) for row in await owner.fetch("select * from shops order by id")] == shops
        await owner.close()
        assert shape(server) == before
        app = await asyncpg.connect(server.dsn("app"))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("delete from shops")
        await app.close()
    with pytest.raises(BackupTrouble, match="is not empty"):
        await restore(again, written.file)
    cut = place / "cut"
    cut.write_bytes(written.file.read_bytes()[: written.size_bytes // 2])
    with pytest.raises(BackupTrouble, match="damaged, cut off"):
        await restore(Settings(data=place / "third"), cut)
    assert not (place / "third" / "postgres").exists()


@pytest.mark.parametrize("content", [b"", b"PGDM", b"not a backup", b"PGDMP and then noise"])
async def test_a_file_that_is_no_backup_leaves_the_folder_as_it_was(place: Path, content: bytes) -> None:
    settings = Settings(data=place / "data")
    settings.data.mkdir()
    settings.key_file().write_text("ab" * 32, "ascii")
    file = place / "file"
    file.write_bytes(content)
    with pytest.raises(BackupTrouble):
        await restore(settings, file)
    assert [entry.name for entry in settings.data.iterdir()] == ["master.key"]
    assert at_work(settings.data / "postgres") == []


async def test_a_backup_overwrites_nothing_and_needs_a_folder_that_is_there(
    server: Supervisor, place: Path, settings: Settings
) -> None:
    taken = place / "taken"
    taken.write_text("mine", "ascii")
    with pytest.raises(BackupTrouble, match="there already"):
        await backup(settings, server, taken)
    assert taken.read_text("ascii") == "mine"
    with pytest.raises(BackupTrouble, match="No such file"):
        await backup(settings, server, place / "nowhere" / "file")
    with pytest.raises(BackupTrouble, match="cannot be read"):
        await restore(settings, place / "absent")


async def test_of_backups_into_one_file_at_once_one_is_written_and_it_is_what_was_told(
    server: Supervisor, place: Path, settings: Settings
) -> None:
    (place / "file.partial").write_text("left by one that was killed" * 100_000, "ascii")
    ends = await asyncio.gather(*(backup(settings, server, place / "file") for _ in range(3)), return_exceptions=True)
    (made,) = [each for each in ends if isinstance(each, Backup)]
    assert {str(each) for each in ends if isinstance(each, BackupTrouble)} == {
        f"another backup writes {place / 'file'}, or has just written it"
    }
    content = (place / "file").read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (made.size_bytes, made.checksum)
    assert sorted(entry.name for entry in place.iterdir()) == ["file"]
    with pytest.raises(BackupTrouble, match="has just written it"):
        _hold(place / "file.partial", place / "file")
    assert sorted(entry.name for entry in place.iterdir()) == ["file"]


KILLED = """
import asyncio, pathlib, sys
from daozhang.postgres import backup, binaries, place
from daozhang.settings import read_settings
async def stand_in(*_): return binaries.Binaries(pathlib.Path(sys.argv[1]), 18, 0, "stand-in")
backup._programs = stand_in
settings = read_settings()
asyncio.run(backup.backup(settings, place.External(settings), pathlib.Path(sys.argv[2])))
"""


@pytest.mark.parametrize("stubborn", [True, False])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_what_the_dump_of_a_killed_backup_may_still_write_is_taken_over_by_nobody(
    server: Supervisor, place: Path, settings: Settings, how: signal.Signals, *, stubborn: bool
) -> None:
    """The dump ends with its parent; where it cannot at once, the file stays its own until it has."""
    program, file, numbered = place / "pg_dump", place / "file", place / "number"
    deaf = "trap '' TERM" if stubborn else ""
    program.write_text(f"#!/bin/sh\n{deaf}\necho $$ > {numbered}\nexec sleep 600\n", "ascii")
    program.chmod(0o700)
    environment = {
        **os.environ, "DAOZHANG_DATA": str(place / "data"), "DAOZHANG_DATABASE": server.dsn("app"),
        "DAOZHANG_DATABASE_OWNER": server.dsn("owner"),
    }  # fmt: skip
    command = [sys.executable, "-c", KILLED, str(place), str(file)]
    killed = await asyncio.create_subprocess_exec(*command, env=environment)
    await until(lambda: numbered.exists() and numbered.read_text("ascii").endswith("\n"))
    number = int(numbered.read_text("ascii"))
    killed.send_signal(how)
    await killed.wait()
    if stubborn:
        with pytest.raises(BackupTrouble, match="another backup writes"):
            await backup(settings, server, file)
        os.kill(number, signal.SIGKILL)
    await until(lambda: not is_held(place / "file.partial"))
    made = await backup(settings, server, file)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == made.checksum


def is_held(file: Path) -> bool:
    """Whether somebody has a lock on the file."""
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


async def test_an_external_database_is_backed_up_through_its_dsn_and_restored_elsewhere(server: Supervisor, place: Path) -> None:
    owner = server.dsn("owner")
    settings = Settings(data=place / "data", database=server.dsn("app"), database_owner=owner)
    written = await backup(settings, External(settings), place / "file")
    assert written.size_bytes > 1000
    with pytest.raises(BackupTrouble, match="its own tools"):
        await restore(settings, written.file)
    broken = Settings(data=place / "data", database="x", database_owner=owner.replace(server.home.password("owner"), "wrong"))
    with pytest.raises(Exception, match="refuses the role or its password") as told:
        await backup(broken, External(broken), place / "other")
    assert "wrong" not in str(told.value)
    assert list(place.glob("other*")) == []
    ownerless = Settings(data=place / "data", database=server.dsn("app"))
    with pytest.raises(ServerTrouble, match="DAOZHANG_DATABASE_OWNER"):
        await backup(ownerless, External(ownerless), place / "other")
    assert list(place.glob("other*")) == []


async def test_a_restoration_that_is_interrupted_leaves_the_folder_as_it_was(place: Path) -> None:
    file, settings = place / "file", Settings(data=place / "data")
    file.write_bytes(b"PGDMP")
    settings.data.mkdir()
    restoring = asyncio.create_task(restore(settings, file))
    await until((settings.data / "postgres.new").exists)
    restoring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await restoring
    assert not [*settings.data.iterdir()]
    check_empty(settings)


async def test_a_restoration_that_is_killed_is_cleared_away_by_the_next_one(place: Path) -> None:
    """It alone, and only what it made: nothing else starts on its half of a database, and a file of somebody's stays."""
    whole, settings = place / "whole", Settings(data=place / "data")
    async with Supervisor(Settings(data=place / "first"), fsync=False) as server:
        await migrate(server.dsn("owner"))
        written = await backup(settings, server, whole)
    settings.data.mkdir()
    settings.key_file().write_text("ab" * 32, "ascii")
    for until_there in ("postgres.new", "postgres/postmaster.pid"):
        command = [sys.executable, "-m", "daozhang", "restore", str(written.file)]
        killed = await asyncio.create_subprocess_exec(*command, env={**os.environ, "DAOZHANG_DATA": str(settings.data)})
        await until((settings.data / until_there).exists)
        with pytest.raises(BackupTrouble, match="another process works"):
            await restore(settings, written.file)
        with pytest.raises(ServerTrouble, match="is being restored"):
            await Supervisor(settings).start()
        killed.kill()
        await killed.wait()
        with pytest.raises(ServerTrouble, match="was interrupted: run `daozhang restore` again"):
            await Supervisor(settings).start()
    (settings.data / "letter.txt").write_text("mine", "ascii")
    with pytest.raises(BackupTrouble, match="is not empty"):
        await restore(settings, written.file)
    assert {entry.name for entry in settings.data.iterdir()} - {"postgres.lock"} == {"letter.txt", "master.key"}
    assert (settings.data / "letter.txt").read_text("ascii") == "mine"
    (settings.data / "letter.txt").unlink()
    assert await restore(settings, written.file) == []
    async with Supervisor(settings) as server:
        app = await asyncpg.connect(server.dsn("app"))
        assert await app.fetchval("select count(*) from shops") == 1
        await app.close()


async def test_what_cannot_be_removed_keeps_the_mark_and_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file, settings = place / "file", Settings(data=place / "data")
    file.write_bytes(b"PGDMP")
    mark, cluster = settings.data / "restoring", settings.data / "postgres"
    with monkeypatch.context() as patched:
        patched.setattr("daozhang.postgres.backup.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(BackupTrouble, match="cannot be restored"):
            await restore(settings, file)
        assert (mark.exists(), f"{cluster}, which a restoration left half-done" in caplog.text) == (True, True)
        with pytest.raises(BackupTrouble, match=f"{cluster}, .* cannot be removed"):
            await restore(settings, file)
        assert mark.exists()
        with pytest.raises(ServerTrouble, match="was interrupted: run `daozhang restore` again"):
            await Supervisor(settings).start()
    with pytest.raises(BackupTrouble, match="cannot be restored"):
        await restore(settings, file)
    assert [*settings.data.iterdir()] == []


async def test_the_mark_of_a_restoration_outlasts_a_power_cut(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, synced, sync = find_home(place), [], os.fsync

    def noted(handle: int) -> None:
        sync(handle)
        synced.append((str(Path(f"/proc/self/fd/{handle}").readlink()), home.restoring.stat().st_size > 0))

    monkeypatch.setattr(os, "fsync", noted)
    await _begin(home, Settings(data=place))
    assert synced == [(str(home.restoring), True), (str(place), True)]


async def test_of_two_restorations_at_once_one_is_refused_and_the_other_one_is_whole(place: Path) -> None:
    settings = Settings(data=place / "data")
    async with Supervisor(Settings(data=place / "first"), fsync=False) as server:
        await migrate(server.dsn("owner"))
        written = await backup(settings, server, place / "whole")
    ends = await asyncio.gather(*(restore(settings, written.file) for _ in range(2)), return_exceptions=True)
    assert [each for each in ends if not isinstance(each, BaseException)] == [[]]
    assert [str(each) for each in ends if isinstance(each, BackupTrouble)] == [f"another process works in {settings.data}"]
    async with Supervisor(settings) as server:
        app = await asyncpg.connect(server.dsn("app"))
        assert await app.fetchval("select count(*) from shops") == 1
        await app.close()


def test_a_lock_on_a_file_that_was_cleared_away_keeps_nobody_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Supervisor(Settings(data=place / "data")) for _ in range(2))
    assert first.claim()
    locked = fcntl.flock

    def late(handle: int, how: int) -> None:
        # Between opening the file and locking it, its owner clears the folder away.
        first.home.lock.unlink(missing_ok=True)
        first.let_go()
        locked(handle, how)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", late)
        assert not second.claim()
    assert second.claim()
    second.let_go()
