"""What a recharge was promised on top, on its way through the order: promised, given with the credit, returned at an end.

`offers` knows campaigns and coupons; here is when an order asks for them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from daozhang import clock, offers
from daozhang.offers.give import LOOK_EVERY, Paid
from daozhang.offers.give import sql as offers_sql
from daozhang.postgres import Database, Tx, statements
from daozhang.recharge.fulfilment import Credited, Errand, Finished
from daozhang.recharge.model import PlaceRequest

sql = statements("daozhang.recharge")

GIVEN_UP = frozenset({"refused", "abandoned", "cancelled", "refunded"})
"""States of an order that nobody pays any more."""
ENDED = frozenset({"failed", "expired"})
"""Ended, and perhaps paid another way soon: what was promised is kept for it a while longer."""
KEPT_FOR = timedelta(minutes=10)


def asks(request: PlaceRequest) -> bool:
    """Whether a request asks for a bonus: a campaign or coupon was chosen, and it is no purchase."""
    return (request.offer is not None or bool(request.coupon)) and request.basket is None and not request.for_goods


def ask_of(request: PlaceRequest) -> offers.Ask:
    """What a wish to recharge chose. What a purchase pays at its channel brings no bonus: it is spent in the same commit."""
    if not asks(request):
        return offers.Ask(request.user_id, request.amount_fen, None, None)
    return offers.Ask(request.user_id, request.amount_fen, request.offer, code_hash(request.coupon))


def code_hash(typed: str) -> bytes | None:
    """What a typed coupon is looked up by; None when nothing was typed, b"" for what no coupon is called."""
    return (offers.digest(typed) or b"") if typed.strip() else None


async def promise(tx: Tx, shop_id: int, at: datetime, order_id: UUID, request: PlaceRequest, until_at: datetime) -> None:
    """Promise an order its bonus. Raises `Refusal` when it is not to be had any more."""
    ask = ask_of(request)
    if ask.campaign_id is not None or ask.code_hash is not None:
        await offers.promise(tx, shop_id, at, order_id, ask, until_at)


class Bonus:
    """Gives with the credit what was promised with the order, and looks after promises whose orders ended."""

    def __init__(self, shop_id: int, database: Database) -> None:
        self.shop_id, self._database = shop_id, database

    async def reserve(self, tx: Tx, at: datetime, errand: Errand) -> None:
        """Purchases bring no bonus."""

    async def renew(self, tx: Tx, at: datetime, order_id: UUID, user_id: int, expires_at: datetime) -> None:  # noqa: ARG002
        """An order that is tried again keeps what it was promised; what was returned meanwhile is promised anew if it is there."""
        await offers.renew(tx, at, order_id, expires_at)

    async def finish(self, tx: Tx, at: datetime, credited: Sequence[Credited]) -> Finished:
        """The bonuses of credited orders, booked with them. Their users are locked by the caller."""
        paid = [Paid(each.order_id, each.paid_at) for each in credited]
        return Finished(await offers.grant(tx, self.shop_id, at, paid), {})

    async def claim(self, tx: Tx, most: int) -> Sequence[Any]:
        """Claim promises that are to be looked at, and set when they are looked at next."""
        at = clock.now()
        rows = await tx.rows(offers_sql.due_promises, at, most)
        for row in rows:
            await tx.run(offers_sql.postpone_promise, row["id"], at + LOOK_EVERY)
        return rows

    async def look(self, row: Any) -> None:
        """Return a claimed promise when its order ended without it."""
        await self._database.transact(lambda tx: self._look(tx, row))

    async def _look(self, tx: Tx, row: Any) -> None:
        await tx.value(sql.lock_users, [row["user_id"]])
        at = clock.now()
        seen = await tx.row(offers_sql.promised_order, row["id"])
        if seen is None:
            return
        given_up = seen["state"] in GIVEN_UP or (seen["state"] in ENDED and at >= seen["until_at"] + KEPT_FOR)
        # Credited without it: another amount came than was ordered, and a person kept it.
        if (given_up and seen["dead"]) or seen["state"] == "credited":
            await offers.ended(tx, at, [row["order_id"]])
