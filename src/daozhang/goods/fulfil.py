"""Goods that are paid at a channel, whole or in part: set aside with the order, handed over in the commit that credits it.

The channel's part is recharged and spent in one commit; the balance's part waits in a hold. Nothing here calls out: codes are the
shop's own, and a top-up is ordered at its supplier after the commit (`goods/supply.py`). An order that fails keeps its pieces until
they expire, so that it can be paid another way; one that was given up puts them back at once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from daozhang import clock, ids
from daozhang.goods.buy import check_basket, order_supply, target_place
from daozhang.ledger import Accounts, Line, Transfer, accounts
from daozhang.ledger.reserve import Hold, capture, end, reserve
from daozhang.ledger.spend import split
from daozhang.policy.books import Books
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish
from daozhang.policy.model import Stage
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.fulfilment import Credited, Errand, Finished
from daozhang.recharge.model import Basket
from daozhang.vault import Vault

sql = statements("daozhang.goods")

LOOK_EVERY = timedelta(seconds=20)
GIVEN_UP = frozenset({"cancelled", "refused", "abandoned", "expired"})
"""States of an order that end its purchase at once; `failed` may still be paid another way."""
UNTIL_EXPIRY = frozenset({None, "failed", "challenged", "reviewing"})
"""What may still be paid, but keeps its goods no longer than a payment would have had: one that goes on later takes them anew."""
PAST = frozenset({"refunded", "credited"})
"""Money that was received and went back, or became balance without handing over: nothing will ever hand the pieces over."""
SETTLED = frozenset({"paid", "held", "misfit", "refunding", "frozen_by_order"})
"""Money that was received and waits for a decision, which may still hand over."""


class Part(NamedTuple):
    """The balance's part of a purchase, set aside: its holds (None where it is nothing), and what of it is bonus, in fen."""

    cash_hold: UUID | None = None
    bonus_hold: UUID | None = None
    bonus_fen: int = 0


