"""What limits mean for an amount and for what is left. Pure: the same rows and moment give the same answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from daozhang.clock import SHANGHAI
from daozhang.limits.model import AXES, Limit, Stop

_DAY_MIN = 1_440


@dataclass(frozen=True, slots=True)
class Room:
    """What one user can still pay one way, in fen; None = nothing that we know bounds it.

    `most_fen` is the largest amount that goes now in one payment: the least of the single limit and of what day and month hold.
    `doubted`: a channel refused less than what a row here allows, so a number may be out of date.
    """

    min_fen: int | None
    single_fen: int | None
    day_left_fen: int | None
    month_left_fen: int | None
    fee_bp: int | None
    doubted: bool

    @property
    def most_fen(self) -> int | None:
        """The largest amount of one payment now."""
        known = [each for each in (self.single_fen, self.day_left_fen, self.month_left_fen) if each is not None]
        return min(known, default=None)


def room(limits: Sequence[Limit]) -> Room:
    """The room that all limits of one way to pay leave together."""
    singles = [limit.single_fen for limit in limits if limit.single_fen is not None]
    days = [left for limit in limits if (left := day_left_fen(limit)) is not None]
    months = [left for limit in limits if (left := month_left_fen(limit)) is not None]
    least = [limit.min_fen for limit in limits if limit.min_fen is not None]
    return Room(
        max(least, default=None),
        min(singles, default=None),
        min(days, default=None),
        min(months, default=None),
        fee_bp(limits),
        any(limit.changed_axis for limit in limits),
    )


def stopped(limits: Sequence[Limit], amount_fen: int | None, axis: str) -> Stop | None:
    """The tightest row that stops an amount on one axis. Without an amount only closed hours and what is used up stop."""
    assert axis in AXES, axis
    stops = [stop for limit in limits if (stop := _stop(limit, amount_fen, axis)) is not None]
    return min(stops, key=_tightness, default=None)


def day_left_fen(limit: Limit) -> int | None:
    """What a row leaves of today, in fen; None when it does not bound a day."""
    return None if limit.day_fen is None else max(0, limit.day_fen - limit.day_used_fen)


def month_left_fen(limit: Limit) -> int | None:
    """What a row leaves of this month, in fen; None when it does not bound a month."""
    return None if limit.month_fen is None else max(0, limit.month_fen - limit.month_used_fen)


def fee_bp(limits: Sequence[Limit]) -> int | None:
    """What the way costs us in basis points: what the row says that names it most closely. None = nobody has said."""
    known = [limit for limit in limits if limit.fee_bp is not None]
    closest = max(known, key=_closeness, default=None)
    return closest.fee_bp if closest else None


def _closeness(limit: Limit) -> tuple[bool, bool, bool, int]:
    return limit.channel_id is not None, limit.method is not None, limit.kind is not None, limit.id


def opens_at(limit: Limit) -> datetime | None:
    """When the hours of service begin again; None while they last or where a row states none."""
    if limit.opens_min is None or limit.closes_min is None:
        return None
    local = limit.at.astimezone(SHANGHAI)
    minute = local.hour * 60 + local.minute
    wait = (limit.opens_min - minute) % _DAY_MIN
    length = (limit.closes_min - limit.opens_min) % _DAY_MIN or _DAY_MIN
    since = (minute - limit.opens_min) % _DAY_MIN
    return None if since < length else local.replace(second=0, microsecond=0) + timedelta(minutes=wait)


def _stop(limit: Limit, amount_fen: int | None, axis: str) -> Stop | None:
    wanted_fen = amount_fen or 1
    whose = {"whose": limit.owner} | ({"bank": limit.bank} if limit.bank else {})
    if axis == "hours":
        opens = opens_at(limit)
        return None if opens is None else Stop(axis, limit, {"until_at": opens, **whose})
    if axis == "min":
        least = limit.min_fen
        return (
            None if amount_fen is None or least is None or amount_fen >= least else Stop(axis, limit, {"min_fen": least, **whose})
        )
    if axis == "single":
        most = limit.single_fen
        return None if most is None or wanted_fen <= most else Stop(axis, limit, {"limit_fen": most, **whose})
    day = axis == "day"
    left_fen = day_left_fen(limit) if day else month_left_fen(limit)
    if left_fen is None or wanted_fen <= left_fen:
        return None
    most, until = (limit.day_fen, limit.day_ends_at) if day else (limit.month_fen, limit.month_ends_at)
    return Stop(axis, limit, {"limit_fen": most, "left_fen": left_fen, "until_at": until, **whose})


def _tightness(stop: Stop) -> int:
    if stop.axis == "min":
        return -int(stop.facts["min_fen"])
    if stop.axis == "hours":
        return -int(stop.facts["until_at"].timestamp())
    return int(stop.facts.get("left_fen", stop.facts["limit_fen"]))
