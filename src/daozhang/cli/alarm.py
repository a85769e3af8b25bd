"""The commands of alarms: what is to be looked at, and saying that it is done."""

from typing import Any

from cyclopts import App

from daozhang.cli.channel import on_database
from daozhang.cli.frame import Failed, app, say, say_json

alarm = App(name="alarm", help="What a person has to look at.")
app.command(alarm)


@alarm.command(name="list")
def list_alarms(*, json: bool = False) -> None:
    """List the open alarms, newest first, each with the first thing to do.

    Args:
        json: end with one JSON line.
    """
    from daozhang import alarms

    rows = on_database(lambda database, _vault, _settings: alarms.open_alarms(database))
    if json:
        say_json(alarms=rows)
        return
    for row in rows:
        kind = alarms.KINDS[row.kind]
        say(f"{row.id}  {kind.severity:7} x{row.times:<5} since {row.rung_at:%Y-%m-%d %H:%M}  {kind.en}: {row.key}")
        say(f"    {kind.do_en}")
    say(f"{len(rows)} open")


@alarm.command
def close(alarm_id: str, what_was_done: str, /, *, actor: str = "operator", json: bool = False) -> None:
    """Close an alarm.

    Args:
        alarm_id: as `alarm list` shows it.
        what_was_done: for the record.
        actor: who did it, for the record.
        json: end with one JSON line.
    """
    from uuid import UUID

    from daozhang import alarms, clock

    try:
        identifier = UUID(alarm_id)
    except ValueError:
        raise Failed("an alarm's id looks like 01a21f4c-7a29-7622-9b52-a052da205c0c") from None
    if not what_was_done.strip():
        raise Failed("say what was done")

    async def work(database: Any, _vault: Any, _settings: Any) -> bool:
        return await alarms.close(database, identifier, clock.now(), actor, what_was_done)

    if not on_database(work):
        raise Failed("there is no such open alarm")
    if json:
        say_json(closed=alarm_id)
    else:
        say("closed")
