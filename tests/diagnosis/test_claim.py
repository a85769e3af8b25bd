"""Paid and not credited: found by every number of its owner, credited once; another's number is not told apart from a wrong one."""

import asyncio
from uuid import UUID

from tests.flows.conftest import proved
from tests.flows.shop import Shop, refuses

from daozhang import ids
from daozhang.diagnosis.claim import FLOOR_S, Claims
from daozhang.identity import Visitor
from daozhang.recharge.model import OrderView
from daozhang.simulators.faults import Fault


def claims(shop: Shop) -> Claims:
    return shop.program.house.claims


async def paid_in_silence(shop: Shop) -> tuple[OrderView, str]:
    """An order that was paid and of which no callback ever comes; with the channel's own number."""
    order = await shop.place()
    number = await shop.number(order.id)
    shop.sim.phone.pay(number, trick="silence")
    return order, shop.sim.phone.find(number).txn


async def test_the_channels_number_credits_its_owner_within_seconds(shop: Shop) -> None:
    order, txn = await paid_in_silence(shop)
    found = await claims(shop).by_number(1, shop.user_id, f" {txn} ")
    assert found.order is not None
    assert (found.found, found.order.state, found.order.id) == ("credited", "credited", order.id)
    assert await shop.cash() == 5_000
    again = await claims(shop).by_number(1, shop.user_id, txn)
    assert again.order is not None
    assert (again.found, again.order.id) == ("known", found.order.id)
    assert await shop.cash() == 5_000
    await proved(shop.program.database)


async def test_our_own_numbers_and_the_order_itself_do_as_well(shop: Shop) -> None:
    for by in ("shown", "attempt", "picked"):
        order, _ = await paid_in_silence(shop)
        number = await shop.number(order.id)
        if by == "picked":
            found = await claims(shop).of_order(1, order)
        else:
            found = await claims(shop).by_number(1, shop.user_id, order.shown.lower() if by == "shown" else number)
        assert found.found == "credited", by


async def test_money_that_comes_after_the_end_is_found_too(shop: Shop) -> None:
    """An order closed here of which the channel says "paid" after all."""
    order = await shop.place()
    number = await shop.number(order.id)
    shop.sim.phone.pay(number, trick="silence")
    await shop.later(1_200)
    found = await claims(shop).by_number(1, shop.user_id, number)
    assert found.found in ("credited", "known")
    assert (await shop.order(order.id)).money == "credited"


async def test_what_the_channel_says_was_not_paid_is_told_as_that(shop: Shop) -> None:
    order = await shop.place()
    found = await claims(shop).of_order(1, order)
    assert (found.found, [each.what for each in found.said]) == ("unpaid", ["unpaid"])
    shop.sim.dial.set(Fault(point="query", kind="error", times=5))
    found = await claims(shop).of_order(1, order)
    assert (found.found, [each.what for each in found.said]) == ("unsure", ["silent"])


async def test_az_somebody_elses_number_and_a_wrong_one_are_alike(shop: Shop) -> None:
    """Same words, same work at the channel, and never sooner than the floor."""
    await shop.program.house.identity.register(1, "13700137000", "tea at four by the river", Visitor("192.0.2.1", "192.0.2.0/24"))
    stranger = await shop.program.house.identity.find(1, "13700137000")
    assert stranger is not None
    mine, txn = await paid_in_silence(shop)
    booked, booked_txn = await paid_in_silence(shop)
    await shop.program.desk.look(booked.id)
    own = await shop.place(user_id=stranger)
    answers, calls = [], []
    known = (txn, booked_txn, mine.shown, await shop.number(mine.id))
    for number in (*known, "4200009999202611280000000000", ids.text26(ids.new_id())):
        before = await asked(shop, own.id)
        began = asyncio.get_running_loop().time()
        answers.append(await claims(shop).by_number(1, stranger, number))
        assert asyncio.get_running_loop().time() - began >= FLOOR_S
        calls.append(await asked(shop, own.id) - before)
    assert len(set(answers)) == 1
    assert answers[0].found == "not_found"
    assert set(calls) == {1}
    assert (await shop.order(mine.id)).state == "awaiting_payment"
    assert await shop.cash(stranger) == 0


async def asked(shop: Shop, order_id: UUID) -> int:
    """How often the channel was asked about an order."""
    await shop.program.interface_log.drain()
    entries = await shop.program.interface_log.of_order(order_id)
    return sum(entry.operation == "query" for entry in entries)


async def test_what_is_no_number_is_refused_before_anything_is_asked(shop: Shop) -> None:
    for text in ("", "12", "'; drop table orders", "x" * 65, "\0" * 20):
        with refuses("claim.number_malformed"):
            await claims(shop).by_number(1, shop.user_id, text)
