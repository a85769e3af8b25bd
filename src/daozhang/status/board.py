"""How every way to pay stands, in memory: read once a second by each process, asked by pages and rules, honest about its age.

Four things decide, the strongest first: a suspension (an order, or staff), planned maintenance, the breaker, and what only shows.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from daozhang import clock
from daozhang.channels.catalogue import KINDS
from daozhang.channels.rows import ChannelRow
from daozhang.postgres import Database, Unavailable, statements
from daozhang.status.judge import TRIAL_REFILL_S, TRIAL_TOKENS
from daozhang.status.model import Standing, Status

sql = statements("daozhang.status")
log = logging.getLogger(__name__)

LOOK_S = 1.0
OLD_S = 5.0
"""A board that is older than this says so."""

CLASSES = {kind.name: kind.channel_class for kind in KINDS.values()}
"""The class of each kind, for rules that name a class of channels."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Planned work on a channel; no methods means all of them. `ends_at` is the real end when it was ended early."""

    id: UUID
    shop_id: int
    channel_id: int
    methods: tuple[str, ...]
    begins_at: datetime
    ends_at: datetime
    note: str

    def meets(self, channel_id: int, method: str, at: datetime) -> bool:
        """Whether this way to pay is under maintenance at a moment."""
        return (
            self.channel_id == channel_id and self.begins_at <= at < self.ends_at and (not self.methods or method in self.methods)
        )


@dataclass(frozen=True, slots=True)
class Suspension:
    """Channels that may not be used: one, a kind, or a class. `reference` and `reason` are for staff and never shown to payers."""

    shop_id: int
    reference: str
    reason: str
    since_at: datetime
    channel_id: int | None = None
    kind: str | None = None
    channel_class: str | None = None
    id: UUID | None = None

    def meets(self, row: ChannelRow) -> bool:
        """Whether it closes a channel."""
        if self.shop_id != row.shop_id:
            return False
        return self.channel_id == row.id or self.kind == row.kind or self.channel_class == CLASSES.get(row.kind, "other")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that decides, as read at one moment."""

    at: datetime
    breakers: Mapping[tuple[int, str], Any]
    planned: tuple[Maintenance, ...]
    suspended: tuple[Suspension, ...]


class Board:
    """The standing of each way to pay. `channels` gives the rows of the channels that new orders may use."""

    def __init__(self, database: Database, channels: Callable[[int], Iterable[ChannelRow]]) -> None:
        self._database, self._channels = database, channels
        self._snapshot = Snapshot(datetime.fromtimestamp(0, UTC), {}, (), ())
        self._feeds: list[Callable[[], Iterable[Suspension]]] = []
        self._heard: Callable[[int], bool | None] = lambda _: None
        self._looking = asyncio.Lock()

    def feed(self, suspensions: Callable[[], Iterable[Suspension]]) -> None:
        """Take suspensions from another room too (the regions of policy), so that nobody keeps a second list. Asked each time."""
        self._feeds.append(suspensions)

    def listen(self, heard: Callable[[int], bool | None]) -> None:
        """Take from the room that books payments whether a channel's own messages reach us; None = nobody can say."""
        self._heard = heard

    @property
    def seen_at(self) -> datetime:
        """When the rows behind every answer were read."""
        return self._snapshot.at

    @property
    def age_s(self) -> float:
        """The age of this reading, in seconds."""
        return max(0.0, (clock.now() - self._snapshot.at).total_seconds())

    @property
    def planned(self) -> tuple[Maintenance, ...]:
        """The maintenance that is under way, comes, or ended within the hour."""
        return self._snapshot.planned

    async def load(self) -> None:
        """Read the rows now. Raises `Unavailable`; then the board stays as it was and grows older."""
        # One after the other: a look that began before a change and ends after the next look would take the change back.
        async with self._looking:
            at = clock.now()
            breakers = {(row["channel_id"], row["method"]): row for row in await self._database.rows(sql.breakers)}
            planned = tuple(read_maintenance(row) for row in await self._database.rows(sql.planned, at - timedelta(hours=1)))
            suspended = tuple(read_suspension(row) for row in await self._database.rows(sql.suspended))
            self._snapshot = Snapshot(at, breakers, planned, suspended)

    async def watch(self) -> None:
        """Read once a second until cancelled; whoever begins has just loaded it."""
        away = False
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.load()
                away = False
            except Unavailable:
                if not away:
                    log.warning("the live state of channels grows old: the database is not reachable")
                away = True

    def now(self, shop_id: int) -> dict[tuple[int, str], Standing]:
        """Every way to pay of a shop, by channel and method."""
        return {(row.id, method): self._stand(row, method) for row in self._channels(shop_id) for method in row.methods}

    def of(self, row: ChannelRow, method: str) -> Standing:
        """One way to pay."""
        return self._stand(row, method)

    async def admit(self, row: ChannelRow, method: str) -> Standing:
        """Ask to send one order this way. In a trial the answer is usable only for the few that are let through.

        Raises `Unavailable`.
        """
        standing = self._stand(row, method)
        if not standing.on_trial:
            return standing
        refill = timedelta(seconds=TRIAL_REFILL_S)
        if await self._database.value(sql.take_trial, clock.now(), row.id, method, TRIAL_TOKENS, refill):
            return standing
        return replace(standing, usable=False, why="channel.recovering", facts={"kind": row.kind, "wait_s": TRIAL_REFILL_S})

    def _stand(self, row: ChannelRow, method: str) -> Standing:
        return replace(self._state(row, method), heard=self._heard(row.id))

    def _state(self, row: ChannelRow, method: str) -> Standing:
        snapshot, at = self._snapshot, clock.now()
        fed = (each for feed in self._feeds for each in feed())
        for suspension, of_law in (*((each, False) for each in snapshot.suspended), *((each, True) for each in fed)):
            if suspension.meets(row):
                return Standing(
                    Status.SUSPENDED,
                    usable=False,
                    why="channel.suspended",
                    since_at=suspension.since_at,
                    seen_at=snapshot.at,
                    of_law=of_law,
                )
        for plan in snapshot.planned:
            if plan.meets(row.id, method, at):
                return Standing(
                    Status.MAINTENANCE,
                    usable=False,
                    why="channel.maintenance",
                    facts={"kind": row.kind, "until_at": plan.ends_at},
                    since_at=plan.begins_at,
                    until_at=plan.ends_at,
                    seen_at=snapshot.at,
                )
        return _by_breaker(row, snapshot.breakers.get((row.id, method)), snapshot.at)


