"""Which server we work with: the embedded one, or the one that `DAOZHANG_DATABASE` names."""

import asyncio
from types import TracebackType
from typing import Protocol, Self

from daozhang.postgres.home import Role
from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.trouble import ServerTrouble
from daozhang.settings import Settings


class Server(Protocol):
    """A PostgreSQL server to work with. `async with` starts and watches it if it is ours to start."""

    @property
    def owned(self) -> bool:
        """Whether this process runs the server."""
        ...

    def dsn(self, role: Role, database: str = ...) -> str:
        """The DSN for a role, with its password. Raises `ServerTrouble` when that role was not given to us."""
        ...

    def direct(self) -> str:
        """The DSN for LISTEN, past any transaction pooler, as the role `app`."""
        ...

    async def start(self) -> None:
        """Return when it can be connected to. Raises `ServerTrouble`."""
        ...

    async def watch(self) -> None:
        """Keep it running until `stop`."""
        ...

    async def stop(self) -> None:
        """Let go of it."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class External:
    """A server that somebody else runs; we were given DSNs."""

    owned = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopped = asyncio.Event()

    def dsn(self, role: Role, database: str = "") -> str:
        """The DSN of `DAOZHANG_DATABASE` or `DAOZHANG_DATABASE_OWNER`; the database is the one it names."""
        given = {"app": self._settings.database, "owner": self._settings.database_owner}.get(role)
        if given is None:
            name = "DAOZHANG_DATABASE_OWNER" if role == "owner" else "the superuser"
            raise ServerTrouble(f"with an external database this needs {name}, which is not set")
        if database:
            raise ServerTrouble("with an external database only the database of its DSN is used")
        return given

    def direct(self) -> str:
        """`DAOZHANG_DATABASE_DIRECT`, else the DSN of the application."""
        return self._settings.database_direct or self.dsn("app")

    async def start(self) -> None:
        """Nothing to start."""

    async def watch(self) -> None:
        """Nothing to watch: return when `stop` is called."""
        await self._stopped.wait()

    async def stop(self) -> None:
        """Nothing to stop."""
        self._stopped.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()


def find_server(settings: Settings) -> Server:
    """The server these settings mean, not yet started."""
    return External(settings) if settings.database else Supervisor(settings)
