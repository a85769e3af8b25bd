"""Held money that an authority orders to be kept: nobody gets it, until the order ends or two people lift it.

Putting it on takes one person and no waiting: an order binds at once, and the money is held anyway. Lifting it early takes two,
or the only one there is and a day.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from daozhang import alarms, clock, ids
from daozhang.cases import Cases
from daozhang.events import log as events
from daozhang.identity.staff import second_waits_s, tell_alone
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves
from daozhang.recharge.release import CASE
from daozhang.recharge.told import of_order
from daozhang.recharge.view import shown

sql = statements("daozhang.recharge")

LONGEST = timedelta(days=366)
"""A freeze is looked at by a person at least once in this time (the review date of whoever orders may be sooner)."""
REMIND = timedelta(days=1)
PROGRAM = "program"
MAY = "order.freeze"


class Writ(msgspec.Struct, frozen=True):
    """What an authority ordered: its name, the number of its order, when it is to be reviewed, and its end if it has one."""

    authority: str
    reference: str
    review_at: datetime
    until_at: datetime | None = None

    def check(self, at: datetime) -> None:
        """Raises `freeze.malformed` for a writ that names nobody, or whose dates are not ahead."""
        texts = all(2 <= len(text.strip()) <= 80 and text.isprintable() for text in (self.authority, self.reference))
        dates = at < self.review_at <= at + LONGEST and (self.until_at is None or self.until_at > at)
        if not texts or not dates:
            raise Refusal("freeze.malformed")


class Freezes:
    """Puts freezes on and lifts them."""

    def __init__(self, database: Database, cases: Cases | None) -> None:
        """`cases` hold what is decided about the money before and after."""
        self._database, self._cases = database, cases

    async def order(self, order_id: UUID, writ: Writ, actor: str) -> None:
        """Freeze held money at once, or take down the dates of a later order. Raises `operation.not_waiting`, `freeze.*`."""
        writ.check(clock.now())
        _person(actor)
        await self._database.transact(lambda tx: self._order(tx, order_id, writ, actor))

    async def lift(self, order_id: UUID, actor: str, why: str) -> bool:
        """Ask for a freeze to end before its time; True when this was the second person, and it ended. Raises `freeze.*`."""
        _person(actor)
        if not why.strip():
            raise Refusal("freeze.malformed")
        return await self._database.transact(lambda tx: self._lift(tx, order_id, actor, why.strip()[:200]))

    async def claim(self, tx: Tx, most: int) -> Sequence[Any]:
        """Claim freezes whose review or end has come, and set when they are looked at next."""
        at = clock.now()
        rows = await tx.rows(sql.due_freezes, at, most)
        for row in rows:
            await tx.run(sql.look_at_freeze, row["id"], _next(row["review_at"], row["until_at"], at))
        return rows

    async def look(self, row: Any) -> None:
        """One that has ended goes back to be decided by people; one to be reviewed rings."""
        await self._database.transact(lambda tx: self._look(tx, row["order_id"]))

    async def _order(self, tx: Tx, order_id: UUID, writ: Writ, actor: str) -> None:
        order = await self._locked(tx, order_id)
        at, number = clock.now(), shown(order_id)
        dates = (writ.until_at, writ.review_at, _next(writ.review_at, writ.until_at, at))
        known = await tx.row(sql.freeze_in_force, order_id)
        if known is not None:
            await tx.run(sql.renew_freeze, known["id"], writ.authority, writ.reference, *dates)
            await alarms.end(tx, order["shop_id"], at, "order.freeze_review", number, f"{actor}: {writ.reference}")
            await self._event(tx, order, actor, "order.freeze_renewed", writ.reference)
            return
        if order["state"] != "held":
            raise Refusal("operation.not_waiting")
        full = await tx.row(sql.order_reason, order_id)
        held_for = (full["reason"] or "") if full else ""
        step = moves.Step(order_id, order["version"], "held", "ordered", writ.reference)
        assert await moves.move_orders(tx, at, actor, [step]) == {order_id}, order_id
        await tx.run(
            sql.begin_freeze, ids.new_id(), order["shop_id"], order_id, writ.authority, writ.reference, *dates, held_for, actor, at
        )
        await tx.run(sql.give_reasons, [order_id], ["regulation.money_frozen"], ["{}"])
        await self._event(tx, order, actor, "order.frozen", writ.reference)
        if self._cases is not None:
            await self._cases.overtake(tx, order["shop_id"], CASE, number, f"frozen by order {writ.reference}")

    async def _lift(self, tx: Tx, order_id: UUID, actor: str, why: str) -> bool:
        order = await self._locked(tx, order_id)
        known = await tx.row(sql.freeze_in_force, order_id)
        if known is None or order["state"] != "frozen_by_order":
            raise Refusal("operation.not_waiting")
        if known["lift_asked_by"] is None:
            await tx.run(sql.ask_to_lift, known["id"], actor, why, clock.now())
            await self._event(tx, order, actor, "order.lift_asked", why)
            await tell_alone(tx, order["shop_id"], MAY, shown(order_id))
            return False
        wait_s = await second_waits_s(tx, order["shop_id"], MAY, known["lift_asked_by"], known["lift_asked_at"], actor)
        if wait_s:
            raise Refusal("freeze.second_person", wait_s=wait_s)
        await self._ends(tx, order, known, actor, why)
        return True

    async def _look(self, tx: Tx, order_id: UUID) -> None:
        order, at = await self._locked(tx, order_id), clock.now()
        known = await tx.row(sql.freeze_in_force, order_id)
        if known is None:
            return
        facts = {"order": shown(order_id), "authority": known["authority"], "reference": known["reference"]}
        if known["until_at"] is not None and known["until_at"] <= at:
            await self._ends(tx, order, known, PROGRAM, "its time is over")
            await alarms.ring(tx, order["shop_id"], at, "order.freeze_ended", shown(order_id), facts)
        elif known["review_at"] <= at:
            await alarms.ring(tx, order["shop_id"], at, "order.freeze_review", shown(order_id), facts)

    async def _ends(self, tx: Tx, order: Any, known: Any, actor: str, why: str) -> None:
        """The money is held again, as before, with a case that waits for staff: what becomes of it is decided by people."""
        at, order_id = clock.now(), order["id"]
        await tx.run(sql.end_freeze, known["id"], actor, at)
        step = moves.Step(order_id, order["version"], "frozen_by_order", "lifted", why)
        assert await moves.move_orders(tx, at, actor, [step]) == {order_id}, order_id
        await tx.run(sql.give_reasons, [order_id], [known["held_for"] or None], ["{}"])
        await self._event(tx, order, actor, "order.lifted", why)
        await alarms.end(tx, order["shop_id"], at, "order.freeze_review", shown(order_id), "the freeze has ended")
        if self._cases is not None:
            facts = {
                "order": shown(order_id),
                "amount_fen": order["amount_fen"],
                "reason": known["held_for"],
                "freeze": known["reference"],
            }
            await self._cases.open(tx, order["shop_id"], order["user_id"], CASE, shown(order_id), "source", facts, first="staff")
            await of_order(tx, "money_held", order)

    async def _locked(self, tx: Tx, order_id: UUID) -> Any:
        row = await tx.row(sql.order_for_work, order_id)
        if row is None:
            raise Refusal("operation.not_found")
        await tx.value(sql.lock_users, [row["user_id"]])
        return await tx.row(sql.lock_order, order_id)

    async def _event(self, tx: Tx, order: Any, actor: str, kind: str, about: str) -> None:
        data = msgspec.json.encode({"amount_fen": order["amount_fen"], "about": about}).decode()
        await events.append(tx, order["shop_id"], clock.now(), actor, [events.Event(kind, order["id"], order["user_id"], data)])


def _next(review_at: datetime, until_at: datetime | None, at: datetime) -> datetime:
    """The next moment to look: the review, or a reminder after it; at the latest the end."""
    look = review_at if review_at > at else at + REMIND
    return min(look, max(until_at, at + timedelta(minutes=1))) if until_at else look


def _person(actor: str) -> None:
    """The program ends a freeze only when its time is over; nobody else goes by its name."""
    if not actor.strip() or actor == PROGRAM or len(actor) > 64:
        raise Refusal("freeze.malformed")
