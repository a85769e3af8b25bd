"""Fund lots: how much of a balance comes from one source, consumed first in, first out."""

from uuid import UUID

from daozhang.postgres import Tx, statements

sql = statements("daozhang.ledger")

CREDITS = ["recharge", "release"]
"""The bookings by which an order's money comes to a user."""


async def unspent(tx: Tx, shop_id: int, address: str, order_id: UUID) -> int:
    """How much of an order's money is still in the account, in fen; 0 when none came there. The caller holds the user's lock."""
    return int(await tx.value(sql.lot_left, shop_id, address, order_id, CREDITS) or 0)
