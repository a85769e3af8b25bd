"""Events: a later commit is never passed over, and no transaction that moves money wakes anybody before it is committed."""

import re

import asyncpg
import pytest
from tests.house.sources import SOURCE, files, named, nothing, text
from tests.patience import until

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.events.hub import sql
from daozhang.postgres import Database, Tx


async def read(database: Database, after: tuple[str, int]) -> list[tuple[str, int, str]]:
    """What a reader sees after a position."""
    return [(row["xact"], row["seq"], row["kind"]) for row in await database.rows(sql.events_after, *after, 100)]


async def note(connection: "asyncpg.Connection[asyncpg.Record]", kind: str) -> None:
    """An event, in whatever transaction that connection has."""
    await connection.execute(
        "insert into events (id, shop_id, kind, actor, data, at) values ($1, 1, $2, 'test', '{}', clock_now())", ids.new_id(), kind
    )


async def test_a_commit_that_comes_late_is_not_passed_over(database: Database) -> None:
    """The earlier transaction commits last. A reader by number alone would have gone past it; ours waits for it."""
    early, late = await asyncpg.connect(database.dsn), await asyncpg.connect(database.dsn)
    start = (await database.value(sql.horizon), 0)
    await early.execute("begin")
    await note(early, "early")
    await late.execute("begin")
    await note(late, "late")
    await late.execute("commit")
    by_number_alone = await database.rows("select seq, kind from events order by seq")
    assert [row["kind"] for row in by_number_alone] == ["late"]
    seen = await read(database, start)
    assert seen == []
    await early.execute("commit")
    # The horizon is that of the whole server: somebody else's transaction may hold it back for a moment.
    await until(lambda: read(database, start))
    seen = await read(database, start)
    assert [kind for _, _, kind in seen] == ["early", "late"]
    assert await read(database, seen[-1][:2]) == []
    past_it = await database.rows("select kind from events where seq > $1", by_number_alone[-1]["seq"])
    assert past_it == []
    await early.close()
    await late.close()


async def test_what_is_rolled_back_is_no_event(database: Database) -> None:
    start = (await database.value(sql.horizon), 0)

    async def work(tx: Tx) -> None:
        await events.append(tx, 1, clock.now(), "test", [events.Event("order.credited", None, None, "{}")])
        raise LookupError

    with pytest.raises(LookupError):
        await database.transact(work)
    assert await read(database, start) == []


def test_nobody_notifies_within_a_transaction() -> None:
    """NOTIFY serialises commits. One statement does it, the hub alone runs it, on its own and outside any transaction."""
    notify = re.compile(r"pg_notify\s*\(|^\s*notify\s+\w+", re.IGNORECASE | re.MULTILINE)
    found = {named(path) for path in (*files(".sql", below=SOURCE), *files(".py", below=SOURCE)) if notify.search(text(path))}
    nothing(found - {"src/daozhang/events/queries.sql"})
    users = [named(path) for path in files(".py", below=SOURCE) if re.search(r"\bsql\.wake\b", text(path))]
    assert users == ["src/daozhang/events/hub.py"]
    assert "tx." not in text(SOURCE / "events" / "hub.py")


async def test_a_wake_up_does_not_wait_for_the_disk_and_everything_else_does(database: Database) -> None:
    assert [row["set_config"] for row in await database.rows(sql.wake)] == ["off"]
    assert [await database.value("show synchronous_commit") for _ in range(10)] == ["on"] * 10
