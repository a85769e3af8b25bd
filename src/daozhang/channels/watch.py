"""What a person is told about channels: codes that nobody has mapped, and certificates that are about to end."""

import json
import logging
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from daozhang import alarms, clock
from daozhang.channels.catalogue import KINDS
from daozhang.channels.native import Unmapped, unmapped
from daozhang.channels.registry import seal_place
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Unreadable, Vault

log = logging.getLogger(__name__)

WARNINGS = ((timedelta(days=1), "channel.certificate_1"), (timedelta(days=7), "channel.certificate_7"),
            (timedelta(days=30), "channel.certificate_30"))  # fmt: skip
"""How long before its end which alarm rings; the shortest that fits."""


async def tell_unmapped(database: Database, shop_id: int) -> int:
    """Ring for every unmapped code heard since the last call; how many there were. Raises `Unavailable`; then they stay."""
    heard = list(unmapped)
    if not heard:
        return 0

    async def work(tx: Tx) -> None:
        for kind, operation, code in sorted(set(heard)):
            facts = {"kind": kind, "operation": operation, "code": code}
            await alarms.ring(tx, shop_id, clock.now(), "channel.code_unmapped", f"{kind} {operation} {code}", facts)

    await database.transact(work)
    for each in heard:
        _forget(each)
    return len(heard)


async def watch_certificates(vault: Vault, database: Database) -> None:
    """Ring 30, 7 and 1 days before a certificate of an enabled channel ends, and stop ringing when it was replaced or retired."""
    sql = statements("daozhang.channels")
    for channel in await database.rows(sql.all_channels):
        kind = KINDS.get(channel["kind"])
        if kind is None or not channel["enabled"]:
            continue
        ends: dict[str, datetime] = {}
        for record in await database.rows(sql.valid_keys, channel["id"]):
            try:
                keys = kind.read_keys(json.loads(vault.unseal(record["sealed"], seal_place(channel["id"], record["version"]))))
            except (Refusal, Unreadable, ValueError):
                log.error("keys of channel %d cannot be read, so nobody knows when they end", channel["id"])  # noqa: TRY400
                continue
            ends.update(kind.expiries(keys))
        await database.transact(partial(_judge, channel=channel, ends=ends))


def warning(ends_at: datetime, at: datetime) -> str | None:
    """The alarm that fits a certificate's end, if any."""
    return next((kind for before, kind in WARNINGS if ends_at - at <= before), None)


async def _judge(tx: Tx, channel: Any, ends: dict[str, datetime]) -> None:
    at = clock.now()
    open_ones = await tx.rows(statements("daozhang.channels").open_certificate_alarms, channel["shop_id"], f"{channel['id']} ")
    due = {(kind, f"{channel['id']} {what}"): (what, until) for what, until in ends.items() if (kind := warning(until, at))}
    for row in open_ones:
        if (row["kind"], row["key"]) not in due:
            await alarms.end(tx, channel["shop_id"], at, row["kind"], row["key"], "replaced, retired or rung as something sooner")
    for (kind, key), (what, until) in due.items():
        facts = {"channel_id": channel["id"], "certificate": what, "ends_at": until.isoformat()}
        await alarms.ring(tx, channel["shop_id"], at, kind, key, facts)


def _forget(heard: Unmapped) -> None:
    # Something else may have been heard meanwhile, and the oldest pushed out.
    try:
        unmapped.remove(heard)
    except ValueError:
        return
