"""When a channel is asked about a payment whose end we have not heard. Pure."""

from datetime import datetime, timedelta

STEPS = tuple(timedelta(seconds=s) for s in (5, 15, 60, 120, 300, 600, 1200, 1800))
"""Counted from the attempt's beginning; then hourly for a day, then daily."""
FIRST = STEPS[0]
LAPSED = timedelta(minutes=2)
"""How long after its expiry a payment that the channel never knew cannot come any more, where it cannot be closed before that."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GIVE_UP = timedelta(days=30)
"""After this nobody asks any more: the bill is the last net."""

REFUND_STEPS = tuple(timedelta(seconds=s) for s in (60, 120, 180, 240, 300, 600, 1200, 1800))
REFUND_GIVE_UP = timedelta(days=30)


def next_look(began_at: datetime, expires_at: datetime, at: datetime) -> datetime | None:
    """The next moment after `at` to ask about an attempt: a step of the schedule, its expiry or `LAPSED` after that.

    None when the schedule has ended.
    """
    age = at - began_at
    if age >= GIVE_UP:
        return None
    step = next((began_at + step for step in STEPS if step > age), None)
    if step is None:
        pace = HOUR if age < DAY else DAY
        step = began_at + pace * (int(age / pace) + 1)
    return min(moment for moment in (step, expires_at, expires_at + LAPSED) if moment > at)


def is_last_hour(began_at: datetime, due_at: datetime) -> bool:
    """Whether a look is the one that ends the hourly ones: what is open after it is for a person to see. True once per attempt."""
    return DAY <= due_at - began_at < DAY + HOUR


def next_refund_look(began_at: datetime, at: datetime) -> datetime | None:
    """The next moment to ask about a refund: a minute apart five times, 5, 10, 20, 30 min, then hourly. None after 30 days."""
    age = at - began_at
    if age >= REFUND_GIVE_UP:
        return None
    step = next((began_at + step for step in REFUND_STEPS if step > age), None)
    return step or began_at + HOUR * (int(age / HOUR) + 1)
