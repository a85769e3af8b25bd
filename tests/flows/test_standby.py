"""FT: the primary dies while people pay, its standby is promoted, and the shop goes on with everything that it acknowledged."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.flows.conftest import proved
from tests.flows.shop import open_shop
from tests.flows.test_naive import our_credits
from tests.flows.verdict import judge
from tests.patience import until
from tests.postgres.pair import open_pair

from daozhang import clock, ids
from daozhang.postgres import Database, Unavailable, hosts
from daozhang.postgres.migrate import migrate
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment

BEFORE, WHILE, AFTER = 4, 4, 4
"""Payments that are acknowledged before the primary dies, are on their way then, and come while nobody takes writes."""


async def test_ft_what_was_acknowledged_is_on_the_promoted_standby_and_the_shop_goes_on(
    settings: Settings, enrolment: Enrolment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DSN names a machine that says nothing first: whoever waits for it must not make the others wait."""
    monkeypatch.setattr(hosts, "EACH_S", 1.0)
    async with open_pair(tmp_path) as pair:
        await migrate(pair.dsn("owner"))
        async with opened(pair.dsn("app")) as database, open_shop(database, settings, enrolment=enrolment, work=True) as shop:
            numbers = [await shop.number((await shop.place()).id) for _ in range(BEFORE + WHILE + AFTER)]
            books = shop.sim.books

            def acknowledged() -> set[str]:
                return {number for number in numbers if any(send.acknowledged for send in books.sends(number))}

            pay = shop.sim.phone.pay
            for number in numbers[:BEFORE]:
                pay(number)
            await until(lambda: acknowledged() == set(numbers[:BEFORE]))
            for number in numbers[BEFORE:-AFTER]:
                pay(number)
            await pair.kill_primary()
            known, died_at = acknowledged(), clock.now()
            for number in numbers[-AFTER:]:
                pay(number)
            with pytest.raises(Unavailable):
                await database.value("select count(*) from orders")
            await pair.promote()
            there = "select count(*) from attempts where state = 'paid' and moved_at <= $2 and id = any ($1)"
            assert await database.value(there, [ids.parse26(number) for number in known], died_at) == len(known)
            await until(lambda: acknowledged() == set(numbers))
            credited = await our_credits(database)
            assert judge(numbers, credited).holds, judge(numbers, credited)
            # And it is a shop as before.
            order = await shop.place()
            await shop.pay(order)
            await shop.reach(order.id, "credited")
            assert await shop.cash() == (len(numbers) + 1) * order.amount_fen
            await proved(database)


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    """A database, for as long as it is needed."""
    database = await Database.open(dsn)
    yield database
    database.pool.terminate()
