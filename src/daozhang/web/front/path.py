"""Where the money is: the steps of an order as a person reads them, oldest first, with what is awaited as the last one."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView
    from daozhang.web.locale import Locale

_AWAITED = {"awaiting_payment": "step.waiting", "created": "step.waiting_answer", "closing": "step.waiting_close"}
_STOPS = {"declined", "refused", "expired", "closed", "abandoned", "rejected"}


@dataclass(frozen=True, slots=True)
class Line:
    """One step. `mark` is `done`, `stop` (it went no further here) or `wait` (this is what comes next; it has no time yet)."""

    text: str
    at: datetime | None
    mark: str


def steps(view: "OrderView", reader: "Locale") -> list[Line]:
    """The steps of the order in the reader's language."""
    kind = reader.either(f"kind.{view.kind}", "kind.other")
    lines = [Line(_said(step.what, step.facts, view, kind, reader), step.at, _mark(step.what)) for step in view.steps]
    awaited = "step.waiting_answer" if view.money == "checking" and view.state != "closing" else _AWAITED.get(view.state)
    if awaited:
        lines.append(Line(reader.t(awaited, kind=kind), None, "wait"))
    return lines


def _said(what: str, facts: dict[str, Any], view: "OrderView", kind: str, reader: "Locale") -> str:
    amount = reader.money(facts.get("amount_fen", view.amount_fen))
    return reader.either(f"step.{what.removeprefix('order.')}", "step.other", amount=amount, kind=kind)


def _mark(what: str) -> str:
    return "stop" if what.removeprefix("order.") in _STOPS else "done"
