"""Series of what happened, told to the judge second by second, as the program would count them."""

import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from daozhang.status.counts import Count, Word
from daozhang.status.judge import Ruling, judge
from daozhang.status.model import Breaker, Phase, Slot

START = 1_000_000_000.0


class Lane:
    """The counts of one lane by second, and the slots made of them."""

    def __init__(self) -> None:
        self._counts: dict[float, Count] = {}
        self._slots: list[Slot] = []

    def at(self, moment: float) -> Count:
        """The count of a moment's second."""
        second = float(int(moment))
        while self._slots and self._slots[-1].at >= second:
            self._slots.pop()
        return self._counts.setdefault(second, Count())

    def slots(self, now: float) -> list[Slot]:
        """What was counted in the ten minutes before a moment."""
        made_to = self._slots[-1].at if self._slots else 0.0
        fresh = []
        for at in reversed(self._counts):
            if at <= made_to:
                break
            fresh.append(at)
        for at in sorted(fresh):
            c = self._counts[at]
            self._slots.append(Slot(at, c.good, c.bad, c.run, c.slow, c.users, c.ours, c.paid, c.late, c.unpaid))
        return self._slots[bisect_left(self._slots, now - 600, key=lambda slot: slot.at) :]


@dataclass
class Story:
    """One way to pay with its channel, from `START` on. `told` keeps every move of the breaker with its second."""

    breaker: Breaker = field(default_factory=Breaker)
    orders: Lane = field(default_factory=Lane)
    calls: Lane = field(default_factory=Lane)
    told: list[tuple[float, Breaker]] = field(default_factory=list)
    tokens: int = 0
    last: Ruling | None = None

    def order(self, at: float, word: Word, took_ms: float = 300.0) -> None:
        """One order was asked."""
        self.orders.at(at).answer(word, took_ms)

    def call(self, at: float, word: Word) -> None:
        """One other call, or a probe, was answered or not."""
        self.calls.at(at).answer(word, None)

    def paid(self, at: float, lag_s: float | None) -> None:
        """One payment was heard of."""
        self.orders.at(at).payment(lag_s)

    def unpaid(self, at: float) -> None:
        """One code ended unpaid."""
        self.orders.at(at).unpaid += 1

    def look(self, at: float) -> Breaker:
        """The judge looks."""
        orders, calls = self.orders.slots(at), self.calls.slots(at)
        self.last = judge(at, self.breaker, orders, calls, orders)
        if self.last.breaker != self.breaker:
            self.told.append((at, self.last.breaker))
        self.breaker = self.last.breaker
        return self.breaker

    def phases(self) -> list[Phase]:
        """Every phase that was entered, in order."""
        seen = [Phase.CLOSED]
        for _, breaker in self.told:
            if breaker.phase is not seen[-1]:
                seen.append(breaker.phase)
        return seen


def play(  # noqa: C901 - a series is told in one go
    story: Story,
    *,
    begin: float,
    seconds: float,
    rate: float,
    works: Callable[[float], Word],
    answers: Callable[[float], bool] = lambda _: True,
    seed: int = 0,
    probed_s: float = 3.0,
) -> tuple[int, float | None]:
    """Let payers come at `rate` a second; the judge looks once a second and after each failure, as the program does.

    Returns how many orders failed before the breaker tripped, and after how many seconds it did (None: it did not).
    """
    chance = random.Random(seed)
    at, next_look, next_probe, failed, tripped = begin, begin, begin, 0, None
    share = 5
    end = begin + seconds
    while at < end:
        at += chance.expovariate(rate)
        while next_look <= min(at, end):
            if next_look >= next_probe:
                story.call(next_look, Word.GOOD if answers(next_look) else Word.BAD)
                next_probe = next_look + probed_s
            before = story.breaker.phase
            story.look(next_look)
            if story.breaker.phase is Phase.TRIAL and (before is not Phase.TRIAL or int(next_look) % 10 == 0):
                share = 5
            next_look += 1.0
        if at >= end:
            break
        if story.breaker.phase is Phase.TRIPPED:
            if tripped is None:
                tripped = at - begin
            continue
        if story.breaker.phase is Phase.TRIAL:
            if share <= 0:
                continue
            share -= 1
        word = works(at)
        story.order(at, word)
        if word in (Word.BAD, Word.HEAVY):
            failed += tripped is None
            story.look(at)
    return failed, tripped
