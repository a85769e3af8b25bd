"""The wrapped data keys in the database: one `blind` key for ever, and `data` keys that take turns.

A data key is written before it is used: every process that opens or refreshes the vault makes sure that the key of the next
period is there, so a process that has not looked for a while can still read what the others seal. Wraps are rows of their own:
while a master key is changed, every data key is wrapped twice and either file opens it.
"""

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from daozhang import clock
from daozhang.postgres import Database, Tx, statements
from daozhang.settings import Settings
from daozhang.vault.master import BadMasterKey, MasterKey, create_master, load_master

PERIOD = timedelta(days=30)
"""How long a data key seals. At 1,500 seals/s around the clock it stays below 2^32 random nonces (NIST SP 800-38D §8.3)."""

OVERLAP = timedelta(minutes=10)
"""How long before its first use a key drawn out of turn is written."""


@dataclass(frozen=True)
class DataKey:
    """An unwrapped key. `active_from` is when it begins to seal."""

    number: int
    purpose: str
    active_from: datetime
    key: bytes = field(repr=False)


async def load_keys(database: Database, settings: Settings) -> list[DataKey]:
    """Every data key, making what is missing: the master key at the very first start, the blind key, this and the next data key."""

    async def work(tx: Tx) -> list[DataKey]:
        sql = statements("daozhang.vault")
        await tx.run(sql.lock_keys)
        wraps = await tx.rows(sql.wraps)
        master = load_master(settings.key_file())
        if master is None:
            if wraps:
                raise _gone(settings)
            master = create_master(settings.key_file())
        keys = _unwrap(master, wraps)
        for purpose, active_from in _missing(keys, clock.now()):
            keys.append(await _draw(tx, master, purpose, active_from, max((key.number for key in keys), default=0) + 1))
        return keys

    return await database.transact(work)


async def check_master(database: Database, settings: Settings) -> int:
    """How many data keys the master key file opens; nothing is made. Raises `BadMasterKey` when it does not open all there are."""
    wraps = await database.rows(statements("daozhang.vault").wraps)
    if not wraps:
        return 0
    master = load_master(settings.key_file())
    if master is None:
        raise _gone(settings)
    return len(_unwrap(master, wraps))


async def draw_key(database: Database, settings: Settings) -> datetime:
    """Draw a data key out of turn (a key may have leaked). It begins to seal after `OVERLAP`; answers when."""

    async def work(tx: Tx) -> datetime:
        sql = statements("daozhang.vault")
        await tx.run(sql.lock_keys)
        master = load_master(settings.key_file())
        if master is None:
            raise BadMasterKey("there is no master key file")
        keys = _unwrap(master, await tx.rows(sql.wraps))
        active_from = clock.now() + OVERLAP
        await _draw(tx, master, "data", active_from, max(key.number for key in keys) + 1)
        return active_from

    return await database.transact(work)


async def rewrap(database: Database, old: MasterKey, new: MasterKey) -> int:
    """Wrap every data key under the new master key as well; the number of keys. The old file still opens them."""

    async def work(tx: Tx) -> int:
        sql = statements("daozhang.vault")
        await tx.run(sql.lock_keys)
        keys = _unwrap(old, await tx.rows(sql.wraps))
        for key in keys:
            await tx.run(sql.add_wrap, key.number, new.fingerprint, new.wrap(key.key, _aad(key.number, key.purpose)))
        return len(keys)

    return await database.transact(work)


async def forget_master(database: Database, fingerprint: bytes) -> int:
    """Drop the wraps of a master key that is no longer used. The database refuses to leave a data key without a wrap."""

    async def work(tx: Tx) -> int:
        dropped: int = await tx.value(statements("daozhang.vault").forget_master, fingerprint)
        return dropped

    return await database.transact(work)


def _gone(settings: Settings) -> BadMasterKey:
    return BadMasterKey(
        f"the database is sealed and its master key file is missing: put it back at {settings.key_file()} (mode 0600)"
    )


def _unwrap(master: MasterKey, wraps: list[Any]) -> list[DataKey]:
    ours = [row for row in wraps if row["master"] == master.fingerprint]
    if len(ours) < len({row["number"] for row in wraps}):
        raise BadMasterKey("the database is sealed with another master key than the one in the key file: put the right file back")
    return [
        DataKey(
            row["number"], row["purpose"], row["active_from"], master.unwrap(row["wrapped"], _aad(row["number"], row["purpose"]))
        )
        for row in ours
    ]


def _missing(keys: list[DataKey], now: datetime) -> list[tuple[str, datetime]]:
    missing = [] if any(key.purpose == "blind" for key in keys) else [("blind", now)]
    last = max((key.active_from for key in keys if key.purpose == "data"), default=None)
    if last is None:
        return [*missing, ("data", now), ("data", now + PERIOD)]
    if last <= now:
        missing.append(("data", max(last + PERIOD, now + OVERLAP)))
    return missing


async def _draw(tx: Tx, master: MasterKey, purpose: str, active_from: datetime, number: int) -> DataKey:
    sql = statements("daozhang.vault")
    key = DataKey(number, purpose, active_from, os.urandom(32))
    await tx.run(sql.add_key, number, purpose, active_from, clock.now())
    await tx.run(sql.add_wrap, number, master.fingerprint, master.wrap(key.key, _aad(number, purpose)))
    return key


def _aad(number: int, purpose: str) -> bytes:
    return f"vault_keys:{purpose}:{number}".encode()
