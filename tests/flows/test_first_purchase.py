"""A shop that wants a purchase before it sells balance: one whose money went back is none."""

import secrets

import msgspec
from msgspec.structs import replace
from tests.flows.shop import LICENSED, Shop, open_shop

from daozhang import __version__
from daozhang.goods import shelf
from daozhang.goods.buy import Purchases
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.proof import prove
from daozhang.providers import rows
from daozhang.recharge.model import Basket, OrderView, PlaceRequest
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment

REFUSED_BY_THE_SUPPLIER = "13800138404"


async def place(shop: Shop, basket: Basket | None = None) -> OrderView:
    return await shop.program.desk.place(
        PlaceRequest(
            1, shop.user_id, 5_000, shop.channel_id, "native", secrets.token_hex(16), __version__, "203.0.113.9", basket=basket
        )
    )


async def topup(shop: Shop) -> int:
    """A good that a supplier delivers, who may refuse."""
    database = shop.program.database
    for card in shop.sim.services.cards():
        if card["purpose"] == "supplier":
            await rows.add(
                database, shop.program.vault, shop.program.house.settings, 1, msgspec.convert(card, rows.ProviderSettings)
            )
    wares = shelf.Wares(
        goods_class="phone_topup", name="话费 50 元", price_fen=5_000, source="运营商直充", delivery="topup", sku="tel-50",
        target="phone", on_sale=True,
    )  # fmt: skip
    return await shelf.put(database, 1, wares)


async def test_am_06_a_purchase_that_was_returned_is_no_first_purchase(
    database: Database, owner_database: Database, settings: Settings, enrolment: Enrolment
) -> None:
    await owner_database.transact(lambda tx: tx.run("update clock_offset set test_mode = true"))
    rules = replace(LICENSED, eligibility=replace(LICENSED.eligibility, first_purchase=True))
    async with open_shop(database, settings, enrolment=enrolment, rules=rules) as shop:
        refused = await place(shop)
        assert (refused.state, refused.reason) == ("refused", "eligibility.first_purchase")
        goods_id = await topup(shop)
        wish = await place(shop, Basket(goods_id, 1, 5_000, target=REFUSED_BY_THE_SUPPLIER))
        await shop.pay(wish)
        await shop.reach(wish.id, "credited")
        # Bought and on its way is not bought yet: the supplier may still refuse.
        assert (await place(shop)).reason == "eligibility.first_purchase"
        await shop.work()
        program = shop.program
        purchases = Purchases(1, program.database, program.vault, program.accounts, Books(program.database))
        (returned,) = await purchases.purchases(shop.user_id)
        assert returned.state == "returned"
        assert await shop.cash() == 5_000
        assert (await place(shop)).reason == "eligibility.first_purchase"
        # The money that came back buys what the recharge asks for.
        bought = await purchases.buy(shop.user_id, Basket(goods_id, 1, 5_000, target="13800138000"), secrets.token_hex(8))
        await shop.work()
        seen = await purchases.purchase(shop.user_id, bought.id)
        assert seen is not None
        assert seen.state == "delivered"
        recharge = await place(shop)
        await shop.pay(recharge)
        await shop.reach(recharge.id, "credited")
        assert await shop.cash() == 5_000
        assert (await prove(database)).ok
