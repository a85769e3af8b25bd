"""The commands of anomalies: odd circumstances of money that wait for a person, and saying what was done."""

from typing import Any

from cyclopts import App

from daozhang.cli.channel import on_database
from daozhang.cli.frame import Failed, app, say, say_json

anomaly = App(name="anomaly", help="Late, wrong, double, unknown and unresolved money that waits for a person.")
app.command(anomaly)


@anomaly.command(name="list")
def list_anomalies(*, json: bool = False) -> None:
    """List what waits, oldest first.

    Args:
        json: end with one JSON line.
    """
    from daozhang.money import yuan
    from daozhang.recharge import anomalies
    from daozhang.recharge.view import shown

    rows = on_database(lambda database, _vault, _settings: anomalies.waiting(database))
    if json:
        say_json(anomalies=rows)
        return
    for row in rows:
        amount = f"¥{yuan(row.amount_fen)}" if row.amount_fen is not None else "-"
        about = shown(row.order_id) if row.order_id else "no order of ours"
        say(f"{row.id}  {row.kind:13} {row.at:%Y-%m-%d %H:%M}  {amount:>12}  channel {row.channel_id}  {about}")
        say(f"    {row.facts}")
    say(f"{len(rows)} open")


@anomaly.command
def resolve(anomaly_id: str, what_was_done: str, /, *, actor: str, json: bool = False) -> None:
    """Say what was done about one. Money of an unknown order stays until it is found.

    Args:
        anomaly_id: as `anomaly list` shows it.
        what_was_done: for the record.
        actor: who did it.
        json: end with one JSON line.
    """
    from uuid import UUID

    from daozhang.recharge import anomalies

    try:
        known = UUID(anomaly_id)
    except ValueError:
        raise Failed("an anomaly's id looks like 01a21f4c-7a29-7622-9b52-a052da205c0c") from None
    if not what_was_done.strip():
        raise Failed("say what was done")

    async def work(database: Any, _vault: Any, _settings: Any) -> bool:
        return await anomalies.resolve(database, known, actor, what_was_done)

    if not on_database(work):
        raise Failed("nothing of this id waits for you")
    say_json(id=known) if json else say("resolved")


@anomaly.command
def returned(anomaly_id: str, reference: str, /, *, actor: str, json: bool = False) -> None:
    """Book that stray money (of no order of ours, or a second transaction of one number) was sent back by hand at its channel.

    Args:
        anomaly_id: as `anomaly list` shows it.
        reference: the channel's own number of that refund.
        actor: who sent it back.
        json: end with one JSON line.
    """
    from uuid import UUID

    from daozhang.ledger import Accounts
    from daozhang.recharge import anomalies

    try:
        known = UUID(anomaly_id)
    except ValueError:
        raise Failed("an anomaly's id looks like 01a21f4c-7a29-7622-9b52-a052da205c0c") from None
    if not reference.strip():
        raise Failed("say under which number the channel sent it back")

    async def work(database: Any, _vault: Any, _settings: Any) -> bool:
        return await anomalies.returned(database, Accounts(), known, actor, reference)

    if not on_database(work):
        raise Failed("no stray money of this id waits")
    say_json(id=known) if json else say("booked as returned")
