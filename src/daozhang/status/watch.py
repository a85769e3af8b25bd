"""The loop of the breaker: reads the counts of all processes, judges every way to pay, and writes changes once for all.

Every working process looks once a second, and at once after it wrote a failure. A move is guarded by the version that was read, so
it does not matter who makes it; its incident, its event and its alarm are in the same commit.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from daozhang import alarms, clock, ids
from daozhang.channels.rows import ChannelRow
from daozhang.events import log as events
from daozhang.postgres import Database, OutcomeUnknown, Tx, Unavailable, statements
from daozhang.status.counts import Sampler
from daozhang.status.judge import TRIAL_TOKENS, WINDOW_S, Ruling, judge
from daozhang.status.model import Breaker, Phase, Sign, Slot

sql = statements("daozhang.status")
log = logging.getLogger(__name__)

LOOK_S = 1.0
BY_SECOND = timedelta(seconds=60)
COARSE_S = 10

Lane = tuple[int, str]
_SLOT = ("at", "good", "bad", "run", "slow", "users", "ours", "paid", "late", "unpaid")


class Watch:
    """Judges the channels of every shop. `channels` gives the rows of those that new orders may use."""

    def __init__(self, database: Database, channels: Callable[[], Iterable[ChannelRow]], sampler: Sampler) -> None:
        self._database, self._channels, self._sampler = database, channels, sampler
        self._awake = asyncio.Event()
        self._older: tuple[datetime, Sequence[Any]] | None = None
        sampler.hurried = self._awake.set

    async def run(self) -> None:
        """Look until cancelled."""
        away = False
        while True:
            try:
                await self.once()
                away = False
            except (Unavailable, OutcomeUnknown) as fault:
                if not away:
                    log.warning("channels are not judged: %s", fault)
                away = True
            timer = asyncio.get_running_loop().call_later(LOOK_S, self._awake.set)
            await self._awake.wait()
            timer.cancel()
            self._awake.clear()

    async def once(self) -> list[tuple[int, str, Breaker]]:
        """Look once; what moved, as it stands now. Raises `Unavailable`."""
        await self._sampler.flush()
        now = clock.now()
        slots = await self._slots(now)
        known = {(row["channel_id"], row["method"]): row for row in await self._database.rows(sql.breakers)}
        planned = await self._database.rows(sql.planned, now - timedelta(hours=1))
        moved = []
        offered = {(row.id, method): row.shop_id for row in self._channels() for method in row.methods}
        for lane in sorted(offered.keys() | {lane for lane, row in known.items() if _unwell(row)}):
            before = _breaker(known[lane]) if lane in known else Breaker()
            ruling = _rule(now.timestamp(), lane, before, slots, planned, offered=lane in offered)
            if ruling is not None and ruling.changed:
                version = known[lane]["version"] if lane in known else 0
                if await self._database.transact(partial(_move, at=now, lane=lane, version=version, before=before, ruling=ruling)):
                    moved.append((*lane, ruling.breaker))
        return moved

    async def _slots(self, now: datetime) -> dict[Lane, list[Slot]]:
        """What was counted in the window: the last minute by the second, what is older by ten and read only every ten seconds."""
        border = datetime.fromtimestamp((now - BY_SECOND).timestamp() // COARSE_S * COARSE_S, UTC)
        if self._older is None or self._older[0] != border:
            first = border - timedelta(seconds=WINDOW_S)
            self._older = (border, await self._database.rows(sql.slots_by_ten, first, border))
        lanes: dict[Lane, list[Slot]] = defaultdict(list)
        for row in (*self._older[1], *await self._database.rows(sql.slots_by_second, border)):
            lanes[row["channel_id"], row["method"]].append(Slot(*(row[name] for name in _SLOT)))
        return lanes


def _rule(
    now: float, lane: Lane, before: Breaker, slots: Mapping[Lane, list[Slot]], planned: Sequence[Any], *, offered: bool
) -> Ruling | None:
    """What a look makes of one way to pay. In planned maintenance, and where nobody may pay, nothing is held against a channel."""
    channel_id, method = lane
    windows = [row for row in planned if row["channel_id"] == channel_id and (not row["methods"] or method in row["methods"])]
    ended_at = 0.0
    resting = not offered
    for row in windows:
        end = min(row["ends_at"], row["ended_at"] or row["ends_at"]).timestamp()
        resting = resting or row["begins_at"].timestamp() <= now < end
        ended_at = max(ended_at, end) if end <= now else ended_at
    money = sorted((slot for (each, _), some in slots.items() if each == channel_id for slot in some), key=lambda slot: slot.at)
    ruling = judge(now, before, slots.get(lane, ()), slots.get((channel_id, ""), ()), money, not_before=ended_at)
    if not resting:
        return ruling
    well = Breaker(since=now)
    return Ruling(well, ruling.evidence, changed=True) if (before.phase, before.degraded) != (well.phase, well.degraded) else None


async def _move(tx: Tx, at: datetime, lane: Lane, version: int, before: Breaker, ruling: Ruling) -> bool:
    after, evidence = ruling.breaker, ruling.evidence
    severity, sign = _incident(after)
    began = min(_at(evidence.began), at) if evidence.began and before.phase is Phase.CLOSED else at
    phase = (after.phase.value, after.degraded.value, after.sign.value, _at(after.since), _at(after.trial_at))
    trial = (_at(after.probation_until), *after.base, TRIAL_TOKENS)
    incident = (ids.new_id(), severity, sign.value, msgspec.json.encode(evidence.as_facts()).decode(), began)
    row = await tx.row(sql.move, at, *lane, version, *phase, *trial, *incident)
    if row is None:
        return False
    await _tell(tx, at, lane, row, (severity, sign), evidence.as_facts())
    if after.phase is not before.phase or after.degraded is not before.degraded:
        log.warning("channel %d %s: %s %s", *lane, after.phase.value, (after.sign or after.degraded).value)
    return True


async def _tell(tx: Tx, at: datetime, lane: Lane, row: Any, now: tuple[str | None, Sign], facts: dict[str, Any]) -> None:
    """The incident's events and the alarm, in the commit that made them."""
    (channel_id, method), (severity, sign) = lane, now
    shop_id = await tx.value(sql.shop_of, channel_id)
    about: dict[str, Any] = {"channel_id": channel_id, "method": method}
    said = []
    if row["ended"]:
        said.append(("channel.incident_ended", {**about, "incident": str(row["ended"]), "severity": row["ended_severity"]}))
    if row["began"]:
        said.append(("channel.incident_began", {**about, "incident": str(row["began"]), "sign": sign.value, **facts}))
    await events.append(
        tx, shop_id, at, "status", [events.Event(kind, None, None, msgspec.json.encode(data).decode()) for kind, data in said]
    )
    key = f"{channel_id} {method}"
    if row["ended_severity"] == "down":
        await alarms.end(tx, shop_id, at, "channel.outage", key, "recovered by itself")
    if row["began"] and severity == "down":
        await alarms.ring(tx, shop_id, at, "channel.outage", key, {**about, "sign": sign.value, **facts})


def _incident(breaker: Breaker) -> tuple[str | None, Sign]:
    """What a breaker is on the page of incidents. A trial belongs to its outage: it is over when the breaker closes."""
    if breaker.phase is not Phase.CLOSED:
        return "down", breaker.sign
    return ("degraded", breaker.degraded) if breaker.degraded else (None, Sign.NONE)


def _unwell(row: Any) -> bool:
    return row["phase"] != "closed" or bool(row["degraded"])


def _breaker(row: Any) -> Breaker:
    return Breaker(
        Phase(row["phase"]), row["since"], Sign(row["degraded"]), Sign(row["sign"]), row["trial_at"], row["probation_until"],
        (row["base_good"], row["base_bad"]),
    )  # fmt: skip


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
