"""Whom no duty holds any more is let go of; whoever is held by one is not; and nothing that money rests on is ever deleted."""

import asyncpg
import pytest
from msgspec.structs import replace
from tests.flows.conftest import enrolment, proved, shop, stranger  # noqa: F401 -- fixtures of the flows
from tests.flows.shop import LICENSED, Shop
from tests.flows.test_eligibility import verify

from daozhang.aml import retention
from daozhang.policy.book import defaults
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.settings import Settings

YEAR_S = 366 * 86_400


async def years(database: Database) -> int:
    return (await retention.duty(database, 1))[0]


async def test_the_longest_duty_of_every_mode_counts(database: Database) -> None:
    books, begun = Books(database), defaults()
    assert await years(database) == 5
    own = replace(begun, eligibility=replace(begun.eligibility, mode="own_goods"))
    await books.publish(1, own, version=1, author="t", note="n")
    assert await years(database) == 3
    await books.publish(1, begun, version=2, author="t", note="n")
    assert await years(database) == 5
    await books.publish(1, LICENSED, version=3, author="t", note="n")
    await books.publish(1, own, version=4, author="t", note="n")
    assert await years(database) == 10, "what was once a payment institution keeps what it kept as one"


async def lived(shop: Shop, settings: Settings, *, back: bool = True, closed: bool = True) -> None:  # noqa: F811
    """Verified and recharged; then, unless told otherwise, everything sent back, and closed."""
    await verify(shop, settings)
    order = await shop.place(5_000)
    await shop.pay(order)
    await shop.reach(order.id, "credited")
    if back:
        await shop.program.desk.refund(order.id, 5_000, "asked", "anna")
        for _ in range(20):
            await shop.later(61)
            await shop.work()
            if await shop.program.database.value("select count(*) from refunds where state = 'done'"):
                break
    if closed:
        sql = "select set_standing($1, 'closed', 'asked', '', 'test', null, null)"
        await shop.program.database.transact(lambda tx: tx.run(sql, shop.user_id))


async def test_after_the_duty_everything_that_names_a_person_goes(
    shop: Shop,  # noqa: F811
    settings: Settings,
) -> None:
    database = shop.program.database
    await lived(shop, settings)
    before = await database.row("select count(*) as postings, sum(amount_fen) as sum from postings")
    await shop.later(10 * YEAR_S - 86_400)
    assert await retention.forget(database, 1) == 0
    await shop.later(2 * 86_400)
    assert await retention.forget(database, 1) == 1
    assert await retention.forget(database, 1) == 0
    row = await database.row(
        """select u.phone_sealed = decode(repeat('00', 34), 'hex') as phone,
             v.name_sealed = decode(repeat('00', 34), 'hex') as name,
             v.number_sealed = decode(repeat('00', 34), 'hex') as number
           from users u join verifications v on v.user_id = u.id where u.id = $1""",
        shop.user_id,
    )
    assert row is not None
    assert all(row.values())
    assert await database.value("select count(*) from attempts where payer is not null or client_ip <> ''") == 0
    assert await database.value("select count(*) from orders where client_ip <> ''") == 0
    keys = "select count(*) from credentials where user_id = $1"
    assert await database.value(keys, shop.user_id) == 0
    assert await database.value("select count(*) from notifications where length(body) > 0") == 0
    assert await shop.program.house.identity.find(1, "13800138000") is None
    assert await database.row("select count(*) as postings, sum(amount_fen) as sum from postings") == before
    await proved(database)


@pytest.mark.parametrize(("back", "closed"), [(False, True), (True, False)], ids=["money", "open"])
async def test_whoever_is_held_by_something_stays(
    shop: Shop,  # noqa: F811
    settings: Settings,
    *,
    back: bool,
    closed: bool,
) -> None:
    await lived(shop, settings, back=back, closed=closed)
    await shop.later(10 * YEAR_S + 86_400)
    assert await retention.forget(shop.program.database, 1) == 0


async def test_what_is_never_changed_is_changed_for_those_alone_who_were_let_go_of(
    shop: Shop,  # noqa: F811
    settings: Settings,
    owner_database: Database,
) -> None:
    await verify(shop, settings)
    for attack in (
        "update verifications set name_sealed = decode(repeat('00', 34), 'hex')",
        "delete from verifications",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner_database.transact(lambda tx, attack=attack: tx.run(attack))  # type: ignore[misc]
