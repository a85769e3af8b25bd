"""The demo's shop in this process, on a throwaway server: doors on loopback, simulated channels beside it, due work going on."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import uvicorn
from msgspec.structs import replace

from daozhang import clock
from daozhang.app import Program, open_program
from daozhang.demo.run import equip
from daozhang.demo.scenes import SCENES
from daozhang.demo.world import Guide, World
from daozhang.policy import places
from daozhang.postgres import Database, statements
from daozhang.postgres.migrate import migrate
from daozhang.postgres.throwaway import throwaway
from daozhang.settings import Settings
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.stations import KNOWN
from daozhang.web.wire import Wire

sql = statements("daozhang.jobs")


class _Server(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


@dataclass(frozen=True, slots=True)
class Booth:
    """The running shop. `world` makes situations in it; `owner` is the database as its owner sees it."""

    program: Program
    world: World
    simulator: Simulator
    settings: Settings
    owner: Database
    url: str

    async def later(self, seconds: float) -> None:
        """Let time pass for everybody: the database, the program and the channels follow one offset."""
        database, before_s = self.program.database, clock.now_s()
        await database.value("select shift_clock($1)", await database.value(sql.clock_offset) + seconds)
        # The program follows the row by itself; a shift by our hand could be undone by a look that began before it.
        while clock.now_s() < before_s + seconds:  # noqa: ASYNC110 -- the clock tells it no other way
            await asyncio.sleep(0.02)

    async def by_day(self) -> None:
        """Leave the hours around midnight: in the demo's limits UnionPay rests then, and what happens here is not about that."""
        hour = clock.now().astimezone(clock.SHANGHAI).hour
        if hour in (22, 23, 0):
            await self.later((3 - hour) % 24 * 3_600)

    async def read_only(self, *, on: bool) -> None:
        """Our database can only be read, or can be written again."""
        name = await self.owner.value("select current_database()")
        change = "set default_transaction_read_only = on" if on else "reset default_transaction_read_only"
        await self.owner.transact(lambda tx: tx.run(f'alter database "{name}" {change}'))
        for database in (self.program.database, self.program.tills):
            await database.pool.expire_connections()


@asynccontextmanager
async def booth(*, work: bool = True) -> AsyncIterator[Booth]:
    """A shop as the demo furnishes it, gone when the block ends; `work=False` leaves due work undone."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    with TemporaryDirectory(prefix="daozhang-") as folder:
        settings = replace(Settings(data=Path(folder), test_mode=True), port=port)
        async with throwaway() as server, Simulator(kinds=tuple(KNOWN)) as simulator:
            await migrate(server.dsn("owner"))
            owner = await Database.open(server.dsn("owner"), size=1)
            await owner.transact(lambda tx: tx.run(sql.set_test_mode, settings.test_mode))
            dsn, guide = server.dsn("app"), Guide()
            try:
                async with open_program(
                    settings, dsn, dsn, work=work, tour=guide,
                    phone_url=lambda text: f"{simulator.url}/phone/scan?code_url={quote(text, safe='')}",
                ) as program:  # fmt: skip
                    await equip(settings, program, {"channels": simulator.cards(), "providers": simulator.services.cards()})
                    guide.world = World(program, settings, simulator.url, SCENES)
                    async with _open_doors(program, listener):
                        opened = Booth(program, guide.world, simulator, settings, owner, settings.url())
                        await opened.by_day()
                        yield opened
            finally:
                places.use_places(())
                clock.shift(0)
                await owner.close()


@asynccontextmanager
async def _open_doors(program: Program, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        program.asgi, loop="none", http=Wire, ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110 -- uvicorn tells it no other way
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        program.house.closing.set()
        server.should_exit = True
        await serving
