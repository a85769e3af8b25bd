"""Unpaid orders: so many of one user wait at a time, each of which may hold goods; paying or cancelling one makes room."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from tests.flows.shop import LICENSED, Shop, open_shop

from daozhang.policy.book import OpenRules
from daozhang.postgres import Database
from daozhang.settings import Settings


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, rules=replace(LICENSED, open=OpenRules(most_count=3))) as opened:
        yield opened


async def test_the_fourth_unpaid_order_is_refused_with_why_and_a_paid_one_makes_room(shop: Shop) -> None:
    first = await shop.place()
    await shop.place()
    await shop.place()
    refused = await shop.place()
    assert (refused.state, refused.reason) == ("refused", "operation.open_orders")
    assert refused.reason_facts == {"limit_count": 3, "open_count": 3}
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    assert (await shop.place()).state == "awaiting_payment"


async def test_twenty_at_once_are_three(shop: Shop) -> None:
    seen = await asyncio.gather(*(shop.place() for _ in range(20)))
    assert sum(each.state == "awaiting_payment" for each in seen) == 3
    assert {each.reason for each in seen if each.state == "refused"} == {"operation.open_orders"}


async def test_the_order_itself_does_not_count_when_it_is_paid_another_way(shop: Shop) -> None:
    placed = [await shop.place() for _ in range(3)]
    again = await shop.program.desk.retry(shop.user_id, placed[0].id, shop.channel_id, "h5", "203.0.113.9")
    assert again.state == "awaiting_payment"
