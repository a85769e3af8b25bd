"""A message before a verified name is needed, once in thirty days: to whoever nears the ceiling of an account without one."""

from datetime import timedelta

from daozhang import clock, notices
from daozhang.policy.books import Books
from daozhang.policy.name_soon import near_fen
from daozhang.postgres import Database, Tx, statements

sql = statements("daozhang.mine")

KIND = "name_soon"
AGAIN = timedelta(days=30)
MOST = 200


async def tell(database: Database, books: Books, shop_id: int) -> int:
    """Tell those who are near and were not told lately; how many."""
    rules = (await books.current(shop_id)).eligibility
    from_fen, at = near_fen(rules), clock.now()
    if not from_fen:
        return 0
    rows = await database.rows(sql.near_the_ceiling, shop_id, from_fen, at - AGAIN, KIND, MOST)
    facts = {"limit_fen": rules.unnamed_ceiling_fen}

    async def work(tx: Tx) -> int:
        for row in rows:
            await notices.tell(tx, shop_id, row["user_id"], at, KIND, facts, "/me/name")
        return len(rows)

    return await database.transact(work)
