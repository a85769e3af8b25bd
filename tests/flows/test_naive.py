"""The control must fail where we hold: the judge that finds nothing wrong with us finds what is wrong with it."""

import asyncio
from collections import Counter

from tests.flows.knocks import knock, payment
from tests.flows.naive import SideBySide, credited, make_tables, settle_naively
from tests.flows.shop import Shop
from tests.flows.verdict import judge

from daozhang import ids
from daozhang.postgres import Database, Tx


async def our_credits(database: Database) -> Counter[str]:
    """How often each attempt's order was credited to anybody's cash."""
    rows = await database.rows(
        """select a.id, count(p.*) as times from attempts a
           left join transfers t on t.source_id = a.order_id and t.kind in ('recharge', 'release')
           left join postings p on p.transfer_id = t.id and p.amount_fen > 0
           where a.state = 'paid' group by a.id"""
    )
    return Counter({ids.text26(row["id"]): row["times"] for row in rows})


async def test_rc_13_the_control_credits_duplicates_twice_and_the_judge_says_so(
    database: Database, owner_database: Database
) -> None:
    await make_tables(owner_database)
    numbers = [f"N{n:03}" for n in range(20)]
    beside = {number: SideBySide(database, 10) for number in numbers}
    await asyncio.gather(*(settle_naively(beside[number], number, 5_000) for number in numbers for _ in range(10)))
    verdict = judge(numbers, await credited(database))
    assert verdict.double == tuple(numbers)
    assert not verdict.holds


async def test_rc_13_the_same_duplicates_at_our_door(shop: Shop) -> None:
    numbers = [await shop.number((await shop.place(100)).id) for _ in range(20)]
    messages = [payment(shop.enrolment, number, 100) for number in numbers]
    heard = await asyncio.gather(*(knock(shop, message) for message in messages * 10))
    assert {each.status for each in heard} == {204}
    verdict = judge(numbers, await our_credits(shop.program.database))
    assert verdict.holds, verdict
    assert await shop.cash() == 2_000


async def test_the_judge_sees_what_is_lost(database: Database, owner_database: Database) -> None:
    """Acknowledged first and booked later, or never."""
    await make_tables(owner_database)

    async def booked_and_rolled_back(tx: Tx) -> None:
        await tx.run("insert into naive_credits (number, amount_fen) values ('N2', 1)")
        raise ConnectionResetError

    await settle_naively(database, "N1", 5_000)
    await asyncio.gather(database.transact(booked_and_rolled_back), return_exceptions=True)
    assert judge(["N1", "N2"], await credited(database)).lost == ("N2",)
