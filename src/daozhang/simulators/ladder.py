"""How every channel sends its callbacks: each climbs a ladder of re-sends until it is acknowledged, past all that may go wrong."""

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar, Generic

from daozhang.simulators.faults import Dial, Fault
from daozhang.simulators.habits import Habits
from daozhang.simulators.shelf import N, Shelf
from daozhang.simulators.station import Told
from daozhang.simulators.watch import Watch

AT_ONCE = 64
HELD_S = 60


class Ladder(ABC, Generic[N]):
    """Sends what is due. What a callback says, and what counts as a yes, is the channel's own (`_send`)."""

    rungs_s: ClassVar[tuple[float, ...]]
    """How long after one send the next one follows. Behind the last rung it is given up."""
    before: ClassVar[frozenset[str]] = frozenset({"forge", "tamper", "stale", "unknown_serial", "probe"})
    """These faults add a false message in front of the true one: someone on the road, not the channel, made them."""

    def __init__(self, shelf: Shelf[N], watch: Watch, habits: Habits, dial: Dial) -> None:
        self._shelf, self._watch, self._habits, self._dial = shelf, watch, habits, dial
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[N] = []
        self._slots = asyncio.Semaphore(AT_ONCE)

    def look(self) -> None:
        """Something is due earlier than before: look again."""
        self._wake.set()

    def busy(self) -> bool:
        """Whether a callback or refund still waits, is held or is being sent."""
        return bool(self._tasks or self._held) or self._shelf.next_due_s() is not None

    async def run(self) -> None:
        """Send what is due until cancelled."""
        try:
            while True:
                self._wake.clear()
                self._settle()
                for notice in self._shelf.notices_due():
                    self._shelf.move_notice(notice, "sending", notice.step, None)
                    task = asyncio.create_task(self._deliver(notice))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                due_s = self._shelf.next_due_s()
                # The watch may be shifted, so no sleep is longer than half a second.
                wait_s = 0.5 if due_s is None else min(max(due_s - self._watch.now_s(), 0.0005), 0.5)
                # An alarm instead of `wait_for`, which on Python 3.11 can swallow a cancellation that meets the end of its wait.
                alarm = asyncio.get_running_loop().call_later(wait_s, self._wake.set)
                try:
                    await self._wake.wait()
                finally:
                    alarm.cancel()
        finally:
            self._held.clear()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @abstractmethod
    async def _send(self, notice: N, flavour: str, fault: Fault | None) -> bool:
        """Send it once and write that down. Whether the merchant acknowledged what the channel itself said."""

    def _settle(self) -> None:
        """Let everything else happen whose time has come."""

    def _fault(self, notice: N) -> Fault | None:
        """What goes wrong with this send."""
        return self._dial.take("notice", notice.number)

    def _flavour(self, fault: Fault | None) -> str:
        """What the true message is made into."""
        return fault.kind if fault is not None and fault.kind not in self.before | {"duplicate"} else "true"

    async def _afterwards(self, notice: N, fault: Fault | None) -> None:
        """Something is sent behind the true message."""

    def _acknowledged(self, notice: N) -> None:
        """The merchant said yes."""

    def _given_up(self, notice: N) -> None:
        """It will not be sent again."""

    async def _deliver(self, notice: N) -> None:
        async with self._slots:
            fault = self._fault(notice)
            if fault is not None and self._obstructed(notice, fault):
                return
            if fault is not None and fault.kind in self.before:
                await self._send(notice, fault.kind, fault)
            copies = fault.copies if fault is not None and fault.kind == "duplicate" else 1
            flavour = self._flavour(fault)
            sends = await asyncio.gather(*(self._send(notice, flavour, fault) for _ in range(copies)))
            await self._afterwards(notice, fault)
            self._climb(notice, acknowledged=any(sends))
            self._release_held()

    def _obstructed(self, notice: N, fault: Fault) -> bool:
        """Whether the fault keeps this send from happening now."""
        if fault.kind == "drop":
            self._shelf.add_send(notice, "drop", 0, 0.0, acknowledged=False)
            self._climb(notice, acknowledged=False)
        elif fault.kind == "silence":
            self._shelf.move_notice(notice, "silenced", notice.step, None)
        elif fault.kind == "delay":
            self._shelf.move_notice(notice, "waiting", notice.step, self._watch.now_s() + fault.seconds * self._habits.time_scale)
            self.look()
        elif fault.kind == "reorder":
            self._shelf.move_notice(notice, "held", notice.step, None)
            self._held.append(notice)
            # Where no other callback ever comes, it is late and not lost.
            asyncio.get_running_loop().call_later(max(HELD_S * self._habits.time_scale, 5.0), self._release_held)
        else:
            return False
        return True

    def _climb(self, notice: N, *, acknowledged: bool) -> None:
        if acknowledged:
            self._acknowledged(notice)
            self._shelf.move_notice(notice, "acknowledged", notice.step, None)
        elif notice.step >= len(self.rungs_s):
            self._given_up(notice)
            self._shelf.move_notice(notice, "given_up", notice.step, None)
        else:
            next_s = self._watch.now_s() + self.rungs_s[notice.step] * self._habits.time_scale
            self._shelf.move_notice(notice, "waiting", notice.step + 1, next_s)
            self.look()

    def _release_held(self) -> None:
        for notice in self._held:
            self._shelf.move_notice(notice, "waiting", notice.step, self._watch.now_s())
        if self._held:
            self._held.clear()
            self.look()


def told(shelf: Shelf[N], number: str, notices: list[N]) -> Told:
    """What became of these callbacks, which tell about the same number."""
    states = {notice.state for notice in notices}
    ends = (state for state in ("acknowledged", "silenced", "given_up") if state in states)
    return Told(next(ends, "waiting"), len(shelf.sends(number)))
