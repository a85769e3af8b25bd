"""Where the money is: the steps of an order as a person reads them, oldest first, with what is awaited as the last one."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daozhang.recharge.model import OrderView, Step
    from daozhang.web.locale import Locale

_AWAITED = {"awaiting_payment": "step.waiting", "created": "step.waiting_answer", "closing": "step.waiting_close"}
STOPS = {f"order.{move}" for move in ("declined", "refused", "expired", "closed", "abandoned", "rejected", "bounced", "unfit")} | {
    "refund.failed",
    "payout.rejected",
    "payout.bounced",
}
_ORDER_ENDS = {"order.declined", "order.expired", "order.closed"}
_TOGETHER_S = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """One step. `mark` is `done`, `stop` (it went no further here) or `wait` (this is what comes next; it has no time yet)."""

    text: str
    at: datetime | None
    mark: str


def steps(view: "OrderView", reader: "Locale") -> list[Line]:
    """The steps of the order in the reader's language."""
    kind = reader.either(f"kind.{view.kind}", "kind.other")
    lines = [Line(_said(step, view, kind, reader), step.at, _mark(step)) for step in _telling(view.steps)]
    awaited = "step.waiting_answer" if view.money == "checking" and view.state != "closing" else _AWAITED.get(view.state)
    if awaited:
        lines.append(Line(reader.t(awaited, kind=kind), None, "wait"))
    return lines


def _telling(steps: "Sequence[Step]") -> "list[Step]":
    """The steps worth telling: what an attempt does is told by its order, but for a doubt, and an end that the order outlives."""
    ends = [step.at for step in steps if step.what in _ORDER_ENDS]
    return [
        step
        for step in steps
        if not step.what.startswith("attempt.")
        or step.what == "attempt.doubted"
        or (step.what == "attempt.closed" and not any(abs((step.at - end).total_seconds()) < _TOGETHER_S for end in ends))
    ]


def _said(step: "Step", view: "OrderView", kind: str, reader: "Locale") -> str:
    amount = reader.money(step.facts.get("amount_fen", view.amount_fen))
    if "kind" in step.facts:
        kind = reader.either(f"kind.{step.facts['kind']}", "kind.other")
    name = step.what.removeprefix("order.").replace(".", "_")
    return reader.either(f"step.{name}", "step.other", amount=amount, kind=kind)


def _mark(step: "Step") -> str:
    return "stop" if step.what in STOPS else "done"
