"""The append-only log of what happened: the outbox, the timelines and the audit trail, written in the transaction that did it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from daozhang import ids
from daozhang.postgres import Tx, statements

sql = statements("daozhang.events")


class Event(NamedTuple):
    """One fact others may hear. `data` is a JSON text; what it holds may be shown to the shop, so nothing personal goes in."""

    kind: str
    order_id: UUID | None
    user_id: int | None
    data: str


FEW = 16
"""Up to this many rows a prepared statement costs less than a COPY, which is parsed anew and takes two turns."""

_COLUMNS = ("id", "shop_id", "kind", "order_id", "user_id", "actor", "data", "at")


async def append(tx: Tx, shop_id: int, at: datetime, actor: str, events: Sequence[Event]) -> None:
    """Write the events, in their order."""
    rows = [
        (event_id, shop_id, kind, order_id, user_id, actor, data, at)
        for event_id, (kind, order_id, user_id, data) in zip(ids.new_ids(len(events)), events, strict=True)
    ]
    if len(rows) > FEW:
        await tx.copy("events", _COLUMNS, rows)
    elif rows:
        await tx.run(sql.append_events, *map(list, zip(*rows, strict=True)))
