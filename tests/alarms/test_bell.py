"""An alarm rings once while it is open, is counted when it rings again, and is closed with what was done."""

import asyncio
from datetime import timedelta

import pytest
from tests.house.sources import nothing

from daozhang import alarms, clock
from daozhang.postgres import Database

KIND = "channel.code_unmapped"


async def ring(database: Database, key: str, kind: str = KIND, **facts: object) -> bool:
    return await database.transact(lambda tx: alarms.ring(tx, 1, clock.now(), kind, key, facts))


async def test_the_same_thing_makes_one_line_that_counts(database: Database) -> None:
    assert await ring(database, "epay order 7", code="7") is True
    assert await ring(database, "epay order 7", code="8") is False
    await ring(database, "epay order 9")
    rows = await alarms.open_alarms(database)
    assert [(row.key, row.times) for row in rows] == [("epay order 9", 1), ("epay order 7", 2)]
    assert rows[1].facts == {"code": "8"}


async def test_forty_at_once_make_one(database: Database) -> None:
    rung = await asyncio.gather(*(ring(database, "x") for _ in range(40)))
    assert rung.count(True) == 1
    assert [row.times for row in await alarms.open_alarms(database)] == [40]


async def test_closed_by_a_person_it_may_ring_anew(database: Database) -> None:
    await ring(database, "x")
    (row,) = await alarms.open_alarms(database)
    with pytest.raises(ValueError, match="what was done"):
        await alarms.close(database, row.id, clock.now(), "li", " ")
    assert await alarms.close(database, row.id, clock.now(), "li", "mapped it")
    assert not await alarms.close(database, row.id, clock.now(), "li", "again")
    assert await alarms.open_alarms(database) == []
    assert await ring(database, "x") is True


async def test_it_ends_by_itself_when_its_cause_is_gone(database: Database) -> None:
    await ring(database, "7 wechat", kind="channel.outage")
    at = clock.now() + timedelta(minutes=1)
    assert await database.transact(lambda tx: alarms.end(tx, 1, at, "channel.outage", "7 wechat", "it works again"))
    assert not await database.transact(lambda tx: alarms.end(tx, 1, at, "channel.outage", "7 wechat", "it works again"))


async def test_what_nobody_wrote_does_not_ring(database: Database) -> None:
    with pytest.raises(AssertionError):
        await ring(database, "x", kind="no.such")


def test_every_kind_says_what_to_do_in_both_languages() -> None:
    nothing(name for name, kind in alarms.KINDS.items() if not all((kind.zh, kind.en, kind.do_zh, kind.do_en)))
