"""A purchase paid at a channel, whole or in part: recharged and spent in one commit, or nothing at all."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from tests.flows.knocks import Message, knock, payment
from tests.flows.shop import Shop, refuses

from daozhang import __version__, clock, ids
from daozhang.goods import shelf
from daozhang.goods.buy import Purchases
from daozhang.goods.model import Purchase
from daozhang.offers import campaigns
from daozhang.offers.model import Terms, Tier
from daozhang.policy import passes
from daozhang.policy.books import Books
from daozhang.policy.examine import Examined, examine
from daozhang.postgres import Database
from daozhang.reasons import Refusal
from daozhang.recharge.model import Basket, OrderView, PlaceRequest
from daozhang.recharge.release import reject, release

PRICE_FEN = 4_990


@pytest.fixture
async def goods_id(shop: Shop) -> int:
    return await shelf.add_good(
        shop.program.database, 1, goods_class="game_card", name="点卡", price_fen=PRICE_FEN, source="官方", on_sale=True
    )


@pytest.fixture
def fill(shop: Shop, goods_id: int) -> Callable[[int], Awaitable[None]]:
    async def work(count: int) -> None:
        codes = [secrets.token_hex(8) for _ in range(count)]
        await shelf.add_codes(shop.program.database, shop.program.vault, 1, goods_id, codes)

    return work


async def order(shop: Shop, goods_id: int, *, balance_fen: int = 0, count: int = 1, user_id: int = 0) -> OrderView:
    return await shop.program.desk.place(
        PlaceRequest(
            1, user_id or shop.user_id, PRICE_FEN * count - balance_fen, shop.channel_id, "native", secrets.token_hex(16),
            __version__, "203.0.113.9", basket=Basket(goods_id, count, PRICE_FEN, balance_fen),
        )
    )  # fmt: skip


async def bought(shop: Shop, user_id: int = 0) -> list[Purchase]:
    purchases = Purchases(1, shop.program.database, shop.program.vault, shop.program.accounts, Books(shop.program.database))
    return await purchases.purchases(user_id or shop.user_id)


async def left(shop: Shop) -> int:
    return (await shelf.shelf(shop.program.database, 1))[0].left_count


Fill = Callable[[int], Awaitable[None]]


async def test_paid_at_the_channel_it_is_delivered_in_the_same_commit(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(2)
    placed = await order(shop, goods_id)
    assert await left(shop) == 1, "set aside with the order"
    await shop.pay(placed)
    await shop.reach(placed.id, "credited")
    (purchase,) = await bought(shop)
    assert (purchase.state, purchase.order_id, purchase.channel_fen) == ("delivered", placed.id, PRICE_FEN)
    assert await shop.cash() == 0


async def test_partly_from_the_balance(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    first = await shop.place(2_000)
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    placed = await order(shop, goods_id, balance_fen=1_500)
    assert await shop.cash() == 500, "the balance's part waits in a hold"
    await shop.pay(placed)
    await shop.reach(placed.id, "credited")
    (purchase,) = await bought(shop)
    assert (purchase.state, purchase.balance_fen, purchase.channel_fen) == ("delivered", 1_500, PRICE_FEN - 1_500)
    assert await shop.cash() == 500


async def test_rl_04_what_may_not_leave_alone_does_not_leave_beside_a_channels_part(
    shop: Shop, owner_database: Database, goods_id: int, fill: Fill
) -> None:
    """Just-unfrozen money is asked about in a mixed purchase as in any other; looked at by two, it goes once."""
    await fill(3)
    first = await shop.place(4_000)
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    identity = shop.program.house.identity
    await identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    await identity.unfreeze(shop.user_id, actor="staff:2", reason="approved")
    refused = await order(shop, goods_id, balance_fen=3_990)
    assert (refused.state, refused.reason, refused.money) == ("refused", "risk.funds_unfrozen", "none")
    assert (await shop.cash(), await left(shop)) == (4_000, 3), "nothing was set aside"
    _, finding = await shop.program.house.diagnoses.in_general(shop.user_id, 1)
    assert "risk.funds_unfrozen" in {each.reason for each in finding.stopped}, "so that its owner may say where it comes from"
    assert (await order(shop, goods_id)).state == "awaiting_payment", "without the balance it goes"
    at = clock.now()
    await owner_database.transact(lambda tx: passes.grant(tx, 1, shop.user_id, 4_000, "looked at by two", "staff:2", at))
    assert (await order(shop, goods_id, balance_fen=3_990)).state == "awaiting_payment"
    assert (await shop.cash(), await left(shop)) == (10, 1)
    assert await examine(owner_database) == Examined(await count(owner_database), (), ())


async def test_az_after_unbinding_a_large_part_of_the_balance_waits_in_a_mixed_purchase_too(
    shop: Shop, owner_database: Database, fill: Fill
) -> None:
    first = await shop.place(400_000)
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    dear = await good(shop, 300_000)
    await unbound(shop, owner_database)
    wish = PlaceRequest(
        1, shop.user_id, 50_000, shop.channel_id, "native", secrets.token_hex(16), __version__, "203.0.113.9",
        basket=Basket(dear, 1, 300_000, 250_000),
    )  # fmt: skip
    refused = await shop.program.desk.place(wish)
    assert (refused.state, refused.reason) == ("refused", "account.cooling")
    assert await shop.cash() == 400_000


async def good(shop: Shop, price_fen: int, codes: int = 1) -> int:
    database, vault = shop.program.database, shop.program.vault
    dear = await shelf.add_good(
        database, 1, goods_class="game_card", name="大额卡", price_fen=price_fen, source="官方", on_sale=True
    )
    await shelf.add_codes(database, vault, 1, dear, [secrets.token_hex(8) for _ in range(codes)])
    return dear


async def unbound(shop: Shop, owner: Database) -> None:
    await owner.value(
        """insert into devices (id, shop_id, user_id, token_hash, agent, first_seen_at, seen_at, unbound_at)
        values ($1, 1, $2, sha256('odd'), '', clock_now(), clock_now(), clock_now()) returning 1""",
        ids.new_id(), shop.user_id,
    )  # fmt: skip


async def test_az_after_unbinding_many_purchases_at_once_just_below_the_bound_are_a_large_one(
    shop: Shop, owner_database: Database
) -> None:
    """By twenty at once as by one after the other: 2,000 yuan is large, and two of 900 are below it."""
    for _ in range(2):
        first = await shop.place(500_000)
        await shop.pay(first)
        await shop.reach(first.id, "credited")
    dear = await good(shop, 90_000, 12)
    await unbound(shop, owner_database)
    purchases = shop.program.house.purchases
    wanted = Basket(dear, 1, 90_000)
    many = [purchases.buy(shop.user_id, wanted, secrets.token_hex(8)) for _ in range(8)]
    told = await asyncio.gather(*many, return_exceptions=True)
    refused = [each for each in told if isinstance(each, Refusal)]
    assert [each.reason for each in refused] == ["account.cooling"] * 6, "two were bought"
    assert {each.facts["left_fen"] for each in refused} == {20_000}
    await shop.later(86_401)
    assert (await purchases.buy(shop.user_id, wanted, secrets.token_hex(8))).state == "delivered"


async def count(database: Database) -> int:
    found: int = await database.value("select count(*) from decisions")
    return found


async def test_the_balances_part_takes_cash_and_bonus_as_they_lie(shop: Shop, goods_id: int, fill: Fill) -> None:
    """20.00 and 10.00 on top: of a part of 15.00 the cash pays 10.00 and the bonus 5.00, aside, back, and for good."""
    await fill(1)
    at, database = clock.now(), shop.program.database
    wanted = Terms("bonus", "送", "Gift", at - timedelta(minutes=1), at + timedelta(days=1), (Tier(2_000, 1_000),), 10_000)
    offer = await campaigns.propose(database, 1, wanted, "anna")
    await campaigns.approve(database, 1, offer, "ben")
    first = await shop.place(2_000, offer=offer)
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    placed = await order(shop, goods_id, balance_fen=1_500)
    assert await purse(shop) == (1_000, 500, 1_500), "cash and bonus wait, each in a hold of its own"
    await shop.program.desk.cancel(shop.user_id, placed.id)
    await shop.later(21)
    await shop.work()
    assert await purse(shop) == (2_000, 1_000, 0), "each goes back to where it was"
    placed = await shop.program.desk.retry(shop.user_id, placed.id, shop.channel_id, "native", "203.0.113.9")
    assert await purse(shop) == (1_000, 500, 1_500)
    await shop.pay(placed)
    await shop.reach(placed.id, "credited")
    assert await purse(shop) == (1_000, 500, 0)
    (purchase,) = await bought(shop)
    assert (purchase.state, purchase.balance_fen) == ("delivered", 1_500)
    too_much = await order(shop, goods_id, balance_fen=1_600)
    assert (too_much.state, too_much.reason) == ("refused", "goods.balance_short")


async def purse(shop: Shop) -> tuple[int, int, int]:
    """Cash, bonus, and what is set aside."""
    wallet = await shop.program.desk.wallet(shop.user_id)
    return wallet.cash_fen, wallet.bonus_fen, wallet.reserved_fen


async def test_given_up_it_goes_back_to_shelf_and_balance(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    first = await shop.place(2_000)
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    placed = await order(shop, goods_id, balance_fen=1_500)
    await shop.program.desk.cancel(shop.user_id, placed.id)
    await shop.later(21)
    await shop.work()
    assert (await bought(shop))[0].state == "released"
    assert (await left(shop), await shop.cash()) == (1, 2_000)


async def test_a_failed_order_keeps_its_pieces_until_they_expire(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    shop.sim.fault("order", "error", code="NO_AUTH", http=403)
    placed = await order(shop, goods_id)
    assert placed.state == "failed"
    await shop.later(60)
    await shop.work()
    assert (await bought(shop))[0].state == "reserved"
    again = await shop.program.desk.retry(shop.user_id, placed.id, shop.channel_id, "native", "203.0.113.9")
    await shop.pay(again)
    await shop.reach(placed.id, "credited")
    assert (await bought(shop))[0].state == "delivered"


async def given_up(shop: Shop, goods_id: int) -> tuple[OrderView, Message]:
    """An order whose goods are back on the shelf, and the true notice that it was paid after all."""
    placed = await order(shop, goods_id)
    await shop.program.desk.cancel(shop.user_id, placed.id)
    await shop.later(21)
    await shop.work()
    assert (await bought(shop))[0].state == "released"
    return placed, payment(shop.enrolment, await shop.number(placed.id), PRICE_FEN)


async def test_late_money_for_goods_that_went_back_stays_in_the_balance(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    placed, late = await given_up(shop, goods_id)
    assert (await knock(shop, late)).status == 204
    seen = await shop.reach(placed.id, "credited")
    assert "undelivered" in seen.anomalies
    assert await shop.cash() == PRICE_FEN
    assert await left(shop) == 1


async def test_a_purchase_that_is_tried_again_takes_its_goods_and_its_part_anew(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    first = await shop.place(2_000)
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    placed = await order(shop, goods_id, balance_fen=1_500)
    for _ in range(4):
        await shop.later(600)
        await shop.work()
    assert (await shop.order(placed.id)).state == "expired"
    await shop.later(21)
    await shop.work()
    assert ((await bought(shop))[0].state, await left(shop), await shop.cash()) == ("released", 1, 2_000)
    again = await shop.program.desk.retry(shop.user_id, placed.id, shop.channel_id, "native", "203.0.113.9")
    assert ((await bought(shop))[0].state, await left(shop), await shop.cash()) == ("reserved", 0, 500)
    await shop.later(14 * 60)
    await shop.work()
    assert (await bought(shop))[0].state == "reserved", "aside until the new try ends"
    await shop.pay(again)
    await shop.reach(placed.id, "credited")
    assert ((await bought(shop))[0].state, await shop.cash()) == ("delivered", 500)


@pytest.mark.parametrize("why", ["goods.sold_out", "goods.balance_short", "goods.not_for_sale"])
async def test_a_purchase_whose_goods_are_gone_is_not_paid_again(shop: Shop, goods_id: int, fill: Fill, why: str) -> None:
    """Paid again it would end as balance: it is refused with why, before anything is asked of a channel."""
    await fill(1)
    first = await shop.place(2_000)
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    placed = await order(shop, goods_id, balance_fen=1_500)
    await shop.program.desk.cancel(shop.user_id, placed.id)
    await shop.later(21)
    await shop.work()
    if why == "goods.sold_out":
        await order(shop, goods_id)
    elif why == "goods.balance_short":
        await fill(1)
        await order(shop, goods_id, balance_fen=1_000)
    else:
        await shelf.set_sale(shop.program.database, 1, goods_id, on_sale=False)
    before = await shop.order(placed.id)
    with refuses(why):
        await shop.program.desk.retry(shop.user_id, placed.id, shop.channel_id, "native", "203.0.113.9")
    after = await shop.order(placed.id)
    assert (after.state, after.version) == ("cancelled", before.version)
    assert [each.state for each in await bought(shop) if each.order_id == placed.id] == ["released"]


async def test_held_money_delivers_when_it_is_released(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    placed = await order(shop, goods_id)
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    await shop.pay(placed)
    await shop.reach(placed.id, "held")
    assert (await bought(shop))[0].state == "reserved"
    await shop.program.house.identity.unfreeze(shop.user_id, actor="staff:1", reason="checked")
    program = shop.program
    await release(program.database, program.accounts, placed.id, "staff:1", "checked", program.desk.fulfilments)
    assert (await bought(shop))[0].state == "delivered"
    assert await shop.cash() == 0


async def test_held_money_that_goes_back_puts_pieces_and_balance_back(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    first = await shop.place(2_000)
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    placed = await order(shop, goods_id, balance_fen=1_500)
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    await shop.pay(placed)
    await shop.reach(placed.id, "held")
    await reject(shop.program.database, shop.program.accounts, placed.id, "staff:1", "退回")
    for _ in range(5):
        await shop.sim.quiet()
        await shop.later(61)
        await shop.work()
    assert (await shop.order(placed.id)).state == "refunded"
    assert (await bought(shop))[0].state == "released"
    assert (await left(shop), await shop.cash()) == (1, 2_000)


async def test_another_amount_that_is_kept_puts_the_pieces_back(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    placed = await order(shop, goods_id)
    shop.sim.phone.pay(await shop.number(placed.id), trick="charged_otherwise", amount_fen=1)
    await shop.reach(placed.id, "misfit")
    await release(shop.program.database, shop.program.accounts, placed.id, "staff:1", "ok", shop.program.desk.fulfilments)
    await shop.later(21)
    await shop.work()
    assert (await bought(shop))[0].state == "released"
    assert (await left(shop), await shop.cash()) == (1, 1)


async def test_what_is_released_after_its_goods_went_back_is_told(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    placed, late = await given_up(shop, goods_id)
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    assert (await knock(shop, late)).status == 204
    await shop.reach(placed.id, "held")
    await release(shop.program.database, shop.program.accounts, placed.id, "staff:1", "checked", shop.program.desk.fulfilments)
    seen = await shop.order(placed.id)
    assert (seen.state, "undelivered" in seen.anomalies) == ("credited", True)
    assert await shop.cash() == PRICE_FEN


@pytest.mark.parametrize(("change", "code"), [({"count": 2}, "goods.sold_out"), ({"balance_fen": 100}, "goods.balance_short")])
async def test_what_is_not_to_be_had_is_a_refused_order(
    shop: Shop, goods_id: int, fill: Fill, change: dict[str, int], code: str
) -> None:
    await fill(1)
    refused = await order(shop, goods_id, **change)
    assert (refused.state, refused.reason) == ("refused", code)
    assert (await left(shop), await bought(shop)) == (1, [])
    told = await shop.program.database.rows("select kind from events where order_id = $1", refused.id)
    assert [row["kind"] for row in told] == ["order.refused"], "nobody may hear of an order that is not there"


async def test_a_price_that_does_not_add_up_is_refused(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    cheap = PlaceRequest(
        1, shop.user_id, 100, shop.channel_id, "native", secrets.token_hex(16), __version__, "203.0.113.9",
        basket=Basket(goods_id, 1, PRICE_FEN),
    )  # fmt: skip
    refused = await shop.program.desk.place(cheap)
    assert (refused.state, refused.reason) == ("refused", "goods.price_changed")


async def test_fifty_buyers_of_the_last_card_at_a_channel(shop: Shop, goods_id: int, fill: Fill) -> None:
    await fill(1)
    users = [shop.user_id] * 50
    placed = await asyncio.gather(*(order(shop, goods_id, user_id=user) for user in users))
    going = [each for each in placed if each.state == "awaiting_payment"]
    assert len(going) == 1
    assert {each.reason for each in placed if each not in going} == {"goods.sold_out"}
    await shop.pay(going[0])
    await shop.reach(going[0].id, "credited")
    assert [each.state for each in await bought(shop)] == ["delivered"]
