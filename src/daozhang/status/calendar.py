"""What people decide about channels: planned maintenance, and suspensions that hold at once, each with what it rests on."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.status.board import CLASSES, Maintenance, Suspension, read_maintenance, read_suspension

sql = statements("daozhang.status")

LONGEST_DAYS = 30


async def plan(
    database: Database,
    channel_id: int,
    begins_at: datetime,
    ends_at: datetime,
    *,
    methods: Sequence[str] = (),
    note: str = "",
    actor: str = "cli",
) -> UUID:
    """Plan a maintenance; its id. `note` is shown to payers. Raises `Refusal`."""
    if not begins_at < ends_at or ends_at <= clock.now() or (ends_at - begins_at).days > LONGEST_DAYS:
        raise Refusal("channel.malformed", field="maintenance")
    if len(note) > 200 or not note.isprintable():
        raise Refusal("channel.malformed", field="note")
    made = ids.new_id()

    async def work(tx: Tx) -> None:
        known = await tx.row(sql.channel_methods, channel_id)
        if known is None:
            raise Refusal("channel.unknown", channel_id=channel_id)
        if set(methods) - set(known["methods"]):
            raise Refusal("channel.malformed", field="methods")
        at = clock.now()
        shop_id = await tx.value(sql.plan, made, channel_id, list(methods), begins_at, ends_at, note, actor, at)
        await events.append(tx, shop_id, at, actor, [events.Event("channel.maintenance_planned", None, None, _about(channel_id))])

    await database.transact(work)
    return made


async def end(database: Database, plan_id: UUID, *, actor: str = "cli") -> bool:
    """End a maintenance now, or call one off that has not begun. False when it is over already or does not exist."""

    async def work(tx: Tx) -> bool:
        at = clock.now()
        row = await tx.row(sql.end_plan, plan_id, at)
        if row is not None:
            said = [events.Event("channel.maintenance_ended", None, None, _about(row["channel_id"]))]
            await events.append(tx, row["shop_id"], at, actor, said)
        return row is not None

    return await database.transact(work)


async def planned(database: Database) -> list[Maintenance]:
    """Maintenance that is under way or planned, the soonest first."""
    return [read_maintenance(row) for row in await database.rows(sql.planned, clock.now())]


async def suspend(
    database: Database,
    *,
    reference: str,
    reason: str,
    channel_id: int | None = None,
    kind: str | None = None,
    channel_class: str | None = None,
    actor: str = "cli",
    shop_id: int = 1,
) -> UUID:
    """Close a channel, a kind or a class to new orders, at once; its id. Money under way is still met. Raises `Refusal`.

    `reference` is what it rests on (an order's number, a letter), `reason` the words of whoever did it; payers see neither.
    """
    if sum(each is not None for each in (channel_id, kind, channel_class)) != 1:
        raise Refusal("channel.malformed", field="suspension")
    if (kind is not None and kind not in CLASSES) or (
        channel_class is not None and channel_class not in {*CLASSES.values(), "other"}
    ):
        raise Refusal("channel.malformed", field="suspension")
    for field, text, most in (("reference", reference, 120), ("reason", reason, 200)):
        if not 0 < len(text) <= most or not text.isprintable():
            raise Refusal("channel.malformed", field=field)
    made = ids.new_id()

    async def work(tx: Tx) -> None:
        if channel_id is not None and await tx.row(sql.channel_methods, channel_id) is None:
            raise Refusal("channel.unknown", channel_id=channel_id)
        at = clock.now()
        await tx.run(sql.suspend, made, shop_id, channel_id, kind, channel_class, reference, reason, actor, at)
        await events.append(tx, shop_id, at, actor, [events.Event("channel.suspended", None, None, _about(channel_id))])

    await database.transact(work)
    return made


async def resume(database: Database, suspension_id: UUID, *, actor: str = "cli", shop_id: int = 1) -> bool:
    """Lift a suspension. False when none of that id is in force."""

    async def work(tx: Tx) -> bool:
        at = clock.now()
        lifted = await tx.value(sql.resume, suspension_id, shop_id, at, actor)
        if lifted is not None:
            await events.append(tx, shop_id, at, actor, [events.Event("channel.resumed", None, None, "{}")])
        return lifted is not None

    return await database.transact(work)


async def suspensions(database: Database) -> list[Suspension]:
    """Those in force, oldest first."""
    return [read_suspension(row) for row in await database.rows(sql.suspended)]


def _about(channel_id: int | None) -> str:
    return "{}" if channel_id is None else f'{{"channel_id": {channel_id}}}'
