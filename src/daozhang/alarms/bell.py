"""Ringing, counting and closing alarms. The open ones are the list of what a person has to do."""

import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from daozhang import ids
from daozhang.alarms.kinds import KINDS
from daozhang.postgres import Database, Tx, statements

sql = statements("daozhang.alarms")
log = logging.getLogger(__name__)

SHOWN = 500


class Alarm(msgspec.Struct, frozen=True):
    """An open alarm: rung first at `rung_at`, last at `last_at`, `times` in all. `facts` are the newest ones."""

    id: UUID
    shop_id: int
    kind: str
    key: str
    facts: dict[str, Any]
    rung_at: datetime
    last_at: datetime
    times: int


async def ring(tx: Tx, shop_id: int, at: datetime, kind: str, key: str, facts: Mapping[str, Any]) -> bool:
    """Ring an alarm about `key` (what it is about, at most 200 characters). True when it was not open before.

    `kind` is one of `kinds.toml`. While it is open it is only counted: ringing often makes one line. Nothing personal in `facts`.
    """
    assert kind in KINDS, kind
    times = await tx.value(sql.ring, ids.new_id(), shop_id, kind, key[:200], msgspec.json.encode(dict(facts)).decode(), at)
    if times == 1:
        log.error("alarm %s: %s", kind, key[:200])
    return bool(times == 1)


class Waiting(msgspec.Struct, frozen=True):
    """How many things of a sort wait for a person, and the newest of them. Nothing personal in `facts`."""

    waiting: int
    newest: UUID
    facts: dict[str, Any] = {}


async def keep(tx: Tx, shop_id: int, at: datetime, kinds: Collection[str], wanted: Mapping[tuple[str, str], Waiting]) -> int:
    """Let alarms of some kinds say what waits, by kind and key: rung for what is new, ended when nothing waits; how many rang.

    For what is read from rows now and then, so that the commit which writes them waits for no alarm. One that a person closed rings
    again only for something newer.
    """
    rung, last = 0, {(row["kind"], row["key"]): row for row in await tx.rows(sql.last_told, shop_id, list(kinds))}
    for about, each in sorted(wanted.items()):
        assert about[0] in kinds, about
        row = last.get(about)
        told = msgspec.json.decode(row["facts"]) if row is not None and row["closed_by"] != "program" else None
        if told is None or str(each.newest) > told["newest"] or each.waiting > told["waiting"]:
            facts = {"waiting": each.waiting, "newest": str(each.newest), **each.facts}
            rung += await ring(tx, shop_id, at, *about, facts)
    for about, row in last.items():
        if row["closed_by"] is None and about not in wanted:
            await end(tx, shop_id, at, *about, "nothing of it waits any more")
    return rung


async def end(tx: Tx, shop_id: int, at: datetime, kind: str, key: str, how: str) -> bool:
    """Close the open alarm about `key` because its cause is gone. False when none was open."""
    return await tx.value(sql.end, shop_id, kind, key[:200], at, how[:400]) is not None


async def close(database: Database, alarm_id: UUID, at: datetime, who: str, what_was_done: str) -> bool:
    """A person says that it is done. False when it is closed already or does not exist."""
    if not what_was_done.strip():
        raise ValueError("say what was done")
    return await database.transact(lambda tx: tx.value(sql.close, alarm_id, at, who, what_was_done[:400])) is not None


async def open_alarms(database: Database, most: int = SHOWN) -> list[Alarm]:
    """What is to be looked at, newest first."""
    rows = await database.rows(sql.open_alarms, most)
    return [Alarm(**{**row, "facts": msgspec.json.decode(row["facts"])}) for row in rows]
