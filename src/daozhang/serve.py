"""Running the program as a process: its server, its doors, its due work, until a signal asks it to stop."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from types import FrameType

import structlog
import uvicorn
from litestar.types import ASGIApp
from msgspec.structs import replace

from daozhang.app import Program, open_program
from daozhang.channels import address
from daozhang.postgres import Database, statements
from daozhang.postgres.migrate import check_shape, migrate
from daozhang.postgres.place import Server, find_server
from daozhang.settings import Settings
from daozhang.web.house import Tour
from daozhang.web.wire import Wire

log = logging.getLogger(__name__)

GRACE_S = 10
"""How long requests under way may take after a signal."""


class PortTaken(Exception):
    """Another program listens there."""


class Doors(uvicorn.Server):
    """A server that tells the house to close its streams the moment a signal comes."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came. It is not raised again when the doors are closed: what is under way is finished, then the process ends."""
        self._closing.set()
        super().handle_exit(sig, frame)
        self._captured_signals.clear()


async def serve(
    settings: Settings,
    *,
    work: bool = True,
    phone_url: Callable[[str], str] | None = None,
    ready: Callable[[Program], Awaitable[None]] | None = None,
    around: Callable[[ASGIApp], ASGIApp] = lambda doors: doors,
    tour: Tour | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is called when the doors are about to open. Raises `PortTaken`, `ServerTrouble`.

    `around` may put something in front of the doors (a bench its empty handler); `tour` is what the demo shows its visitors.
    """
    listener = _listen(settings)
    async with _opened(settings, work=work, serves=True, phone_url=phone_url, tour=tour) as program:
        await address.tell(program.database, settings.url())
        if ready:
            await ready(program)
        config = uvicorn.Config(
            around(program.asgi),
            loop="none",
            http=Wire,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Only DAOZHANG_TRUSTED_PROXIES makes forwarded headers count, and web/client.py reads them.
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=30,
            backlog=2048,
            limit_concurrency=5_000,
        )
        settle_memory()
        await Doors(config, program.house.closing).serve(sockets=[listener])


async def work(settings: Settings) -> None:
    """Do the due work without doors, until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with _opened(settings, work=True, serves=False):
        settle_memory()
        await stop.wait()


@contextlib.asynccontextmanager
async def _opened(
    settings: Settings, *, work: bool, serves: bool, phone_url: Callable[[str], str] | None = None, tour: Tour | None = None
) -> AsyncIterator[Program]:
    """The program on a server that is there and migrated."""
    async with find_server(settings) as server:
        await prepare(settings, server)
        if not serves:
            settings = replace(settings, public_url=(await beside(settings, server)).public_url)
        dsns = server.dsn("app"), server.direct()
        async with open_program(settings, *dsns, work=work, phone_url=phone_url, tour=tour) as program:
            yield program


async def prepare(settings: Settings, server: Server, *, beside: bool = False) -> None:
    """Migrate when we may (our own server, or an owner's DSN was given), and let the clock be shifted in test mode only.

    Where we may not, it has been done already, or `MigrationTrouble` says that it has to be.

    A command `beside` a running program leaves that as it is: the mode is the program's.
    """
    if settings.database and not settings.database_owner:
        database = await Database.open(server.direct(), size=1)
        try:
            await check_shape(database)
        finally:
            await database.close()
        return
    await migrate(server.dsn("owner"))
    if beside:
        return
    owner = await Database.open(server.dsn("owner"), size=1)
    await owner.transact(lambda tx: tx.run(statements("daozhang.jobs").set_test_mode, settings.test_mode))
    await owner.close()


async def beside(settings: Settings, server: Server) -> Settings:
    """The settings of a command beside a program.

    In a demo or a test it may use the same simulated channels. Channels are told the address at which the program serves, unless
    another one is set for the command.
    """
    database = await Database.open(server.direct(), size=1)
    try:
        test_mode = bool(await database.value(statements("daozhang.jobs").test_mode))
        url = await address.public_url(database, settings)
    finally:
        await database.close()
    return replace(settings, test_mode=settings.test_mode or test_mode, public_url=url)


def start_logging(level: int = logging.INFO) -> None:
    """One JSON line per record on standard error. Libraries that print addresses with keys in them are kept quiet."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("httpx", "aiohttp", "asyncio", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _listen(settings: Settings) -> socket.socket:
    """Take the port first: a program that cannot answer should not start its database either."""
    try:
        return socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as fault:
        raise PortTaken(f"{settings.host}:{settings.port} cannot be listened on: {fault.strerror}") from None


def settle_memory() -> None:
    """What was built at start stays for good: the collector need not look at it again, and looks less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
