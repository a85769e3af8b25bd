"""Goods that are paid at a channel, whole or in part: set aside with the order, handed over in the commit that credits it.

The channel's part is recharged and spent in one commit; the balance's part waits in a hold. Nothing here calls out: the codes are
the shop's own. An order that fails keeps its pieces until they expire, so that it can be paid another way; one that was given up
puts them back at once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg

from daozhang import clock, ids
from daozhang.goods.buy import check_basket
from daozhang.goods.model import Basket
from daozhang.ledger import Accounts, Line, Transfer, accounts
from daozhang.ledger.reserve import Hold, capture, end, reserve
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.goods")

LOOK_EVERY = timedelta(seconds=20)
GIVEN_UP = frozenset({"cancelled", "refused", "abandoned", "expired"})
"""States of an order that end its purchase at once; `failed` may still be paid another way."""
SETTLED = frozenset({"paid", "credited", "held", "misfit", "refunding", "frozen_by_order"})


class Wish(NamedTuple):
    """Pieces to be paid by an order: `balance_fen` of the price comes from the balance."""

    order_id: UUID
    user_id: int
    basket: Basket
    balance_fen: int
    expires_at: datetime


class Finished(NamedTuple):
    """What came of handing over: bookings still to be posted, and the orders whose pieces were gone, with why."""

    transfers: list[Transfer]
    undelivered: dict[UUID, str]


class Fulfil:
    """Sets goods aside for orders, hands them over, and puts them back."""

    def __init__(self, shop_id: int, database: Database, ledger_accounts: Accounts) -> None:
        self.shop_id = shop_id
        self._database, self._accounts = database, ledger_accounts

    async def price(self, tx: Tx, basket: Basket) -> int:
        """What a basket costs in fen. Raises `Refusal`."""
        return await check_basket(tx, self.shop_id, basket)

    async def reserve(self, tx: Tx, at: datetime, wish: Wish) -> None:
        """Set the pieces and the balance's part aside. Raises `Refusal`; then the caller undoes to its savepoint."""
        total_fen = await check_basket(tx, self.shop_id, wish.basket)
        assert 0 <= wish.balance_fen < total_fen, "the channel pays something"
        hold_id = ids.new_id() if wish.balance_fen else None
        if hold_id:
            hold = Hold(hold_id, self.shop_id, accounts.cash(wish.user_id), accounts.reserved(wish.user_id), wish.balance_fen)
            try:
                await reserve(tx, self._accounts, at, "buyer", hold)
            except asyncpg.CheckViolationError as fault:
                if fault.constraint_name != "account_floor":
                    raise
                raise Refusal("goods.balance_short", short_fen=wish.balance_fen) from fault
        begun = await tx.value(
            sql.begin_purchase, self.shop_id, at, ids.new_id(), wish.user_id, wish.basket.goods_id, wish.basket.count,
            wish.basket.price_fen, wish.balance_fen, wish.order_id, hold_id, wish.expires_at, at + LOOK_EVERY,
        )  # fmt: skip
        if not begun:
            raise Refusal("goods.sold_out")

    async def finish(self, tx: Tx, at: datetime, order_ids: Sequence[UUID]) -> Finished:
        """Hand over what credited orders were for, in their transaction.

        The orders' users are locked by the caller. The money of a purchase that was put back stays in the balance.
        """
        rows = await tx.rows(sql.purchases_of_orders, list(order_ids))
        ended = await tx.rows(sql.end_purchases, at, "recharge", [row["id"] for row in rows], "delivered", "")
        handed = {row["id"] for row in ended}
        transfers: list[Transfer] = []
        for row in ended:
            if row["hold_id"]:
                captured = await capture(tx, at, row["hold_id"], accounts.SALES)
                assert captured is not None, row["hold_id"]
                transfers.append(captured)
            lines = (Line(accounts.cash(row["user_id"]), -row["channel_fen"]), Line(accounts.SALES, row["channel_fen"]))
            transfers.append(Transfer(ids.new_id(), "purchase", row["id"], at, lines))
        return Finished(transfers, {row["order_id"]: "goods.released" for row in rows if row["id"] not in handed})

    async def release(self, tx: Tx, at: datetime, purchase_id: UUID, why: str) -> bool:
        """Put the pieces and the balance's part back. False when the purchase ended before."""
        ended = await tx.rows(sql.end_purchases, at, "goods", [purchase_id], "released", why)
        for row in ended:
            if row["hold_id"]:
                assert await end(tx, self._accounts, at, "goods", row["hold_id"], "released"), row["hold_id"]
        return bool(ended)

    async def claim(self, tx: Tx, most: int) -> Sequence[Any]:
        """Claim purchases that are to be looked at, and set when they are looked at next."""
        at = clock.now()
        rows = await tx.rows(sql.due_purchases, at, most)
        for row in rows:
            await tx.run(sql.postpone_purchase, row["id"], at + LOOK_EVERY)
        return rows

    async def look(self, row: Any) -> None:
        """Put a claimed purchase back when its order was given up, or when it expired unpaid."""
        await self._database.transact(lambda tx: self._look(tx, row["id"], row["user_id"]))

    async def _look(self, tx: Tx, purchase_id: UUID, user_id: int) -> None:
        await tx.value(sql.lock_buyer, user_id)
        at = clock.now()
        row = await tx.row(sql.purchase_with_order, purchase_id)
        if row is None or row["state"] != "reserved" or row["order_state"] in SETTLED:
            return
        why: Literal["given up", "expired", ""] = ""
        if row["order_state"] in GIVEN_UP:
            why = "given up"
        elif at >= row["expires_at"] and row["order_state"] in (None, "failed"):
            why = "expired"
        if why:
            await self.release(tx, at, purchase_id, why)
