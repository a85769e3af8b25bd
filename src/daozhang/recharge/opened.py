"""The second commit of placing an order: the channel's answer to the attempt.

Many answers share one commit. A callback may have settled the attempt before it: then nothing is changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from daozhang import clock
from daozhang.channels.port import Outcome, Prepay
from daozhang.events import log as events
from daozhang.limits import contradiction
from daozhang.limits.model import Way
from daozhang.postgres import Tx, statements
from daozhang.recharge import moves, schedule
from daozhang.recharge.admit import Try

sql = statements("daozhang.recharge")
_JSON = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Asked:
    """A channel's answer to an attempt, on its way into the second commit.

    `first`: no earlier call can have reached the channel.
    """

    attempt: Try
    answer: Prepay
    first: bool


async def keep(tx: Tx, shop_id: int, asked: Sequence[Asked]) -> None:
    """Keep what the channels answered. An attempt that moved on meanwhile (its callback was faster) is left as it is."""
    by_id = {item.attempt.attempt_id: item for item in asked}
    await tx.value(sql.lock_for_settlement, list(by_id))
    at = clock.now()
    order_steps, attempt_steps, reasons, kept, closed = [], [], [], [], set()
    rows = await tx.rows(sql.attempts_in_work, list(by_id))
    for row in rows:
        answer = by_id[row["id"]].answer
        if row["state"] not in ("prepared", "unknown"):
            continue
        kept.append((row["id"], answer, row["expires_at"]))
        due = schedule.next_look(row["created_at"], row["expires_at"], at)
        if answer.outcome is Outcome.SUCCESS:
            attempt_steps.append(moves.Step(row["id"], row["version"], row["state"], "opened", due_at=due))
            if row["order_state"] == "created":
                order_steps.append(moves.Step(row["order_id"], row["order_version"], "created", "submitted"))
        elif answer.outcome is Outcome.FAILURE and by_id[row["id"]].first and row["state"] == "prepared":
            attempt_steps.append(moves.Step(row["id"], row["version"], row["state"], "closed", answer.reason or ""))
            closed.add(row["id"])
            if row["order_state"] == "created":
                reason = answer.reason or "channel.refused_unexplained"
                order_steps.append(moves.Step(row["order_id"], row["order_version"], "created", "declined", reason))
                reasons.append((row["order_id"], reason))
        elif row["state"] == "prepared":
            attempt_steps.append(moves.Step(row["id"], row["version"], "prepared", "doubted", answer.reason or "", due))
    await moves.move_orders(tx, at, "place", order_steps)
    await moves.move_attempts(tx, at, "place", attempt_steps)
    await contradiction.heard(tx, at, [_refusal(row, by_id[row["id"]].answer) for row in rows if row["id"] in closed])
    if kept:
        await tx.run(
            sql.keep_answers,
            [attempt_id for attempt_id, _, _ in kept],
            [answer.action for _, answer, _ in kept],
            [_JSON.encode(_payload(answer, expires_at)).decode() for _, answer, expires_at in kept],
            [answer.native.code if answer.native else "" for _, answer, _ in kept],
            [answer.reason for _, answer, _ in kept],
        )
    if reasons:
        await tx.run(sql.give_reasons, [o for o, _ in reasons], [r for _, r in reasons], ["{}"] * len(reasons))
    told = {row["order_id"]: row["user_id"] for row in rows}
    await events.append(
        tx, shop_id, at, "place", [events.Event(f"order.{step.move}", step.id, told[step.id], "{}") for step in order_steps]
    )


def _payload(answer: Prepay, expires_at: datetime) -> dict[str, Any]:
    """What the payer needs; with `until`, where it is good for a shorter time than the payment (WeChat's link: five minutes)."""
    if answer.expires_at is None or answer.expires_at >= expires_at:
        return answer.payload
    return answer.payload | {"until": answer.expires_at}


def _refusal(row: Any, answer: Prepay) -> contradiction.Refused:
    way = Way(row["shop_id"], row["user_id"], row["channel_id"], row["method"], row["bank"], row["instrument"])
    return contradiction.Refused(way, row["kind"], row["amount_fen"], answer.reason, answer.native.code if answer.native else "")
