"""Messages to the owner of an order: its money is held, was released, or goes back; its review ended."""

from typing import Any, Literal
from uuid import UUID

from daozhang import clock, notices
from daozhang.postgres import Tx, statements
from daozhang.recharge.view import shown

sql = statements("daozhang.recharge")

Kind = Literal[
    "money_held", "money_asked", "money_misfit", "money_stuck", "money_released", "money_returned", "review_passed",
    "review_refused",
]  # fmt: skip


async def tell(tx: Tx, shop_id: int, user_id: int, kind: Kind, amount_fen: int, link: str, **facts: Any) -> None:
    """One message in the caller's transaction; `link` is the page where he can do something about it."""
    await notices.tell(tx, shop_id, user_id, clock.now(), kind, {"amount_fen": amount_fen, **facts}, link)


async def of_order(tx: Tx, kind: Kind, order: Any, amount_fen: int | None = None) -> None:
    """One message about an order, which leads to it."""
    link = f"/orders/{shown(order['id'])}"
    await tell(tx, order["shop_id"], order["user_id"], kind, amount_fen or order["amount_fen"], link)


async def of_review(tx: Tx, order_id: UUID) -> None:
    """What became of an order that a person let go: its owner goes on with it, or reads why it could not go on."""
    order = await tx.row(sql.order_for_work, order_id)
    assert order is not None, order_id
    if order["state"] != "reviewing":
        await of_order(tx, "review_passed" if order["state"] in ("created", "challenged") else "review_refused", order)
