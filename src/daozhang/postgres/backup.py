"""Backup of the whole database into one file, and its restoration into an empty data folder.

The master key is never part of a backup: whoever finds the file alone finds names and numbers sealed.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import signal
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from daozhang import clock
from daozhang.postgres.binaries import Binaries, choose_binaries, installations
from daozhang.postgres.cluster import sync_folder
from daozhang.postgres.home import Home, RunAs, find_home, launch_command
from daozhang.postgres.migrate import Applied, migrate
from daozhang.postgres.place import Server
from daozhang.postgres.pool import Database
from daozhang.postgres.predecessor import wait_for_predecessor
from daozhang.postgres.supervisor import Supervisor
from daozhang.settings import Settings

log = logging.getLogger(__name__)

_MAGIC = b"PGDMP"
_MINE = {"postgres.lock", "postgres.log"}
"""What a start that was given up may leave in a data folder without making it less empty."""


class BackupTrouble(Exception):
    """A backup cannot be written or restored; the message says why. Nothing half-done is left behind."""


@dataclass(frozen=True)
class Backup:
    """A backup that was written: its file, its size and the SHA-256 of its bytes in hex."""

    file: Path
    size_bytes: int
    checksum: str


async def backup(settings: Settings, server: Server, target: Path) -> Backup:
    """Write a consistent picture of the running database to `target`, a new file, or a folder that gets one named after the time.

    Raises `BackupTrouble`. The file is complete or absent.
    """
    file, dsn = _choose(target), server.dsn("owner")
    fresh = file.with_name(f"{file.name}.partial")
    held = _hold(fresh, file)
    try:
        binaries = await _programs(settings, server)
        await _run(binaries, "pg_dump", dsn, ["--format=custom", "--no-owner", f"--file={fresh}"], held)
        size, checksum = await asyncio.to_thread(_seal, fresh)
        fresh.rename(file)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(held)
    return Backup(file, size, checksum)


def _hold(fresh: Path, file: Path) -> int:
    """Make the file that becomes the backup, or take over what a killed one left, and keep every other backup out of it.

    The lock is that of the handle, wherever it is open: `pg_dump` has it too, and so nobody takes over what is still written.
    """
    try:
        held = os.open(fresh, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as fault:
        raise BackupTrouble(f"{file} cannot be written: {fault.strerror}") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it until now has finished, or given up: then this is a file without a name.
        ours = os.path.samestat(os.fstat(held), fresh.stat())
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if ours and file.exists():
        fresh.unlink()
        ours = False
    if not ours:
        os.close(held)
        raise BackupTrouble(f"another backup writes {file}, or has just written it")
    os.fchmod(held, 0o600)
    return held


async def restore(settings: Settings, file: Path) -> list[Applied]:
    """Make a new cluster in the empty data folder from a backup, and bring it to this program's shape: what that took.

    The data folder may hold the master key already, and what a restoration that was killed left there, which is cleared away
    first; nothing else. Raises `BackupTrouble`; then the folder is as before, or where that cannot be, marked as half restored.
    """
    if settings.database is not None:
        raise BackupTrouble("an external database is restored with its own tools")
    server = Supervisor(settings, restoring=True)
    if not server.home.restoring.exists():
        check_empty(settings)
    _check_file(file)
    if not server.claim():
        raise BackupTrouble(f"another process works in {settings.data}")
    try:
        await _begin(server.home, settings)
        return await _read(server, file)
    except BaseException as fault:
        # Without the mark nothing here is of this restoration, and without the lock another one clears away by itself.
        if server.claim():
            try:
                if server.home.restoring.exists():
                    _clear(server.home)
            except BackupTrouble as left:
                # What is told is why there is no restoration.
                if str(left) != str(fault):
                    log.warning("%s", left)
            finally:
                server.let_go()
        raise


def _check_file(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(_MAGIC))
    except OSError as fault:
        raise BackupTrouble(f"{file} cannot be read: {fault.strerror}") from None
    if magic != _MAGIC:
        raise BackupTrouble(f"{file} is not a backup of ours")


async def _begin(home: Home, settings: Settings) -> None:
    """Clear away what a killed restoration left, and leave the mark by which the next one would know ours."""
    if home.restoring.exists():
        for cluster in (home.cluster, home.root / "postgres.new"):
            await wait_for_predecessor(cluster, home.sockets)
        _clear(home, keep_lock=True)
        log.warning("what an interrupted restoration left in %s was cleared away", home.data)
    check_empty(settings)
    with home.restoring.open("w", encoding="ascii") as mark:
        mark.write("A backup is being restored here, or was when its process was killed.\n")
        mark.flush()
        os.fsync(mark.fileno())
    sync_folder(home.data)


async def _read(server: Supervisor, file: Path) -> list[Applied]:
    async with server:
        assert server.binaries is not None
        try:
            await _run(
                server.binaries,
                "pg_restore",
                server.dsn("owner"),
                ["--no-owner", "--exit-on-error", "--single-transaction", str(file)],
            )
        except BackupTrouble as fault:
            raise BackupTrouble(
                f"{file} cannot be restored: it is damaged, cut off, or from a PostgreSQL newer than {server.binaries.major}."
                f" Compare its SHA-256 with what `daozhang backup` told; {fault}"
            ) from None
        applied = await migrate(server.dsn("owner"))
        server.home.restoring.unlink()
        return applied


def check_empty(settings: Settings) -> None:
    """Refuse a data folder that holds anything but a master key: a restoration never overwrites. Raises `BackupTrouble`."""
    home = find_home(settings.data)
    try:
        held = {entry.name for entry in settings.data.iterdir()} - _MINE if settings.data.exists() else set()
    except OSError as fault:
        raise BackupTrouble(f"{settings.data} cannot be read: {fault.strerror}") from None
    if settings.key_file().parent == settings.data:
        held.discard(settings.key_file().name)
    if held or home.major() is not None:
        raise BackupTrouble(f"{settings.data} is not empty: restore into a new folder (DAOZHANG_DATA)")


def _choose(target: Path) -> Path:
    file = target / f"daozhang-{clock.now():%Y%m%dT%H%M%SZ}.dump" if target.is_dir() else target
    if file.exists():
        raise BackupTrouble(f"{file} is there already")
    return file


async def _programs(settings: Settings, server: Server) -> Binaries:
    if isinstance(server, Supervisor):
        return choose_binaries(settings.postgres_bin, server.home.major())
    database = await Database.open(server.dsn("owner"), size=1)
    try:
        major = int(await database.value("select current_setting('server_version_num')")) // 10_000
    finally:
        await database.close()
    for binaries in installations():
        if binaries.major >= major:
            return binaries
    raise BackupTrouble(f"the server is PostgreSQL {major}, and no pg_dump here is as new")


async def _run(binaries: Binaries, program: str, dsn: str, arguments: list[str], *held: int) -> None:
    """Run it to its end; it ends when we do. It has the `held` handles, and with them their locks, for as long as it lives."""
    address, password = _without_password(dsn)
    # Of several hosts the one that takes writes: a standby may be behind what was acknowledged.
    environment = {"PGPASSWORD": password, "PGTARGETSESSIONATTRS": "read-write", "PGCONNECT_TIMEOUT": "5"}
    command = [binaries.path(program), f"--dbname={address}", "--no-password", *arguments]
    process = await asyncio.create_subprocess_exec(
        *launch_command(command, RunAs("me", os.geteuid(), os.getegid()), signal=int(signal.SIGTERM), keep=tuple(environment)),
        env={**os.environ, **environment},
        pass_fds=held,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if process.returncode != 0:
        raise BackupTrouble(f"{program} failed: {said.decode('utf-8', 'replace').strip()[-600:]}")


def _without_password(dsn: str) -> tuple[str, str]:
    # The list of processes shows arguments to everybody and environments to nobody else.
    parts = urlsplit(dsn)
    before, at, hosts = parts.netloc.rpartition("@")
    user, _, password = before.partition(":")
    return urlunsplit(parts._replace(netloc=user + at + hosts)), unquote(password)


def _seal(file: Path) -> tuple[int, str]:
    digest, size = sha256(), 0
    with file.open("rb") as opened:
        while part := opened.read(1 << 20):
            digest.update(part)
            size += len(part)
        os.fsync(opened.fileno())
    return size, digest.hexdigest()


def _clear(home: Home, *, keep_lock: bool = False) -> None:
    """Remove what a restoration makes, by its names, in a folder that was empty before it; the mark goes after the rest.

    Raises `BackupTrouble` when something stays; then so does the mark, without which a start would take half a database for whole.
    """
    folders = (home.cluster, home.root / "postgres.new", home.sockets, home.data / "passwords")
    files = (home.root / "password.new", home.log)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
    for made in (*folders, *files):
        if os.path.lexists(made):
            raise BackupTrouble(f"{made}, which a restoration left half-done, cannot be removed: remove it, then restore again")
    for last in (home.restoring, *([] if keep_lock else [home.lock])):
        last.unlink(missing_ok=True)
