"""Direct top-ups through the simulated supplier: delivered once whatever breaks on the way, paid back when refused."""

import asyncio
import secrets
from uuid import UUID

import msgspec
import pytest
from tests.flows.shop import Shop, refuses

from daozhang import __version__, alarms, ids
from daozhang.goods import shelf
from daozhang.goods.buy import Purchases
from daozhang.goods.model import Purchase
from daozhang.goods.supply import Supply
from daozhang.policy.books import Books
from daozhang.proof import prove
from daozhang.providers import rows
from daozhang.providers.port import SupplyAnswer, SupplyRequest
from daozhang.recharge.model import Basket, PlaceRequest

PRICE_FEN = 5_000
PHONE = "13800138000"


@pytest.fixture
async def goods_id(shop: Shop) -> int:
    for card in shop.sim.services.cards():
        if card["purpose"] == "supplier":
            wanted = msgspec.convert(card, rows.ProviderSettings)
            await rows.add(shop.program.database, shop.program.vault, shop.program.house.settings, 1, wanted)
    wares = shelf.Wares(
        goods_class="phone_topup", name="话费 50 元", price_fen=PRICE_FEN, source="运营商直充", delivery="topup", sku="tel-50",
        target="phone", on_sale=True,
    )  # fmt: skip
    return await shelf.put(shop.program.database, 1, wares)


def purchases(shop: Shop) -> Purchases:
    program = shop.program
    return Purchases(1, program.database, program.vault, program.accounts, Books(program.database))


async def fund(shop: Shop, amount_fen: int = 20_000) -> None:
    placed = await shop.place(amount_fen)
    await shop.pay(placed)
    await shop.reach(placed.id, "credited")


async def buy(shop: Shop, goods_id: int, target: str = PHONE) -> Purchase:
    return await purchases(shop).buy(shop.user_id, Basket(goods_id, 1, PRICE_FEN, target=target), secrets.token_hex(8))


async def now(shop: Shop, purchase: Purchase) -> Purchase:
    seen = await purchases(shop).purchase(shop.user_id, purchase.id)
    assert seen is not None
    return seen


async def whole(shop: Shop) -> None:
    wrong = {check.name: check.culprits for check in (await prove(shop.program.database)).checks if check.wrong}
    assert not wrong


async def test_bought_ordered_delivered(shop: Shop, goods_id: int) -> None:
    await fund(shop)
    bought = await buy(shop, goods_id)
    assert bought.state == "supplying"
    supply = await purchases(shop).supply(shop.user_id, bought.id)
    assert supply is not None
    assert (supply.target, supply.state) == (PHONE, "ordered")
    assert await purchases(shop).supply(shop.user_id + 1, bought.id) is None, "nobody else sees whose account it is"
    await shop.work()
    assert (await now(shop, bought)).state == "delivered"
    assert shop.sim.services.supplies.credited == [(PHONE, "tel-50", 1)]
    assert await shop.cash() == 15_000
    await whole(shop)


@pytest.mark.parametrize("target", ["", "1380013800", "23800138000", "13800138000 ", "138001380001"])
async def test_an_account_that_is_none_is_refused_before_anything_moves(shop: Shop, goods_id: int, target: str) -> None:
    await fund(shop)
    with refuses("goods.target"):
        await buy(shop, goods_id, target)
    assert await shop.cash() == 20_000


async def test_refused_by_the_supplier_it_is_paid_back(shop: Shop, goods_id: int) -> None:
    await fund(shop)
    bought = await buy(shop, goods_id, "13800138404")
    assert await shop.cash() == 15_000
    await shop.work()
    seen = await now(shop, bought)
    assert (seen.state, seen.reason) == ("returned", "goods.supply_refused")
    assert await shop.cash() == 20_000
    await shop.later(7_200)
    await shop.work()
    assert await shop.cash() == 20_000, "once"
    await whole(shop)


async def test_a_slow_supplier_is_asked_after(shop: Shop, goods_id: int) -> None:
    await fund(shop)
    bought = await buy(shop, goods_id, "13800138999")
    for _ in range(3):
        await shop.work()
        await shop.later(60)
    await shop.work()
    assert (await now(shop, bought)).state == "delivered"
    assert len(shop.sim.services.supplies.credited) == 1


async def test_paid_at_a_channel_it_is_ordered_once_the_money_is_there(shop: Shop, goods_id: int) -> None:
    placed = await shop.program.desk.place(
        PlaceRequest(
            1, shop.user_id, PRICE_FEN, shop.channel_id, "native", secrets.token_hex(16), __version__, "203.0.113.9",
            basket=Basket(goods_id, 1, PRICE_FEN, target=PHONE),
        )
    )  # fmt: skip
    await shop.work()
    assert shop.sim.services.supplies.credited == [], "nothing is ordered before it is paid"
    await shop.pay(placed)
    await shop.reach(placed.id, "credited")
    await shop.work()
    (bought,) = await purchases(shop).purchases(shop.user_id)
    assert (bought.state, bought.order_id) == ("delivered", placed.id)
    assert shop.sim.services.supplies.credited == [(PHONE, "tel-50", 1)]
    await whole(shop)


