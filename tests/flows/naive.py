"""The control: a settlement as it is often written: look whether a payment is known, book it, write that it is known.

No lock, no key, no transaction. Whatever finds no fault with this finds none with anything.
"""

import asyncio
from collections import Counter
from typing import Any

from daozhang.postgres import Database

TABLES = """
create table naive_credits (number text not null, amount_fen bigint not null);
create table naive_paid (number text not null);
grant select, insert on naive_credits, naive_paid to daozhang_app;
"""


async def make_tables(owner_database: Database) -> None:
    """Its own two tables."""
    async with owner_database.pool.acquire() as connection:
        await connection.execute(TABLES)


async def settle_naively(database: "Database | SideBySide", number: str, amount_fen: int) -> None:
    """Credit a payment unless it is known."""
    if await database.value("select count(*) from naive_paid where number = $1", number):
        return
    await database.rows("insert into naive_credits (number, amount_fen) values ($1, $2)", number, amount_fen)
    await database.rows("insert into naive_paid (number) values ($1)", number)


class SideBySide:
    """A database of which all who ask have their answer before any of them goes on: what haste does now and then, always."""

    def __init__(self, database: Database, askers: int) -> None:
        self._database, self._answered = database, asyncio.Barrier(askers)

    async def value(self, *question: Any) -> Any:
        """The answer, once everybody has one."""
        found = await self._database.value(*question)
        await self._answered.wait()
        return found

    async def rows(self, *question: Any) -> list[Any]:
        """As the database itself."""
        return await self._database.rows(*question)


async def credited(database: Database) -> Counter[str]:
    """How often each number was credited."""
    rows = await database.rows("select number, count(*) as times from naive_credits group by number")
    return Counter({row["number"]: row["times"] for row in rows})
