"""A channel fails, its way to pay is told to be down in time, and comes back by itself: through the whole shop and its pages."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from tests.flows.shop import Shop, open_shop
from tests.patience import until
from tests.web.test_sessions import Browser

from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.faults import Fault
from daozhang.simulators.merchant import Enrolment
from daozhang.status import Status
from daozhang.web.doors import make_app

DOWN, TRYING = "This way to pay is down", "Just recovered, let through in small numbers"
OUTAGES = "select count(*) from alarms where kind = 'channel.outage' and closed_at is null"


@pytest.fixture
async def busy(database: Database, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop whose own loops run: it counts, judges and asks by itself."""
    async with open_shop(database, settings, enrolment=enrolment, work=True) as opened:
        yield opened


async def page_of(browser: Browser) -> str:
    return (await browser.get("/recharge")).text


async def test_nf07_a_channel_that_fails_is_down_on_the_page_and_back_by_itself(busy: Shop) -> None:
    """Promised: closed after at most twenty failed orders or thirty seconds, open again at most sixty after the channel works."""
    browser = Browser(make_app(busy.program.house))
    await browser.login()
    assert DOWN not in await page_of(browser)
    busy.sim.dial.set(Fault(point="order", kind="error", times=None))
    failed, began = 0, time.monotonic()
    while DOWN not in await page_of(browser):
        # The judge's own figures are held on series (tests/status/test_judge.py); here the machine may be slow.
        assert failed < 20 or time.monotonic() - began < 90
        await busy.place(1_000 + failed)
        failed += 1
        await asyncio.sleep(0.3)
    refused = await busy.place(2_000)
    assert (refused.state, refused.reason) == ("refused", "channel.down")
    assert await busy.program.database.value(OUTAGES) == 1
    busy.sim.dial.clear()
    recovered, tried = time.monotonic(), 0
    while DOWN in (page := await page_of(browser)) or TRYING in page:
        assert time.monotonic() - recovered < 180
        if DOWN not in page and tried < 5:
            tried += 1
            assert (await busy.place(3_000 + tried)).state == "awaiting_payment"
        await asyncio.sleep(0.2)
    assert (await busy.place(4_000)).state == "awaiting_payment"
    assert await busy.program.database.value(OUTAGES) == 0
    kinds = await busy.program.database.rows("select kind from events where kind like 'channel.incident%' order by at")
    assert [row["kind"] for row in kinds] == ["channel.incident_began", "channel.incident_ended"]


async def test_payers_faults_close_nothing(busy: Shop) -> None:
    busy.sim.dial.set(Fault(point="order", kind="error", times=None, code="NOTENOUGH", http=403))
    for amount_fen in range(1_000, 1_025):
        await busy.place(amount_fen)
    # Counts are written once a second: what is on its way just now a look here would not see.
    await until(lambda: counted(busy, "users", 25))
    await busy.program.watch.once()
    await busy.program.board.load()
    assert busy.program.board.now(1)[busy.channel_id, "native"].status is Status.OPEN
    assert await counted(busy, "bad", 0)


async def test_payments_are_counted_by_their_bank_where_the_channel_tells_it(busy: Shop) -> None:
    order = await busy.place(5_000)
    busy.sim.phone.pay(await busy.number(order.id), way="debit")
    await busy.reach(order.id, "credited")
    await until(lambda: counted(busy, "paid", 1))
    row = await busy.program.database.row("select method, bank, paid, late from status_days where paid > 0")
    assert row is not None
    assert tuple(row) == ("native", "cmb", 1, 0)


async def counted(shop: Shop, what: str, number: int) -> bool:
    """Whether so many of something are counted for the channel's own way to pay."""
    return bool(await shop.program.database.value(f"select sum({what}) = $1 from status_days where method = 'native'", number))
