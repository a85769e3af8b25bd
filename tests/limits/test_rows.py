"""What staff state about limits: one row for the same owner and way, dated, with its source; examples are marked."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from tests.flows.shop import refuses

from daozhang import clock
from daozhang.limits import rows
from daozhang.limits.model import Way
from daozhang.limits.read import read
from daozhang.postgres import Database


def stated(**given: Any) -> rows.Stated:
    return rows.Stated(**{"owner": "channel", "source": "the contract", "source_date": date(2026, 11, 1), "kind": "wechatpay",
                          "single_fen": 5_000, **given})  # fmt: skip


async def test_a_new_row_takes_the_place_of_the_old_one_and_the_old_one_stays_readable(database: Database) -> None:
    first = await rows.put(database, stated(), "staff:1")
    second = await rows.put(database, stated(single_fen=9_000, source="the new contract"), "staff:2")
    other = await rows.put(database, stated(method="native"), "staff:2")
    now = await rows.listed(database)
    assert [(row.id, row.single_fen, row.source, row.actor) for row in now] == [
        (second, 9_000, "the new contract", "staff:2"), (other, 5_000, "the contract", "staff:2"),
    ]  # fmt: skip
    past = {row.id: row for row in await rows.listed(database, past=True)}
    assert past[first].valid_until == past[second].valid_from


async def test_a_row_holds_from_its_first_day_to_its_last(database: Database) -> None:
    tomorrow = clock.now() + timedelta(days=1)
    await rows.put(database, stated(single_fen=9_000), "staff:1")
    later = await rows.put(database, stated(), "staff:1", valid_from=tomorrow, valid_until=tomorrow + timedelta(days=1))
    assert [limit.single_fen for limit in (await read(database, [Way(1, 7)]))[0]] == []
    listed = {row.id: row for row in await rows.listed(database)}
    assert len(listed) == 2
    assert listed[later].valid_from == tomorrow
    with refuses("limits.malformed"):
        await rows.put(database, stated(), "staff:1", valid_until=clock.now() - timedelta(days=1))


async def test_a_row_ends_once(database: Database) -> None:
    limit_id = await rows.put(database, stated(), "staff:1")
    await rows.end(database, limit_id)
    assert await rows.listed(database) == []
    for wrong in (limit_id, 999):
        with refuses("limits.unknown"):
            await rows.end(database, wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"owner": "nobody"}, {"source": ""}, {"kind": "nosuchkind"}, {"method": "nosuchmethod"}, {"owner": "bank"}, {"bank": "工行"},
     {"instrument": "gold"}, {"single_fen": 0}, {"single_fen": 10**11}, {"day_fen": 100}, {"min_fen": 6_000}, {"opens": "09:00"},
     {"opens": "9:00", "closes": "25:00"}, {"fee_bp": 5_000}, {"single_fen": None}],
)  # fmt: skip
async def test_a_malformed_row_is_refused_before_it_is_written(database: Database, wrong: dict[str, Any]) -> None:
    with refuses("limits.malformed"):
        await rows.put(database, stated(**wrong), "staff:1")
    assert await rows.listed(database, past=True) == []


async def test_a_channel_that_is_not_there_is_refused(database: Database) -> None:
    with refuses("channel.unknown"):
        await rows.put(database, stated(channel_id=77), "staff:1")


async def test_the_examples_of_the_release_say_that_they_are_examples(database: Database) -> None:
    known = [each for each in rows.shipped() if each.kind is None or each.kind in rows.KINDS]
    assert {each.owner for each in known} == {"channel", "bank"}
    await rows.put(database, stated(single_fen=7_000), "staff:1")
    loaded = await rows.ship(database, "staff:1")
    listed = await rows.listed(database)
    assert loaded == len(known) - 1
    assert {row.demo for row in listed if row.source.startswith("示例")} == {True}
    assert [row.single_fen for row in listed if row.kind == "wechatpay"] == [7_000]
    assert await rows.ship(database, "staff:1") == 0


async def test_two_who_state_the_same_leave_one_row(database: Database) -> None:
    await asyncio.gather(*(rows.put(database, stated(single_fen=fen), "staff:1") for fen in range(5_000, 5_010)))
    assert len(await rows.listed(database)) == 1
