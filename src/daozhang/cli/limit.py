"""The commands of limits: list them, state one, end one, load the examples of the release."""

from datetime import date, datetime
from typing import Any, Literal

from cyclopts import App

from daozhang.cli.channel import on_database
from daozhang.cli.frame import Failed, app, say, say_json

limit = App(name="limit", help="Limits: ours, the channels' and the banks', each with its source and date.")
app.command(limit)


@limit.command(name="list")
def list_limits(*, past: bool = False, json: bool = False) -> None:
    """List the limits that hold, or will hold; `!` marks a row that a channel contradicted.

    Args:
        past: also those that have ended.
        json: end with one JSON line.
    """
    from daozhang.limits import rows

    found = on_database(lambda database, _vault, _settings: rows.listed(database, past=past))
    if json:
        say_json(limits=found)
        return
    for row in found:
        said = " ".join(part for part in (_way(row), _bounds(row)) if part)
        mark = "!" if row.changed_at else " "
        until = f" until {row.valid_until:%Y-%m-%d}" if row.valid_until else ""
        say(f"{row.id:>4} {mark} {row.owner:7} {said}")
        example = "  EXAMPLE, not a contract's number" if row.demo else ""
        say(f"        from {row.valid_from:%Y-%m-%d}{until}; source: {row.source} ({row.source_date}){example}")
        if row.changed_at:
            say(f"        contradicted at {row.changed_at:%Y-%m-%d %H:%M}: {row.changed_code} refused"
                f" ¥{_yuan(row.changed_fen)} ({row.changed_axis})")  # fmt: skip


@limit.command(name="set")
def set_limit(
    owner: Literal["ours", "channel", "bank"],
    source: str,
    source_date: str,
    /,
    *,
    kind: str | None = None,
    channel: int | None = None,
    method: str | None = None,
    bank: str | None = None,
    instrument: Literal["debit", "credit", "wallet"] | None = None,
    least: str | None = None,
    single: str | None = None,
    day: str | None = None,
    month: str | None = None,
    opens: str | None = None,
    closes: str | None = None,
    fee_bp: int | None = None,
    valid_from: str | None = None,
    valid_until: str | None = None,
    actor: str = "operator",
    json: bool = False,
) -> None:
    """State a limit. It takes the place of the row for the same owner and the same way to pay.

    Args:
        owner: whose limit it is.
        source: where the number was read.
        source_date: when, YYYY-MM-DD.
        kind: only this kind of channel; without it every kind.
        channel: only this channel, by its number.
        method: only this method.
        bank: only cards of this bank, such as icbc.
        instrument: only this class of card.
        least: the least of one payment, in yuan.
        single: the most of one payment, in yuan.
        day: the most of one user's day in Shanghai, in yuan.
        month: the most of one user's month in Shanghai, in yuan.
        opens: hours of service begin, HH:MM in Shanghai.
        closes: hours of service end, HH:MM in Shanghai.
        fee_bp: what the way costs the shop, in basis points.
        valid_from: the first day, YYYY-MM-DD in Shanghai; default: from now.
        valid_until: the day it ends, YYYY-MM-DD in Shanghai.
        actor: who states it, for the record.
        json: end with one JSON line.
    """
    from daozhang.limits import rows

    stated = rows.Stated(
        owner=owner, source=source, source_date=_date(source_date), kind=kind, channel_id=channel, method=method, bank=bank,
        instrument=instrument, min_fen=_fen(least), single_fen=_fen(single), day_fen=_fen(day), month_fen=_fen(month), opens=opens,
        closes=closes, fee_bp=fee_bp,
    )  # fmt: skip
    begin, until = _day(valid_from), _day(valid_until)

    async def work(database: Any, _vault: Any, _settings: Any) -> int:
        return await rows.put(database, stated, actor, valid_from=begin, valid_until=until)

    limit_id = on_database(work)
    if json:
        say_json(id=limit_id)
    else:
        say(f"limit {limit_id} holds")


@limit.command
def end(limit_id: int, /, *, json: bool = False) -> None:
    """End a limit now.

    Args:
        limit_id: as `limit list` shows it.
        json: end with one JSON line.
    """
    from daozhang.limits import rows

    on_database(lambda database, _vault, _settings: rows.end(database, limit_id))
    if json:
        say_json(id=limit_id, ended=True)
    else:
        say(f"limit {limit_id} has ended")


@limit.command
def examples(*, actor: str = "operator", json: bool = False) -> None:
    """Load the examples of the release for kinds and banks that have no row yet. They are marked, and are no contract's numbers.

    Args:
        actor: who loads them, for the record.
        json: end with one JSON line.
    """
    from daozhang.limits import rows

    count = on_database(lambda database, _vault, _settings: rows.ship(database, actor))
    if json:
        say_json(loaded=count)
    else:
        say(f"{count} examples loaded")


def _way(row: Any) -> str:
    named = (row.kind, f"channel {row.channel_id}" if row.channel_id else None, row.method, row.bank, row.instrument)
    return "/".join(part for part in named if part) or "everything"


def _bounds(row: Any) -> str:
    axes = (("least", row.min_fen), ("single", row.single_fen), ("day", row.day_fen), ("month", row.month_fen))
    said = [f"{name} ¥{_yuan(fen)}" for name, fen in axes if fen is not None]
    if row.opens is not None:
        said.append(f"{row.opens:%H:%M} to {row.closes:%H:%M}")
    if row.fee_bp is not None:
        said.append(f"fee {row.fee_bp} bp")
    return ", ".join(said)


def _yuan(fen: int | None) -> str:
    from daozhang.money import yuan

    return yuan(fen or 0)


def _fen(text: str | None) -> int | None:
    from daozhang.money import MalformedAmount, parse_yuan

    if text is None:
        return None
    try:
        return parse_yuan(text)
    except MalformedAmount:
        raise Failed("an amount is yuan with at most two decimals, such as 12.50") from None


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Failed("a date is YYYY-MM-DD") from None


def _day(text: str | None) -> datetime | None:
    from daozhang.limits import rows

    try:
        return None if text is None else rows.day_of(text)
    except ValueError:
        raise Failed("a date is YYYY-MM-DD") from None
