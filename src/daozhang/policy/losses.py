"""Losses that people confirmed: they take an account's small-amount budget away, close the loss gate, and teach back-tests.

A word about an order is said once and never changed: what was tolerated afterwards rests on it.
"""

from typing import Any
from uuid import UUID

from daozhang import clock
from daozhang.events import log as events
from daozhang.policy.payers import flag_in
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.policy")

FRAUD = "fraud"


async def confirm(database: Database, shop_id: int, order_id: UUID, why: str, actor: str, *, payer_too: bool = False) -> None:
    """Confirm that the money of an order was a fraud's; with `payer_too` whoever paid is flagged, and held from now on.

    Raises `refund.not_paid` when no money came for it, `risk.loss_confirmed` when that was said before, and `operation.not_found`
    when nobody knows who paid.
    """

    async def work(tx: Tx) -> None:
        if not await confirm_in(tx, shop_id, order_id, why, actor):
            raise Refusal("risk.loss_confirmed")
        if payer_too:
            await flag_in(tx, order_id, flagged=True, why=why, actor=actor)

    await database.transact(work)


async def confirm_in(tx: Tx, shop_id: int, order_id: UUID, why: str, actor: str) -> bool:
    """The same in the caller's transaction; False when it was said before."""
    order, at = await tx.row(sql.paid_order, shop_id, order_id), clock.now()
    if order is None:
        raise Refusal("refund.not_paid")
    user_id: int = order["user_id"]
    said = why.strip()[:200] or FRAUD
    if await tx.value(sql.add_loss, order_id, shop_id, user_id, order["amount_fen"], FRAUD, said, actor, at) is None:
        return False
    await events.append(tx, shop_id, at, actor, [events.Event("risk.loss_confirmed", order_id, user_id, "{}")])
    return True


async def of_order(database: Database, order_id: UUID) -> Any:
    """What people said of an order and of who paid it: `fraud_by`, `fraud_at`, `payer_known`, `flagged`, `flag_why`."""
    return await database.row(sql.said_of_order, order_id)
