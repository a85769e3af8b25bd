"""A channel that refuses what a row allows: the row is marked as changed and a person is told.

A refusal is no new number: a payer may have used a bank's day elsewhere. So the row stays in force, marked with what was refused,
until somebody has looked and set another one in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from daozhang import alarms
from daozhang.limits.judge import stopped
from daozhang.limits.model import AXES, Way
from daozhang.limits.read import read
from daozhang.postgres import Tx, statements

sql = statements("daozhang.limits")

_SAID = {f"channel.limit.{axis}": axis for axis in AXES} | {
    "channel.amount_over_single": "single",
    "account.wallet_limit_day": "day",
    "account.wallet_limit_month": "month",
}
"""Which reason of a channel's refusal speaks of which axis. What a merchant may receive in all is no user's limit."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A channel's refusal of an amount, with its reason in our words and the channel's own code."""

    way: Way
    kind: str
    amount_fen: int
    reason: str | None
    code: str = ""


async def heard(tx: Tx, at: datetime, refusals: Sequence[Refused]) -> int:
    """Compare refusals with the rows in force; how many rows are contradicted. A refusal for other reasons says nothing here.

    With no row that could explain it the alarm is about the missing row. Call it once the refused attempts are closed, so that they
    do not count, and before the accounts are locked.
    """
    told = [(refused, _SAID[refused.reason]) for refused in refusals if refused.reason in _SAID]
    if not told:
        return 0
    marked = 0
    for (refused, axis), limits in zip(told, await read(tx, [refused.way for refused, _ in told]), strict=True):
        field = "opens_min" if axis == "hours" else f"{axis}_fen"
        bounding = [limit for limit in limits if limit.owner != "ours" and getattr(limit, field) is not None]
        facts = {"kind": refused.kind, "method": refused.way.method or "", "axis": axis, "amount_fen": refused.amount_fen,
                 "code": refused.code[:64]}  # fmt: skip
        if not bounding:
            await alarms.ring(
                tx, refused.way.shop_id, at, "channel.limit_unlisted", f"{refused.kind}:{refused.way.method}:{axis}", facts
            )
        elif stopped(bounding, refused.amount_fen, axis) is None:
            ids = [limit.id for limit in bounding]
            await tx.run(sql.mark_changed, ids, at, axis, refused.amount_fen, refused.code[:64])
            for limit in bounding:
                await alarms.ring(
                    tx, refused.way.shop_id, at, "channel.limit_changed", f"limit:{limit.id}", {**facts, "limit": limit.id}
                )
            marked += len(ids)
    return marked
