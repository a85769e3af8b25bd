"""What ninety days looked like: days, outages merged into stories, and how much of the time people could pay. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from daozhang import clock

DAYS = 90
APART = timedelta(minutes=5)
"""Incidents of one channel that are closer than this are one story."""

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Incident:
    """One way to pay, not working or not well. `ended_at` is None while it lasts."""

    channel_id: int
    method: str
    severity: str
    sign: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to a channel, told once, whichever of its methods it met. `down_s` is how long the worst lasted."""

    channel_id: int
    methods: tuple[str, ...]
    severity: str
    sign: str
    began_at: datetime
    ended_at: datetime | None
    down_s: int


@dataclass(frozen=True, slots=True)
class Day:
    """One business day of a channel. `state` is ok, degraded, maintenance, down or none (nobody paid, so nobody knows)."""

    day: date
    state: str
    good: int
    bad: int
    down_s: int
    degraded_s: int
    maintenance_s: int

    @property
    def rate(self) -> float | None:
        """The share of orders that were taken; None without any."""
        asked = self.good + self.bad
        return self.good / asked if asked else None


def stories(incidents: Iterable[Incident], now: datetime) -> list[Story]:
    """Incidents of a channel that follow each other or go together, as one story; the newest first."""
    told: list[list[Incident]] = []
    for incident in sorted(incidents, key=lambda each: (each.channel_id, each.began_at)):
        last = told[-1] if told else None
        if last and last[0].channel_id == incident.channel_id and incident.began_at <= _latest(last, now) + APART:
            last.append(incident)
        else:
            told.append([incident])
    return sorted((_story(some, now) for some in told), key=lambda story: story.began_at, reverse=True)


def days(
    now: datetime,
    methods: Sequence[str],
    counts: Mapping[date, tuple[int, int]],
    incidents: Sequence[Incident],
    maintenance: Sequence[Span],
) -> list[Day]:
    """The last ninety business days of a channel, oldest first. `counts` are good and bad orders by day."""
    today = clock.day_start(now)
    return [_day(today - timedelta(days=back), now, methods, counts, incidents, maintenance) for back in reversed(range(DAYS))]


def uptime(of: Sequence[Day], now: datetime, methods: int) -> float | None:
    """The share of the time, over all methods, in which nothing was down; None when no day knows anything."""
    known = [day for day in of if day.state != "none"]
    if not known or not methods:
        return None
    length_s = sum(86_400.0 for day in known)
    if known[-1].day == clock.business_day(now):
        length_s -= 86_400.0 - (now - clock.day_start(now)).total_seconds()
    return max(0.0, 1 - sum(day.down_s for day in known) / max(1.0, length_s))


def _day(
    begins: datetime,
    now: datetime,
    methods: Sequence[str],
    counts: Mapping[date, tuple[int, int]],
    incidents: Sequence[Incident],
    maintenance: Sequence[Span],
) -> Day:
    window = (begins, min(now, begins + timedelta(days=1)))
    good, bad = counts.get(clock.business_day(begins), (0, 0))

    def share_s(severity: str) -> int:
        """Seconds in this state, averaged over the methods."""
        met = [(each.method, (each.began_at, each.ended_at or now)) for each in incidents if each.severity == severity]
        total = sum(_length_s([span for each, span in met if each == method], window) for method in methods)
        return round(total / len(methods)) if methods else 0

    down_s, degraded_s, rest_s = share_s("down"), share_s("degraded"), round(_length_s(maintenance, window))
    state = "down" if down_s else "degraded" if degraded_s else "maintenance" if rest_s else "ok" if good + bad else "none"
    return Day(clock.business_day(begins), state, good, bad, down_s, degraded_s, rest_s)


def _length_s(spans: Iterable[Span], window: Span) -> float:
    """How many seconds of the window the spans cover, overlaps counted once."""
    length, reached = 0.0, window[0]
    for begins, ends in sorted(spans):
        first, last = max(begins, reached), min(ends, window[1])
        if last > first:
            length += (last - first).total_seconds()
            reached = last
    return length


def _story(some: Sequence[Incident], now: datetime) -> Story:
    down = [each for each in some if each.severity == "down"]
    worst = max(down or some, key=lambda each: (each.ended_at or now) - each.began_at)
    lasting = any(each.ended_at is None for each in some)
    began_at, ended_at = min(each.began_at for each in some), _latest(some, now)
    spans = [(each.began_at, each.ended_at or now) for each in down]
    return Story(
        some[0].channel_id,
        tuple(sorted({each.method for each in some})),
        "down" if down else "degraded",
        worst.sign,
        began_at,
        None if lasting else ended_at,
        round(_length_s(spans, (began_at, max(ended_at, began_at)))),
    )


def _latest(some: Iterable[Incident], now: datetime) -> datetime:
    return max(each.ended_at or now for each in some)
