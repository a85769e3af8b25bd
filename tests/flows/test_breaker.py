"""A channel fails, its way to pay is told to be down in time, and comes back by itself: through the whole shop."""

import asyncio
import time

import pytest
from tests.flows.shop import Shop, open_shop

from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.faults import Fault
from daozhang.status import Status


@pytest.fixture
async def busy(database: Database, settings: Settings, enrolment: object):  # type: ignore[no-untyped-def]
    async with open_shop(database, settings, enrolment=enrolment, work=True) as opened:  # type: ignore[arg-type]
        yield opened


def native(shop: Shop):  # type: ignore[no-untyped-def]
    return shop.program.board.now(1)[shop.channel_id, "native"]


async def test_nf07_a_channel_that_fails_is_told_to_be_down_and_comes_back_by_itself(busy: Shop) -> None:
    """Promised: closed after at most twenty failed orders, open again at most sixty seconds after the channel works again."""
    busy.sim.dial.set(Fault(point="order", kind="error", times=None))
    failed, began = 0, time.monotonic()
    while native(busy).usable:
        assert failed < 20 or time.monotonic() - began < 30
        await busy.place(1_000 + failed)
        failed += 1
        await asyncio.sleep(0.3)
    down = native(busy)
    assert (down.status, down.why) == (Status.SUSPENDED, "channel.down")
    assert await busy.program.database.value("select count(*) from alarms where kind = 'channel.outage' and closed_at is null") == 1
    busy.sim.dial.clear()
    recovered, tried = time.monotonic(), 0
    while native(busy).status is not Status.OPEN:
        assert time.monotonic() - recovered < 60
        if native(busy).usable and tried < 5:
            tried += 1
            await busy.place(3_000 + tried)
        await asyncio.sleep(0.2)
    assert await busy.program.database.value("select count(*) from alarms where kind = 'channel.outage' and closed_at is null") == 0
    kinds = await busy.program.database.rows("select kind from events where kind like 'channel.incident%' order by at")
    assert [row["kind"] for row in kinds] == ["channel.incident_began", "channel.incident_ended"]


async def test_payers_faults_close_nothing(busy: Shop) -> None:
    busy.sim.dial.set(Fault(point="order", kind="error", times=None, code="NOTENOUGH", http=403))
    for amount_fen in range(1_000, 1_025):
        await busy.place(amount_fen)
    await busy.program.watch.once()
    await busy.program.board.load()
    assert native(busy).status is Status.OPEN
    counted = await busy.program.database.row(
        "select sum(users) as users, sum(bad) as bad from status_days where method = 'native'"
    )
    assert counted is not None
    assert tuple(counted) == (25, 0)
