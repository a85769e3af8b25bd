"""Makes a cluster, writes its settings, and sees to its roles and database."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncpg

from daozhang.postgres.binaries import Binaries
from daozhang.postgres.child import Child
from daozhang.postgres.home import ROLES, Home, Role, RunAs
from daozhang.postgres.trouble import ServerTrouble

DATABASE = "daozhang"

SETTINGS: dict[str, str] = {
    "autovacuum_max_workers": "2",
    "checkpoint_timeout": "10min",
    "cluster_name": "daozhang",
    "full_page_writes": "on",
    "fsync": "on",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",
    # Parameters and row contents are personal data: the log keeps neither.
    "log_error_verbosity": "terse",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_timezone": "UTC",
    "max_connections": "60",
    # A migration makes the partitions of many months in one transaction, and each one is a lock.
    "max_locks_per_transaction": "256",
    "max_parallel_workers": "2",
    "max_parallel_workers_per_gather": "0",
    "max_prepared_transactions": "0",
    "max_replication_slots": "0",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "max_worker_processes": "4",
    # Log that was written once is written again: a rush after a quiet night would make it anew, 16 MB of zeros at a time.
    "min_wal_size": "1GB",
    "password_encryption": "scram-sha-256",
    # Taken whole where it is in huge pages (`memory.py`); 64 MB made no order or credit cheaper.
    "shared_buffers": "24MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "unix_socket_permissions": "0700",
    "wal_compression": "on",
}
"""Ours for every start. What the operator writes below the include line in `postgresql.conf` wins over it."""

_CONF = """# Daozhang writes daozhang.conf at every start. Your own settings go below this line and win over it.
include 'daozhang.conf'
"""


async def make_cluster(home: Home, binaries: Binaries, who: RunAs, *, fsync: bool) -> None:
    """Run initdb beside the final place and move the result there, so that a cluster is whole or absent."""
    fresh = home.root / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    secret = home.root / "password.new"
    secret.unlink(missing_ok=True)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        out.write(home.password("superuser"))
    if who.how == "user":
        os.chown(secret, who.uid, who.gid)
    argv = [binaries.path("initdb"), "--pgdata", str(fresh), "--username", ROLES["superuser"], "--pwfile", str(secret)]
    argv += ["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth=scram-sha-256"]
    child = Child(argv if fsync else [*argv, "--no-sync"], who, on_death=signal.SIGTERM)
    try:
        await child.start()
        await child.exited.wait()
    except asyncio.CancelledError:
        # Whoever is interrupted leaves nothing behind: half a cluster would make the folder look lived in.
        child.send(signal.SIGTERM)
        await child.exited.wait()
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    finally:
        secret.unlink(missing_ok=True)
    if child.status != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ServerTrouble("initdb failed: " + " | ".join(child.last_words))
    (fresh / "postgresql.conf").write_text(_CONF, "utf-8")
    (fresh / "daozhang.conf").write_text("", "utf-8")
    fresh.rename(home.cluster)
    sync_folder(home.root)


def write_settings(home: Home, who: RunAs, binaries: Binaries, extra: Mapping[str, str]) -> None:
    """Write `daozhang.conf` whole or not at all."""
    values = {**SETTINGS, **({"io_method": "sync"} if binaries.major >= 18 else {}), **extra}
    text = "".join(f"{name} = '{value}'\n" for name, value in sorted(values.items()))
    fresh = home.cluster / "daozhang.conf.new"
    fresh.write_text(text, "utf-8")
    if who.how == "user":
        os.chown(fresh, who.uid, who.gid)
    fresh.rename(home.cluster / "daozhang.conf")


class LostPassword(Exception):
    """The superuser's password is not the one in its file: the file was lost, or came from elsewhere."""


async def reset_superuser(home: Home, binaries: Binaries, who: RunAs) -> None:
    """Give the superuser the password of the file, in single-user mode: the server must not be running."""
    statement = f"alter role {ROLES['superuser']} login superuser password '{home.password('superuser')}'\n"
    child = Child(
        [binaries.path("postgres"), "--single", "-D", str(home.cluster), "postgres"],
        who,
        on_death=signal.SIGTERM,
        say=statement.encode(),
    )
    await child.start()
    await child.exited.wait()
    if child.status != 0:
        raise ServerTrouble("the superuser's password cannot be set: " + " | ".join(child.last_words))


async def see_to_roles(home: Home, dsn_of: Callable[[Role, str], str]) -> None:
    """Make what is missing of the two roles and the database, and let their passwords be those of the files.

    Raises `LostPassword` when the superuser itself is not let in.
    """
    try:
        connection = await asyncpg.connect(dsn_of("superuser", "postgres"), timeout=30)
    except asyncpg.InvalidPasswordError:
        raise LostPassword from None
    ours: tuple[Role, ...] = ("owner", "app")
    try:
        for role in ours:
            name = ROLES[role]
            if not await connection.fetchval("select true from pg_roles where rolname = $1", name):
                await connection.execute(f"create role {name} login {'createdb' if role == 'owner' else ''}")
            if not await _may_connect(dsn_of(role, "postgres")):
                await connection.execute(f"alter role {name} login password '{home.password(role)}'")
        # The owner of the data may end sessions that hold a lock a migration needs, and nothing else of the superuser's.
        await connection.execute(f"grant pg_signal_backend to {ROLES['owner']}")
        if not await connection.fetchval("select true from pg_database where datname = $1", DATABASE):
            await connection.execute(f"create database {DATABASE} owner {ROLES['owner']}")
    finally:
        await connection.close()


async def _may_connect(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=30)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        return False
    await connection.close()
    return True


def sync_folder(folder: Path) -> None:
    """Let what was made, renamed or removed in a folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
