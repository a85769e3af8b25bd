"""Buying from the balance: all of it in one commit, or nothing; the last card goes to one of fifty."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from tests.flows.shop import refuses

from daozhang import ids
from daozhang.goods import shelf
from daozhang.goods.buy import Purchases
from daozhang.postgres import Database
from daozhang.proof import prove
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.model import Basket

from .conftest import PRICE_FEN

Fill = Callable[[int], Awaitable[list[str]]]
Rich = Callable[[int, int], Awaitable[list[int]]]


async def cash(database: Database, user_id: int) -> int:
    return await database.value("select balance_fen from accounts where address = $1", f"user:{user_id}:cash") or 0


async def test_a_card_for_its_price(database: Database, purchases: Purchases, basket: Basket, fill: Fill, rich: Rich) -> None:
    (code,), (user,) = await fill(1), await rich(1, 10_000)
    bought = await purchases.buy(user, basket, "key-00000001")
    assert (bought.state, bought.total_fen) == ("delivered", PRICE_FEN)
    assert [each.code for each in await purchases.codes(user, bought.id)] == [code]
    assert await cash(database, user) == 10_000 - PRICE_FEN
    assert await purchases.codes(user + 1, bought.id) == [], "nobody else reads it"
    assert await purchases.purchase(user + 1, bought.id) is None


async def test_the_same_key_buys_once(database: Database, purchases: Purchases, basket: Basket, fill: Fill, rich: Rich) -> None:
    await fill(5)
    (user,) = await rich(1, 50_000)
    bought = await asyncio.gather(*(purchases.buy(user, basket, "key-00000001") for _ in range(20)))
    assert len({each.id for each in bought}) == 1
    assert await cash(database, user) == 50_000 - PRICE_FEN
    with refuses("operation.key_reused"):
        await purchases.buy(user, Basket(basket.goods_id, 2, PRICE_FEN), "key-00000001")


async def test_fifty_buyers_of_the_last_card(
    database: Database, purchases: Purchases, basket: Basket, fill: Fill, rich: Rich
) -> None:
    (code,), users = await fill(1), await rich(50, 10_000)
    outcomes = await asyncio.gather(*(purchases.buy(u, basket, "key-00000001") for u in users), return_exceptions=True)
    lucky = [each for each in outcomes if not isinstance(each, BaseException)]
    assert len(lucky) == 1
    assert {each.reason for each in outcomes if isinstance(each, Refusal)} == {"goods.sold_out"}
    assert [each.code for each in await purchases.codes(lucky[0].user_id, lucky[0].id)] == [code]
    assert sorted([await cash(database, user) for user in users]) == [10_000 - PRICE_FEN] + [10_000] * 49
    assert [good.left_count for good in await shelf.shelf(database, 1)] == [0]


async def test_twenty_purchases_of_one_balance(
    database: Database, purchases: Purchases, basket: Basket, fill: Fill, rich: Rich
) -> None:
    await fill(20)
    (user,) = await rich(1, 3 * PRICE_FEN + 1)
    outcomes = await asyncio.gather(*(purchases.buy(user, basket, f"key-{n:08d}") for n in range(20)), return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in outcomes) == 3
    assert {each.reason for each in outcomes if isinstance(each, Refusal)} == {"goods.balance_short"}
    assert await cash(database, user) == 1
    assert [good.left_count for good in await shelf.shelf(database, 1)] == [17], "what was set aside for a refusal is back"


async def test_what_is_missing_is_said(purchases: Purchases, basket: Basket, fill: Fill, rich: Rich) -> None:
    await fill(1)
    (user,) = await rich(1, 1_000)
    with pytest.raises(Refusal) as refused:
        await purchases.buy(user, basket, "key-00000001")
    assert refused.value.facts == {"short_fen": PRICE_FEN - 1_000, "balance_fen": 1_000}


@pytest.mark.parametrize(
    ("change", "code"),
    [({"count": 0}, "goods.count"), ({"count": 101}, "goods.count"), ({"goods_id": 999}, "goods.not_for_sale"),
     ({"price_fen": 1}, "goods.price_changed"), ({"count": 2}, "goods.sold_out")],
)  # fmt: skip
async def test_what_can_not_be_sold_is_refused_with_nothing_moved(
    database: Database, purchases: Purchases, basket: Basket, fill: Fill, rich: Rich, change: dict[str, int], code: str
) -> None:
    await fill(1)
    (user,) = await rich(1, 100_000)
    wanted = Basket(**({"goods_id": basket.goods_id, "count": 1, "price_fen": PRICE_FEN} | change))
    with refuses(code):
        await purchases.buy(user, wanted, "key-00000001")
    assert await cash(database, user) == 100_000
    assert [good.left_count for good in await shelf.shelf(database, 1)] == [1]


async def test_a_good_off_the_shelf_is_not_sold(
    database: Database, purchases: Purchases, basket: Basket, fill: Fill, rich: Rich
) -> None:
    await fill(1)
    (user,) = await rich(1, 100_000)
    await shelf.set_sale(database, 1, basket.goods_id, on_sale=False)
    with refuses("goods.not_for_sale"):
        await purchases.buy(user, basket, "key-00000001")


async def test_a_frozen_user_spends_nothing_and_the_decision_is_kept(
    database: Database, purchases: Purchases, basket: Basket, fill: Fill, rich: Rich
) -> None:
    await fill(1)
    (user,) = await rich(1, 100_000)
    await database.value("select set_standing($1, 'frozen', 'risk_review', '', 'test', null, null)", user)
    with refuses("account.frozen"):
        await purchases.buy(user, basket, "key-00000001")
    assert await cash(database, user) == 100_000
    row = await database.row("select stage, outcome, reason from decisions")
    assert row is not None
    assert tuple(row) == ("spend", "refuse", "account.frozen")


async def test_the_books_add_up(database: Database, purchases: Purchases, basket: Basket, fill: Fill, rich: Rich) -> None:
    await fill(3)
    (user,) = await rich(1, 100_000)
    for number in range(3):
        await purchases.buy(user, basket, f"key-{number:08d}")
    wrong = {check.name for check in (await prove(database)).checks if check.wrong}
    assert not wrong & {"transfers_balance", "balances_are_postings", "running_balances", "books_sum_to_zero", "transfers_known"}


async def test_who_saw_the_codes_is_on_record_and_stays_there(
    database: Database, owner_database: Database, purchases: Purchases, basket: Basket, fill: Fill, rich: Rich
) -> None:
    await fill(1)
    (user,) = await rich(1, 10_000)
    bought = await purchases.buy(user, basket, "key-00000001")
    assert await purchases.looks(user, bought.id) == (0, None)
    assert await purchases.look(user + 1, bought.id, ids.new_id()) == []
    assert len(await purchases.look(user, bought.id, ids.new_id())) == 1
    times, last_at = await purchases.looks(user, bought.id)
    assert (times, last_at is not None) == (1, True)
    for attack in ("delete from card_views", "update card_views set codes = 9", "truncate card_views"):
        with pytest.raises(asyncpg.PostgresError):
            await owner_database.transact(lambda tx, attack=attack: tx.run(attack))
