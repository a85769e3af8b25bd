"""Whoever reads something personal of somebody else in clear leaves a line before it is shown: who, whose, what, what for."""

from typing import Literal

from daozhang import clock, ids
from daozhang.postgres import Tx, statements

sql = statements("daozhang.identity")

What = Literal["identity", "phone", "evidence"]


async def note_view(tx: Tx, shop_id: int, user_id: int, what: What, actor: str, why: str) -> None:
    """Put a look on record, in the caller's transaction."""
    await tx.run(sql.note_view, ids.new_id(), shop_id, user_id, what, actor, why[:200] or "-", clock.now())
