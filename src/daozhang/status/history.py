"""The status of a shop's channels for everybody: now, ninety days, incidents and the calendar, from one reading that says its age.

It is read again every few seconds and kept. When the database is busy or away the last reading is served, with its age.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from daozhang import clock
from daozhang.channels.rows import ChannelRow
from daozhang.postgres import Database, Unavailable, statements
from daozhang.status.board import Board, Maintenance, read_maintenance
from daozhang.status.chronicle import DAYS, Day, Incident, Story, days, stories, uptime
from daozhang.status.counts import LAG_S, TOOK_MS
from daozhang.status.model import FEWEST, Standing

sql = statements("daozhang.status")
log = logging.getLogger(__name__)

FRESH_S = 5.0
"""A reading younger than this is served as it is."""
PATIENCE_S = 0.4
"""How long a reader waits for a new reading when there is an old one."""
KEEP_WARM_S = 20.0
RECENT = timedelta(minutes=10)
STORIES = 40


@dataclass(frozen=True, slots=True)
class Recent:
    """The last ten minutes of one way to pay. None means: too little to say anything."""

    rate: float | None = None
    took_p95_ms: int | None = None
    lag_p95_s: int | None = None
    asked: int = 0
    good: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to pay."""

    method: str
    standing: Standing
    recent: Recent


