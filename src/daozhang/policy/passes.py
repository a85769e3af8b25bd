"""One-time passes: a person looked at a wish that was asked about, and lets this user go once, up to this amount, for a day."""

from datetime import datetime, timedelta
from uuid import UUID

from daozhang import ids
from daozhang.postgres import Tx, statements

sql = statements("daozhang.policy")

LIFETIME = timedelta(hours=24)


async def grant(tx: Tx, shop_id: int, user_id: int, most_fen: int, why: str, actor: str, at: datetime) -> UUID:
    """Give a pass. It lifts what soft and firm checks ask, never a hard check or a refusal, and is used up by one order."""
    pass_id = ids.new_id()
    await tx.run(sql.grant_pass, pass_id, shop_id, user_id, most_fen, why[:200] or "looked at", actor, at, at + LIFETIME)
    return pass_id
