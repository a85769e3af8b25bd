"""The whole examination, in the order in which things depend on each other."""

from daozhang.doctor import machine
from daozhang.doctor.reading import Light, Reading, red
from daozhang.doctor.server import examine_database
from daozhang.postgres import Database, Unavailable
from daozhang.postgres.binaries import choose_binaries
from daozhang.postgres.home import find_home
from daozhang.postgres.place import find_server
from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.trouble import ServerTrouble
from daozhang.settings import Settings


async def examine(settings: Settings) -> list[Reading]:
    """Look at everything. The server is started for the length of the look if nobody runs it; a new one is never made."""
    readings = [machine.clock(), machine.own_pages()]
    if settings.database is None:
        if find_home(settings.data).restoring.exists():
            return [*readings, red("data folder", f"a backup is being restored into {settings.data}, or that was interrupted:"
                                   " then run `daozhang restore` again, it clears that away first")]  # fmt: skip
        if not settings.data.exists() or find_home(settings.data).major() is None:
            return [*readings, Reading("data folder", Light.AMBER, f"{settings.data} holds nothing yet: start the program first")]
        readings += [*machine.folder(settings), machine.disk(settings)]
    try:
        async with find_server(settings) as server:
            if isinstance(server, Supervisor):
                readings += [
                    machine.build(choose_binaries(settings.postgres_bin, server.home.major())),
                    machine.runs_as(server.pid),
                    machine.server_pages(server.pid),
                ]
            database = await Database.open(server.dsn("app"), size=1, pooled=True)
            try:
                readings += await examine_database(database, settings)
            finally:
                await database.close()
    except (ServerTrouble, Unavailable) as fault:
        readings.append(red("server", f"cannot be reached: {fault}"))
    return readings