def _by_breaker(row: ChannelRow, breaker: Any, seen_at: datetime) -> Standing:
    if breaker is None:
        return Standing(Status.OPEN, seen_at=seen_at)
    since_at, facts = datetime.fromtimestamp(breaker["since"], UTC), {"kind": row.kind}
    open_ = Standing(Status.OPEN, facts=facts, since_at=since_at, seen_at=seen_at)
    if breaker["phase"] == "tripped":
        told = {**facts, "since_at": since_at}
        return replace(open_, status=Status.SUSPENDED, usable=False, why="channel.down", facts=told)
    if breaker["phase"] == "trial":
        return replace(open_, status=Status.DEGRADED, why="channel.recovering", on_trial=True)
    if breaker["degraded"]:
        told = {**facts, "sign": breaker["degraded"]}
        return replace(open_, status=Status.DEGRADED, why="channel.degraded", facts=told)
    return open_


def read_maintenance(row: Any) -> Maintenance:
    """A row of `planned`."""
    ends_at = min(row["ends_at"], row["ended_at"] or row["ends_at"])
    return Maintenance(row["id"], row["shop_id"], row["channel_id"], tuple(row["methods"]), row["begins_at"], ends_at, row["note"])


def read_suspension(row: Any) -> Suspension:
    """A row of `suspended`."""
    return Suspension(
        row["shop_id"], row["reference"], row["reason"], row["since_at"], row["channel_id"], row["kind"], row["class"], row["id"]
    )
