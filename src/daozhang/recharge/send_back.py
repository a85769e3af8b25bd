"""Money that must return by itself: the second payment of an order goes back to where it came from."""

from datetime import datetime

from daozhang import ids
from daozhang.channels.port import Report
from daozhang.postgres import Tx, statements
from daozhang.recharge.judgement import Row

sql = statements("daozhang.recharge")

WHY = "重复支付退回"


async def send_back(tx: Tx, shop_id: int, at: datetime, attempt: Row, report: Report) -> None:
    """Begin the refund of a payment that stands in suspense, due at once. It belongs to the order, and takes nothing from it."""
    await tx.value(
        sql.begin_refund,
        shop_id,
        at,
        ids.new_id(),
        attempt["order_id"],
        attempt["id"],
        report.channel_id,
        None,
        "suspense",
        report.amount_fen,
        report.amount_fen,
        WHY,
        "settle",
        at,
    )
