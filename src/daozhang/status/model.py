"""What the live state of a channel is made of: counts of what happened, the breaker they move, and the standing that people see."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """A way to pay, as it stands now. `suspended` is closed by an outage or by an order; `Standing.why` says which."""

    OPEN = "open"
    DEGRADED = "degraded"
    MAINTENANCE = "maintenance"
    SUSPENDED = "suspended"


class Phase(StrEnum):
    """The breaker of one way to pay. `tripped` lets nobody through, `trial` a bounded share."""

    CLOSED = "closed"
    TRIPPED = "tripped"
    TRIAL = "trial"


class Sign(StrEnum):
    """The evidence of a judgement. Its name is a fact in the text of the reason."""

    NONE = ""
    FAILING = "failing"
    SILENT = "silent"
    REFUSING = "refusing"
    SLOW = "slow"
    LATE = "late"
    UNPAID = "unpaid"


@dataclass(frozen=True, slots=True)
class Slot:
    """What happened in one stretch of time that begins at `at` (seconds since 1970), in one lane.

    The lane of a method counts orders asked of the channel, the lane without a method every other call and the probes.
    `good` and `bad` speak of the channel; `users` and `ours` were its payers' or our own doing and speak of nobody.
    `run` is the weight of what was bad since the last good, at the end of the stretch.
    `slow` are good answers that took too long, `late` payments we heard of late or had to ask for, `unpaid` codes nobody paid.
    """

    at: float
    good: int = 0
    bad: int = 0
    run: int = 0
    slow: int = 0
    users: int = 0
    ours: int = 0
    paid: int = 0
    late: int = 0
    unpaid: int = 0


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is remembered of a way to pay between two looks. Moments are seconds since 1970.

    `base` is what the slot of `since` had counted (good, bad) before the phase began, so that only what came after it counts.
    """

    phase: Phase = Phase.CLOSED
    since: float = 0.0
    degraded: Sign = Sign.NONE
    sign: Sign = Sign.NONE
    trial_at: float = 0.0
    probation_until: float = 0.0
    base: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a judgement was made from. `began` is when what is wrong now was first seen; `rate` is None without recent data."""

    window_s: int
    asked: int
    failed: int
    run: int
    slow: int
    paid: int
    late: int
    unpaid_run: int
    calls_failed: int
    answers: bool | None
    began: float | None

    @property
    def rate(self) -> float | None:
        """The share of orders that the channel took, or None when too few were asked to say."""
        return None if self.asked < FEWEST else 1 - self.failed / self.asked

    def as_facts(self) -> dict[str, Any]:
        """For the incident's row: numbers only."""
        return {
            "window_s": self.window_s,
            "asked_count": self.asked,
            "failed_count": self.failed,
            "run_count": self.run,
            "slow_count": self.slow,
            "paid_count": self.paid,
            "late_count": self.late,
            "unpaid_run_count": self.unpaid_run,
            "calls_failed_count": self.calls_failed,
        }


FEWEST = 5
"""Fewer orders than this in the window say nothing about a rate: "no recent data" instead of a guess."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a way to pay stands for a payer. `why` is a reason's code with its `facts`; `usable` says whether it may be offered.

    `on_trial`: only a bounded share is let through (`Board.admit`). `seen_at` is when the rows behind this were read.
    """

    status: Status
    usable: bool = True
    why: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    since_at: datetime | None = None
    until_at: datetime | None = None
    on_trial: bool = False
    seen_at: datetime | None = None
    heard: bool | None = None
    """Whether the channel's own messages about payments reach us; None = too few payments to say."""
    of_law: bool = False
    """It is shut by a row of law, which judges every order itself, in the order's own transaction and at its own moment."""
