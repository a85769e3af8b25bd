"""Raw messages are kept once: new ones are written together, and one that was here already is counted beside them."""

import asyncio

from daozhang import clock, ids
from daozhang.postgres import Database, Tx
from daozhang.recharge.inbox import Raw, Stored, store


def _raw(key: str) -> Stored:
    return Stored(Raw(ids.new_id(), 1, key, "{}", b"body"), "settled", "credited")


async def test_cb_01_a_message_among_new_ones_that_was_here_before_is_counted(database: Database) -> None:
    first, again, other, third = _raw("EV-1"), _raw("EV-1"), _raw("EV-2"), _raw("EV-3")
    nameless = _raw("")
    for batch in ([first, other], [again, third, nameless]):
        await database.transact(lambda tx, batch=batch: store(tx, 1, clock.now(), batch))  # type: ignore[misc]
    keys = await database.rows("select key, notification_id, seen from notification_keys order by key")
    assert [tuple(row) for row in keys] == [("EV-1", first.raw.id, 2), ("EV-2", other.raw.id, 1), ("EV-3", third.raw.id, 1)]
    kept = await database.rows("select id from notifications")
    assert {row["id"] for row in kept} == {each.raw.id for each in (first, other, third, nameless)}


async def test_cb_01_a_message_that_another_writer_keeps_meanwhile_is_counted(database: Database) -> None:
    """The second writer waits for the first one's key, then counts it: its own transaction goes on."""
    written, go_on = asyncio.Event(), asyncio.Event()

    async def first(tx: Tx) -> None:
        await store(tx, 1, clock.now(), [_raw("EV-9"), _raw("EV-8")])
        written.set()
        await go_on.wait()

    ahead = asyncio.create_task(database.transact(first))
    await written.wait()
    behind = asyncio.create_task(database.transact(lambda tx: store(tx, 1, clock.now(), [_raw("EV-9"), _raw("EV-7")])))
    while not await database.value("select count(*) from pg_locks where not granted"):  # noqa: ASYNC110 - seen from outside
        await asyncio.sleep(0.01)
    go_on.set()
    await asyncio.gather(ahead, behind)
    assert await database.value("select seen from notification_keys where key = 'EV-9'") == 2
    assert await database.value("select count(*) from notifications") == 3
