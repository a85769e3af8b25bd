"""A bonus that was shown with the order holds when the delay is not the payer's, whatever became of the campaign meanwhile."""

from datetime import timedelta

import pytest
from tests.flows.conftest import enrolment, proved, shop, stranger
from tests.flows.knocks import knock, payment
from tests.flows.shop import Shop
from tests.offers.test_offers import credited, place, run, terms, used_fen, wallet

from daozhang import clock
from daozhang.offers import campaigns
from daozhang.offers.model import Tier
from daozhang.recharge.model import OrderView
from daozhang.simulators.faults import Fault

__all__ = ["enrolment", "shop", "stranger"]
BONUS_FEN = 1_000


async def lapsed(shop: Shop, number: int) -> OrderView:
    """An order with a bonus that ended unpaid, as its channel said, and whose promise was given back."""
    order = await place(shop, offer=number)
    await shop.later(16 * 60)
    await shop.work()
    await shop.reach(order.id, "expired")
    await shop.later(11 * 60)
    await shop.work()
    assert await used_fen(shop, number) == 0
    return order


async def told_late(shop: Shop, order: OrderView, paid_s: float) -> None:
    """The channel tells after all that it was paid, and when."""
    at = clock.now() - timedelta(seconds=paid_s)
    message = payment(shop.enrolment, await shop.number(order.id), 10_000, success_time=at.isoformat(timespec="seconds"))
    assert (await knock(shop, message)).status == 204
    await shop.reach(order.id, "credited")


async def rung(shop: Shop) -> set[str]:
    return {row["kind"] for row in await shop.program.database.rows("select kind from alarms") if row["kind"].startswith("offers.")}


async def test_a_lost_message_costs_nobody_the_bonus_though_the_campaign_is_over(shop: Shop) -> None:
    """Ours is the delay: paid in time, no message, the channel not answering for an hour, the campaign stopped meanwhile."""
    number = await run(shop.program.database, terms())
    order = await place(shop, offer=number)
    shop.sim.dial.set(Fault(point="query", kind="error", times=None))
    shop.sim.phone.pay(await shop.number(order.id), trick="silence")
    await campaigns.stop(shop.program.database, 1, number, "anna", "over")
    await shop.later(3_600)
    await shop.work()
    assert await wallet(shop) == (0, 0)
    shop.sim.dial.clear()
    await shop.program.desk.look(order.id)
    assert (await shop.order(order.id)).state == "credited"
    assert await wallet(shop) == (10_000, BONUS_FEN)


async def test_a_payment_told_late_brings_its_bonus_though_others_took_the_budget(shop: Shop) -> None:
    """The channel's is the delay: it said that nothing was paid, the budget went to others, and then it was paid in time."""
    number = await run(shop.program.database, terms("bonus", Tier(10_000, BONUS_FEN), budget_fen=BONUS_FEN))
    order = await lapsed(shop, number)
    await credited(shop, await place(shop, offer=number))
    assert (await place(shop, offer=number)).reason == "eligibility.offer_gone"
    await told_late(shop, order, 20 * 60)
    assert await wallet(shop) == (20_000, 2 * BONUS_FEN)
    assert await used_fen(shop, number) == 2 * BONUS_FEN
    assert await rung(shop) == {"offers.honoured"}
    assert (await place(shop, offer=number)).reason == "eligibility.offer_gone", "nobody else gets anything beyond the budget"
    await proved(shop.program.database)


@pytest.mark.parametrize("why", ["paid late", "had it already"])
async def test_what_was_late_by_himself_or_had_already_is_not_given_again(shop: Shop, why: str) -> None:
    number = await run(shop.program.database, terms("bonus", Tier(10_000, BONUS_FEN), user_count=1))
    order = await lapsed(shop, number)
    if why == "had it already":
        await credited(shop, await place(shop, offer=number))
    else:
        await campaigns.stop(shop.program.database, 1, number, "anna", "over")
    before = await wallet(shop)
    await told_late(shop, order, 20 * 60 if why == "had it already" else 1)
    assert await wallet(shop) == (before[0] + 10_000, before[1])
    assert await rung(shop) == ({"offers.unkept"} if why == "had it already" else set())
    await proved(shop.program.database)
