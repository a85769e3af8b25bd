"""Which buttons a finding offers, the first one first. Pure.

A cure never proposes to split an amount. After a stop of risk or law it proposes no other account, device, way to pay or amount.
"""

from typing import TYPE_CHECKING

from daozhang.diagnosis.model import Cause, Cure, Evidence, Told, Way
from daozhang.money import yuan
from daozhang.reasons.catalogue import CuredBy, Layer, Retry, catalogue

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView

RETRYABLE = frozenset({"failed", "expired", "cancelled", "awaiting_payment"})
"""States from which the same order may be paid another way."""
ASKING = frozenset({Layer.RISK.value, Layer.REGULATION.value})
"""Layers after whose stop nothing else is proposed than to answer or to ask a person."""
AT_HOME = {
    "account.frozen": ("unfreeze", "/me/unfreeze"),
    "eligibility.first_purchase": ("shop", "/shop"),
    "eligibility.agreement": ("agreement", "/agreement"),
    "eligibility.name_needed": ("verify", "/me/name"),
    "eligibility.ceiling_unnamed": ("verify", "/me/name"),
    "eligibility.ceiling_named": ("spend", "/shop"),
    "eligibility.no_stored_value": ("browse", "/shop"),
    "account.login_required": ("login", "/login"),
    "operation.open_orders": ("orders", "/orders"),
    "risk.funds_unfrozen": ("source", "/me/funds"),
}
"""Reasons that are cured at one place of this site."""
_PRESSED = frozenset({"unfreeze", "source"})
"""Steps that open a case: a press, and none where the case is open."""
_ELSEWHERE = ("account.wallet_", "account.payer_", "account.card_")
"""Reasons that are cured in the payer's own wallet or bank: afterwards the same payment goes."""


def cures(evidence: Evidence, told: Told, cause: Cause | None, ways: tuple[Way, ...], *, may_end: bool) -> tuple[Cure, ...]:
    """The buttons, most helpful first; whoever cannot be helped by one can always ask a person."""
    order = evidence.order
    found = (
        _by_told(evidence, told, ways) if cause is None or told not in ("cause", "not_told") else _by_cause(evidence, cause, ways)
    )
    if may_end and told in ("cause", "not_told", "clear"):
        found.append(Cure("watch", f"{_base(order)}/watch", {}))
    if told not in ("clear", "arrived", "underway", "waiting") and not evidence.case:
        found.append(Cure("person", f"{_base(order)}/person", {}))
    seen: set[str] = set()
    kept = []
    for cure in found:
        if cure.step not in seen:
            seen.add(cure.step)
            kept.append(cure)
    return tuple(kept)


def _by_told(evidence: Evidence, told: Told, ways: tuple[Way, ...]) -> list[Cure]:
    order = evidence.order
    if order is None:
        return [_again(evidence)]
    here = f"/orders/{order.shown}"
    case = [Cure("case", f"/cases/{evidence.case}")] if evidence.case else []
    if told == "received":
        return [*([Cure("choose", f"{here}#choice")] if order.state == "misfit" else []), *case, Cure("wallet", "/wallet")]
    if told == "refund":
        return [*case, *_refund_again(order), Cure("wallet", "/wallet")]
    if told in ("arrived", "back"):
        return [*case, Cure("wallet", "/wallet")]
    if told in ("checking", "underway", "waiting"):
        return [*case, Cure("check", f"{here}/check", {})]
    paid = evidence.heard and evidence.heard[-1].pick == "paid"
    claim = [Cure("claim", f"/claim?order={order.shown}")] if paid else [Cure("phone", f"{here}/why#phone")]
    live = [Cure("check", f"{here}/check", {})] if order.state == "awaiting_payment" else []
    return [*live, *claim, *_pay(evidence, ways)]


def _refund_again(order: "OrderView") -> list[Cure]:
    """Asking the money back once more, where the last refund ended and a next one may go."""
    newest = max(order.refunds, key=lambda each: each.created_at)
    ended = newest.state == "failed" and newest.reason is not None and newest.origin == "cash"
    return [Cure("refund", "/me/refund")] if ended and catalogue().get(newest.reason or "").retry != Retry.NEVER else []


def _by_cause(evidence: Evidence, cause: Cause, ways: tuple[Way, ...]) -> list[Cure]:
    if evidence.order is not None and evidence.order.state == "challenged":
        return [Cure("confirm", f"/orders/{evidence.order.shown}")]
    case = [Cure("case", f"/cases/{evidence.case}")] if evidence.case else []
    if cause.reason in AT_HOME:
        step, to = AT_HOME[cause.reason]
        post: dict[str, str] | None = {} if step in _PRESSED else None
        return [*case, *([] if post is not None and case else [Cure(step, to, post)])]
    reviewed = bool(case) and evidence.order is not None and evidence.order.state == "reviewing"
    if reviewed or cause.layer in ASKING or cause.reason.startswith("account.frozen"):
        return case
    if cause.retry == Retry.NEVER:
        # Where only a person helps, nothing stands before asking one.
        return [] if cause.cured_by == CuredBy.SUPPORT else [Cure("wallet", "/wallet")]
    if cause.reason.startswith(_ELSEWHERE):
        return [*_same(evidence), *_pay(evidence, ways)]
    onward = cause.retry in (Retry.NOW, Retry.OTHER_CHANNEL) or cause.layer == Layer.CHANNEL.value or cause.cured_by == CuredBy.USER
    return (_pay(evidence, ways) or [_again(evidence)]) if onward else []


def _pay(evidence: Evidence, ways: tuple[Way, ...]) -> list[Cure]:
    """The best way that would go now: the same order once more where that is allowed, else a new one."""
    order = evidence.order
    if not ways:
        return []
    if order is None or order.state not in RETRYABLE:
        return [_again(evidence)]
    best = ways[0]
    facts = {"kind": best.kind, "method": best.method, "amount_fen": order.amount_fen}
    return [Cure("retry", f"/orders/{order.shown}/retry", {"method": f"{best.channel_id}:{best.method}"}, facts)]


def _same(evidence: Evidence) -> list[Cure]:
    """The same payment once more, after it was cured elsewhere."""
    order = evidence.order
    if order is None or order.state not in RETRYABLE:
        return []
    if order.state == "awaiting_payment":
        return [Cure("resume", f"/orders/{order.shown}")]
    goes = [c for c in evidence.now if (c.channel_id, c.method) == (order.channel_id, order.method) and c.decision.admits]
    facts = {"kind": order.kind, "method": order.method, "amount_fen": order.amount_fen}
    value = f"{order.channel_id}:{order.method}"
    return [Cure("same", f"/orders/{order.shown}/retry", {"method": value}, facts)] if goes else []


def _again(evidence: Evidence) -> Cure:
    if evidence.order is None:
        return Cure("recharge", "/recharge")
    return Cure("again", f"/recharge?amount={yuan(evidence.amount_fen, grouped=False)}")


def _base(order: "OrderView | None") -> str:
    return f"/orders/{order.shown}/why" if order else "/why"
