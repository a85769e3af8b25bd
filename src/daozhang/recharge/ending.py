"""Ends an attempt that was not paid, and its order with it, once the channel has confirmed that; or marks it as in doubt."""

from uuid import UUID

from daozhang import clock
from daozhang.channels.port import Answer
from daozhang.events import log as events
from daozhang.limits.contradiction import Refused, heard
from daozhang.limits.model import Way
from daozhang.postgres import Database, Tx, statements
from daozhang.recharge import moves, schedule

sql = statements("daozhang.recharge")

_ENDINGS = {
    "awaiting_payment": ("expired", "operation.expired"),
    "created": ("expired", "operation.expired"),
    "closing": ("closed", "operation.cancelled"),
}
_UNSURE = (None, "channel.checking", "channel.unknown_answer")
"""What was said while nobody knew; at the end it is known that the channel never took the order."""


_CLOSED = (None, "operation.order_closed", "channel.order_unknown")
"""What a channel says of a payment that simply was not made; any other reason is why it failed."""


async def doubt(database: Database, attempt_id: UUID | None, reason: str) -> None:
    """The channel took the money and has not booked it: nobody is shown the code again, and we go on checking."""

    async def work(tx: Tx) -> None:
        await tx.value(sql.lock_for_settlement, [attempt_id])
        row = await tx.row(sql.one_attempt, attempt_id)
        if row is None or row["state"] not in ("prepared", "open"):
            return
        at = clock.now()
        due = schedule.next_look(row["created_at"], row["expires_at"], at)
        await moves.move_attempts(tx, at, "chase", [moves.Step(row["id"], row["version"], row["state"], "doubted", reason, due)])
        await tx.run(sql.doubt_reason, row["id"], reason)

    if attempt_id is not None:
        await database.transact(work)


async def end_unpaid(database: Database, attempt_id: UUID, told: Answer | None = None) -> None:
    """Close an attempt here; its order ends too unless another attempt of it still lives. Money that was faster stays.

    `told` is what the channel said of a payment that failed there: its reason is the order's.
    """

    async def work(tx: Tx) -> None:
        await tx.value(sql.lock_for_settlement, [attempt_id])
        at = clock.now()
        row = await tx.row(sql.one_attempt, attempt_id)
        if row is None or row["state"] in ("paid", "closed"):
            return
        steps: list[moves.Step] = []
        ending = _ENDINGS.get(row["order_state"])
        if ending and not row["others_live"]:
            move, reason = ending
            if row["state"] in ("prepared", "unknown") and row["order_state"] == "created":
                reason = "channel.unreachable" if row["reason"] in _UNSURE else row["reason"]
            if told and told.reason not in _CLOSED and move == "expired":
                move, reason = "declined", told.reason
            steps = [moves.Step(row["order_id"], row["order_version"], row["order_state"], move, reason)]
            await moves.move_orders(tx, at, "chase", steps)
            await tx.run(sql.give_reasons, [row["order_id"]], [reason], ["{}"])
        await moves.move_attempts(tx, at, "chase", [moves.Step(attempt_id, row["version"], row["state"], "closed")])
        if told and told.reason not in _CLOSED:
            way = Way(row["shop_id"], row["user_id"], row["channel_id"], row["method"], row["bank"], row["instrument"])
            code = told.native.code if told.native else ""
            await tx.run(sql.keep_code, attempt_id, code)
            await heard(tx, at, [Refused(way, row["kind"], row["amount_fen"], told.reason, code)])
        await events.append(
            tx, row["shop_id"], at, "chase", [events.Event(f"order.{s.move}", s.id, row["user_id"], "{}") for s in steps]
        )

    await database.transact(work)