class Killed(Exception):
    """The process is gone."""


class Mortal:
    """A supplier's line that dies with the process after the call went out, or before the answer was read."""

    def __init__(self, supply: Supply, when: str) -> None:
        self._inner, self._when = supply._suppliers, when
        self.calls = 0

    async def supplier(self) -> "Mortal":
        self._line = await self._inner.supplier()
        return self

    async def supply(self, request: SupplyRequest) -> SupplyAnswer:
        self.calls += 1
        if self._when == "before":
            raise Killed
        await self._line.supply(request)
        raise Killed

    async def supplied(self, number: str) -> SupplyAnswer:
        return await self._line.supplied(number)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_sp_01_killed_between_send_and_answer_it_is_delivered_exactly_once(shop: Shop, goods_id: int, when: str) -> None:
    await fund(shop)
    bought = await buy(shop, goods_id)
    program = shop.program
    made = Supply(1, program.database, program.vault, program.accounts, program.providers)
    made._suppliers = Mortal(made, when)
    with pytest.raises(Killed):
        await made.look(bought.id)
    assert (await now(shop, bought)).state == "supplying"
    assert len(shop.sim.services.supplies.credited) == (0 if when == "before" else 1)
    await shop.later(60)
    await shop.work()
    assert (await now(shop, bought)).state == "delivered"
    assert shop.sim.services.supplies.credited == [(PHONE, "tel-50", 1)]
    await whole(shop)


async def test_sp_02_an_answer_that_is_lost_is_asked_for_and_not_sent_again(shop: Shop, goods_id: int) -> None:
    await fund(shop)
    bought = await buy(shop, goods_id)
    shop.sim.services.turn("lost")
    for _ in range(4):
        await shop.work()
        await shop.later(120)
    assert (await now(shop, bought)).state == "supplying", "what nobody heard is not known"
    shop.sim.services.turn("")
    await shop.later(3_600)
    await shop.work()
    assert (await now(shop, bought)).state == "delivered"
    assert len(shop.sim.services.supplies.credited) == 1
    assert await alarms.open_alarms(shop.program.database) == [], "it has an end, so nobody needs to look"


async def test_sp_03_twenty_workers_send_it_once(shop: Shop, goods_id: int) -> None:
    await fund(shop)
    bought = await buy(shop, goods_id)
    program = shop.program
    supply = Supply(1, program.database, program.vault, program.accounts, program.providers)
    await asyncio.gather(*(supply.look(bought.id) for _ in range(20)))
    assert len(shop.sim.services.supplies.credited) == 1
    assert (await now(shop, bought)).state == "delivered"
    assert await shop.cash() == 15_000
    await whole(shop)


async def test_sp_04_a_refusal_after_a_lost_delivery_pays_nothing_back(shop: Shop, goods_id: int) -> None:
    """The first call was taken on and its answer lost; the supplier now refuses all that is new. What it knows counts."""
    await fund(shop)
    bought = await buy(shop, goods_id)
    shop.sim.services.turn("lost")
    await shop.work()
    shop.sim.services.turn("refuse")
    await shop.later(120)
    await shop.work()
    assert (await now(shop, bought)).state == "delivered"
    assert await shop.cash() == 15_000


async def test_nobody_there_is_told_to_a_person_after_half_an_hour(shop: Shop, goods_id: int) -> None:
    await fund(shop)
    bought = await buy(shop, goods_id)
    shop.sim.services.turn("error")
    await shop.work()
    await shop.later(1_900)
    await shop.work()
    (alarm,) = await alarms.open_alarms(shop.program.database)
    assert (alarm.kind, alarm.key) == ("goods.supply_stuck", f"purchase:PU-{ids.text26(bought.id)}")
    assert (await now(shop, bought)).state == "supplying"


async def test_naive_repeating_what_is_unknown_delivers_twice(shop: Shop, goods_id: int) -> None:
    """The control: a new number on every try, as a shop without this rule would do."""
    supplier = await shop.program.providers.supplier()
    shop.sim.services.turn("lost")
    for _ in range(3):
        number = UUID(bytes=secrets.token_bytes(16)).hex[:26].upper()
        if (await supplier.supply(SupplyRequest(number, "tel-50", PHONE, 1))).outcome == "success":
            break
    assert len(shop.sim.services.supplies.credited) == 3
