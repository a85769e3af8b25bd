"""Frozen accounts whose review has come: they ring until somebody lifts the freeze or sets it anew with another date."""

from uuid import UUID

from daozhang import alarms, clock
from daozhang.postgres import Database, Tx, statements

sql = statements("daozhang.identity")

KIND = "user.freeze_review"
MOST = 200


async def tell(database: Database, shop_id: int) -> int:
    """Ring for each whose user was told that it would be reviewed by now; how many alarms rang just now."""

    async def work(tx: Tx) -> int:
        at = clock.now()
        wanted = {
            # A later date, set anew, is newer than the alarm that a person closed.
            (KIND, f"user:{row['user_id']}"): alarms.Waiting(
                1, UUID(int=int(row["review_at"].timestamp())), {"user": row["user_id"]}
            )
            for row in await tx.rows(sql.freezes_to_review, shop_id, at, MOST)
        }
        return await alarms.keep(tx, shop_id, at, [KIND], wanted)

    return await database.transact(work)
