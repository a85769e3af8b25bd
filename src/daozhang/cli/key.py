"""The commands of the vault's own keys: another master key, and another data key out of turn. No key is ever shown."""

from typing import Any

from cyclopts import App

from daozhang.cli.channel import on_database
from daozhang.cli.frame import app, say, say_json

key = App(name="key", help="The keys that seal secrets and personal data: change the master key, draw a data key out of turn.")
app.command(key)


@key.command
def master(*, json: bool = False) -> None:
    """Draw another master key and put it in the place of the key file, while the program runs.

    Everything is wrapped twice in between, so a start at any moment finds a key that opens. The old file is kept beside the new
    one: backups made before need it. Give the command again when it was interrupted.

    Args:
        json: end with one JSON line.
    """
    from daozhang.vault.rotation import put_by, rotate_master

    async def work(database: Any, _vault: Any, settings: Any) -> tuple[int, Any]:
        kept = put_by(settings.key_file())
        return await rotate_master(database, settings.key_file()), kept

    count, kept = on_database(work)
    if json:
        say_json(wrapped=count, old_kept_at=kept)
        return
    say(f"{count} data keys are sealed with a new master key. Copy the key file to where you keep it, apart from the backups.")
    say(f"Backups made until now need the old one: {kept}. Move it away from this machine.")


@key.command
def draw(*, json: bool = False) -> None:
    """Draw a data key out of turn, because one may have leaked: it begins to seal after an overlap, the older ones go on opening.

    Args:
        json: end with one JSON line.
    """
    from daozhang.vault.keys import draw_key

    begins_at = on_database(lambda database, _vault, settings: draw_key(database, settings))
    say_json(begins_at=begins_at) if json else say(f"it seals from {begins_at:%Y-%m-%d %H:%M} UTC on; older keys go on opening")
