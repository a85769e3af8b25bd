"""Money that comes when nobody waits for it any more: it is still the payer's money, and is credited once."""

import asyncio

import msgspec
import pytest
from tests.flows.knocks import knock, payment
from tests.flows.shop import Shop, refuses
from tests.flows.test_amounts import balance, refunds_done

from daozhang.channels import console
from daozhang.ledger import accounts
from daozhang.proof import prove
from daozhang.recharge.model import OrderView
from daozhang.recharge.release import reject, release
from daozhang.recharge.settlement import Arrival
from daozhang.settings import Settings
from daozhang.simulators.shelf import Totals


async def ended(shop: Shop, how: str) -> tuple[OrderView, str]:
    """An order that ended without money, and its number at the channel."""
    if how == "failed":
        shop.sim.fault("order", "error", code="NO_AUTH", http=403)
    order = await shop.place()
    if how == "expired":
        await shop.later(16 * 60)
        while await shop.work():
            pass
    if how == "cancelled":
        await shop.program.desk.cancel(shop.user_id, order.id)
    seen = await shop.order(order.id)
    assert (seen.state, seen.money) == (how, "none")
    return seen, await shop.number(order.id)


@pytest.mark.parametrize("how", ["failed", "expired", "cancelled"])
async def test_cb_17_success_after_the_end_is_credited_with_its_anomaly(shop: Shop, how: str) -> None:
    order, number = await ended(shop, how)
    message = payment(shop.enrolment, number)
    for _ in range(3):
        assert (await knock(shop, message)).status == 204
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.reason, seen.anomalies) == ("credited", "credited", None, ("late",))
    assert await shop.cash() == 5_000


async def test_cb_17_late_and_of_another_amount(shop: Shop) -> None:
    order, number = await ended(shop, "expired")
    assert (await knock(shop, payment(shop.enrolment, number, 4_999))).status == 204
    seen = await shop.order(order.id)
    assert seen.state == "misfit"
    assert set(seen.anomalies) == {"amount", "late"}
    assert await balance(shop, accounts.SUSPENSE) == 4_999


async def test_am_11_paid_after_the_channel_was_switched_off(shop: Shop, settings: Settings) -> None:
    order = await shop.place()
    await console.enable(shop.program.database, shop.program.vault, settings, shop.channel_id, enabled=False)
    await shop.program.registry.load()
    await shop.pay(order)
    await shop.reach(order.id, "credited")
    refused = await shop.place(6_000)
    assert (refused.state, refused.reason, refused.money) == ("refused", "channel.not_configured", "none")


async def tried_twice(shop: Shop) -> tuple[OrderView, str, str]:
    """An order whose first attempt was cancelled and tells late that it was paid after all, while a second one waits."""
    order, first = await ended(shop, "cancelled")
    seen = await shop.program.desk.retry(shop.user_id, order.id, shop.channel_id, "native", "203.0.113.9")
    second = await shop.number(order.id)
    assert (seen.state, first != second) == ("awaiting_payment", True)
    assert (await knock(shop, payment(shop.enrolment, first))).status == 204
    return await shop.reach(order.id, "credited"), first, second


async def test_a_second_attempt_that_is_paid_too_goes_back_by_itself(shop: Shop) -> None:
    order, _, second = await tried_twice(shop)
    shop.sim.phone.pay(second)
    await shop.sim.quiet()
    seen = await shop.order(order.id)
    assert (seen.state, seen.anomalies) == ("credited", ("twice",))
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_000, 5_000)
    await refunds_done(shop)
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_000, 0)
    assert shop.sim.books.refund_totals() == Totals(1, 5_000)
    assert (await shop.order(order.id)).refunded_fen == 0


async def test_am_a_second_payment_of_another_amount_goes_back_as_told_and_a_person_is_told_of_the_amount(shop: Shop) -> None:
    order, _, second = await tried_twice(shop)
    assert (await knock(shop, payment(shop.enrolment, second, 100))).status == 204
    assert set((await shop.order(order.id)).anomalies) == {"twice", "amount"}
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_000, 100)
    proof = await prove(shop.program.database)
    assert proof.ok, [check for check in proof.checks if check.wrong]


