"""The judge of a way to pay: from what happened to whether it works. Pure; it sees counts and moments, nothing else.

Two lanes are heard. Orders asked of the channel speak for their own method. All other calls and the probes speak for the whole
channel: they can close it when nothing is answered any more, and their good answers never excuse orders that fail.

What trips the breaker: six failures without a success in between, or three of every five among the last twenty orders; what a
channel plainly refuses to everybody weighs three. What only shows: failures, slow answers or late news of payments above a tenth,
with a certainty that chance reaches once in thirty thousand looks; and fifty codes in a row that nobody paid.

After ten seconds, if the channel answers at all, a bounded share is let through. Three successes close the breaker, two failures
trip it again for twenty seconds. Nobody has to come: twenty quiet seconds with a channel that answers close it as well, and for a
minute afterwards three failures trip it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from daozhang.status.model import Breaker, Evidence, Phase, Sign, Slot

WINDOW_S = 600
"""How far back is looked at all."""
RECENT_S = 300
"""The window of rates."""
RUN = 6
"""Failures without a success in between that trip."""
RUN_PROBATION = 3
CALLS_RUN = 5
"""Unanswered calls and probes in a row that say the whole channel is silent."""
LAST = 20
SHARE = 0.6
"""So many of the last `LAST` orders failing trip even when some succeed."""
HEAVY = 3
"""The weight of a refusal that by its nature meets everybody."""
NOTICED = 0.10
FORGOTTEN = 0.05
"""A share that is surely above the one shows, and shows until it may be below the other."""
SURE = 4.0
"""Standard deviations that make a share sure: chance does it once in about thirty thousand looks."""
UNPAID_RUN = 50
FIRST_TRIAL_S = 10.0
NEXT_TRIAL_S = 20.0
TRIAL_S = 20.0
ENOUGH_GOOD = 3
ENOUGH_BAD = 2
PROBATION_S = 60.0
STALE_CALLS_S = 20.0
"""A call older than this says nothing about whether the channel answers now."""
TRIAL_TOKENS = 5
TRIAL_REFILL_S = 10
"""The bounded share: so many orders are let through in a trial, again after so long if it is not decided."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """The new state of a breaker and why. `changed` says whether anything is to be written."""

    breaker: Breaker
    evidence: Evidence
    changed: bool


def judge(
    now: float,
    breaker: Breaker,
    orders: Sequence[Slot],
    calls: Sequence[Slot],
    money: Sequence[Slot] = (),
    *,
    not_before: float = 0.0,
) -> Ruling:
    """Look once. Slots are in the order of time: `orders` of this method, `calls` of the channel, `money` of all its methods.

    Nothing before `not_before` counts (the end of a planned maintenance).
    """
    since = max(breaker.since, not_before)
    fresh = _since(orders, since, breaker.base if since == breaker.since else (0, 0))
    heard = [slot for slot in calls if slot.at >= since - 1]
    evidence = _weigh(now, fresh, heard, [slot for slot in money if slot.at >= now - WINDOW_S])
    moved = _MOVES[breaker.phase](now, breaker, fresh, evidence)
    if moved.phase is not breaker.phase:
        moved = replace(moved, since=now, base=_counted(orders, now))
    return Ruling(moved, evidence, moved != breaker)


def wilson_low(hits: int, of: int, z: float = SURE) -> float:
    """The least share that `hits` of `of` make sure of (Wilson's score interval); 0 for nothing."""
    if not of:
        return 0.0
    share, square = min(hits, of) / of, z * z
    return max(0.0, (share + square / (2 * of) - z * sqrt(share * (1 - share) / of + square / (4 * of * of))) / (1 + square / of))


def _closed(now: float, breaker: Breaker, orders: Sequence[Slot], evidence: Evidence) -> Breaker:
    sign = _trips(now, breaker, orders, evidence)
    if sign:
        return Breaker(Phase.TRIPPED, now, Sign.NONE, sign, trial_at=now + FIRST_TRIAL_S)
    shown = _shows(evidence, breaker.degraded)
    return breaker if shown == breaker.degraded else replace(breaker, degraded=shown)


def _tripped(now: float, breaker: Breaker, orders: Sequence[Slot], evidence: Evidence) -> Breaker:  # noqa: ARG001 - one shape for all
    if now < breaker.trial_at or evidence.answers is False:
        return breaker
    return replace(breaker, phase=Phase.TRIAL)


def _trial(now: float, breaker: Breaker, orders: Sequence[Slot], evidence: Evidence) -> Breaker:
    good, bad = sum(slot.good for slot in orders), sum(slot.bad for slot in orders)
    again = replace(breaker, phase=Phase.TRIPPED, trial_at=now + NEXT_TRIAL_S)
    closed = Breaker(Phase.CLOSED, now, probation_until=now + PROBATION_S)
    if bad >= ENOUGH_BAD and bad * 2 >= good:
        return again
    if good >= ENOUGH_GOOD:
        return closed
    if evidence.calls_failed >= ENOUGH_BAD and not good:
        return again
    if now - breaker.since < TRIAL_S:
        return breaker
    return replace(again, trial_at=now + FIRST_TRIAL_S) if bad > good else closed


_MOVES = {Phase.CLOSED: _closed, Phase.TRIPPED: _tripped, Phase.TRIAL: _trial}


def _trips(now: float, breaker: Breaker, orders: Sequence[Slot], evidence: Evidence) -> Sign:
    needed = RUN_PROBATION if now < breaker.probation_until else RUN
    if evidence.run >= needed:
        failures = _bad_in_run(orders)
        return Sign.REFUSING if evidence.run > failures else Sign.FAILING
    good, bad = _last(orders)
    if good + bad >= LAST and bad >= SHARE * (good + bad):
        return Sign.FAILING
    recently_taken = any(slot.good and slot.at > now - STALE_CALLS_S for slot in orders)
    if evidence.calls_failed >= CALLS_RUN and not recently_taken:
        return Sign.SILENT
    return Sign.NONE


def _shows(evidence: Evidence, before: Sign) -> Sign:
    signs = (
        (Sign.FAILING, evidence.failed, evidence.asked),
        (Sign.SLOW, evidence.slow, evidence.asked),
        (Sign.LATE, evidence.late, evidence.paid),
    )
    for sign, hits, of in signs:
        if of >= LAST and wilson_low(hits, of) > (FORGOTTEN if before is sign else NOTICED):
            return sign
    return Sign.UNPAID if evidence.unpaid_run >= UNPAID_RUN else Sign.NONE


def _since(slots: Sequence[Slot], since: float, base: tuple[int, int]) -> list[Slot]:
    """The counts after a moment; of the slot that holds the moment, what stood in it before is subtracted."""
    fresh = []
    for slot in slots:
        if slot.at > since:
            fresh.append(slot)
        elif slot.at > since - 1:
            bad = max(0, slot.bad - base[1])
            run = min(slot.run, bad) if base[1] else slot.run
            fresh.append(replace(slot, good=max(0, slot.good - base[0]), bad=bad, run=run))
    return fresh


def _counted(slots: Sequence[Slot], now: float) -> tuple[int, int]:
    here = [slot for slot in slots if now - 1 < slot.at <= now]
    return sum(slot.good for slot in here), sum(slot.bad for slot in here)


def _weigh(now: float, orders: Sequence[Slot], calls: Sequence[Slot], money: Sequence[Slot]) -> Evidence:
    recent = [slot for slot in orders if slot.at >= now - RECENT_S]
    calls_failed, _ = _run(calls)
    run, began = _run(orders)
    return Evidence(
        window_s=RECENT_S,
        asked=sum(slot.good + slot.bad for slot in recent),
        failed=sum(slot.bad for slot in recent),
        run=run,
        slow=sum(slot.slow for slot in recent),
        paid=sum(slot.paid for slot in money),
        late=sum(slot.late for slot in money),
        unpaid_run=_unpaid_run(money),
        calls_failed=calls_failed,
        answers=_answers(now, calls),
        began=began if run else _run(calls)[1],
    )


def _run(slots: Sequence[Slot]) -> tuple[int, float | None]:
    """The weight of what failed since the last success, and when that began."""
    weight, began = 0, None
    for slot in reversed(slots):
        if slot.run:
            began = slot.at
        weight += slot.run
        if slot.good:
            break
    return weight, began


def _bad_in_run(slots: Sequence[Slot]) -> int:
    failures = 0
    for slot in reversed(slots):
        failures += min(slot.bad, slot.run)
        if slot.good:
            break
    return failures


def _last(slots: Sequence[Slot]) -> tuple[int, int]:
    """Good and bad among the last orders, in whole slots."""
    good = bad = 0
    for slot in reversed(slots):
        good, bad = good + slot.good, bad + slot.bad
        if good + bad >= LAST:
            break
    return good, bad


def _answers(now: float, calls: Sequence[Slot]) -> bool | None:
    """Whether the newest call was answered; None when there was none lately."""
    for slot in reversed(calls):
        if slot.at < now - STALE_CALLS_S:
            return None
        if slot.run:
            return False
        if slot.good:
            return True
    return None


def _unpaid_run(money: Sequence[Slot]) -> int:
    run = 0
    for slot in reversed(money):
        if slot.paid:
            break
        run += slot.unpaid
    return run