class Fulfil:
    """Sets goods aside for orders, hands them over, and puts them back."""

    def __init__(self, shop_id: int, database: Database, ledger_accounts: Accounts, vault: Vault, books: Books) -> None:
        self.shop_id = shop_id
        self._database, self._accounts, self._vault, self._books = database, ledger_accounts, vault, books

    async def reserve(self, tx: Tx, at: datetime, errand: Errand) -> None:
        """Set the pieces and the balance's part aside. Raises `Refusal` before anything was written."""
        basket = errand.basket
        purchase_id = ids.new_id()
        pieces = (basket.goods_id, basket.count, basket.price_fen, basket.balance_fen)
        part, good = await self._take_part(tx, at, errand)
        begun = await tx.value(
            sql.begin_purchase, self.shop_id, at, purchase_id, errand.user_id, *pieces, errand.order_id, part.cash_hold,
            errand.expires_at, at + LOOK_EVERY, part.bonus_hold, part.bonus_fen,
        )  # fmt: skip
        assert begun, "locked pieces went away"
        await order_supply(tx, self._vault, self.shop_id, at, purchase_id, errand.user_id, good, basket)

    async def renew(self, tx: Tx, at: datetime, order_id: UUID, user_id: int, expires_at: datetime) -> None:
        """Keep a purchase aside for one more try of its order, or set its pieces and the balance's part aside anew.

        Raises `Refusal` before anything was written: sold out, no longer for sale, another price, or the balance is short.
        """
        for row in await tx.rows(sql.purchases_of_orders, [order_id]):
            part = Part(row["hold_id"], row["bonus_hold_id"], row["bonus_fen"])
            if row["state"] == "released":
                basket = Basket(
                    row["goods_id"], row["count"], row["price_fen"], row["balance_fen"], await self._target(tx, row["id"])
                )
                part, _ = await self._take_part(tx, at, Errand(order_id, user_id, basket, row["channel_fen"], expires_at))
            renewed = await tx.value(
                sql.renew_purchase,
                at,
                "buyer",
                row["id"],
                part.cash_hold,
                expires_at,
                at + LOOK_EVERY,
                part.bonus_hold,
                part.bonus_fen,
            )
            assert renewed, "locked pieces went away"

    async def _target(self, tx: Tx, purchase_id: UUID) -> str:
        """The account that a top-up goes to; empty for codes."""
        row = await tx.row(sql.supply, purchase_id)
        return self._vault.unseal_text(row["target_sealed"], target_place(purchase_id)) if row else ""

    async def _take_part(self, tx: Tx, at: datetime, errand: Errand) -> tuple[Part, Any]:
        """Check a basket, lock its pieces, set the balance's part aside: its holds, the good. Raises `Refusal`, nothing written."""
        basket = errand.basket
        good, total_fen = await check_basket(tx, self.shop_id, basket), basket.price_fen * basket.count
        if not 0 <= basket.balance_fen < total_fen or total_fen - basket.balance_fen != errand.channel_fen:
            raise Refusal("goods.price_changed", price_fen=basket.price_fen)
        # The user's row is locked, and every debit takes that lock first: what is there now is there at the end.
        cash, bonus = accounts.cash(errand.user_id), accounts.bonus(errand.user_id)
        cash_fen = await tx.value(sql.cash_of, self.shop_id, cash) or 0
        bonus_fen = await tx.value(sql.cash_of, self.shop_id, bonus) or 0
        there_fen = cash_fen + bonus_fen
        if there_fen < basket.balance_fen:
            raise Refusal("goods.balance_short", short_fen=basket.balance_fen - there_fen, balance_fen=there_fen)
        if not await tx.value(sql.stock_there, self.shop_id, basket.goods_id, basket.count):
            raise Refusal("goods.sold_out")
        await self._demand_spending(tx, errand)
        # Cash and bonus as they lie there: what the law gives back of the rest stays what it was.
        from_cash_fen, from_bonus_fen = split(cash_fen, bonus_fen, basket.balance_fen)
        aside = accounts.reserved(errand.user_id)
        cash_hold = await self._hold(tx, at, cash, aside, from_cash_fen)
        return Part(cash_hold, await self._hold(tx, at, bonus, aside, from_bonus_fen), from_bonus_fen), good

    async def _demand_spending(self, tx: Tx, errand: Errand) -> None:
        """The balance's part is a spending like any other: what may not leave alone does not leave beside a channel's part.

        Raises what the policy says of it, whose decision is kept as one about spending.
        """
        if not errand.basket.balance_fen:
            return
        book = self._books.known(self.shop_id) or await self._books.current(self.shop_id)
        wish = Wish(self.shop_id, errand.user_id, errand.basket.balance_fen)
        (decision,) = await enforce(tx, Stage.SPEND, [(None, wish)], book)
        if not decision.admits:
            raise Refusal(decision.reason or "platform.fault", **decision.facts)

    async def _hold(self, tx: Tx, at: datetime, source: str, aside: str, amount_fen: int) -> UUID | None:
        """Set a sum aside; None for nothing."""
        if not amount_fen:
            return None
        hold = Hold(ids.new_id(), self.shop_id, source, aside, amount_fen)
        await reserve(tx, self._accounts, at, "buyer", hold)
        return hold.id

    async def finish(self, tx: Tx, at: datetime, credited: Sequence[Credited]) -> Finished:
        """Hand over what credited orders were for, in their transaction.

        The orders' users are locked by the caller. The money of a purchase that was put back stays in the balance.
        """
        bought = [each.order_id for each in credited if each.purchase]
        rows = await tx.rows(sql.purchases_of_orders, bought) if bought else []
        if not rows:
            return Finished([], {})
        ended = await tx.rows(sql.end_purchases, at, "recharge", [row["id"] for row in rows], "delivered", "")
        handed = {row["id"] for row in ended}
        transfers: list[Transfer] = []
        for row in ended:
            for hold_id in _holds(row):
                captured = await capture(tx, at, hold_id, accounts.SALES)
                assert captured is not None, hold_id
                transfers.append(captured)
            lines = (Line(accounts.cash(row["user_id"]), -row["channel_fen"]), Line(accounts.SALES, row["channel_fen"]))
            transfers.append(Transfer(ids.new_id(), "purchase", row["id"], at, lines))
        return Finished(transfers, {row["order_id"]: "goods.released" for row in rows if row["id"] not in handed})

    async def release(self, tx: Tx, at: datetime, purchase_id: UUID, why: str) -> bool:
        """Put the pieces and the balance's part back. False when the purchase ended before."""
        ended = await tx.rows(sql.end_purchases, at, "goods", [purchase_id], "released", why)
        for row in ended:
            for hold_id in _holds(row):
                assert await end(tx, self._accounts, at, "goods", hold_id, "released"), hold_id
        return bool(ended)

    async def claim(self, tx: Tx, most: int) -> Sequence[Any]:
        """Claim purchases that are to be looked at, and set when they are looked at next."""
        at = clock.now()
        rows = await tx.rows(sql.due_purchases, at, most)
        for row in rows:
            await tx.run(sql.postpone_purchase, row["id"], at + LOOK_EVERY)
        return rows

    async def look(self, row: Any) -> None:
        """Put a claimed purchase back when its order was given up, expired unpaid, or ended without handing it over."""
        await self._database.transact(lambda tx: self._look(tx, row["id"], row["user_id"]))

    async def _look(self, tx: Tx, purchase_id: UUID, user_id: int) -> None:
        await tx.value(sql.lock_buyer, user_id)
        at = clock.now()
        row = await tx.row(sql.purchase_with_order, purchase_id)
        if row is None or row["state"] != "reserved" or row["order_state"] in SETTLED:
            return
        why: Literal["given up", "expired", "paid otherwise", ""] = ""
        if row["order_state"] in GIVEN_UP:
            why = "given up"
        elif row["order_state"] in PAST:
            why = "paid otherwise"
        elif at >= row["expires_at"] and row["order_state"] in UNTIL_EXPIRY:
            why = "expired"
        if why:
            await self.release(tx, at, purchase_id, why)


def _holds(row: Any) -> list[UUID]:
    """Where the balance's part of a purchase waits, cash first."""
    return [hold_id for hold_id in (row["hold_id"], row["bonus_hold_id"]) if hold_id]
