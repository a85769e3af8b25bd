"""From evidence to a finding. Pure: the same evidence, the same finding.

It says what somebody told us, by whom and when, and nothing else. What no channel tells a shop (a refusal inside a payer's wallet)
is not guessed: the finding is `not_told`, and the payer is asked.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from daozhang import clock
from daozhang.diagnosis.cures import ASKING, RETRYABLE, cures
from daozhang.diagnosis.layers import layers
from daozhang.diagnosis.model import Cause, Evidence, Finding, Heard, Loop, Moved, Source, Told, Way
from daozhang.diagnosis.phone import picks
from daozhang.policy.decide import stops
from daozhang.policy.model import Outcome
from daozhang.reasons.catalogue import CuredBy, Retry, catalogue
from daozhang.recharge.model import Considered, OrderView

UNEXPLAINED = "channel.refused_unexplained"
"""A channel said no and nothing else."""
DOUBTS = frozenset(
    {"channel.bank_fault", "channel.charged_checking", "operation.already_paid", "operation.code_lost", "operation.order_stale"}
)
UNDER_WAY = "refund.in_progress"
NOT_A_CAUSE = frozenset({"operation.expired", "operation.cancelled"})
"""How an order ended, which says nothing of why it was not paid."""
TICKED = "eligibility.agreement"
"""What the form itself asks for is no obstacle to a next try."""
WINDOW = timedelta(hours=24)
ENDED = frozenset({"failed", "expired", "cancelled", "abandoned", "refused"})


class _Said(NamedTuple):
    told: Told
    moved: Moved
    cause: Cause | None


def find(evidence: Evidence) -> Finding:
    """The finding about an order, or (without one) about a user's recharges in general."""
    order = evidence.order
    said = _of_order(evidence, order) if order else _in_general(evidence)
    told, moved, cause = said
    ways = _ways(evidence, said)
    until_at, may_end = _ends(evidence, said)
    return Finding(
        at=evidence.at,
        about=order.shown if order else "",
        told=told,
        moved=moved,
        cause=cause,
        layers=layers(evidence, cause),
        cures=cures(evidence, told, cause, ways, may_end=may_end),
        ways=ways,
        loop=_loop(evidence, cause, told),
        ask=tuple(each.name for each in picks()) if _asks(order, said) else (),
        heard=evidence.heard[-1] if evidence.heard else None,
        freezes=evidence.freezes,
        failures=evidence.failures,
        amount_fen=evidence.amount_fen,
        until_at=until_at,
        may_end=may_end,
        stopped=tuple(each for each in evidence.stopped if cause is None or each.reason != cause.reason),
    )


def _of_order(evidence: Evidence, order: OrderView) -> _Said:  # noqa: PLR0911 - one return per thing that can be said
    """The order's state decides what can be said; who said it comes from the moves."""
    if (refund := _of_refund(evidence, order)) is not None:
        return refund
    if order.money == "credited":
        return _Said("arrived", "credited", None)
    if order.money == "checking":
        return _Said("checking", "checking", _cause_of(evidence, _doubt(evidence, order), "channel"))
    if order.money != "none":
        told: Told = "received" if order.money == "received" else "back"
        return _Said(told, order.money, _cause_of(evidence, _why_received(evidence, order), "books"))
    moved: Moved = "confirmed_none" if evidence.attempts else "never_asked"
    if order.state in ("challenged", "reviewing", "refused"):
        return _Said("cause", moved, _cause_of(evidence, order.reason, "checks"))
    if order.state in ENDED:
        return _ended(evidence, order, moved)
    if order.state != "awaiting_payment":
        return _Said("underway", "not_known" if evidence.attempts else "never_asked", None)
    if heard := _believed(evidence):
        return _Said("cause", "not_known", heard)
    asked = any(each.answered_at for each in evidence.attempts) or bool(evidence.heard)
    return _Said("not_told" if asked else "waiting", "not_known", None)


def _doubt(evidence: Evidence, order: OrderView) -> str:
    """What the channel said that left us in doubt, if it tells more than that we are asking and does not lead to paying again."""
    newest = evidence.attempts[-1] if evidence.attempts else None
    said = newest.reason if newest is not None and newest.state == "unknown" else None
    return said if said in DOUBTS else order.reason or "channel.checking"


