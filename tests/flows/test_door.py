"""A door that asks first: junk is bounded for its channel, what is ours never waits for it, and an early message is not lost."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.copies import Copies
from tests.flows.epay_till import Till
from tests.flows.epay_till import operator as operator  # noqa: PLC0414 - the fixture
from tests.flows.epay_till import till as till  # noqa: PLC0414 - the fixture
from tests.flows.knocks import kept
from tests.flows.shop import Shop, refuses
from tests.flows.test_unionpay import until
from tests.flows.union import calls, claim, knock, place, union_stall

from daozhang import alarms, ids
from daozhang.postgres.supervisor import Supervisor
from daozhang.recharge.door import UNCONFIRMED
from daozhang.settings import Settings


async def ringing(shop: Shop) -> set[str]:
    return {each.kind for each in await alarms.open_alarms(shop.program.database)}


async def messages(shop: Shop) -> dict[str, int]:
    """How many messages are in each state."""
    rows = await shop.program.database.rows("select state, count(*) as n from notifications group by 1")
    return {row["state"]: row["n"] for row in rows}


async def test_cb_27_numbers_that_are_not_ours_cost_one_call_a_minute_together(till: Till) -> None:
    order = await till.place(till.v1)
    asked = till.shop.sim.calls["epay"]
    with till.shop.still("callback.ask.unknown"):
        for _ in range(30):
            status, _ = await till.knock(till.v1, await till.message(order, out_trade_no=ids.text26(ids.new_id())))
            assert status == 200
        assert till.shop.sim.calls["epay"] == asked + 1
        # Nor do our own retries call for each of them.
        await till.shop.later(30)
        await till.shop.program.dues[2].once()
        assert till.shop.sim.calls["epay"] == asked + 1
    # And the true message of somebody who has just paid does not wait for them.
    await till.shop.pay(order)
    await till.shop.reach(order.id, "credited")


async def test_cb_27_a_flood_about_numbers_that_are_not_ours_is_not_even_kept(till: Till) -> None:
    order = await till.place(till.v1)
    strange = [await till.message(order, out_trade_no=ids.text26(ids.new_id())) for _ in range(100)]
    with till.shop.still("callback.unknown"):
        heard = [(await till.knock(till.v1, each))[0] for each in strange]
    assert heard[:60] == [200] * 60
    assert heard[-30:] == [503] * 30
    assert (await messages(till.shop))["stored"] < 100
    await till.shop.pay(order)
    await till.shop.reach(order.id, "credited")


async def test_what_is_booked_already_is_acknowledged_without_asking(till: Till) -> None:
    order = await till.paid(till.v1)
    await till.shop.later(61)
    asked = till.shop.sim.calls["epay"]
    for n in range(5):
        assert (await till.knock(till.v1, await till.message(order, name=f"again{n}")))[0] == 200
    assert till.shop.sim.calls["epay"] == asked
    assert await till.shop.cash() == 5_000


async def test_cb_16_late_money_whose_message_is_faster_than_the_operators_books_is_credited(till: Till) -> None:
    """Nobody watches an order that has ended: the message is all there is, and the first answer does not know of it yet."""
    till.station.speak("classic")
    classic = await till.add(dialect="classic", app="alipayClassic")
    order = await till.place(classic, method="page")
    await till.shop.later(20 * 60)
    while await till.shop.work():
        pass
    assert (await till.shop.order(order.id)).state == "expired"
    async with aiohttp.ClientSession() as session:
        await session.post(order.payload["url"], data=order.payload["fields"], allow_redirects=False)
    till.shop.sim.phone.pay(await till.shop.number(order.id), trick="early")
    await till.shop.sim.quiet()
    assert (await till.shop.order(order.id)).state == "expired"
    for _ in range(10):
        await till.shop.later(30)
        await till.shop.work()
    seen = await till.shop.reach(order.id, "credited")
    assert (seen.anomalies, await till.shop.cash()) == (("late",), 5_000)
    assert "channel.claim_denied" not in await ringing(till.shop)


async def test_cb_19_a_claim_that_stays_denied_rings_after_ten_minutes_and_ends(till: Till) -> None:
    order = await till.place(till.v1)
    for n in range(5):
        await till.knock(till.v1, await till.message(order, name=f"goods{n}"))
    assert "channel.claim_denied" not in await ringing(till.shop)
    for _ in range(30):
        await till.shop.later(40)
        await till.shop.work()
    assert "channel.claim_denied" in await ringing(till.shop)
    assert (await messages(till.shop)).get("stored", 0) == 0
    assert {why for why, _ in await kept(till.shop.program.database, "settled")} == {UNCONFIRMED}
    assert await till.shop.cash() == 0


@pytest.fixture(scope="module")
async def union(server: Supervisor, copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with union_stall(server, copies, Settings(data=tmp_path_factory.mktemp("door"), test_mode=True)) as opened:
        yield opened


async def test_a_notice_about_a_foreign_number_is_not_asked_about_for_ever(union: Shop) -> None:
    order = await place(union)
    message = claim(union, await union.number(order.id), orderId=ids.text26(ids.new_id()))
    assert (await knock(union, message)).status == 200
    for _ in range(30):
        await union.later(3_601)
        await union.work()
    assert (await messages(union)).get("stored", 0) == 0
    assert await union.program.database.value("select count(*) from anomalies where order_id is null") == 0
    asked = calls(union)
    await union.later(7_200)
    await union.program.dues[2].once()
    assert calls(union) == asked


@pytest.mark.parametrize("code", ["42", "74", "75"])
async def test_a_payment_that_was_charged_and_not_booked_is_not_offered_again(union: Shop, code: str) -> None:
    """UnionPay says that the money was taken: the cashier's code goes away, and no other way to pay is opened beside it."""
    before = await union.cash()
    order = await place(union)
    number = await union.number(order.id)
    union.sim.phone.refuse(number, code)
    await union.program.desk.look(order.id)
    seen = await union.order(order.id)
    assert (seen.state, seen.money, seen.action, seen.reason) == ("awaiting_payment", "checking", None, "channel.charged_checking")
    with refuses("operation.not_retryable"):
        await union.program.desk.retry(union.user_id, order.id, union.channel_id, "native", "203.0.113.9")
    union.sim.phone.pay(number)
    await until(union, order.id, "credited")
    assert await union.cash() == before + 5_000
