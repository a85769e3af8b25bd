"""Two open payments whose money is mixed up: a payment belongs to the number it names, and to nobody by its amount."""

import asyncio

from tests.flows.knocks import book, knock, payment
from tests.flows.shop import Shop, make_users

from daozhang.postgres import Database


async def test_am_13_two_open_orders_of_one_amount_are_told_apart_by_their_numbers(shop: Shop, owner_database: Database) -> None:
    """Paid in the other order and at the same moment: each user has what was paid for him, once."""
    (other,) = await make_users(owner_database.dsn, 1)
    first, second = await shop.place(5_000), await shop.place(5_000, user_id=other)
    late = payment(shop.enrolment, await shop.number(second.id))
    assert (await knock(shop, late)).status == 204
    assert (await shop.cash(), await shop.cash(other)) == (0, 5_000)
    early = payment(shop.enrolment, await shop.number(first.id))
    heard = await asyncio.gather(knock(shop, early), knock(shop, late), knock(shop, early))
    assert {each.status for each in heard} == {204}
    assert (await shop.cash(), await shop.cash(other)) == (5_000, 5_000)


async def test_am_13_the_amounts_of_two_open_orders_swapped_credit_nobody(shop: Shop, owner_database: Database) -> None:
    """Each number is paid with the other's amount. Neither is credited as asked, no fen is lost, and a person is told."""
    (other,) = await make_users(owner_database.dsn, 1)
    first, second = await shop.place(5_000), await shop.place(7_000, user_id=other)
    numbers = [await shop.number(order.id) for order in (first, second)]
    swapped = [payment(shop.enrolment, number, fen) for number, fen in zip(numbers, (7_000, 5_000), strict=True)]
    heard = await asyncio.gather(*(knock(shop, message) for message in swapped))
    assert {each.status for each in heard} == {204}
    assert (await shop.cash(), await shop.cash(other)) == (0, 0)
    database = shop.program.database
    for order, user_id in ((first, shop.user_id), (second, other)):
        seen = await shop.program.desk.order(user_id, order.id)
        assert seen is not None
        assert (seen.state, seen.anomalies) == ("misfit", ("amount",))
    assert await database.value("select sum(balance_fen) from accounts where kind = 'platform_suspense'") == 12_000
    # One transaction never serves two orders, whatever its second message says.
    before = await book(database)
    again = payment(shop.enrolment, numbers[0], 5_000, txn=await database.value("select min(channel_txn) from fact_keys"))
    await knock(shop, again)
    assert [part for part in await book(database) if part not in before] == [], "nothing moved"
