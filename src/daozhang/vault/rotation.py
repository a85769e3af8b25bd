"""Changing the master key while the program runs: wrap everything twice, swap the file, then forget the old wraps.

A crash between two steps leaves a database that the file in place still opens; running it again finishes the change.
"""

import os
from pathlib import Path

from daozhang import clock
from daozhang.postgres import Database
from daozhang.vault.keys import forget_master, rewrap
from daozhang.vault.master import BadMasterKey, create_master, load_master


def put_by(path: Path) -> Path:
    """Keep the key file as it is beside itself, under a name that says until when it held: backups made before need it.

    Raises `BadMasterKey` when there is none.
    """
    kept = path.with_name(f"{path.name}.until-{clock.now():%Y%m%dT%H%M%S}")
    try:
        os.link(path, kept)
    except FileExistsError:
        return kept
    except FileNotFoundError:
        raise BadMasterKey("there is no master key file to change") from None
    return kept


async def rotate_master(database: Database, path: Path) -> int:
    """Give the database a new master key and put it at `path`; the number of data keys wrapped. Raises `BadMasterKey`.

    A process that is already running keeps its unwrapped keys; one that starts reads the new file.
    """
    old = load_master(path)
    if old is None:
        raise BadMasterKey("there is no master key file to change")
    draft = path.with_name(f"{path.name}.next")
    new = load_master(draft) or create_master(draft)
    count = await rewrap(database, old, new)
    draft.replace(path)
    await forget_master(database, old.fingerprint)
    return count
