"""Counts of channels' answers: collected in memory, written once a second, and shared by all processes.

Nothing waits for a count: a sample is a few additions, and what the database cannot take now is added to what comes later.
"""

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, cast

from daozhang import clock
from daozhang.postgres import Database, OutcomeUnknown, Unavailable, statements
from daozhang.status.judge import HEAVY

if TYPE_CHECKING:
    from uuid import UUID

sql = statements("daozhang.status")
log = logging.getLogger(__name__)

FLUSH_S = 1.0
HURRY_S = 0.2
"""How soon after a failure the counts are written: the breaker is to hear of it before many more people do."""
MOST_KEYS = 5_000
"""Slots kept while the database is away; the oldest go first."""
TOOK_MS = (100, 200, 400, 800, 1_600, 3_200, 6_400)
LAG_S = (1, 2, 5, 10, 30, 60, 300)
"""Upper bounds of the bins of how long an order took and how late a payment was told; the last bin has none."""
SLOW_MS = 3_200
LATE_S = 60
BINS = len(TOOK_MS) + 1


class Word(StrEnum):
    """One answer of a channel, classified: what it says about the channel's health."""

    GOOD = "good"
    BAD = "bad"
    HEAVY = "heavy"
    USERS = "users"
    OURS = "ours"


class Key(NamedTuple):
    """Where a sample is counted. The lane without a method is that of calls which belong to none; `bank` is empty when unknown."""

    channel_id: int
    method: str
    bank: str
    slot_s: int


@dataclass(slots=True)
class Count:
    """The sums of one key. `run` is the weight of what was bad since the last good."""

    good: int = 0
    bad: int = 0
    run: int = 0
    slow: int = 0
    users: int = 0
    ours: int = 0
    paid: int = 0
    late: int = 0
    unpaid: int = 0
    took: list[int] = field(default_factory=lambda: [0] * BINS)
    lag: list[int] = field(default_factory=lambda: [0] * BINS)

    def answer(self, word: Word, took_ms: float | None) -> None:
        """Count one answer of a channel."""
        if word is Word.GOOD:
            self.good, self.run = self.good + 1, 0
            if took_ms is not None:
                self.took[_bin(took_ms, TOOK_MS)] += 1
                self.slow += took_ms > SLOW_MS
        elif word is Word.USERS:
            self.users += 1
        elif word is Word.OURS:
            self.ours += 1
        else:
            self.bad += 1
            self.run += HEAVY if word is Word.HEAVY else 1

    def payment(self, lag_s: float | None) -> None:
        """Count one payment. None: we had to ask for it and nobody knows when it was made."""
        self.paid += 1
        if lag_s is not None:
            self.lag[_bin(lag_s, LAG_S)] += 1
        self.late += lag_s is None or lag_s > LATE_S

    def before(self, later: "Count") -> None:
        """Add what was counted after this."""
        self.run = later.run if later.good else self.run + later.run
        for name in ("good", "bad", "slow", "users", "ours", "paid", "late", "unpaid"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.took = [a + b for a, b in zip(self.took, later.took, strict=True)]
        self.lag = [a + b for a, b in zip(self.lag, later.lag, strict=True)]


class Sampler:
    """Counts for one process. Give it to what meets the channels; `run` writes, `flush` writes now."""

    def __init__(self, database: Database, hurried: Callable[[], object] = lambda: None) -> None:
        """`hurried` is called after failures were written: somebody may want to judge at once."""
        self._database, self.hurried = database, hurried
        self.probing: set[UUID] = set()
        """Numbers that probes of this process ask about just now: nobody needs a record of each answer to them."""
        self._counts: dict[Key, Count] = {}
        self._awake = asyncio.Event()
        self._failed = False
        self._writing = asyncio.Lock()

    def answered(self, channel_id: int, method: str, word: Word, *, took_ms: float | None = None, bank: str = "") -> None:
        """An order was asked of a channel (or, without a method, anything else), and this is what came of it."""
        self._at(channel_id, method, bank).answer(word, took_ms)
        if word in (Word.BAD, Word.HEAVY):
            self._failed = True
            self._awake.set()

    def paid(self, channel_id: int, method: str, lag_s: float | None, *, bank: str = "") -> None:
        """A payment was heard of so long after it was made; None: only because we asked, and nobody knows when it was made."""
        self._at(channel_id, method, bank).payment(lag_s)

    def unpaid(self, channel_id: int, method: str, *, bank: str = "") -> None:
        """A code ended that nobody had paid, or a bank refused: weak evidence, since payers may walk away or use another card."""
        self._at(channel_id, method, bank).unpaid += 1

    async def run(self) -> None:
        """Write once a second, sooner after a failure, until cancelled."""
        while True:
            timer = asyncio.get_running_loop().call_later(FLUSH_S, self._awake.set)
            await self._awake.wait()
            timer.cancel()
            self._awake.clear()
            await self.flush()
            await asyncio.sleep(HURRY_S)

    async def flush(self) -> int:
        """Write what was counted; how many rows that was. A database that is away keeps it waiting here.

        What somebody else is just writing is written when this returns: whoever counts then misses nothing.
        """
        async with self._writing:
            return await self._flush()

    async def _flush(self) -> int:
        taken, self._counts = self._counts, {}
        failed, self._failed = self._failed, False
        if not taken:
            return 0
        try:
            await self._database.transact(lambda tx: tx.run(sql.add_counts, clock.now(), *_columns(taken)))
        except Unavailable:
            self._put_back(taken)
            return 0
        except OutcomeUnknown:
            log.warning("counts of channels may be lost: %d rows", len(taken))
            return 0
        if failed:
            self.hurried()
        return len(taken)

    def _at(self, channel_id: int, method: str, bank: str) -> Count:
        # A plain tuple finds its key, and one is made only once a second.
        slot = (channel_id, method, bank, int(clock.now_s()))
        count = self._counts.get(slot)  # type: ignore[call-overload]
        if count is None:
            count = self._counts[Key(*slot)] = Count()
        return cast("Count", count)

    def _put_back(self, taken: dict[Key, Count]) -> None:
        for key, later in self._counts.items():
            if key in taken:
                taken[key].before(later)
            else:
                taken[key] = later
        newest = sorted(taken, key=lambda key: key.slot_s)[-MOST_KEYS:]
        self._counts = {key: taken[key] for key in newest}


def _bin(value: float, bounds: tuple[int, ...]) -> int:
    """The first bin whose upper bound is not below the value."""
    return bisect_left(bounds, value)


def _columns(counts: dict[Key, Count]) -> list[object]:
    rows = sorted(counts.items(), key=lambda item: (item[0].slot_s, item[0].channel_id, item[0].method, item[0].bank))
    keys, sums = [key for key, _ in rows], [count for _, count in rows]
    return [
        [key.channel_id for key in keys],
        [key.method for key in keys],
        [key.bank for key in keys],
        [datetime.fromtimestamp(key.slot_s, UTC) for key in keys],
        *([getattr(count, name) for count in sums] for name in _SUMS),
        [number for count in sums for number in count.took],
        [number for count in sums for number in count.lag],
    ]


_SUMS = ("good", "bad", "run", "slow", "users", "ours", "paid", "late", "unpaid")
