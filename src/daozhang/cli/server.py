"""The commands of the database: migrate, doctor, backup, restore."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from daozhang.cli.frame import Failed, app, say, say_json

T = TypeVar("T")


@app.command
def migrate(*, dry_run: bool = False, json: bool = False) -> None:
    """Bring the database to this program's shape.

    Args:
        dry_run: only say what would be done.
        json: end with one JSON line.
    """
    from daozhang.postgres.migrate import migrate as apply
    from daozhang.postgres.place import find_server
    from daozhang.settings import read_settings

    async def work() -> list[Any]:
        async with find_server(read_settings()) as server:
            return await apply(server.dsn("owner"), dry_run=dry_run)

    done = settle(work())
    if json:
        say_json(dry_run=dry_run, migrations=done)
        return
    for each in done:
        say(f"{each.number:04}_{each.name}" + ("" if dry_run else f"  {each.seconds:.2f} s"))
    say(f"{len(done)} to be applied" if dry_run else f"{len(done)} applied")


@app.command
def doctor(*, json: bool = False) -> None:
    """Look at the server, the database and the machine; exit 1 when something is red.

    Args:
        json: end with one JSON line.
    """
    from daozhang.doctor import Light, examine
    from daozhang.settings import read_settings

    readings = settle(examine(read_settings()))
    worst = Light.RED if any(r.light is Light.RED for r in readings) else Light.GREEN
    if worst is Light.GREEN and any(r.light is Light.AMBER for r in readings):
        worst = Light.AMBER
    if json:
        say_json(ok=worst is not Light.RED, light=worst, readings=readings)
    else:
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False)
        for each in readings:
            colour = {Light.GREEN: "green", Light.AMBER: "yellow", Light.RED: "red"}[each.light]
            console.print(
                Text.assemble((f"{each.light.upper():5}", f"bold {colour}"), f"  {each.name}: {each.says}"), soft_wrap=True
            )
    sys.exit(1 if worst is Light.RED else 0)


@app.command
def backup(target: Path, /, *, json: bool = False) -> None:
    """Write the whole database into one new file. The master key is not in it: keep a copy of that elsewhere.

    Args:
        target: the file to make, or a folder to make one in.
        json: end with one JSON line.
    """
    from daozhang.postgres.backup import backup as write
    from daozhang.postgres.place import find_server
    from daozhang.settings import read_settings

    settings = read_settings()

    async def work() -> Any:
        async with find_server(settings) as server:
            return await write(settings, server, target)

    done = settle(work())
    key = settings.key_file()
    if json:
        say_json(file=done.file, size_bytes=done.size_bytes, sha256=done.checksum, master_key_included=False, master_key_file=key)
        return
    say(f"{done.file}: {done.size_bytes} bytes, SHA-256 {done.checksum}")
    say(f"The master key is NOT in this file. Copy {key} to another place, under another lock:")
    say("without it nobody can read the sealed phone numbers and channel keys of this backup, and neither can you.")


@app.command
def restore(file: Path, /, *, json: bool = False) -> None:
    """Restore a backup into an empty data folder, bring it to this program's shape and prove its books.

    Put the master key there first (mode 0600) or name its file with DAOZHANG_MASTER_KEY_FILE.

    Args:
        file: what `daozhang backup` wrote.
        json: end with one JSON line.
    """
    from daozhang.postgres.backup import restore as read
    from daozhang.postgres.place import find_server
    from daozhang.postgres.pool import Database
    from daozhang.proof import prove
    from daozhang.settings import read_settings
    from daozhang.vault.keys import check_master
    from daozhang.vault.master import BadMasterKey

    settings = read_settings()

    async def work() -> tuple[list[Any], Any, str]:
        migrated, locked = await read(settings, file), ""
        async with find_server(settings) as server:
            database = await Database.open(server.direct(), size=2)
            try:
                await check_master(database, settings)
            except BadMasterKey as fault:
                locked = str(fault)
            try:
                return migrated, await prove(database), locked
            finally:
                await database.close()

    migrated, proof, locked = settle(work())
    has_key = settings.key_file().exists()
    if json:
        say_json(ok=proof.ok, migrated=migrated, master_key_present=has_key, master_key_opens=has_key and not locked, locked=locked)
    else:
        say(
            f"restored, {len(migrated)} migrations applied, books "
            + ("add up" if proof.ok else "DO NOT add up: run `daozhang prove`")
        )
        if locked:
            say(f"The program cannot start with it yet: {locked}.")
    sys.exit(0 if proof.ok else 1)


def settle(work: Coroutine[Any, Any, T], run: Callable[[Coroutine[Any, Any, T]], T] = asyncio.run) -> T:
    """Run it; what the operator can do something about becomes a sentence instead of a trace."""
    from daozhang.postgres.backup import BackupTrouble
    from daozhang.postgres.migrate import MigrationTrouble
    from daozhang.postgres.pool import OutcomeUnknown, Unavailable
    from daozhang.postgres.trouble import ServerTrouble
    from daozhang.vault.master import BadMasterKey

    try:
        return run(work)
    except (ServerTrouble, MigrationTrouble, BackupTrouble, BadMasterKey) as fault:
        raise Failed(str(fault)) from fault
    except OSError as fault:
        raise Failed(f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault)) from fault
    except (Unavailable, OutcomeUnknown) as fault:
        raise Failed(f"the database cannot be reached: {fault}") from fault
