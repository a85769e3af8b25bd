"""The embedded PostgreSQL: started, watched and stopped by whichever process of ours holds the data folder's lock.

Other processes of the same folder connect to it; when the owner dies, one of them takes over. What PostgreSQL acknowledged is on
disk, so every end, `kill -9` included, is followed by a start that loses nothing.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from types import TracebackType
from typing import Self
from urllib.parse import quote

import asyncpg

from daozhang.memory import allow_shared
from daozhang.postgres.binaries import Binaries, choose_binaries
from daozhang.postgres.child import Child
from daozhang.postgres.cluster import DATABASE, LostPassword, make_cluster, reset_superuser, see_to_roles, write_settings
from daozhang.postgres.home import ROLES, Home, Role, RunAs, find_home, private_folder, run_as, settle_home
from daozhang.postgres.predecessor import read_pid_file, wait_for_predecessor
from daozhang.postgres.trouble import ServerTrouble
from daozhang.settings import Settings

log = logging.getLogger(__name__)

JOIN_S = 120.0
"""How long a process waits for the owner of its folder to have the server ready."""
STOP_S = 30.0
"""How long a fast shutdown may take before it becomes an immediate one."""
SETTLED_S = 1.0
"""A server that ran for this long starts again at once when it dies; before, the pauses grow."""
_PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Supervisor:
    """The server of one data folder, seen from one process. `async with` starts it, watches it and stops it."""

    def __init__(
        self, settings: Settings, *, fsync: bool = True, conf: Mapping[str, str] | None = None, restoring: bool = False
    ) -> None:
        self._settings, self._fsync, self._restoring = settings, fsync, restoring
        self._conf = {**({} if fsync else {"fsync": "off", "full_page_writes": "off"}), **(conf or {})}
        self.home: Home = find_home(settings.data)
        self.run_as: RunAs | None = None
        self.binaries: Binaries | None = None
        self.restarts = 0
        self._lock: int | None = None
        self._child: Child | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._log: RotatingFileHandler | None = None
        self._stopping = False

    async def __aenter__(self) -> Self:
        await self.start()
        self._watcher = asyncio.create_task(self.watch())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    @property
    def owned(self) -> bool:
        """Whether this process runs the server (another process of the folder may)."""
        return self._lock is not None

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, whoever owns it."""
        found = read_pid_file(self.home.cluster)
        return found.pid if found else None

    def dsn(self, role: Role, database: str = DATABASE) -> str:
        """An asyncpg DSN with the password in it: never log it."""
        # Whoever started the server may have another runtime folder than we have: the server tells where its socket is.
        found = read_pid_file(self.home.cluster)
        sockets = found.socket if found and found.socket else str(self.home.sockets)
        return (
            f"postgresql://{ROLES[role]}:{self.home.password(role)}@/{quote(database, safe='')}"
            f"?host={quote(sockets, safe='')}&port=5432"
        )

    def direct(self) -> str:
        """The DSN for LISTEN: nothing stands between us and our own server."""
        return self.dsn("app")

    async def start(self) -> None:
        """Return when the server answers: ours, or that of the process that owns the folder. Raises `ServerTrouble`."""
        self._stopping = False
        loop = asyncio.get_running_loop()
        deadline = loop.time() + JOIN_S
        while not self.claim():
            self._refuse_half("a backup is being restored into {}: try again when that has ended")
            if await self._answers():
                return
            if loop.time() > deadline:
                raise ServerTrouble(f"another process owns {self.home.data} and its server does not answer")
            await asyncio.sleep(0.05)
        try:
            self._refuse_half("a restoration into {} was interrupted: run `daozhang restore` again, it clears that away first")
            await self._begin_stubbornly()
        except BaseException:
            await self._end()
            raise

    def claim(self) -> bool:
        """Take the folder for this process, without starting anything; False when another one has it. Raises `ServerTrouble`."""
        if not self.owned:
            private_folder(self.home.data)
        return self.owned or self._take_lock()

    def let_go(self) -> None:
        """Give the folder up."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def watch(self) -> None:
        """Until `stop`: start the server again when it dies, take it over when its owner does."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._stopping:
            began = loop.time()
            if self.owned and self._child is not None:
                await self._child.exited.wait()
                if self._stopping:
                    return
                log.error("PostgreSQL ended with status %s; starting it again", self._child.status)
            elif not self.owned and not self._take_lock():
                await asyncio.sleep(0.2)
                continue
            failures = 0 if loop.time() - began > SETTLED_S else failures + 1
            await asyncio.sleep(_PAUSES_S[min(failures - 1, len(_PAUSES_S) - 1)] if failures else 0)
            try:
                await self._begin()
                self.restarts += 1
            except (ServerTrouble, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
                # A full disk or a missing file may be put right while we run: go on trying.
                log.error("PostgreSQL cannot be started: %s", fault)  # noqa: TRY400 -- the message says all, a trace nothing more
            except Exception:
                # Without its watcher the server would stay down for good, whatever our bug may be.
                log.exception("PostgreSQL cannot be started")

    async def stop(self) -> None:
        """End our server with a fast shutdown and give up the folder; a server that others own is left alone."""
        self._stopping = True
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
        await self._end()

    async def _begin_stubbornly(self) -> None:
        for pause_s in _PAUSES_S:
            try:
                return await self._begin()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as fault:
                # It was ready and is gone again, as when somebody kills it just now: that is no reason to give up.
                if self._child is None or not self._child.exited.is_set():
                    raise
                log.warning("PostgreSQL went away while it was started: %s", type(fault).__name__)
                await asyncio.sleep(pause_s)
        return await self._begin()

    async def _begin(self) -> None:
        home = self.home = find_home(self._settings.data)
        await wait_for_predecessor(home.cluster, home.sockets)
        who = self.run_as = run_as(home)
        home = self.home = settle_home(home, who)
        home.make_passwords()
        major = home.major()
        self.binaries = choose_binaries(self._settings.postgres_bin, major)
        if major is None:
            await make_cluster(home, self.binaries, who, fsync=self._fsync)
        write_settings(home, who, self.binaries, self._conf)
        allow_shared()
        await self._launch(home, self.binaries, who)
        try:
            await see_to_roles(home, self.dsn)
        except LostPassword:
            log.warning("the superuser's password file is not the cluster's: setting it anew")
            await self._end_child()
            await reset_superuser(home, self.binaries, who)
            await self._launch(home, self.binaries, who)
            await see_to_roles(home, self.dsn)

    async def _launch(self, home: Home, binaries: Binaries, who: RunAs) -> None:
        argv = [binaries.path("postgres"), "-D", str(home.cluster), "-c", "listen_addresses="]
        argv += ["-c", f"unix_socket_directories={home.sockets}", "-c", "port=5432"]
        if self._log is None:
            self._log = RotatingFileHandler(home.log, maxBytes=2_000_000, backupCount=2)
            home.log.chmod(0o600)
        handler = self._log

        def hear(line: bytes) -> None:
            handler.handle(logging.LogRecord("postgres", logging.INFO, "", 0, line.decode("utf-8", "replace").rstrip(), None, None))

        child = self._child = Child(argv, who, on_death=signal.SIGINT, hear=hear)
        pid = await child.start()
        # Crash recovery may take long and must not be cut short: we wait for as long as the process lives.
        while not child.exited.is_set():
            found = read_pid_file(home.cluster)
            if found is not None and found.pid == pid and found.state == "ready":
                return
            await asyncio.sleep(0.01)
        raise ServerTrouble(f"postgres ended with status {child.status}: " + " | ".join(child.last_words))

    async def _answers(self) -> bool:
        try:
            self.home = find_home(self._settings.data)
            connection = await asyncpg.connect(self.dsn("app"), timeout=5)
        except (ServerTrouble, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    async def _end(self) -> None:
        await self._end_child()
        if self._log is not None:
            self._log.close()
            self._log = None
        self.let_go()

    async def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None and not child.exited.is_set():
            child.send(signal.SIGINT)
            cut = asyncio.get_running_loop().call_later(STOP_S, child.send, signal.SIGQUIT)
            await child.exited.wait()
            cut.cancel()

    def _take_lock(self) -> bool:
        handle = os.open(self.home.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever clears a folder away takes the file with it: a lock on one that is gone keeps nobody out.
            held = os.path.samestat(os.fstat(handle), self.home.lock.stat())
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            os.close(handle)
            return False
        self._lock = handle
        return True

    def _refuse_half(self, why: str) -> None:
        if not self._restoring and self.home.restoring.exists():
            raise ServerTrouble(why.format(self.home.data))
