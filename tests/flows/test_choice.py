"""Money of another amount: kept, sent back, or sent back after seven days of silence; once, by its owner, and proved."""

import asyncio
from datetime import timedelta

from tests.flows.conftest import proved
from tests.flows.shop import Shop, refuses

from daozhang.reasons import Refusal
from daozhang.recharge.choice import SILENCE, Choice
from daozhang.recharge.model import OrderView


def choice(shop: Shop) -> Choice:
    return shop.program.house.choice


async def odd(shop: Shop) -> OrderView:
    """An order for 50 yuan that was paid with one fen more."""
    order = await shop.place()
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise")
    return await shop.reach(order.id, "misfit")


async def test_kept_money_is_credited_as_it_came(shop: Shop) -> None:
    order = await odd(shop)
    assert order.paid_fen == 5_001
    await choice(shop).keep(shop.user_id, order.id)
    assert (await shop.order(order.id)).state == "credited"
    assert await shop.cash() == 5_001


async def test_money_that_is_not_kept_goes_back(shop: Shop) -> None:
    order = await odd(shop)
    await choice(shop).send_back(shop.user_id, order.id)
    await shop.work()
    await shop.later(120)
    await shop.work()
    assert (await shop.order(order.id)).state in ("refunding", "refunded")
    assert await shop.cash() == 0


async def test_silence_of_seven_days_sends_it_back_and_not_a_day_sooner(shop: Shop) -> None:
    order = await odd(shop)
    await shop.later((SILENCE - timedelta(days=1)).total_seconds())
    assert await choice(shop).lapse() == 0
    assert (await shop.order(order.id)).state == "misfit"
    await shop.later(86_400)
    assert await choice(shop).lapse() == 1
    assert await choice(shop).lapse() == 0
    assert (await shop.order(order.id)).state == "refunding"


async def test_both_at_once_are_one_choice(shop: Shop) -> None:
    order = await odd(shop)
    ways = (choice(shop).keep, choice(shop).send_back)
    tries = [way(shop.user_id, order.id) for _ in range(5) for way in ways]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(end is None for end in ends) == 1
    assert {str(end) for end in ends if end is not None} == {"operation.not_waiting"}
    assert all(isinstance(end, Refusal) for end in ends if end is not None)


async def test_nobody_chooses_for_another_and_nothing_is_kept_by_a_frozen_account(shop: Shop) -> None:
    order = await odd(shop)
    with refuses("operation.not_found"):
        await choice(shop).keep(shop.user_id + 1, order.id)
    await shop.program.house.identity.freeze(shop.user_id, actor="tester", reason="risk_review")
    with refuses("account.frozen"):
        await choice(shop).keep(shop.user_id, order.id)
    assert (await shop.order(order.id)).state == "misfit"
    assert await shop.cash() == 0
    await choice(shop).send_back(shop.user_id, order.id)
    await proved(shop.program.database)
