"""Maintenance and suspension: what people decide holds at once, for all processes, and is stronger than what traffic says."""

from datetime import timedelta

import pytest
from tests.flows.shop import refuses
from tests.status.conftest import Rig
from tests.status.test_watch import fail

from daozhang import clock
from daozhang.channels.rows import ChannelRow
from daozhang.postgres import Database
from daozhang.status import Status, Suspension, calendar
from daozhang.status.counts import Word

HOUR = timedelta(hours=1)


async def test_nf07_maintenance_holds_from_its_start_to_its_end(rig: Rig, database: Database) -> None:
    begins = clock.now() + HOUR
    await calendar.plan(database, rig.row.id, begins, begins + HOUR, methods=["native"], note="系统升级")
    await rig.board.load()
    assert rig.board.of(rig.row, "native").status is Status.OPEN
    assert [plan.note for plan in rig.board.planned] == ["系统升级"]
    rig.still.later(3_600)
    seen = rig.board.of(rig.row, "native")
    assert (seen.status, seen.usable, seen.why, seen.until_at) == (
        Status.MAINTENANCE, False, "channel.maintenance", begins + HOUR,
    )  # fmt: skip
    assert rig.board.of(rig.row, "h5").usable
    rig.still.later(3_600)
    assert rig.board.of(rig.row, "native").status is Status.OPEN


async def test_what_fails_during_maintenance_is_not_held_against_the_channel(rig: Rig, database: Database) -> None:
    await fail(rig)
    plan = await calendar.plan(database, rig.row.id, clock.now(), clock.now() + HOUR)
    await fail(rig, 20)
    assert rig.board.of(rig.row, "native").why == "channel.maintenance"
    assert await database.value("select count(*) from status_incidents where ended_at is null") == 0
    assert await calendar.end(database, plan)
    assert not await calendar.end(database, plan)
    await rig.look()
    assert rig.board.of(rig.row, "native").status is Status.OPEN
    for _ in range(6):
        rig.sampler.answered(rig.row.id, "native", Word.BAD)
    await rig.look()
    assert rig.board.of(rig.row, "native").why == "channel.down"


@pytest.mark.parametrize("scope", ["channel", "kind", "class"])
async def test_a_suspension_holds_at_once_and_is_stronger_than_anything(rig: Rig, database: Database, scope: str) -> None:
    await calendar.plan(database, rig.row.id, clock.now(), clock.now() + HOUR)
    what = {"channel": {"channel_id": rig.row.id}, "kind": {"kind": "wechatpay"}, "class": {"channel_class": "wallet"}}[scope]
    made = await calendar.suspend(database, reference="令 2026-17", reason="order of the authority", **what)  # type: ignore[arg-type]
    await rig.board.load()
    seen = rig.board.of(rig.row, "native")
    assert (seen.status, seen.usable, seen.why, seen.facts) == (Status.SUSPENDED, False, "channel.suspended", {})
    assert await calendar.resume(database, made)
    assert not await calendar.resume(database, made)
    await rig.board.load()
    assert rig.board.of(rig.row, "native").status is Status.MAINTENANCE


async def test_another_kind_is_not_met(rig: Rig, database: Database) -> None:
    await calendar.suspend(database, reference="x", reason="y", kind="epay")
    await calendar.suspend(database, reference="x", reason="y", channel_class="card")
    await rig.board.load()
    assert rig.board.of(rig.row, "native").usable


async def test_regions_of_another_room_close_channels_without_a_second_list(rig: Rig) -> None:
    closed = [Suspension(1, "令 3", "region", clock.now(), channel_class="wallet")]
    rig.board.feed(lambda: closed)
    assert rig.board.of(rig.row, "h5").why == "channel.suspended"
    closed.clear()
    assert rig.board.of(rig.row, "h5").usable


async def test_what_makes_no_sense_is_refused(database: Database, row: ChannelRow) -> None:
    now = clock.now()
    for begins, ends in ((now + HOUR, now), (now - HOUR * 2, now - HOUR), (now, now + timedelta(days=40))):
        with refuses("channel.malformed"):
            await calendar.plan(database, row.id, begins, ends)
    with refuses("channel.malformed"):
        await calendar.plan(database, row.id, now, now + HOUR, methods=["teleport"])
    with refuses("channel.unknown"):
        await calendar.plan(database, 10**6, now, now + HOUR)
    with refuses("channel.malformed"):
        await calendar.suspend(database, reference="x", reason="y")
    with refuses("channel.malformed"):
        await calendar.suspend(database, reference="x", reason="y", kind="barter")
    with refuses("channel.malformed"):
        await calendar.suspend(database, reference="", reason="y", kind="epay")
    assert (
        await database.value("select (select count(*) from channel_maintenance) + (select count(*) from channel_suspensions)") == 0
    )


async def test_the_board_says_how_old_it_is(rig: Rig, database: Database) -> None:
    await rig.board.load()
    rig.still.later(7)
    assert rig.board.age_s == 7
    assert rig.board.of(rig.row, "native").seen_at == clock.now() - timedelta(seconds=7)
