"""The status page: what can be paid with now, how the last ninety days went, what is planned. For everybody, without logging in."""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get

from daozhang import clock
from daozhang.status import Status
from daozhang.status.board import OLD_S
from daozhang.web import sessions
from daozhang.web.pages import house_of, locale_of, plain_page, told
from daozhang.web.status import regulated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daozhang.status.board import Maintenance
    from daozhang.status.chronicle import Day, Story
    from daozhang.status.history import ChannelReport, Report, Way
    from daozhang.web.locale import Locale

log = logging.getLogger(__name__)

AnyRequest = Request[Any, Any, Any]
PATIENCE_S = 0.3
"""How long the page waits to know who reads it: the bar above it is not worth more."""
HEIGHTS = {"ok": 30, "maintenance": 23, "degraded": 17, "down": 10, "none": 3}
"""How high a day stands: its state is told by shape, colour repeats it."""
STEP, WIDE, HIGH = 6, 4, 30
SHOWN = 8
"""Stories shown at once; the rest can be unfolded."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer first."""

    mark: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One way to pay as a line: its name, its chip, what it is about now, and figures. `key` names its state."""

    name: str
    key: str
    chip: str
    word: str
    about: str
    figures: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One day in the picture."""

    x: int
    y: int
    height: int
    state: str
    title: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One channel."""

    id: int
    kind: str
    name: str
    chip: str
    word: str
    lines: list[Line]
    bars: list[Bar]
    label: str
    uptime: str


@dataclass(frozen=True, slots=True)
class Told:
    """A story or a plan as people read it."""

    title: str
    text: str
    span: str
    chip: str
    word: str


@get("/status")
async def show(request: AnyRequest) -> Response[bytes]:
    """The page. Raises `Unavailable` only when this process has never been able to read anything."""
    report = await house_of(request).history.report(house_of(request).shop_id)
    reader, rows = locale_of(request), house_of(request).regulated()
    old = report.age_s > OLD_S * 6 or (clock.now() - report.now_at).total_seconds() > OLD_S
    names = _names(report, reader)
    by_id = {channel.id: channel for channel in report.channels}
    tales = [_story(story, by_id[story.channel_id], names[story.channel_id], reader, report.at) for story in report.stories]
    return plain_page(
        request,
        "status/status.html",
        here="status",
        session=await _whoever_reads(request),
        # What was true a while ago must not be said of now, least of all in the largest letters.
        headline=_old_headline(reader) if old else _headline(report, reader, regulated_rows=len(rows)),
        report=report,
        old=old,
        seen=min(report.at, report.now_at),
        panels=[_panel(request, channel, names[channel.id], reader) for channel in report.channels],
        plans=[_plan(plan, names[plan.channel_id], reader) for plan in report.calendar],
        closed=[regulated.told(row, report, reader) for row in rows],
        stories=tales[:SHOWN],
        older=tales[SHOWN:],
        legend=[(state, HEIGHTS[state]) for state in HEIGHTS],
        bar=(STEP, WIDE, HIGH),
    )


async def _whoever_reads(request: AnyRequest) -> sessions.Session | None:
    """Who reads, if that is known in a moment; a database that is busy or away does the page no harm."""
    looking = asyncio.create_task(sessions.current(request))
    done, _ = await asyncio.wait({looking}, timeout=PATIENCE_S)
    if not done:
        looking.add_done_callback(lambda task: task.exception())
        return None
    return looking.result() if looking.exception() is None else None


def _names(report: "Report", reader: "Locale") -> dict[int, str]:
    """A channel is called by its kind, and by its own name too where a shop has several of a kind."""
    kinds = Counter(channel.kind for channel in report.channels)
    return {
        channel.id: reader.either(f"kind.{channel.kind}", "kind.other") + (f" · {channel.name}" if kinds[channel.kind] > 1 else "")
        for channel in report.channels
    }


def _old_headline(reader: "Locale") -> Headline:
    return Headline("dash", reader.t("status.old_title"), reader.t("status.old_last"))


def _headline(report: "Report", reader: "Locale", *, regulated_rows: int) -> Headline:
    ways = [way.standing for channel in report.channels for way in channel.ways]
    resting = sum(standing.status is Status.MAINTENANCE for standing in ways)
    shut = sum(not standing.usable for standing in ways) - resting
    weak = sum(standing.usable and standing.status is not Status.OPEN for standing in ways)
    count, text = 0, ""
    if not ways:
        key, mark = "no_channels", "dash"
    elif shut + resting == len(ways):
        key, mark = "all_down", "cross"
    elif shut:
        key, mark, count = "some_down", "bang", shut
        text = reader.t("status.also_resting", count=resting) if resting else ""
    elif resting:
        key, mark, count = "some_resting", "bang", resting
    elif weak:
        key, mark, count = "some_weak", "bang", weak
    elif all(channel.answers is None for channel in report.channels):
        key, mark = "quiet", "dash"
    else:
        key, mark = "all_open", "tick"
    if regulated_rows:
        text = ("" if reader.code == "zh" else " ").join(part for part in (text, reader.t("regulated.also")) if part)
    title = reader.t(f"status.{key}_one" if count == 1 else f"status.{key}", **({"count": count} if count > 1 else {}))
    said = reader.t(f"status.{key}_text")
    return Headline(mark, title, said if not text else f"{text}{'' if reader.code == 'zh' else ' '}{said}")


def _panel(request: AnyRequest, channel: "ChannelReport", name: str, reader: "Locale") -> Panel:
    lines = [_line(request, way, reader, answers=channel.answers) for way in channel.ways]
    worst = min(lines, key=lambda line: _GRAVITY.index(line.key), default=None)
    partly = worst is not None and worst.key in ("down", "suspended") and any(line.key != worst.key for line in lines)
    chip, word = (worst.chip, worst.word) if worst else ("off", "")
    days = Counter(day.state for day in channel.days)
    counts = {state: days[state] + (days["maintenance"] if state == "ok" else 0) for state in ("ok", "degraded", "down", "none")}
    return Panel(
        channel.id,
        channel.kind,
        name,
        "warn" if partly else chip,
        reader.t("status.partly") if partly else word,
        lines,
        [_bar(place, day, reader) for place, day in enumerate(channel.days)],
        reader.t("status.days_label", name=name, **counts),
        reader.t("status.uptime_none") if channel.uptime is None else reader.t("status.uptime", percent=_percent(channel.uptime)),
    )


_GRAVITY = ("down", "suspended", "maintenance", "recovering", "degraded", "unheard", "open")


def _line(request: AnyRequest, way: "Way", reader: "Locale", *, answers: bool | None) -> Line:
    standing, recent = way.standing, way.recent
    chip, key = _CHIPS[standing.why or "open"]
    if standing.status is Status.OPEN and recent.rate is None and answers is None:
        # Nothing speaks against it, and nothing for it either.
        chip, key = "off", "unheard"
    about = ""
    if standing.status is Status.MAINTENANCE and standing.until_at:
        about = reader.t("status.until", when=reader.when(standing.until_at))
    elif standing.why:
        said = told(request, standing.why, standing.facts)
        about = said.text
    figures = []
    if standing.usable:
        if recent.rate is not None:
            figures.append(reader.t("status.rate", percent=_percent(recent.rate)))
        else:
            figures.append(reader.t("status.no_rate" if answers is None else "status.answers" if answers else "status.answers_not"))
        if recent.took_p95_ms is not None:
            figures.append(reader.t("status.took", took=_span(recent.took_p95_ms / 1_000, reader)))
        if recent.lag_p95_s is not None:
            figures.append(reader.t("status.lag", took=_span(recent.lag_p95_s, reader)))
    return Line(
        reader.either(f"method.{way.method}", "method.page"),
        key,
        chip,
        reader.t(f"status.{key}"),
        about,
        " · ".join(figures),
    )


_CHIPS = {
    "open": ("ok", "open"),
    "channel.degraded": ("warn", "degraded"),
    "channel.recovering": ("warn", "recovering"),
    "channel.down": ("bad", "down"),
    "channel.maintenance": ("info", "maintenance"),
    "channel.suspended": ("off", "suspended"),
}


def _bar(place: int, day: "Day", reader: "Locale") -> Bar:
    shown = reader.day(datetime(day.day.year, day.day.month, day.day.day, 12, tzinfo=clock.SHANGHAI))
    length_s = {"down": day.down_s, "degraded": day.degraded_s}.get(day.state, 0)
    facts = {"took": _span(length_s, reader)} if length_s else {}
    height = HEIGHTS[day.state]
    return Bar(place * STEP, HIGH - height, height, day.state, reader.t(f"status.day_{day.state}", day=shown, **facts))


def _story(story: "Story", channel: "ChannelReport", name: str, reader: "Locale", now: datetime) -> Told:
    took_s = story.down_s or ((story.ended_at or now) - story.began_at).total_seconds()
    begin, took = reader.when(story.began_at), _span(took_s, reader)
    if story.ended_at is None:
        span = reader.t("status.story_since", begin=begin, took=took)
    else:
        same = clock.business_day(story.began_at) == clock.business_day(story.ended_at)
        end = reader.time(story.ended_at, seconds=False) if same else reader.when(story.ended_at)
        span = reader.t("status.story_span", begin=begin, end=end, took=took)
    met = f"{name} · {_methods(story.methods, reader)}" if len(story.methods) < len(channel.ways) else name
    lasts = story.ended_at is None
    title = reader.t(f"status.story_{story.severity}{'_now' if lasts else ''}", name=met)
    chip, word = ("bad" if story.severity == "down" else "warn", reader.t("status.story_now")) if lasts else ("", "")
    return Told(title, reader.either(f"status.sign_{story.sign}", "status.sign_other"), span, chip, word)


def _methods(methods: "Sequence[str]", reader: "Locale") -> str:
    return reader.t("status.method_join").join(reader.either(f"method.{each}", "method.page") for each in methods)


def _span(seconds: float, reader: "Locale") -> str:
    """A length of time in the coarsest words that are still true: `0.8 s`, `5 s`, `14 min`, `3 h`, `2 h 5 min`."""
    if seconds < 60:
        return reader.t("status.seconds", count=f"{seconds:g}" if seconds < 10 else f"{seconds:.0f}")
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    parts = [reader.t("status.hours", count=hours)] if hours else []
    return " ".join([*parts, reader.t("status.minutes", count=rest)] if rest or not hours else parts)


def _plan(plan: "Maintenance", name: str, reader: "Locale") -> Told:
    same = clock.business_day(plan.begins_at) == clock.business_day(plan.ends_at)
    end = reader.time(plan.ends_at, seconds=False) if same else reader.when(plan.ends_at)
    under_way = plan.begins_at <= clock.now()
    return Told(
        f"{name} · {_methods(plan.methods, reader) or reader.t('status.all_methods')}",
        plan.note,
        reader.t("status.calendar_span", begin=reader.when(plan.begins_at), end=end),
        "info" if under_way else "off",
        reader.t("status.calendar_now" if under_way else "status.calendar_soon"),
    )


def _percent(share: float) -> str:
    """`100%` only when nothing failed: 0.9999 is 99.99%."""
    if share >= 1:
        return "100%"
    return f"{min(share * 100, 99.99):.2f}".rstrip("0").rstrip(".") + "%"


handlers = [show]
