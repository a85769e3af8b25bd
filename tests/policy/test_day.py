"""The limit of the day, through the real desk: exactly as much as it says, however many ask at once, and never counted twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.daytime import within_one_day
from tests.flows.shop import LICENSED, Shop, open_shop

from daozhang import __version__
from daozhang.policy.books import Books
from daozhang.policy.examine import examine
from daozhang.postgres import Database
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol()


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop whose day holds 200 yuan."""
    rules = LICENSED
    day = msgspec.structs.replace(rules, day=msgspec.structs.replace(rules.day, max_fen=20_000))
    assert await Books(database).publish(1, day, version=1, author="tester", note="a small day")
    async with open_shop(database, settings, enrolment=enrolment) as opened:
        await within_one_day(database)
        yield opened


def wish(shop: Shop, number: int, **changes: Any) -> PlaceRequest:
    given = {
        "shop_id": 1,
        "user_id": shop.user_id,
        "amount_fen": 5_000,
        "channel_id": shop.channel_id,
        "method": "native",
        "key": f"key-{number:08d}",
        "page_version": __version__,
        "client_ip": "192.0.2.1",
        **changes,
    }
    return PlaceRequest(**given)


async def place(shop: Shop, number: int, **changes: Any) -> OrderView:
    view: OrderView = await shop.program.desk.place(wish(shop, number, **changes))
    return view


async def test_four_times_fifty_fill_a_day_of_two_hundred(shop: Shop) -> None:
    views = [await place(shop, number) for number in range(5)]
    assert [view.state for view in views] == ["awaiting_payment"] * 4 + ["refused"]
    assert (views[4].reason, views[4].reason_facts["left_fen"]) == ("limits.day", 0)
    assert views[4].money == "none"


async def test_the_whole_day_in_one_order_and_not_a_fen_more(shop: Shop) -> None:
    assert (await place(shop, 1, amount_fen=20_001)).reason == "limits.day"
    assert (await place(shop, 2, amount_fen=20_000)).state == "awaiting_payment"
    assert (await place(shop, 3, amount_fen=100)).reason_facts["left_fen"] == 0


async def test_twenty_at_once_fill_the_day_exactly(shop: Shop, database: Database) -> None:
    views = await asyncio.gather(*(place(shop, number) for number in range(20)))
    assert sorted(view.state for view in views) == ["awaiting_payment"] * 4 + ["refused"] * 16
    assert {view.reason for view in views if view.state == "refused"} == {"limits.day"}
    kept = await database.rows("select outcome, count(*) as count from decisions where stage = 'place' group by 1 order by 1")
    assert [tuple(row) for row in kept] == [("admit", 4), ("refuse", 16)]
    assert (await examine(database)).ok


async def test_an_order_tried_again_is_not_counted_twice(shop: Shop) -> None:
    first = await place(shop, 1, amount_fen=15_000)
    again = await shop.program.desk.retry(shop.user_id, first.id, shop.channel_id, "h5", "192.0.2.1")
    assert (again.state, again.reason) == ("awaiting_payment", None)
    assert (await place(shop, 2)).state == "awaiting_payment"
    assert (await place(shop, 3, amount_fen=100)).reason == "limits.day"


async def test_a_page_of_yesterday_is_renewed_and_orders_nothing(shop: Shop) -> None:
    view = await place(shop, 1, page_version="older")
    assert (view.state, view.reason) == ("refused", "operation.page_outdated")
    assert view.verdicts


async def test_a_frozen_user_is_refused_and_money_on_its_way_is_held(shop: Shop) -> None:
    before = await place(shop, 1)
    await shop.program.house.identity.freeze(shop.user_id, actor="tester", reason="risk_review")
    refused = await place(shop, 2)
    assert (refused.reason, refused.reason_facts["why"]) == ("account.frozen", "risk_review")
    await shop.pay(before)
    held = await shop.reach(before.id, "held")
    assert held.money == "received"
    assert (held.reason, held.reason_facts.get("why")) == ("account.frozen", "risk_review")
    wallet = await shop.program.desk.wallet(shop.user_id)
    assert (wallet.cash_fen, wallet.review_fen) == (0, 5_000)
    assert {verdict["outcome"] for verdict in held.verdicts} == {"hold", "admit", None}
