"""A payment whose channel tells nothing any more: people end it, on record, and money that comes after all is money."""

from tests.flows.knocks import payment
from tests.flows.shop import Shop, refuses

from daozhang import ids
from daozhang.recharge.settlement import Arrival
from daozhang.recharge.states import CHARGED
from daozhang.simulators.faults import Fault

DAY = 86_400


async def silent(shop: Shop) -> None:
    """From now on the channel answers nothing, and tells nothing by itself."""
    shop.sim.dial.clear()
    shop.sim.fault("api", "error", http=500, times=None)
    shop.sim.dial.set(Fault(point="notice", kind="silence", times=None))


async def test_after_a_day_one_person_ends_it_and_late_money_is_still_money(shop: Shop) -> None:
    order = await shop.place()
    await silent(shop)
    number = await shop.pay(order)
    stalled = shop.program.desk.stalled
    await shop.later(20 * 60)
    with refuses("stalled.too_soon"):
        await stalled.end(order.id, "looked it up: nothing there", "anna")
    for who, why in (("", "x"), ("anna", " "), ("program", "x")):
        with refuses("stalled.malformed"):
            await stalled.end(order.id, why, who)
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await shop.later(DAY)
    assert await stalled.end(order.id, "looked it up: nothing there", "anna") == "ended"
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.reason) == ("expired", "none", "operation.ended_by_hand")
    assert seen.steps[-1].actor == "anna"
    with refuses("operation.not_waiting"):
        await stalled.end(order.id, "again", "anna")
    with refuses("operation.not_found"):
        await stalled.end(ids.new_id(), "x", "anna")
    # It had been paid after all: the channel finds its voice again.
    shop.sim.dial.clear()
    answer = await shop.program.registry.get(shop.channel_id).query(number)  # type: ignore[union-attr]
    assert answer.report is not None
    await shop.program.desk.settle(Arrival(1, answer.report))
    seen = await shop.order(order.id)
    assert (seen.state, seen.anomalies, await shop.cash()) == ("credited", ("late",), 5_000)


async def test_where_the_channel_once_said_that_it_took_money_a_second_person_confirms(shop: Shop) -> None:
    order = await shop.place()
    await silent(shop)
    await shop.program.database.value("update attempts set reason = $1 returning 1", CHARGED)
    await shop.later(2 * DAY)
    stalled = shop.program.desk.stalled
    assert await stalled.end(order.id, "nothing in the merchant platform", "anna") == "asked"
    assert (await shop.order(order.id)).state == "awaiting_payment"
    with refuses("stalled.second_person"):
        await stalled.end(order.id, "nothing in the merchant platform", "anna")
    assert (await shop.order(order.id)).state == "awaiting_payment"
    assert await stalled.end(order.id, "looked as well", "ben") == "ended"
    assert (await shop.order(order.id)).reason == "operation.ended_by_hand"
    said = await shop.program.database.rows("select actor, kind from events where kind like 'order.end%' order by xact, seq")
    assert [tuple(row) for row in said] == [("anna", "order.ending_asked"), ("ben", "order.ended_by_hand")]


async def test_the_only_person_of_a_shop_looks_again_a_day_later(shop: Shop) -> None:
    order = await shop.place()
    await silent(shop)
    await shop.program.database.value("update attempts set reason = $1 returning 1", CHARGED)
    await shop.later(2 * DAY)
    stalled = shop.program.desk.stalled
    assert await stalled.end(order.id, "nothing there", "anna") == "asked"
    await shop.later(DAY + 1)
    assert await stalled.end(order.id, "still nothing there", "anna") == "ended"


async def test_what_the_channel_says_at_the_last_moment_counts(shop: Shop) -> None:
    paid, unpaid = await shop.place(), await shop.place(6_000)
    await silent(shop)
    await shop.pay(paid)
    await shop.later(2 * DAY)
    shop.sim.dial.clear()
    for order in (paid, unpaid):
        assert await shop.program.desk.stalled.end(order.id, "nothing there", "anna") == "ended by itself"
    assert [(await shop.order(order.id)).state for order in (paid, unpaid)] == ["credited", "expired"]
    assert (await shop.order(unpaid.id)).reason == "operation.expired"


async def test_a_message_that_nobody_could_confirm_asks_for_two(shop: Shop) -> None:
    order = await shop.place()
    await silent(shop)
    number = await shop.number(order.id)
    message = payment(shop.enrolment, number)
    row = await shop.program.database.row("select shop_id, channel_id from attempts")
    assert row is not None
    await shop.program.database.rows(
        """insert into notifications (id, shop_id, channel_id, state, why, headers, body, report, next_try_at, at)
        values ($1, $2, $3, 'stored', 'unconfirmed', '{}', $4, json_build_object('subject', 'payment', 'number', $5::text),
          clock_now() + interval '9 days', clock_now())""",
        ids.new_id(), row["shop_id"], row["channel_id"], message.body, number,
    )  # fmt: skip
    await shop.later(2 * DAY)
    assert await shop.program.desk.stalled.end(order.id, "nothing there", "anna") == "asked"


async def test_what_is_being_cancelled_ends_as_cancelled(shop: Shop) -> None:
    order = await shop.place()
    await silent(shop)
    assert (await shop.program.desk.cancel(shop.user_id, order.id)).state == "closing"
    await shop.later(2 * DAY)
    assert await shop.program.desk.stalled.end(order.id, "the account there is closed", "anna") == "ended"
    assert (await shop.order(order.id)).state == "cancelled"
