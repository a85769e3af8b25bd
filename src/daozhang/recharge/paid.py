"""The payment of an order, read under the locks of a settlement: refunds, payouts and decisions about its money begin with it."""

from typing import Any
from uuid import UUID

from daozhang.postgres import Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.recharge")


async def locked_payment(tx: Tx, order_id: UUID, unpaid: str) -> tuple[Any, Any]:
    """Lock an order with its user and its attempts; the rows of the attempt that paid it and of the order itself.

    The second payment of an order is not the one that paid it. Raises `Refusal(unpaid)` when none did.
    """
    attempt = await tx.row(sql.paid_attempt, order_id)
    if attempt is None:
        raise Refusal(unpaid)
    await tx.value(sql.lock_for_settlement, [attempt["id"]])
    order = await tx.row(sql.order_for_work, order_id)
    assert order is not None, order_id
    return attempt, order


async def left_to_return_fen(tx: Tx, attempt: Any, order: Any) -> int:
    """What of a payment may still go back, in fen: without refunds, those under way too, and without payouts by hand."""
    paid_out_fen: int = await tx.value(sql.paid_out_of, order["id"])
    left_fen: int = attempt["paid_fen"] - order["refunded_fen"] - paid_out_fen
    return left_fen
