"""Money of an order that is on its way back, or was paid back by hand: each as a person reads it, with how long it takes."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from daozhang.reasons import catalogue

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView, Payout, RefundView
    from daozhang.web.locale import Locale

_MARKS = {"reserved": "info", "sent": "info", "done": "ok", "failed": "warn"}
_PAYOUT_MARKS = {"proposed": "info", "approved": "info", "paid": "ok", "rejected": "warn", "bounced": "warn"}


@dataclass(frozen=True, slots=True)
class Back:
    """One line. `mark` is the chip's kind and `said` its words, `text` what it is, `note` how long it takes or what to do."""

    amount_fen: int
    mark: str
    said: str
    text: str
    note: str
    at: datetime


def lines(view: "OrderView", reader: "Locale") -> list[Back]:
    """The refunds and payouts of an order, oldest first."""
    made = [_refund(each, view, reader) for each in view.refunds] + [_payout(each, reader) for each in view.payouts]
    return sorted(made, key=lambda each: each.at)


def is_stuck(refund: "RefundView") -> bool:
    """Whether it waits at its channel for a person: the channel said so, at once or later."""
    return refund.state == "sent" and (refund.reason == "refund.needs_hand" or refund.waits)


def _refund(refund: "RefundView", view: "OrderView", reader: "Locale") -> Back:
    kind = reader.either(f"kind.{refund.kind}", "kind.other")
    odd = "refund.twice" if "twice" in view.anomalies else "refund.misfit"
    text = reader.t(odd if refund.origin == "suspense" else "refund.asked", kind=kind)
    stuck = is_stuck(refund)
    if stuck or (refund.reason and refund.state == "failed"):
        told = catalogue().get("refund.needs_hand" if stuck else refund.reason or "").told(reader.code)
        note = reader.joined(told.title, told.text, told.cure)
    elif refund.state == "done":
        note = reader.either(f"refund.done_{refund.kind}", "refund.done_other")
    else:
        note = reader.either(f"refund.time_{refund.kind}", "refund.time_other")
    mark, said = ("warn", "refund.stuck") if stuck else (_MARKS[refund.state], f"refund.{refund.state}")
    return Back(refund.amount_fen, mark, reader.t(said), text, note, refund.moved_at)


def _payout(payout: "Payout", reader: "Locale") -> Back:
    note = reader.t("payout.reference", reference=payout.reference) if payout.reference else reader.t("payout.time")
    return Back(
        payout.amount_fen,
        _PAYOUT_MARKS[payout.state],
        reader.t(f"payout.{payout.state}"),
        reader.t("payout.to", tail=payout.tail),
        "" if payout.state in ("rejected", "bounced") else note,
        payout.moved_at,
    )