def _of_refund(evidence: Evidence, order: OrderView) -> _Said | None:
    """The newest refund, if it did not go or waits for something: the channel said why, and the money is where it was."""
    newest = max(order.refunds, key=lambda each: each.created_at, default=None)
    if newest is None or newest.state == "done" or newest.reason is None or order.money == "none":
        return None
    # What a channel says of one call says nothing of the refund: until it has ended it is under way.
    reason = newest.reason if newest.reason.startswith("refund.") else ("refund.failed" if newest.state == "failed" else UNDER_WAY)
    if newest.state != "failed" and (reason == "refund.unknown_to_channel" or "unresolved" in evidence.anomalies):
        # A person was asked because the channel cannot end it alone, or simply has no record of it yet.
        reason = "refund.needs_hand" if "unresolved" in evidence.anomalies else UNDER_WAY
    made = _made(reason, {"amount_fen": newest.amount_fen}, "channel", evidence, kind=newest.kind or order.kind)
    return _Said("refund", order.money, Cause(**{**_fields(made), "at": newest.moved_at}))


def _ended(evidence: Evidence, order: OrderView, moved: Moved) -> _Said:
    """An order that ended without money: the channel's or our reason; else the payer's words; else nobody told us."""
    if order.reason is not None and order.reason not in NOT_A_CAUSE:
        source: Source = "query" if evidence.witnesses.get("declined") == "chase" else "channel"
        cause = _cause_of(evidence, order.reason, source if evidence.attempts else "checks")
        return _Said("not_told" if order.reason == UNEXPLAINED else "cause", moved, cause)
    if heard := _believed(evidence):
        return _Said("cause", moved, heard)
    if order.state in ("cancelled", "abandoned"):
        return _Said("cause", moved, _cause_of(evidence, order.reason or "operation.cancelled", "user"))
    return _Said("not_told", moved, None)


def _in_general(evidence: Evidence) -> _Said:
    """Whether a next recharge would go, whichever way; if none does, what stands in the way of all of them."""
    if any(_goes(each) for each in evidence.now):
        return _Said("clear", "never_asked", None)
    for each in evidence.now:
        for stop in stops(each.decision):
            if stop.reason != TICKED:
                return _Said("cause", "never_asked", _made(str(stop.reason), stop.facts, "checks", evidence, kind=each.kind))
    return _Said("cause", "never_asked", _made("channel.not_configured", {}, "board", evidence))


def over(evidence: Evidence, before: Cause | None) -> bool:
    """Whether the obstacle is gone: then a watching user gets the message that it works again."""
    order, at = evidence.order, evidence.at
    if order is not None and order.money == "credited":
        return True
    goes = {(each.channel_id, each.method) for each in evidence.now if _goes(each)}
    if evidence.standing != "active" or not goes:
        return False
    if before is None or order is None:
        return before is not None
    if before.reason in _BY_THE_DAY and before.at is not None:
        return clock.business_day(at) > clock.business_day(before.at)
    if before.reason in _BY_THE_MONTH and before.at is not None:
        now, then = clock.business_day(at), clock.business_day(before.at)
        return (now.year, now.month) > (then.year, then.month)
    return before.layer != "channel" or (order.channel_id, order.method) in goes


_BY_THE_DAY = frozenset({"account.wallet_limit_day", "channel.bank_limit", "channel.payer_quota_used"})
_BY_THE_MONTH = frozenset({"account.wallet_limit_month"})
"""Limits of a payer's own wallet or bank: no channel tells what is left of them, but they are renewed with the day or the month."""


def _why_received(evidence: Evidence, order: OrderView) -> str | None:
    if order.state == "frozen_by_order":
        return "regulation.money_frozen"
    if order.state == "misfit" or (order.reason is None and "amount" in evidence.anomalies):
        return "anomaly.amount"
    return order.reason


def _believed(evidence: Evidence) -> Cause | None:
    """The newest words of the payer's phone that say why."""
    words: Heard | None = next((each for each in reversed(evidence.heard) if each.reason), None)
    if words is None or words.reason is None or (evidence.heard and evidence.heard[-1].pick == "paid"):
        return None
    made = _made(words.reason, {}, "user", evidence, native=words.native)
    return Cause(**{**_fields(made), "at": words.at})


def _cause_of(evidence: Evidence, reason: str | None, source: Source) -> Cause | None:
    order = evidence.order
    if reason is None or order is None:
        return None
    facts = order.reason_facts if reason == order.reason else {"amount_fen": order.amount_fen}
    if reason == "anomaly.amount" and order.paid_fen:
        facts = {**facts, "paid_fen": order.paid_fen}
    newest = evidence.attempts[-1] if evidence.attempts else None
    native = newest.native_code if newest and source in ("channel", "query") else ""
    made = _made(reason, facts, source, evidence, kind=order.kind, native=native)
    at = next((step.at for step in reversed(order.steps) if step.what in _TELLING), order.created_at)
    return Cause(**{**_fields(made), "at": at})


