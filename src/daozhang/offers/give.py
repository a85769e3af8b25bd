"""Promise an order what it chose, and give it in the transaction that credits it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from daozhang import ids
from daozhang.alarms import ring
from daozhang.events import log as events
from daozhang.ledger import Line, Transfer, accounts
from daozhang.offers.model import Ask
from daozhang.offers.read import read
from daozhang.postgres import Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.offers")

LOOK_EVERY = timedelta(minutes=1)
GONE = {"offer": "eligibility.offer_gone", "coupon": "eligibility.coupon_used"}


class Paid(NamedTuple):
    """An order that is being credited; `paid_at` is when its payer paid, None when nobody said."""

    order_id: UUID
    paid_at: datetime | None = None


async def promise(tx: Tx, shop_id: int, at: datetime, order_id: UUID, ask: Ask, until_at: datetime) -> int:
    """Promise one order what it asks for; the bonus in fen. The locks of `lock` are held.

    Raises `Refusal` when it is not to be had any more; then nothing of it was written.
    """
    (seen,) = await read(tx, shop_id, [ask])
    wanted: list[tuple[str, int | None, UUID | None, int]] = []
    if seen.offer == "open":
        wanted.append(("offer", seen.campaign_id, None, seen.offer_fen))
    elif seen.offer not in ("none", "below"):
        raise Refusal(GONE["offer"])
    if seen.coupon == "open":
        wanted.append(("coupon", seen.coupon_campaign_id, seen.coupon_id, seen.coupon_fen))
    elif seen.coupon != "none":
        raise Refusal(GONE["coupon"])
    for what, campaign_id, coupon_id, bonus_fen in wanted:
        made = await tx.value(
            sql.promise_bonus, shop_id, at, ids.new_id(), order_id, ask.user_id, ask.amount_fen, campaign_id, coupon_id, bonus_fen,
            until_at, at + LOOK_EVERY,
        )  # fmt: skip
        if not made:
            raise Refusal(GONE[what])
    return sum(bonus_fen for *_, bonus_fen in wanted)


async def renew(tx: Tx, at: datetime, order_id: UUID, until_at: datetime) -> None:
    """An order is tried again: what it was promised holds on, and what was returned meanwhile is promised anew if it is there."""
    await tx.rows(sql.renew_promises, at, [order_id], until_at, at + LOOK_EVERY)


async def ended(tx: Tx, at: datetime, order_ids: Sequence[UUID]) -> None:
    """Orders that ended without their bonus: budget and coupon are free again. Their users are locked by the caller."""
    if order_ids:
        await tx.value(sql.end_promises, at, list(order_ids))


async def grant(tx: Tx, shop_id: int, at: datetime, paid: Sequence[Paid]) -> list[Transfer]:
    """The bookings of what credited orders were promised, for the caller to post with the credit.

    Who paid in time gets it, however long the news took and whatever became of the campaign meanwhile. Who paid late gets it while
    the campaign still runs. A promise that was returned in between is renewed, beyond the budget if others took it meanwhile: the
    delay was not the payer's. Only where he had it otherwise, or his coupon went elsewhere, a person is told instead.
    """
    moments = {each.order_id: each.paid_at for each in paid}
    rows = await tx.rows(sql.promises_of, list(moments))
    if not rows:
        return []
    in_time = {row["id"] for row in rows if (moments[row["order_id"]] or row["until_at"]) <= row["until_at"]}
    lapsed = [row for row in rows if row["state"] == "returned" and row["id"] in in_time]
    standing = {row["id"] for row in rows if row["state"] == "promised" and (row["id"] in in_time or row["runs"])}
    late = [row["order_id"] for row in rows if row["state"] == "promised" and row["id"] not in standing]
    if lapsed:
        renewed = await tx.rows(sql.renew_promises, at, [row["order_id"] for row in lapsed], None, at + LOOK_EVERY)
        found = {row["id"] for row in renewed}
        honoured = await tx.rows(sql.honour_promises, at, [row["id"] for row in lapsed if row["id"] not in found], at + LOOK_EVERY)
        await _honoured(tx, shop_id, at, honoured)
        found |= {row["id"] for row in honoured}
        standing |= {row["id"] for row in lapsed if row["id"] in found}
        await _unkept(tx, shop_id, at, [row for row in lapsed if row["id"] not in found])
    await ended(tx, at, late)
    granted = await tx.rows(sql.grant_promises, at, sorted(standing))
    told = [
        events.Event("bonus.granted", row["order_id"], row["user_id"], f'{{"amount_fen":{row["bonus_fen"]}}}') for row in granted
    ]
    await events.append(tx, shop_id, at, "offers", told)
    return [
        Transfer(
            ids.new_id(), "bonus", row["id"], at,
            (Line(accounts.PROMOTION, -row["bonus_fen"]), Line(accounts.bonus(row["user_id"]), row["bonus_fen"])),
        )
        for row in granted
    ]  # fmt: skip


async def _honoured(tx: Tx, shop_id: int, at: datetime, rows: Sequence[Any]) -> None:
    """Given beyond a budget that others took meanwhile: the owner of the campaign hears of it."""
    for row in rows:
        data = f'{{"amount_fen":{row["bonus_fen"]}}}'
        await events.append(tx, shop_id, at, "offers", [events.Event("bonus.honoured", row["order_id"], row["user_id"], data)])
        facts = {"order": str(row["order_id"]), "bonus_fen": row["bonus_fen"], "campaign_id": row["campaign_id"]}
        await ring(tx, shop_id, at, "offers.honoured", str(row["order_id"]), facts)


async def _unkept(tx: Tx, shop_id: int, at: datetime, rows: Sequence[Any]) -> None:
    """Paid in time and still without its bonus: he had it on another order, or the coupon went elsewhere. A person looks."""
    for row in rows:
        data = f'{{"amount_fen":{row["bonus_fen"]}}}'
        await events.append(tx, shop_id, at, "offers", [events.Event("bonus.unkept", row["order_id"], row["user_id"], data)])
        facts = {"order": str(row["order_id"]), "bonus_fen": row["bonus_fen"]}
        await ring(tx, shop_id, at, "offers.unkept", str(row["order_id"]), facts)
