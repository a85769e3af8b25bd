"""Ending a payment whose channel is gone and answers nothing any more: by people, on record, and without booking anything.

A merchant account that was closed, an operator that vanished: the order would be "checking" for ever. Whoever looked it up at the
channel by hand may end it as unpaid here. Nothing is booked by that, and money that comes after all is late money, credited as any
other. Nobody can say "it was paid" this way: money comes from a callback, an answer or a bill, and from nothing else.
"""

from typing import Any, Literal
from uuid import UUID

import msgspec

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.identity.staff import second_waits_s, tell_alone
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves, schedule
from daozhang.recharge.chase import Chase
from daozhang.recharge.states import CHARGED
from daozhang.recharge.view import shown

sql = statements("daozhang.recharge")

PROGRAM = "program"
MAY = "order.refund"
"""Whose colleague is the second person where money may have come."""
REASON = "operation.ended_by_hand"
_MOVES = {"created": "expired", "awaiting_payment": "expired", "closing": "closed"}

Became = Literal["ended", "asked", "ended by itself"]


class Stalled:
    """Ends payments by hand."""

    def __init__(self, database: Database, chase: Chase) -> None:
        """`chase` asks the channel once more."""
        self._database, self._chase = database, chase

    async def end(self, order_id: UUID, why: str, actor: str) -> Became:
        """End every attempt of an order that still waits, and with them an order that took no money.

        The channel is asked once more; what it says counts. Where it once said that it took money, or a message at our door that
        nobody could confirm says so, the first person asks and another one ends it (the same one a day later where nobody else
        could). Raises `operation.not_found`, `operation.not_waiting` when nothing waits, `stalled.too_soon` within a day after the
        payment's time, `stalled.malformed` and `stalled.second_person`.
        """
        if not why.strip() or not actor.strip() or actor == PROGRAM or len(actor) > 64:
            raise Refusal("stalled.malformed")
        if await self._database.row(sql.order_for_work, order_id) is None:
            raise Refusal("operation.not_found")
        waiting = [row["id"] for row in await self._database.rows(sql.live_attempts, order_id)]
        if not waiting:
            raise Refusal("operation.not_waiting")
        for attempt_id in waiting:
            await self._chase.look(attempt_id)
        return await self._database.transact(lambda tx: self._end(tx, order_id, waiting, why.strip()[:200], actor))

    async def _end(self, tx: Tx, order_id: UUID, waiting: list[UUID], why: str, actor: str) -> Became:
        await tx.value(sql.lock_for_settlement, waiting)
        at = clock.now()
        live = [row for row in await tx.rows(sql.stalled_attempts, order_id) if row["id"] in waiting]
        if not live:
            return "ended by itself"
        latest = max(row["expires_at"] for row in live) + schedule.DAY
        if at < latest:
            raise Refusal("stalled.too_soon", wait_s=int((latest - at).total_seconds()) + 1)
        numbers = [ids.text26(row["id"]) for row in live]
        charged = any(row["reason"] == CHARGED for row in live) or await tx.value(
            sql.claims_about, live[0]["shop_id"], order_id, numbers
        )
        asked = await tx.row(sql.asked_ending, order_id)
        ending_id = asked["id"] if asked else ids.new_id()
        if asked is None:
            await tx.run(sql.ask_ending, ending_id, live[0]["shop_id"], order_id, charged, why, actor, at)
        if charged and asked is None:
            await self._told(tx, live[0], actor, "order.ending_asked", why)
            await tell_alone(tx, live[0]["shop_id"], MAY, shown(order_id))
            return "asked"
        if charged and asked is not None:
            wait_s = await second_waits_s(tx, live[0]["shop_id"], MAY, asked["asked_by"], asked["asked_at"], actor)
            if wait_s:
                raise Refusal("stalled.second_person", wait_s=wait_s)
        await tx.run(sql.done_ending, ending_id, charged, actor, at)
        await self._close(tx, live, actor, why)
        await self._told(tx, live[0], actor, "order.ended_by_hand", why)
        return "ended"

    async def _close(self, tx: Tx, live: list[Any], actor: str, why: str) -> None:
        at, first = clock.now(), live[0]
        move = _MOVES.get(first["order_state"])
        if move:
            step = moves.Step(first["order_id"], first["order_version"], first["order_state"], move, why)
            assert await moves.move_orders(tx, at, actor, [step]) == {first["order_id"]}, first["order_id"]
            await tx.run(sql.give_reasons, [first["order_id"]], [REASON], ["{}"])
        steps = [moves.Step(row["id"], row["version"], row["state"], "closed", why) for row in live]
        assert await moves.move_attempts(tx, at, actor, steps) == {row["id"] for row in live}, first["order_id"]

    async def _told(self, tx: Tx, row: Any, actor: str, kind: str, why: str) -> None:
        data = msgspec.json.encode({"about": why}).decode()
        await events.append(tx, row["shop_id"], clock.now(), actor, [events.Event(kind, row["order_id"], row["user_id"], data)])