_TELLING = frozenset(
    f"order.{move}" for move in ("declined", "refused", "challenged", "asked", "held", "misfit", "expired", "closed", "ordered")
) | {"attempt.doubted"}
"""Steps at whose moment a cause became known."""


def _made(reason: str, facts: Any, source: Source, evidence: Evidence, *, kind: str = "", native: str = "") -> Cause:
    row = catalogue().get(reason)
    return Cause(reason, row.layer.value, row.cured_by.value, row.retry.value, source, row.shown(facts), evidence.at, kind, native)


def _fields(cause: Cause) -> dict[str, Any]:
    return {name: getattr(cause, name) for name in cause.__struct_fields__}


def _goes(each: Considered) -> bool:
    """Whether a payment this way would be admitted, the tick at the agreement (which the form brings) left aside."""
    return each.decision.admits or {stop.reason for stop in stops(each.decision)} == {TICKED}


def _ways(evidence: Evidence, said: _Said) -> tuple[Way, ...]:
    """What would succeed right now. After a stop of risk or law, and while money is under way, nothing is proposed."""
    cause, order = said.cause, evidence.order
    if said.told not in ("cause", "not_told", "clear", "waiting") or evidence.standing != "active":
        return ()
    if cause is not None and (cause.layer in ASKING or cause.retry == Retry.NEVER):
        return ()
    if order is not None and order.state not in RETRYABLE | {"refused", "abandoned"}:
        return ()
    used = (order.channel_id, order.method) if order else None
    leaves = order is not None and (order.state == "awaiting_payment" or (cause is not None and cause.retry == Retry.OTHER_CHANNEL))
    found = [
        Way(each.channel_id, each.kind, each.method, extra=each.decision.outcome is Outcome.CHALLENGE)
        for each in evidence.now
        if (_goes(each) or each.decision.outcome is Outcome.CHALLENGE) and not (leaves and (each.channel_id, each.method) == used)
    ]
    return tuple(found)


def _ends(evidence: Evidence, said: _Said) -> tuple[Any, bool]:
    """When the cause is over by itself, and whether it may be at all: then it can be watched."""
    cause = said.cause
    if cause is None or said.told not in ("cause", "not_told"):
        return None, False
    until, wait_s = cause.facts.get("until_at"), cause.facts.get("wait_s")
    if isinstance(until, str):
        # Facts of an order are kept as JSON.
        until = datetime.fromisoformat(until)
    if until is None and isinstance(wait_s, int) and cause.at is not None:
        until = cause.at + timedelta(seconds=wait_s)
    others_act = cause.cured_by in (CuredBy.TIME, CuredBy.CHANNEL, CuredBy.PLATFORM)
    here = cause.reason in ("account.frozen", "account.locked") or (others_act and cause.retry != Retry.NEVER)
    open_ways = evidence.order is not None and evidence.order.state not in ENDED
    return until, here and not open_ways and cause.layer != "regulation"


def _loop(evidence: Evidence, cause: Cause | None, told: Told) -> Loop | None:
    """Fail, retry, fail: the same end at least twice within a day, this one and its own earlier tries among them."""
    if told not in ("cause", "not_told", "clear"):
        return None
    since = evidence.at - WINDOW
    if evidence.order is None:
        recent = [each for each in evidence.failures if each.at >= since]
        wanted = recent[0].reason if recent else None
    else:
        recent = [each for each in evidence.failures if each.at >= since]
        wanted = cause.reason if cause and cause.source != "user" else evidence.order.reason
    same = [each.at for each in recent if each.reason == wanted and wanted is not None and wanted != "operation.cancelled"]
    if evidence.order is not None and cause is not None:
        tries = [each.moved_at for each in evidence.attempts if each.state == "closed" and each.reason == cause.reason]
        same += tries[:-1]
    return Loop(len(same), min(same), int(WINDOW.total_seconds())) if len(same) > 1 else None


def _asks(order: OrderView | None, said: _Said) -> bool:
    """Only where a payer may have seen something: a code was out, and nobody told us what became of it."""
    if order is None or said.moved == "never_asked" or (said.cause is not None and said.cause.reason == UNEXPLAINED):
        return False
    told_by_user = said.cause is not None and said.cause.source == "user"
    return said.told in ("not_told", "waiting") or (said.told == "cause" and told_by_user)
