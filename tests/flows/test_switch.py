"""Several channels: another is used when one is down, the old attempt is closed or watched, what is paid twice goes back."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.flows.conftest import proved
from tests.flows.shop import Shop, open_shop
from tests.flows.test_refunds import refunds_end

from daozhang import __version__, clock, ids, notices
from daozhang.limits import rows
from daozhang.postgres import Database
from daozhang.recharge.ending import end_unpaid
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment
from daozhang.status import calendar

KINDS = ("wechatpay", "alipay", "unionpay")


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop with a channel of each of these kinds."""
    async with open_shop(database, settings, enrolment=enrolment, kinds=KINDS) as opened:
        yield opened
        await proved(database)


async def place(shop: Shop, kind: str, method: str, amount_fen: int = 5_000) -> OrderView:
    return await shop.program.desk.place(
        PlaceRequest(1, shop.user_id, amount_fen, shop.channels[kind], method, secrets.token_hex(16), __version__, "203.0.113.9")
    )


async def switch(shop: Shop, order: OrderView, kind: str, method: str) -> OrderView:
    return await shop.program.desk.retry(shop.user_id, order.id, shop.channels[kind], method, "203.0.113.9")


async def attempts(shop: Shop, order_id: UUID) -> list[tuple[str, str]]:
    rows = await shop.program.database.rows("select kind, state from attempts where order_id = $1 order by id", order_id)
    return [(row["kind"], row["state"]) for row in rows]


def returned_fen(shop: Shop) -> dict[str, int]:
    """What each channel's own books say went back to payers."""
    return {kind: station.sums()["refunded"].sum_fen for kind, station in shop.sim.stations.items()}


async def test_nf_07_wechat_is_down_and_alipay_takes_the_same_order(shop: Shop) -> None:
    """Nobody has seen a code of WeChat Pay: the order is paid another way at once, and the old attempt is ended when it can be."""
    for _ in range(8):
        shop.sim.fault("api", "error", http=500, channel="wechatpay")
    order = await place(shop, "wechatpay", "native")
    assert (order.state, order.money) == ("created", "checking")
    seen = await switch(shop, order, "alipay", "qr")
    assert (seen.id, seen.state, seen.kind, seen.action) == (order.id, "awaiting_payment", "alipay", "qr")
    await shop.pay(seen)
    done = await shop.reach(order.id, "credited")
    assert (done.kind, await shop.cash()) == ("alipay", 5_000)
    shop.sim.dial.clear()
    for _ in range(4):
        await shop.later(1_000)
        await shop.work()
    assert await attempts(shop, order.id) == [("wechatpay", "closed"), ("alipay", "paid")]
    assert await shop.cash() == 5_000


async def test_the_end_of_one_way_leaves_its_order_open_while_another_may_be_paid(shop: Shop) -> None:
    """Else whoever pays in time is told that it is over, and his payment is called late."""
    for _ in range(8):
        shop.sim.fault("api", "error", http=500, channel="wechatpay")
    order = await place(shop, "wechatpay", "native")
    seen = await switch(shop, order, "alipay", "qr")
    first = await shop.program.database.value("select id from attempts where order_id = $1 order by id limit 1", order.id)
    await end_unpaid(shop.program.database, first)
    assert await attempts(shop, order.id) == [("wechatpay", "closed"), ("alipay", "open")]
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await shop.pay(seen)
    assert (await shop.reach(order.id, "credited")).anomalies == ()


async def test_switching_while_the_first_stays_unsure_and_both_are_paid(shop: Shop) -> None:
    """The second payment goes back by itself to where it came from, the order says so, and the user has it once."""
    order = await place(shop, "wechatpay", "native")
    first = await shop.number(order.id)
    shop.sim.fault("api", "error", http=500, times=None, channel="wechatpay")
    seen = await switch(shop, order, "alipay", "qr")
    assert (seen.kind, seen.state) == ("alipay", "awaiting_payment")
    assert await attempts(shop, order.id) == [("wechatpay", "closing"), ("alipay", "open")]
    await shop.pay(seen)
    await shop.reach(order.id, "credited")
    shop.sim.phone.pay(first)
    shop.sim.dial.clear()
    await shop.sim.quiet()
    for _ in range(3):
        await shop.later(60)
        await shop.work()
    told = await shop.order(order.id)
    assert (told.state, told.money) == ("credited", "credited")
    assert "twice" in told.anomalies
    await refunds_end(shop)
    assert returned_fen(shop) == {"wechatpay": 5_000, "alipay": 0, "unionpay": 0}
    assert await shop.cash() == 5_000
    messages = await notices.unread(shop.program.database, shop.user_id)
    assert [(each.kind, each.facts) for each in reversed(messages)] == [
        ("paid_twice", {"amount_fen": 5_000}),
        ("sent_back", {"amount_fen": 5_000}),
    ]
    told = await shop.order(order.id)
    assert [(refund.state, refund.amount_fen, refund.kind, refund.origin) for refund in told.refunds] == [
        ("done", 5_000, "wechatpay", "suspense")
    ]
    assert {"refund.asked", "refund.done"} <= {step.what for step in told.steps}
    named = [(step.what, step.facts.get("kind")) for step in told.steps]
    assert named.count(("order.submitted", "wechatpay")) == named.count(("order.submitted", "alipay")) == 1
    assert ("order.paid", "alipay") in named
    assert ("refund.done", "wechatpay") in named