@dataclass(frozen=True, slots=True)
class Bank:
    """Payments from one bank in the last ten minutes, where the channel or the payer names it.

    How late they were told, and the share that the bank let through. None: too few to say.
    """

    bank: str
    lag_p95_s: int | None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """One channel with its ways to pay and its days, oldest first.

    `answers`: whether it answered any question of the last ten minutes, probes included; None: nobody asked.
    """

    id: int
    kind: str
    name: str
    ways: tuple[Way, ...]
    days: tuple[Day, ...]
    uptime: float | None
    banks: tuple[Bank, ...] = ()
    answers: bool | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the status page tells. `at` is when it was read; what stands now is as young as `now_at`."""

    at: datetime
    now_at: datetime
    channels: tuple[ChannelReport, ...]
    stories: tuple[Story, ...]
    calendar: tuple[Maintenance, ...]

    @property
    def age_s(self) -> float:
        """How old the older of the two readings is."""
        return max(0.0, (clock.now() - min(self.at, self.now_at)).total_seconds())


@dataclass(frozen=True, slots=True)
class _Reading:
    at: datetime
    recent: dict[tuple[int, str], Recent]
    counts: dict[int, dict[Any, tuple[int, int]]]
    incidents: tuple[Incident, ...]
    maintenance: tuple[Maintenance, ...]
    banks: dict[int, list[Bank]]


class History:
    """Reports by shop, read again when they are asked for and old."""

    def __init__(self, database: Database, board: Board, channels: Callable[[int], Iterable[ChannelRow]]) -> None:
        self._database, self._board, self._channels = database, board, channels
        self._readings: dict[int, _Reading] = {}
        self._reading: dict[int, asyncio.Task[None]] = {}

    async def report(self, shop_id: int) -> Report:
        """The newest report there is within a moment. Raises `Unavailable` only when nothing was ever read."""
        kept = self._readings.get(shop_id)
        if kept is None or (clock.now() - kept.at).total_seconds() >= FRESH_S:
            task = self._read_again(shop_id)
            await asyncio.wait({task}, timeout=None if kept is None else PATIENCE_S)
            kept = self._readings.get(shop_id)
        if kept is None:
            raise Unavailable("nothing was read yet")
        return self._told(shop_id, kept)

    async def watch(self, shop_id: int) -> None:
        """Keep a reading at hand, asked for or not, so that there is one when the database goes away."""
        while True:
            await asyncio.wait({self._read_again(shop_id)})
            await asyncio.sleep(KEEP_WARM_S)

    def _read_again(self, shop_id: int) -> asyncio.Task[None]:
        """One reading at a time, whoever asks; it goes on when its readers give up."""
        task = self._reading.get(shop_id)
        if task is None or task.done():
            task = self._reading[shop_id] = asyncio.create_task(self._read(shop_id))
        return task

    async def _read(self, shop_id: int) -> None:
        try:
            self._readings[shop_id] = await self._fresh(shop_id)
        except Exception as fault:  # noqa: BLE001 - whatever keeps us from reading, the last reading stays and grows older
            log.warning("the status of channels was not read: %s", type(fault).__name__)

    async def _fresh(self, shop_id: int) -> _Reading:
        at = clock.now()
        since = clock.day_start(at) - timedelta(days=DAYS - 1)
        recent = {
            (row["channel_id"], row["method"]): _recent(row)
            for row in await self._database.rows(sql.recent_sums, shop_id, at - RECENT)
        }
        counts: dict[int, dict[Any, tuple[int, int]]] = {}
        for row in await self._database.rows(sql.day_sums, shop_id, clock.business_day(since)):
            counts.setdefault(row["channel_id"], {})[row["day"]] = (row["good"], row["bad"])
        incidents = tuple(Incident(**dict(row)) for row in await self._database.rows(sql.incidents_since, shop_id, since))
        maintenance = tuple(read_maintenance(row) for row in await self._database.rows(sql.maintenance_since, shop_id, since))
        banks: dict[int, list[Bank]] = {}
        for row in await self._database.rows(sql.recent_banks, shop_id, at - RECENT):
            banks.setdefault(row["channel_id"], []).append(
                Bank(row["bank"], _p95(row["lag"], LAG_S), _share(row["paid"], row["failed"]))
            )
        return _Reading(at, recent, counts, incidents, maintenance, banks)

    def _told(self, shop_id: int, kept: _Reading) -> Report:
        standings = self._board.now(shop_id)
        rows = list(self._channels(shop_id))
        shown = {row.id for row in rows}
        return Report(
            kept.at,
            self._board.seen_at,
            tuple(_channel(row, kept, standings) for row in rows),
            tuple(story for story in stories(kept.incidents, kept.at) if story.channel_id in shown)[:STORIES],
            tuple(plan for plan in kept.maintenance if plan.ends_at > clock.now() and plan.channel_id in shown),
        )


def _channel(row: ChannelRow, kept: _Reading, standings: dict[tuple[int, str], Standing]) -> ChannelReport:
    incidents = [each for each in kept.incidents if each.channel_id == row.id]
    spans = [(plan.begins_at, plan.ends_at) for plan in kept.maintenance if plan.channel_id == row.id]
    of_days = days(kept.at, row.methods, kept.counts.get(row.id, {}), incidents, spans)
    ways = tuple(Way(method, standings[row.id, method], kept.recent.get((row.id, method), Recent())) for method in row.methods)
    up = uptime(of_days, kept.at, len(row.methods))
    calls = kept.recent.get((row.id, ""), Recent())
    taken = any(way.recent.good for way in ways)
    answers = taken or calls.good > 0 if taken or calls.asked else None
    return ChannelReport(row.id, row.kind, row.name, ways, tuple(of_days), up, tuple(kept.banks.get(row.id, ())), answers)


def _recent(row: Any) -> Recent:
    asked = row["good"] + row["bad"]
    if asked < FEWEST:
        return Recent(lag_p95_s=_p95(row["lag"], LAG_S), asked=asked, good=row["good"])
    return Recent(row["good"] / asked, _p95(row["took"], TOOK_MS), _p95(row["lag"], LAG_S), asked, row["good"])


def _share(good: int, bad: int) -> float | None:
    return good / (good + bad) if good + bad >= FEWEST else None


def _p95(bins: Sequence[int], bounds: Sequence[int]) -> int | None:
    """The bound below which 95 of 100 lie; None when there are too few, or when they lie beyond the last bound."""
    total = sum(bins)
    if total < FEWEST:
        return None
    reached = 0
    for bound, count in zip(bounds, bins, strict=False):
        reached += count
        if reached >= 0.95 * total:
            return bound
    return None
