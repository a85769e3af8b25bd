"""The layers in the article's order, each with its checks: passed, failed, not reached, unknown, by whom and when. Pure.

The lines of policy are its own verdicts, as they were kept or as they would be now; a check of which people read one constant
sentence has that sentence here as well, whatever it said. Beside them stands what no check could know beforehand: how the channel
answered, how it stands now, what the payer's phone showed, and how we heard of the money.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from daozhang.diagnosis.model import Cause, Evidence, Judged, Layer, Line, Mark, Tried
from daozhang.policy.checks import CHECKS
from daozhang.policy.model import Outcome, Verdict
from daozhang.reasons.catalogue import Disclosure, catalogue
from daozhang.reasons.catalogue import Layer as Named

ORDER = tuple(each.value for each in Named)
CONSTANT = frozenset(check.name for check in CHECKS if check.constant)
_GRAVITY = (Mark.FAILED, Mark.UNKNOWN, Mark.CONSTANT, Mark.NOTED, Mark.PASSED, Mark.UNREACHED)
_FORM = frozenset({"eligibility.agreement"})
"""What the form asks for while it is sent: before that it is not reached, and no failure."""


def layers(evidence: Evidence, cause: Cause | None) -> tuple[Layer, ...]:
    """Every layer, also those that nothing is known of."""
    found: dict[str, list[Line]] = {name: [] for name in ORDER}
    for judged in _judged(evidence):
        for verdict in judged.verdicts:
            line = _line(verdict, judged, live=evidence.order is None)
            if line is not None:
                _put(found[verdict.layer.value], line)
    if evidence.order is not None:
        for layer, line in _beyond(evidence, cause):
            found[layer].append(line)
    if cause is not None:
        _name(found, cause)
    return tuple(Layer(name, _mark(lines), tuple(lines)) for name, lines in found.items())


def _judged(evidence: Evidence) -> Sequence[Judged]:
    """Of an order: how it was judged when it was placed and when its money came. In general: the way that goes, or the first."""
    if evidence.order is None:
        goes = sorted(evidence.now, key=lambda each: not each.decision.admits)
        return [Judged("asked", d.outcome, d.reason, d.verdicts, each.at) for each in goes[:1] for d in (each.decision,)]
    newest = {judged.stage: judged for judged in evidence.decisions}
    return [newest[stage] for stage in ("place", "paid") if stage in newest]


def _line(verdict: Verdict, judged: Judged, *, live: bool) -> Line | None:
    if verdict.check in CONSTANT:
        return Line(verdict.check, Mark.CONSTANT, "checks", at=judged.at)
    if not verdict.shown:
        return None
    if verdict.outcome is None or (live and verdict.reason in _FORM):
        return Line(verdict.check, Mark.UNREACHED, "checks", facts=dict(verdict.facts), at=judged.at)
    if verdict.reason is None:
        return Line(verdict.check, Mark.PASSED, "checks", facts=dict(verdict.facts), at=judged.at)
    told = catalogue().get(verdict.reason)
    if told.disclosure is Disclosure.LEGAL:
        return None
    mark = Mark.NOTED if verdict.outcome is Outcome.MONITOR else Mark.FAILED
    return Line(verdict.check, mark, "checks", verdict.reason, told.shown(verdict.facts), judged.at)


def _put(lines: list[Line], line: Line) -> None:
    """A check that is judged twice (when the order was placed, when money came) is told by what it said last."""
    for place, other in enumerate(lines):
        if other.what == line.what:
            lines[place] = line
            return
    lines.append(line)


def _beyond(evidence: Evidence, cause: Cause | None) -> Iterable[tuple[str, Line]]:
    order = evidence.order
    assert order is not None
    newest = evidence.attempts[-1] if evidence.attempts else None
    # What a channel says of a refund is no answer to the payment.
    yield "channel", _answer(newest, cause if order.money in ("none", "checking") else None)
    if newest is not None:
        yield "channel", _asked(newest, order.money)
        state = _state(evidence, newest)
        if state is not None:
            yield "channel", state
        if (
            newest.state != "prepared"
            and order.money in ("none", "checking")
            and not (cause and cause.source in ("channel", "query"))
            and not _called_off(evidence, newest, cause)
        ):
            yield _wallet(evidence, cause)
    yield "platform", _told(evidence, order.money)


def _called_off(evidence: Evidence, newest: Tried, cause: Cause | None) -> bool:
    """Whether its owner cancelled it and the channel confirmed that: what the phone showed is no open question then."""
    return cause is not None and cause.reason == "operation.cancelled" and newest.state == "closed" and not evidence.heard


def _answer(newest: Tried | None, cause: Cause | None) -> Line:
    """What the channel said when it was asked for a payment."""
    if newest is None:
        return Line("channel.answer", Mark.UNREACHED, "channel")
    facts: dict[str, Any] = {"kind": newest.kind}
    if newest.state in ("prepared", "unknown"):
        return Line("channel.answer", Mark.UNKNOWN, "channel", "channel.checking", facts, newest.created_at)
    if cause is not None and cause.source in ("channel", "query") and cause.layer == "channel":
        return Line("channel.answer", Mark.FAILED, cause.source, cause.reason, cause.facts, newest.moved_at)
    if cause is not None and cause.source == "channel":
        # The channel refused for what belongs to another layer: there it is told, here only that it answered.
        return Line("channel.answer", Mark.NOTED, "channel", None, facts, newest.moved_at)
    return Line("channel.answer", Mark.PASSED, "channel", None, facts, newest.created_at)


def _asked(newest: Tried, money: str) -> Line:
    """What it said when we asked whether the payment was made."""
    facts: dict[str, Any] = {"kind": newest.kind}
    if newest.state == "paid" or money in ("credited", "received", "returning", "returned"):
        return Line("channel.paid", Mark.PASSED, "channel", None, facts, newest.moved_at)
    if newest.state == "closed":
        return Line("channel.unpaid", Mark.NOTED, "query", None, facts, newest.moved_at)
    if newest.answered_at is not None:
        return Line("channel.unpaid_yet", Mark.NOTED, "query", None, facts, newest.answered_at)
    return Line("channel.unasked", Mark.UNKNOWN, "query", None, facts, newest.asked_at)


def _state(evidence: Evidence, newest: Tried) -> Line | None:
    """How this way to pay stands now."""
    for channel_id, method, status, why, facts in evidence.states:
        if (channel_id, method) == (newest.channel_id, newest.method):
            told = {**facts, "kind": newest.kind}
            if why is None:
                return Line("channel.state", Mark.PASSED, "board", None, told, evidence.at)
            mark = Mark.NOTED if status in ("open", "degraded") else Mark.FAILED
            return Line("channel.state", mark, "board", why, catalogue().get(why).shown(told), evidence.at)
    return Line("channel.state", Mark.UNKNOWN, "board", None, {"kind": newest.kind}, evidence.at)


def _wallet(evidence: Evidence, cause: Cause | None) -> tuple[str, Line]:
    """What happened on the payer's phone: only the payer can say."""
    if cause is not None and cause.source == "user" and cause.reason != "operation.cancelled":
        return cause.layer, Line("wallet.words", Mark.FAILED, "user", cause.reason, cause.facts, cause.at)
    if evidence.heard:
        pick = evidence.heard[-1].pick
        what = "wallet.paid" if pick == "paid" else "wallet.unread"
        return "channel", Line(what, Mark.UNKNOWN, "user", at=evidence.heard[-1].at)
    return "channel", Line("wallet.untold", Mark.UNKNOWN, "user")