async def test_cb_06_a_second_payment_first_told_under_an_unknown_number_goes_back_too(shop: Shop) -> None:
    """It stands in suspense as nobody's; once a query says whose it is, its order was paid another way, so it returns by itself."""
    order = await place(shop, "wechatpay", "native")
    first = await shop.number(order.id)
    shop.sim.fault("api", "error", http=500, times=None, channel="wechatpay")
    seen = await switch(shop, order, "alipay", "qr")
    await shop.pay(seen)
    await shop.reach(order.id, "credited")
    shop.sim.dial.clear()
    shop.sim.fault("notice", "unknown_order", channel="wechatpay")
    shop.sim.phone.pay(first)
    await shop.sim.quiet()
    for _ in range(8):
        await shop.later(120)
        await shop.work()
    await refunds_end(shop)
    assert returned_fen(shop) == {"wechatpay": 5_000, "alipay": 0, "unionpay": 0}
    assert await attempts(shop, order.id) == [("wechatpay", "paid"), ("alipay", "paid")]
    told = await shop.order(order.id)
    assert (told.state, await shop.cash(), "twice" in told.anomalies) == ("credited", 5_000, True)


async def test_the_old_attempt_is_closed_before_another_way_is_opened(shop: Shop) -> None:
    order = await place(shop, "wechatpay", "native")
    first = await shop.number(order.id)
    await switch(shop, order, "unionpay", "qr")
    assert await attempts(shop, order.id) == [("wechatpay", "closed"), ("unionpay", "open")]
    assert not [each for each in shop.sim.stations["wechatpay"].hand.waiting(9) if each.number == first]


async def test_a_code_that_nobody_has_come_to_is_watched_and_another_method_is_opened(shop: Shop) -> None:
    """Alipay knows nothing of a code until it is scanned, so it cannot be closed: both may be paid, one is kept."""
    order = await place(shop, "alipay", "qr")
    first = await shop.number(order.id)
    seen = await switch(shop, order, "alipay", "page")
    assert (seen.state, seen.action) == ("awaiting_payment", "form")
    assert await attempts(shop, order.id) == [("alipay", "closing"), ("alipay", "open")]
    shop.sim.phone.pay(first)
    await shop.reach(order.id, "credited")
    assert await shop.cash() == 5_000


async def test_ten_switches_at_once_leave_one_payment_open(shop: Shop) -> None:
    order = await place(shop, "wechatpay", "native")
    ways = [("alipay", "qr"), ("unionpay", "qr")] * 5
    await asyncio.gather(*(switch(shop, order, kind, method) for kind, method in ways), return_exceptions=True)
    states = [state for _, state in await attempts(shop, order.id)]
    assert states.count("open") == 1, states
    assert set(states) <= {"open", "closed", "closing"}
    # Whoever came last need not have the newest number.
    (number,) = await shop.program.database.rows("select id from attempts where order_id = $1 and state = 'open'", order.id)
    shop.sim.phone.pay(ids.text26(number["id"]))
    await shop.reach(order.id, "credited")


async def test_a_way_under_maintenance_is_told_and_takes_no_order(shop: Shop) -> None:
    at = clock.now()
    plan = await calendar.plan(shop.program.database, shop.channels["alipay"], at - timedelta(minutes=1), at + timedelta(hours=1))
    await shop.program.board.load()
    quote = await shop.program.desk.quote(shop.user_id, 5_000)
    closed = [each for each in quote.methods if each.kind == "alipay"]
    assert {(each.open, each.state, each.why) for each in closed} == {(False, "maintenance", "channel.maintenance")}
    refused = await place(shop, "alipay", "qr")
    assert (refused.state, refused.reason, refused.money) == ("refused", "channel.maintenance", "none")
    assert [verdict["check"] for verdict in refused.verdicts if verdict.get("outcome") == "refuse"] == ["channel.status"]
    assert await calendar.end(shop.program.database, plan)
    await shop.program.board.load()
    assert (await place(shop, "alipay", "qr")).state == "awaiting_payment"


async def test_what_is_paid_after_its_channel_was_suspended_is_credited(shop: Shop) -> None:
    """AM-11: what was admitted is taken in, whatever became of its channel since."""
    order = await place(shop, "alipay", "qr")
    at = clock.now()
    await calendar.plan(shop.program.database, shop.channels["alipay"], at - timedelta(minutes=1), at + timedelta(hours=1))
    await shop.program.board.load()
    await shop.pay(order)
    await shop.reach(order.id, "credited")
    assert await shop.cash() == 5_000


async def test_the_quote_of_an_order_does_not_count_the_order_itself(shop: Shop, database: Database) -> None:

    stated: dict[str, Any] = {"owner": "ours", "source": "the house", "source_date": clock.business_day(clock.now())}
    await rows.put(database, rows.Stated(**stated, day_fen=5_000), "staff:1")
    order = await place(shop, "wechatpay", "native")
    assert not any(each.fits for each in (await shop.program.desk.quote(shop.user_id, 5_000)).methods)
    assert all(each.fits for each in (await shop.program.desk.quote(shop.user_id, 5_000, besides=(order.id,))).methods)
    assert (await switch(shop, order, "alipay", "qr")).state == "awaiting_payment"
