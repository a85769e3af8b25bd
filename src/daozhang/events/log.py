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


async def append(tx: Tx, shop_id: int, at: datetime, actor: str, events: Sequence[Event]) -> None:
    """Write the events, in their order."""
    if events:
        await tx.run(
            sql.append_events,
            shop_id,
            actor,
            at,
            [ids.new_id() for _ in events],
            [event.kind for event in events],
            [event.order_id for event in events],
            [event.user_id for event in events],
            [event.data for event in events],
        )