def _told(evidence: Evidence, money: str) -> Line:
    """By which witness we learned of the payment: its notification, a query of ours, or the bill."""
    witness = evidence.witnesses.get("paid")
    if witness == "notification":
        return Line("platform.told", Mark.PASSED, "callback", at=_paid_at(evidence))
    if witness is not None:
        source = "bill" if witness == "bill" else "query"
        return Line("platform.asked", Mark.NOTED, "bill" if source == "bill" else "query", at=_paid_at(evidence))
    if money == "checking":
        return Line("platform.asking", Mark.UNKNOWN, "query", at=evidence.at)
    return Line("platform.unpaid", Mark.UNREACHED, "callback")


def _paid_at(evidence: Evidence) -> Any:
    order = evidence.order
    return next((step.at for step in order.steps if step.what == "order.paid"), None) if order else None


def _name(found: dict[str, list[Line]], cause: Cause) -> None:
    """The cause stands in its layer, unless it is told in a constant line, or stands there already."""
    if catalogue().get(cause.reason).disclosure is Disclosure.LEGAL:
        return
    lines = found[cause.layer]
    if not any(line.reason == cause.reason for line in lines):
        source = "checks" if cause.source == "books" else cause.source
        lines.append(Line("cause", Mark.FAILED, source, cause.reason, cause.facts, cause.at))


def _mark(lines: Sequence[Line]) -> Mark:
    """The gravest; a layer that also holds what is never told has that mark rather than `passed`. Nothing known: unknown."""
    if not lines:
        return Mark.UNREACHED
    return min((line.mark for line in lines), key=_GRAVITY.index)
