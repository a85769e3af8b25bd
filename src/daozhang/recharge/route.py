"""Ways to pay, best first: how each stands now, whether it takes the amount, how handy it is here, and what it costs. Pure.

Nothing is decided here: whoever places an order passes the same checks, whatever the page proposed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from daozhang.channels.port import NOWHERE
from daozhang.limits.judge import Room, room, stopped
from daozhang.limits.model import AXES, Limit

State = Literal["open", "degraded", "maintenance", "suspended"]
STATES: tuple[State, ...] = ("open", "degraded", "maintenance", "suspended")

_UNSAID_BP = 10_000
"""What a way costs of which nobody has said what it costs: more than any that is known."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a way to pay stands: as `status` sees it. `why` is the reason's code with its `facts`."""

    state: State = "open"
    usable: bool = True
    why: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    heard: bool | None = None
    """Whether the channel's own messages reach us; None = nobody can say yet."""
    of_law: bool = False

    @property
    def stop(self) -> str | None:
        """The reason that stops an order this way. What a row of law shuts is left to the row, which is not a second old."""
        return None if self.usable or self.of_law else self.why or "channel.unreachable"


OPEN = Standing()


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """One way to pay, for one user and, when it is known, one amount.

    `open`: it may be chosen at all; `fits`: it takes this amount now. `why` with `facts` is the reason where either is false, or
    what is to be known beforehand. Amounts of `room` are fen.
    """

    channel_id: int
    kind: str
    method: str
    open: bool
    why: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    state: State = "open"
    fits: bool = True
    room: Room | None = None
    no_credit: bool = False


def choice(
    channel_id: int,
    kind: str,
    method: str,
    standing: Standing,
    limits: tuple[Limit, ...],
    amount_fen: int | None,
    *,
    no_credit: bool = False,
) -> MethodChoice:
    """One way to pay as the page shows it: its live state and limits combined."""
    stop = next((stop for axis in AXES if (stop := stopped(limits, amount_fen, axis)) is not None), None)
    closed_now = stop is not None and stop.axis == "hours"
    why, facts = (standing.why, standing.facts) if standing.why or stop is None else (stop.reason, stop.facts)
    if standing.usable and stop is not None:
        why, facts = stop.reason, stop.facts
    return MethodChoice(
        channel_id,
        kind,
        method,
        standing.usable and not closed_now,
        why,
        facts,
        standing.state,
        stop is None,
        room(limits),
        no_credit,
    )


def best_first(choices: Iterable[MethodChoice], handiness: Callable[[MethodChoice], int]) -> list[MethodChoice]:
    """The ways that work on the reader's device, best first; all of them when none does.

    First what is open, then what takes the amount, then what runs without trouble, then what is handiest here, then what costs
    least; a limit that a channel has contradicted comes after one that it has not.
    """
    every = list(choices)
    here = [each for each in every if handiness(each) < NOWHERE] or every

    def rank(each: MethodChoice) -> tuple[object, ...]:
        left = each.room
        fee = _UNSAID_BP if left is None or left.fee_bp is None else left.fee_bp
        doubted = left is not None and left.doubted
        return (not each.open, not each.fits, STATES.index(each.state), handiness(each), doubted, fee, each.channel_id)

    return sorted(here, key=rank)
