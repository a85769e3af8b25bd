"""Money that must return by itself: the second payment of an order goes back to where it came from."""

from datetime import datetime, timedelta
from typing import Any

from daozhang import ids, notices
from daozhang.channels.port import Report
from daozhang.postgres import Tx, statements
from daozhang.recharge.judgement import Row
from daozhang.recharge.view import shown

sql = statements("daozhang.recharge")

WHY = "重复支付退回"
MOST_BY_ITSELF, AGAIN_AFTER = 5, timedelta(hours=1)
"""How often a second payment is sent back under a new number, and how long after the last one failed."""


async def send_back(tx: Tx, shop_id: int, at: datetime, attempt: Row, report: Report) -> None:
    """Begin the refund of a payment that stands in suspense, due at once, and tell its payer. It takes nothing from the order."""
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
    link = f"/orders/{shown(attempt['order_id'])}"
    await notices.tell(tx, shop_id, attempt["user_id"], at, "paid_twice", {"amount_fen": report.amount_fen}, link)


async def again(tx: Tx, at: datetime, row: Any, due_at: datetime) -> None:
    """Send it back once more under a new number, as the failed refund `row` would have."""
    await tx.value(
        sql.begin_refund, row["shop_id"], at, ids.new_id(), row["order_id"], row["attempt_id"], row["channel_id"], None, "suspense",
        row["amount_fen"], row["total_fen"], row["why"], "refund", due_at,
    )  # fmt: skip
