"""What eligibility refuses, and that each cure works: accept, buy or verify, then recharge."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from tests.flows.shop import Shop, open_shop
from tests.identity.test_verify import numbered

from daozhang import __version__, agreements
from daozhang.goods import shelf
from daozhang.identity import Limiter
from daozhang.identity.verify import Verifications
from daozhang.policy.book import defaults
from daozhang.postgres import Database
from daozhang.providers import rows
from daozhang.providers.rows import Providers
from daozhang.recharge.model import Basket, OrderView, PlaceRequest
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment


async def place(shop: Shop, amount_fen: int = 5_000, agreement: int | None = None, basket: Basket | None = None) -> OrderView:
    return await shop.program.desk.place(
        PlaceRequest(
            1, shop.user_id, amount_fen, shop.channel_id, "native", secrets.token_hex(16), __version__, "203.0.113.9",
            agreement=agreement, basket=basket,
        )
    )  # fmt: skip


@pytest.fixture
async def card_shop(database: Database, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop as every new one begins: a single-purpose card."""
    async with open_shop(database, settings, enrolment=enrolment, rules=defaults()) as opened:
        yield opened


async def stock(shop: Shop) -> Basket:
    """One good with one code, and the wish to buy it."""
    database = shop.program.database
    goods_id = await shelf.add_good(database, 1, goods_class="game_card", name="点卡", price_fen=4_990, source="官方", on_sale=True)
    await shelf.add_codes(database, shop.program.vault, 1, goods_id, [secrets.token_hex(8)])
    return Basket(goods_id, 1, 4_990)


async def verify(shop: Shop, settings: Settings, number: str = "11010519491231002X") -> None:
    """The user verifies his name at the simulated register."""
    database, vault = shop.program.database, shop.program.vault
    for card in shop.sim.services.cards():
        await rows.add(database, vault, settings, 1, rows.ProviderSettings(**card))  # type: ignore[arg-type]
    providers = Providers(1, database, vault, settings)
    await Verifications(database, vault, Limiter(database), providers).verify(shop.user_id, "王小明", number)
    await providers.close()


async def recharged(shop: Shop, order: OrderView) -> None:
    assert order.state == "awaiting_payment", order.reason
    await shop.pay(order)
    await shop.reach(order.id, "credited")


async def test_accept_then_recharge_and_a_new_version_is_asked_again(shop: Shop) -> None:
    database = shop.program.database
    await recharged(shop, await place(shop))  # a shop without an agreement asks nobody
    await agreements.publish(database, 1, "第一版", "the first", author="anna")
    refused = await place(shop)
    assert (refused.state, refused.reason, refused.reason_facts) == ("refused", "eligibility.agreement", {"version": 1})
    order = await place(shop, agreement=1)
    await recharged(shop, order)
    facts = await database.value("select facts::text from decisions where order_id = $1 and stage = 'place'", order.id)
    assert '"agreement_version":1,"agreement_ticked":1' in facts.replace(" ", ""), "the decision says what was agreed to"
    await recharged(shop, await place(shop))
    await agreements.publish(database, 1, "第二版", "the second", author="anna")
    assert (await place(shop, agreement=1)).reason == "eligibility.agreement", "what was ticked is not in force any more"
    await recharged(shop, await place(shop, agreement=2))
    assert await database.value("select count(*) from agreement_consents") == 2


async def test_buy_first_then_recharge(database: Database, settings: Settings, enrolment: Enrolment) -> None:
    begun = defaults()
    rules = replace(begun, eligibility=replace(begun.eligibility, first_purchase=True))
    async with open_shop(database, settings, enrolment=enrolment, rules=rules) as shop:
        assert (await place(shop)).reason == "eligibility.first_purchase"
        await recharged(shop, await place(shop, 4_990, basket=await stock(shop)))
        await recharged(shop, await place(shop))


async def test_verify_then_recharge_beyond_the_unnamed_ceiling(card_shop: Shop, settings: Settings) -> None:
    await recharged(card_shop, await place(card_shop, 60_000))
    refused = await place(card_shop, 40_001)
    assert refused.reason == "eligibility.ceiling_unnamed"
    assert refused.reason_facts == {"limit_fen": 100_000, "left_fen": 40_000, "named_fen": 500_000}
    await verify(card_shop, settings)
    await recharged(card_shop, await place(card_shop, 40_001))
    assert (await place(card_shop, 400_000)).reason == "eligibility.ceiling_named"


async def test_the_ceiling_counts_what_is_under_way_however_many_ask_at_once(card_shop: Shop) -> None:
    placed = await asyncio.gather(*(place(card_shop, 30_000) for _ in range(8)))
    assert sorted(order.state for order in placed) == ["awaiting_payment"] * 3 + ["refused"] * 5
    assert {order.reason for order in placed if order.state == "refused"} == {"eligibility.ceiling_unnamed"}


async def test_own_goods_are_bought_and_no_balance_is_sold(database: Database, settings: Settings, enrolment: Enrolment) -> None:
    begun = defaults()
    rules = replace(begun, eligibility=replace(begun.eligibility, mode="own_goods"))
    async with open_shop(database, settings, enrolment=enrolment, rules=rules) as shop:
        assert (await place(shop)).reason == "eligibility.no_stored_value"
        await recharged(shop, await place(shop, 4_990, basket=await stock(shop)))


@pytest.mark.usefixtures("one_day")
async def test_a_minor_is_known_by_the_verified_number(card_shop: Shop, settings: Settings) -> None:
    await verify(card_shop, settings, numbered("20150601"))
    refused = await place(card_shop, 5_001)
    assert (refused.reason, refused.reason_facts) == ("eligibility.minor_order", {"limit_fen": 5_000})
    for _ in range(4):
        await recharged(card_shop, await place(card_shop, 5_000))
    assert (await place(card_shop, 100)).reason == "eligibility.minor_month"


@pytest.mark.usefixtures("one_day")
async def test_a_minors_month_holds_however_many_ask_at_once(card_shop: Shop, settings: Settings) -> None:
    await verify(card_shop, settings, numbered("20150601"))
    placed = await asyncio.gather(*(place(card_shop, 5_000) for _ in range(40)))
    assert sorted(order.state for order in placed) == ["awaiting_payment"] * 4 + ["refused"] * 36
    assert "eligibility.minor_month" in {order.reason for order in placed if order.state == "refused"}


@pytest.mark.usefixtures("one_day")
async def test_the_sum_that_needs_a_name_holds_however_many_ask_at_once(
    database: Database, settings: Settings, enrolment: Enrolment
) -> None:
    begun = defaults()
    asks = replace(begun.eligibility, mode="licensed_psp", licence="Z1", name_from_fen=20_000, name_warn_fen=15_000)
    async with open_shop(database, settings, enrolment=enrolment, rules=replace(begun, eligibility=asks)) as shop:
        placed = await asyncio.gather(*(place(shop, 6_000) for _ in range(40)))
        going = [order for order in placed if order.state == "awaiting_payment"]
        assert len(going) == 3
        assert "eligibility.name_needed" in {order.reason for order in placed if order.state == "refused"}
        for order in going:
            await shop.pay(order)
            await shop.reach(order.id, "credited")
        assert (await place(shop, 6_000)).reason == "eligibility.name_needed"
        await verify(shop, settings)
        await recharged(shop, await place(shop, 6_000))
