"""A primary and its standby, as an operator has them: every commit is on both before it is answered."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
from tests.patience import until

from daozhang.postgres.child import Child
from daozhang.postgres.home import Role
from daozhang.postgres.predecessor import at_work, read_pid_file
from daozhang.postgres.supervisor import Supervisor
from daozhang.settings import Settings

SENDS = {"wal_level": "replica", "max_wal_senders": "4", "max_replication_slots": "4", "daozhang.months_ahead": "1"}
_SYNCHRONOUS = "select count(*) = 1 from pg_stat_replication where sync_state in ('sync', 'quorum')"


@dataclass
class Pair:
    """Both servers run until one is killed. A DSN names a machine without power, the primary and the standby, in this order."""

    primary: Supervisor
    standby: Path
    """The folder of the standby's socket."""
    silent: Path
    """The folder of a socket at which nobody answers."""

    def dsn(self, role: Role) -> str:
        """All hosts in one DSN."""
        one = urlsplit(self.primary.dsn(role))
        (sockets,) = parse_qs(one.query)["host"]
        hosts = ",".join(f"{quote(str(folder), safe='')}:5432" for folder in (self.silent, sockets, self.standby))
        return f"postgresql://{one.netloc.rpartition('@')[0]}@{hosts}{one.path}"

    async def asked(self, question: str, *, standby: bool = False) -> object:
        """What one of the two answers its superuser."""
        dsn = self.primary.dsn("superuser")
        connection = await asyncpg.connect(dsn, **({"host": str(self.standby), "port": 5432} if standby else {}))
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    async def kill_primary(self) -> None:
        """It is gone, with everything it has not sent."""
        pid = self.primary.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not at_work(self.primary.home.cluster))

    async def promote(self) -> None:
        """The standby takes writes from now on."""
        assert await self.asked("select pg_promote(true, 60)", standby=True)


@asynccontextmanager
async def open_pair(data: Path) -> AsyncIterator[Pair]:
    """An empty cluster on two servers below `data`. What is killed of them is not started again."""
    primary = Supervisor(Settings(data=data / "primary"), fsync=False, conf=SENDS)
    await primary.start()
    with tempfile.TemporaryDirectory(prefix="dz-") as sockets, tempfile.TemporaryDirectory(prefix="dz-") as nowhere:
        cluster, copy = data / "standby", None
        try:
            copy = await _copied(primary, cluster, Path(sockets))
            pair = Pair(primary, Path(sockets), Path(nowhere))
            await pair.asked("alter system set synchronous_standby_names = '*'")
            await pair.asked("select pg_reload_conf()")
            await until(lambda: pair.asked(_SYNCHRONOUS))
            # A socket that takes connections in and says nothing: this is how a machine without power looks from afar.
            dead = await asyncio.start_unix_server(_say_nothing, str(Path(nowhere) / ".s.PGSQL.5432"))
            try:
                yield pair
            finally:
                dead.close()
        finally:
            if copy is not None:
                copy.send(signal.SIGQUIT)
                await copy.exited.wait()
            await primary.stop()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass
    writer.close()


async def _copied(primary: Supervisor, cluster: Path, sockets: Path) -> Child:
    """A copy of the running primary that follows it."""
    binaries, who, home = primary.binaries, primary.run_as, primary.home
    assert binaries is not None
    assert who is not None
    if who.how == "user":
        for folder in (cluster.parent, sockets):
            os.chown(folder, who.uid, who.gid)
    source = (
        f"host={home.sockets} port=5432 user={urlsplit(primary.dsn('superuser')).username} password={home.password('superuser')}"
    )
    argv = [binaries.path("pg_basebackup"), "-d", source, "-D", str(cluster), "-R", "-X", "stream", "-c", "fast", "--no-sync"]
    copying = Child(argv, who, on_death=signal.SIGTERM)
    await copying.start()
    await copying.exited.wait()
    assert copying.status == 0, copying.last_words
    argv = [binaries.path("postgres"), "-D", str(cluster), "-c", "listen_addresses="]
    argv += ["-c", f"unix_socket_directories={sockets}", "-c", "port=5432", "-c", "synchronous_standby_names="]
    standby = Child(argv, who, on_death=signal.SIGINT)
    await standby.start()

    def ready() -> bool:
        assert not standby.exited.is_set(), standby.last_words
        found = read_pid_file(cluster)
        return found is not None and found.state == "ready"

    await until(ready)
    return standby