async def test_both_attempts_paid_in_one_moment_credit_once(shop: Shop) -> None:
    order, first = await ended(shop, "cancelled")
    await shop.program.desk.retry(shop.user_id, order.id, shop.channel_id, "native", "203.0.113.9")
    second = await shop.number(order.id)
    messages = [payment(shop.enrolment, number) for number in (first, second)]
    heard = await asyncio.gather(*(knock(shop, message) for message in messages * 10))
    assert {each.status for each in heard} == {204}
    assert (await shop.order(order.id)).anomalies == ("twice",)
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_000, 5_000)


async def test_an_attempt_nobody_needs_any_more_is_closed_at_the_channel(shop: Shop) -> None:
    _, _, second = await tried_twice(shop)
    await shop.later(20)
    await shop.work()
    at_channel = shop.sim.books.order(shop.sim.merchant.mchid, second)
    assert at_channel is not None
    assert at_channel.trade_state == "CLOSED"
    assert await shop.cash() == 5_000


async def test_no_second_code_while_the_first_may_be_paid(shop: Shop) -> None:
    """The older attempt cannot be closed now, and could be paid beside a second one: there is none, and we say we are checking."""
    order = await shop.place()
    first = await shop.number(order.id)
    shop.sim.fault("api", "error", http=500, times=None)
    seen = await shop.program.desk.retry(shop.user_id, order.id, shop.channel_id, "native", "203.0.113.9")
    assert (seen.money, seen.payload) == ("checking", {})
    assert await shop.number(order.id) == first
    shop.sim.dial.clear()
    await shop.pay(order)
    await shop.reach(order.id, "credited")


async def test_money_of_a_frozen_user_is_held_and_released(shop: Shop) -> None:
    order = await shop.place()
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk")
    await shop.pay(order)
    seen = await shop.reach(order.id, "held")
    assert (seen.money, seen.reason) == ("received", "account.frozen")
    assert (await shop.cash(), await balance(shop, accounts.review(shop.user_id))) == (0, 5_000)
    with refuses("refund.not_paid"):
        await shop.program.desk.refund(order.id, 5_000, "held", "staff:1")
    await release(shop.program.database, shop.program.accounts, order.id, "staff:1", "papers were shown")
    assert (await shop.order(order.id)).state == "credited"
    assert (await shop.cash(), await balance(shop, accounts.review(shop.user_id))) == (5_000, 0)


async def test_money_of_a_frozen_user_is_held_and_sent_back(shop: Shop) -> None:
    order = await shop.place()
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk")
    await shop.pay(order)
    await shop.reach(order.id, "held")
    await reject(shop.program.database, shop.program.accounts, order.id, "staff:1", "not theirs")
    await refunds_done(shop)
    seen = await shop.order(order.id)
    assert (seen.state, seen.money) == ("refunded", "returned")
    assert (await shop.cash(), await balance(shop, accounts.review(shop.user_id))) == (0, 0)
    assert shop.sim.books.refund_totals().sum_fen == 5_000


async def test_two_transactions_of_one_number_in_one_batch_are_both_accounted_for(shop: Shop) -> None:
    """The first one told again beside a second one: each is judged by its own fact, and no money is passed over."""
    order = await shop.place()
    number = await shop.pay(order)
    await shop.reach(order.id, "credited")
    channel = shop.program.registry.get(shop.channel_id)
    assert channel is not None
    first = (await channel.query(number)).report
    assert first is not None
    second = msgspec.structs.replace(first, channel_txn="4200000000209901010000000001")
    effects = await asyncio.gather(*(shop.program.settle(Arrival(1, report)) for report in (second, first)))
    assert [settled.effect for settled in effects] == ["twice", "again"]
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_000, 5_000)
