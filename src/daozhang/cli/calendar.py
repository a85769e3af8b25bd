"""The commands of a channel's calendar: planned maintenance, and suspensions that hold at once."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cyclopts import App

from daozhang.cli.channel import channel, on_database
from daozhang.cli.frame import Failed, say, say_json

maintenance = App(name="maintenance", help="Planned maintenance of channels, shown to payers beforehand.")
channel.command(maintenance)


@maintenance.command
def add(channel_id: int, begins: str, ends: str, /, *, method: tuple[str, ...] = (), note: str = "", json: bool = False) -> None:
    """Plan a maintenance. Meanwhile nobody is sent there, and nothing that fails is held against the channel.

    Args:
        channel_id: the channel's number.
        begins: `2026-12-01 02:00` (Shanghai time), with an offset, or `now`.
        ends: the same, or how long it takes: `90m`, `2h`.
        method: only this way to pay; may be given several times. Default: all.
        note: a few words for payers.
        json: end with one JSON line.
    """
    from daozhang.status import calendar

    begins_at = _moment(begins)
    ends_at = _moment(ends, begins_at)
    made = on_database(lambda database, _v, _s: calendar.plan(database, channel_id, begins_at, ends_at, methods=method, note=note))
    _said(json, f"maintenance {made} of channel {channel_id} from {_shown(begins_at)} to {_shown(ends_at)}", id=made)


@maintenance.command(name="list")
def list_maintenance(*, json: bool = False) -> None:
    """List what is under way or comes.

    Args:
        json: end with one JSON line.
    """
    from daozhang.status import calendar

    rows = on_database(lambda database, _v, _s: calendar.planned(database))
    if json:
        say_json(maintenance=rows)
        return
    for row in rows:
        ways = ",".join(row.methods) or "all"
        say(f"{row.id}  channel {row.channel_id}  {ways}  {_shown(row.begins_at)} - {_shown(row.ends_at)}  {row.note}")


@maintenance.command
def end(plan: UUID, /, *, json: bool = False) -> None:
    """End a maintenance now, or call off one that has not begun.

    Args:
        plan: its id, from `list`.
        json: end with one JSON line.
    """
    from daozhang.status import calendar

    if not on_database(lambda database, _v, _s: calendar.end(database, plan)):
        raise Failed(f"no maintenance {plan} is under way or planned")
    _said(json, f"maintenance {plan} is over", id=plan)


@channel.command
def suspend(
    *, channel_id: int | None = None, kind: str | None = None, channel_class: str | None = None, reference: str, reason: str,
    json: bool = False,
) -> None:  # fmt: skip
    """Close a channel, a kind or a class of channels to new orders, at once. Money that is under way is still met.

    Args:
        channel_id: one channel.
        kind: all channels of a kind, such as epay.
        channel_class: all channels of a class: wallet, card, aggregator, other.
        reference: what it rests on, such as the number of an order.
        reason: why, in your words. Payers see neither.
        json: end with one JSON line.
    """
    from daozhang.status import calendar

    made = on_database(
        lambda database, _v, _s: calendar.suspend(
            database, reference=reference, reason=reason, channel_id=channel_id, kind=kind, channel_class=channel_class
        )
    )
    _said(json, f"suspended: {made}", id=made)


@channel.command
def resume(suspension: UUID, /, *, json: bool = False) -> None:
    """Lift a suspension.

    Args:
        suspension: its id, from `suspensions`.
        json: end with one JSON line.
    """
    from daozhang.status import calendar

    if not on_database(lambda database, _v, _s: calendar.resume(database, suspension)):
        raise Failed(f"no suspension {suspension} is in force")
    _said(json, f"suspension {suspension} is lifted", id=suspension)


@channel.command
def suspensions(*, json: bool = False) -> None:
    """List the suspensions in force.

    Args:
        json: end with one JSON line.
    """
    from daozhang.status import calendar

    rows = on_database(lambda database, _v, _s: calendar.suspensions(database))
    if json:
        say_json(suspensions=rows)
        return
    for row in rows:
        what = f"channel {row.channel_id}" if row.channel_id else row.kind or f"class {row.channel_class}"
        say(f"{row.id}  {what}  since {_shown(row.since_at)}  {row.reference}  {row.reason}")


_FIRST_YEAR, _LAST_YEAR = 2000, 2200
"""A moment outside of these is a slip, and near the calendar's ends it has no time in Shanghai."""


def _moment(text: str, after: datetime | None = None) -> datetime:
    """A moment as people write it; a duration counts from `after`."""
    from daozhang import clock

    if text == "now":
        return clock.now()
    try:
        if after is not None and text[:-1].isdecimal() and text.isascii() and text[-1] in "mh":
            read = after + timedelta(minutes=int(text[:-1]) * (60 if text[-1] == "h" else 1))
        else:
            read = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        read = None
    if read is None or not _FIRST_YEAR < read.year < _LAST_YEAR:
        raise Failed(f"{text[:40]} is no moment; write 2026-12-01 02:00")
    return read if read.tzinfo else read.replace(tzinfo=clock.SHANGHAI)


def _shown(moment: datetime) -> Any:
    from daozhang import clock

    return moment.astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M")


def _said(json: bool, text: str, **facts: Any) -> None:  # noqa: FBT001 - the option's own name
    if json:
        say_json(**facts)
    else:
        say(text)
