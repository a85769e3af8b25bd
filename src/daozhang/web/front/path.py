"""Where the money is: the steps of an order as a person reads them, oldest first, each with who says so.

The last line is what is awaited: until when at the latest, and when something happens by itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from daozhang import clock
from daozhang.recharge.choice import SILENCE
from daozhang.web.front.refunds import is_stuck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daozhang.diagnosis.read import Clocks
    from daozhang.recharge.model import OrderView, Step
    from daozhang.web.locale import Locale

_AWAITED = {
    "awaiting_payment": "step.waiting", "created": "step.waiting_answer", "closing": "step.waiting_close",
    "misfit": "step.waiting_choice", "held": "step.waiting_check", "refunding": "step.waiting_refund",
    "reviewing": "step.waiting_review", "challenged": "step.waiting_you",
}  # fmt: skip
STOPS = {f"order.{move}" for move in ("declined", "refused", "expired", "closed", "abandoned", "rejected", "bounced", "unfit")} | {
    "refund.failed",
    "payout.rejected",
    "payout.bounced",
}
_ORDER_ENDS = {"order.declined", "order.expired", "order.closed"}
_TOGETHER_S = 5.0
_WITNESSES = {"notification": "callback", "query": "query", "bill": "bill"}
_SOURCES = {
    "order.submitted": "channel", "order.credited": "books", "order.kept": "books", "order.released": "books",
    "order.held": "checks", "order.misfit": "checks", "order.challenged": "checks", "order.asked": "checks",
    "order.refused": "checks", "order.refunding": "books", "order.refunded": "channel", "attempt.doubted": "clock",
    "refund.sent": "channel", "refund.done": "channel", "refund.failed": "channel", "order.bounced": "channel",
    "order.unfit": "channel",
}  # fmt: skip
"""Who says a step, where its actor does not tell: the channel, our ledger, our checks, or time."""
_BY_ACTOR = {"chase": "query", "place": "channel", "channel": "channel", "buyer": "user", "program": "clock"}


@dataclass(frozen=True, slots=True)
class Line:
    """One step. `mark` is `done`, `stop` (it went no further here) or `wait` (this is what comes next; it has no time yet).

    `source` is who says so; of what is awaited `limit` is the latest moment, in words, and `next_s` the seconds to the next
    automatic step, of which `next_text` says what it is.
    """

    text: str
    at: datetime | None
    mark: str
    source: str = ""
    limit: str = ""
    next_text: str = ""
    next_s: int | None = None


def steps(view: "OrderView", reader: "Locale", clocks: "Clocks | None" = None) -> list[Line]:
    """The steps of the order in the reader's language."""
    kind = reader.either(f"kind.{view.kind}", "kind.other")
    lines = [
        Line(_said(step, view, kind, reader), step.at, _mark(step), reader.t(f"step_source.{_source(step)}"))
        for step in _telling(view.steps)
    ]
    awaited = "step.waiting_answer" if view.money == "checking" and view.state != "closing" else _AWAITED.get(view.state)
    if awaited is None and any(each.state in ("reserved", "sent") for each in view.refunds):
        awaited = "step.waiting_refund"
    if awaited:
        lines.append(_awaited(awaited, view, kind, reader, clocks))
    return lines


def _awaited(key: str, view: "OrderView", kind: str, reader: "Locale", clocks: "Clocks | None") -> Line:
    limit, next_text, next_s = "", "", None
    if key in ("step.waiting", "step.waiting_answer") and view.expires_at is not None:
        limit = reader.t("step_limit.expires", when=reader.when(view.expires_at))
    elif key == "step.waiting_refund" and not any(is_stuck(each) for each in view.refunds):
        limit = reader.either(f"refund.time_{view.kind}", "refund.time_other")
    elif key == "step.waiting_choice":
        came = next((step.at for step in reversed(view.steps) if step.what == "order.misfit"), view.created_at)
        limit = reader.t("step_limit.choice", when=reader.when(came + SILENCE))
        next_text, next_s = reader.t("step_next.back"), _seconds(came + SILENCE)
    elif key in ("step.waiting_check", "step.waiting_review") and clocks is not None and clocks.case_at is not None:
        limit = reader.t("step_limit.answer" if clocks.yours else "step_limit.case", when=reader.when(clocks.case_at))
    if clocks is not None and next_s is None:
        due = clocks.refund_at if key == "step.waiting_refund" else clocks.payment_at
        if due is not None and key not in ("step.waiting_check", "step.waiting_review", "step.waiting_you"):
            next_text, next_s = reader.t("step_next.ask", kind=kind), _seconds(due)
    return Line(reader.t(key, kind=kind), None, "wait", "", limit, next_text, next_s)


def _seconds(at: datetime) -> int:
    return max(0, int((at - clock.now()) / timedelta(seconds=1)))


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
    if view.for_goods and reader.has(f"step.{name}_goods"):
        name = f"{name}_goods"
    return reader.either(f"step.{name}", "step.other", amount=amount, kind=kind)


def _source(step: "Step") -> str:
    """Callback, query, bill, the channel's answer, our checks, our ledger, you, the clock, or a person."""
    if step.what == "order.paid":
        return _WITNESSES.get(str(step.facts.get("why", "")), "channel")
    if step.what in _SOURCES and not (step.what == "refund.failed" and step.actor != "refund"):
        return _SOURCES[step.what]
    if step.actor.startswith("user:"):
        return "user"
    return _BY_ACTOR.get(step.actor, "person")


def _mark(step: "Step") -> str:
    return "stop" if step.what in STOPS else "done"
