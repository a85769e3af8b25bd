"""The append-only log of what happened: the outbox, the timelines and the audit trail, written in the transaction that did it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from daozhang import ids
from daozhang.postgres import Tx


class Event(NamedTuple):
    """One fact others may hear. `data` is a JSON text; what it holds may be shown to the shop, so nothing personal goes in."""

    kind: str
    order_id: UUID | None
    user_id: int | None
    data: str


_COLUMNS = ("id", "shop_id", "kind", "order_id", "user_id", "actor", "data", "at")


async def append(tx: Tx, shop_id: int, at: datetime, actor: str, events: Sequence[Event]) -> None:
    """Write the events, in their order."""
    if events:
        rows = [(ids.new_id(), shop_id, kind, order_id, user_id, actor, data, at) for kind, order_id, user_id, data in events]
        await tx.copy("events", _COLUMNS, rows)
