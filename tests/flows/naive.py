"""The control: a settlement as it is often written: look whether a payment is known, book it, write that it is known.

No lock, no key, no transaction. Whatever finds no fault with this finds none with anything.
"""

from collections import Counter

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


async def settle_naively(database: Database, number: str, amount_fen: int) -> None:
    """Credit a payment unless it is known."""
    if await database.value("select count(*) from naive_paid where number = $1", number):
        return
    await database.rows("insert into naive_credits (number, amount_fen) values ($1, $2)", number, amount_fen)
    await database.rows("insert into naive_paid (number) values ($1)", number)


async def credited(database: Database) -> Counter[str]:
    """How often each number was credited."""
    rows = await database.rows("select number, count(*) as times from naive_credits group by number")
    return Counter({row["number"]: row["times"] for row in rows})
