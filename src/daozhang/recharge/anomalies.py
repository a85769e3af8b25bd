"""What was odd about money and waits for a person: it rings, it is read, and somebody says what was done about it."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from daozhang import alarms, clock, ids
from daozhang.events import log as events
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.postgres import Database, Tx, statements
from daozhang.recharge.view import shown

sql = statements("daozhang.recharge")

MOST = 500
LONGEST = 200
"""Characters of what was done."""
PAYOUTS_WAIT = timedelta(days=1)
"""How long a payout by hand may wait for its second person, or for the bank, before somebody is told: the money is set aside."""


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


async def returned(
    database: Database, ledger_accounts: Accounts, anomaly_id: UUID, actor: str, reference: str, shop_id: int = 1
) -> bool:
    """Book that stray money was sent back by hand at its channel; `reference` is the channel's own number of that refund.

    Stray is money of a number that we do not know, and a second transaction of one number: no refund of ours can name it. False
    when nothing of this id waits. Raises `ValueError` when no reference is given.
    """
    if not reference.strip():
        raise ValueError("say under which number the channel sent it back")

    async def work(tx: Tx) -> bool:
        at = clock.now()
        row = await tx.row(sql.stray_returned, shop_id, anomaly_id, at, f"returned: {reference.strip()} by {actor}"[:LONGEST])
        if row is None:
            return False
        target = accounts.receivable(row["channel_id"])
        found = await ledger_accounts.ids(tx, shop_id, (accounts.SUSPENSE, target))
        lines = (Line(accounts.SUSPENSE, -row["amount_fen"]), Line(target, row["amount_fen"]))
        booking = Transfer(ids.new_id(), "stray.returned", anomaly_id, at, lines, reference.strip()[:64])
        await events.append(tx, shop_id, at, actor, [events.Event("stray.returned", row["order_id"], None, "{}")])
        await post(tx, shop_id, at, actor, [booking], found)
        return True

    return await database.transact(work)


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
    late = await tx.row(sql.payouts_waiting_since, shop_id, at - PAYOUTS_WAIT)
    if late is not None and late["waiting"]:
        wanted["payout.waiting", "payouts"] = alarms.Waiting(late["waiting"], late["newest"], {"order": shown(late["order_id"])})
    kinds = [kind for kind in alarms.KINDS if kind.startswith("anomaly.") or kind == "payout.waiting"]
    return await alarms.keep(tx, shop_id, at, kinds, wanted)
