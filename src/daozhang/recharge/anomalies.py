"""What was odd about money and waits for a person: it rings, it is read, and somebody says what was done about it."""

from datetime import datetime
from uuid import UUID

import msgspec

from daozhang import alarms, clock
from daozhang.postgres import Database, Tx, statements
from daozhang.recharge.view import shown

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


async def tell(database: Database, shop_id: int) -> int:
    """Ring for what waits: one alarm for each kind of oddity and channel, however many there are; how many rang just now.

    It is read from what is written, so that the commit which moves money waits for no alarm. What has ended by itself is resolved,
    and an alarm ends when nothing of its kind waits any more. One that a person closed rings again only for something newer.
    """
    return await database.transact(lambda tx: _tell(tx, shop_id))


async def _tell(tx: Tx, shop_id: int) -> int:
    at = clock.now()
    await tx.run(sql.resolve_ended, shop_id, at)
    wanted = {}
    for row in await tx.rows(sql.anomalies_waiting, shop_id):
        facts = {"channel_id": row["channel_id"]}
        facts |= {"amount_fen": row["amount_fen"]} if row["amount_fen"] is not None else {}
        facts |= {"order": shown(row["order_id"])} if row["order_id"] else {}
        wanted[f"anomaly.{row['kind']}", f"channel:{row['channel_id']}"] = alarms.Waiting(row["waiting"], row["newest"], facts)
    return await alarms.keep(tx, shop_id, at, [kind for kind in alarms.KINDS if kind.startswith("anomaly.")], wanted)
