"""Cases that nobody answered for a day: they ring until they are answered, one alarm for each kind."""

from daozhang import alarms, clock
from daozhang.cases.model import shown
from daozhang.postgres import Database, Tx, statements

sql = statements("daozhang.cases")

KIND = "case.escalated"


async def tell(database: Database, shop_id: int) -> int:
    """Ring for what went up and is still open; how many alarms rang just now."""

    async def work(tx: Tx) -> int:
        rows = await tx.rows(sql.escalated, shop_id)
        wanted = {
            (KIND, f"cases:{row['kind']}"): alarms.Waiting(row["waiting"], row["newest"], {"case": shown(row["oldest"])})
            for row in rows
        }
        return await alarms.keep(tx, shop_id, clock.now(), [KIND], wanted)

    return await database.transact(work)
