"""Whoever reads something personal of somebody else in clear leaves a line before it is shown: who, whose, what, what for.

Somebody who looks at many people within an hour rings: a stolen login that copies the shop's people is seen while it does.
"""

from datetime import timedelta
from typing import Literal

from daozhang import clock, ids
from daozhang.alarms import ring
from daozhang.postgres import Tx, statements

sql = statements("daozhang.identity")

What = Literal["identity", "phone", "evidence"]
MANY = 20
"""So many people looked at within an hour by one person are many: more than a queue of cases has."""
WITHIN = timedelta(hours=1)


async def note_view(tx: Tx, shop_id: int, user_id: int, what: What, actor: str, why: str) -> None:
    """Record that somebody of the staff read personal data, in the caller's transaction."""
    at = clock.now()
    await tx.run(sql.note_view, ids.new_id(), shop_id, user_id, what, actor, why[:200] or "-", at)
    people: int = await tx.value(sql.people_viewed, shop_id, actor, ids.first_at(at - WITHIN))
    if people >= MANY:
        await ring(tx, shop_id, at, "privacy.many_views", actor, {"count": people})
