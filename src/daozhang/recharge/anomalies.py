"""What was odd about money and waits for a person: read it, and say what was done about it."""

from datetime import datetime
from uuid import UUID

import msgspec

from daozhang import clock
from daozhang.postgres import Database, statements

sql = statements("daozhang.recharge")

MOST = 500
LONGEST = 200
"""Characters of what was done."""


class Open(msgspec.Struct, frozen=True):
    """An odd circumstance that nobody has dealt with. Amount in fen; None for what it is not about."""

    id: UUID
    kind: str
    order_id: UUID | None
    channel_id: int
    amount_fen: int | None
    facts: str
    at: datetime


async def waiting(database: Database, shop_id: int = 1) -> list[Open]:
    """What waits, oldest first, at most `MOST`."""
    return [Open(**dict(row)) for row in await database.rows(sql.open_anomalies, shop_id, MOST)]


async def resolve(database: Database, anomaly_id: UUID, actor: str, done: str, shop_id: int = 1) -> bool:
    """Say what was done. False when nothing of this id waits; money of an unknown order stays until it is found.

    Raises `ValueError` when nothing is said.
    """
    if not done.strip():
        raise ValueError("say what was done")
    words = f"{actor}: {done.strip()}"[:LONGEST]
    ended = await database.transact(lambda tx: tx.value(sql.resolve_anomaly, shop_id, anomaly_id, clock.now(), words))
    return ended is not None
