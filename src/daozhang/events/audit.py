"""The trail of what staff do: a line before the deed, its outcome after it, and neither is ever changed.

A deed may span several commits, and a channel in between. So its line stands in a commit of its own before anything is done:
what is not on record did not happen here. If the process dies in between, the line has no outcome and reads as such. Refused
tries are lines too. Nothing personal goes in: subjects are numbers, what was unmasked is not repeated.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from daozhang import clock, ids
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.events")

PAGE = 100
LONGEST = 4_000
"""Characters of what is kept of a before and an after."""


@dataclass(frozen=True, slots=True)
class Doer:
    """Who does it. `roles` are those held at that moment."""

    shop_id: int
    actor: str
    staff_id: int | None = None
    roles: tuple[str, ...] = ()
    door: Literal["desk", "cli"] = "desk"


@dataclass(slots=True)
class Deed:
    """What is being done; whoever does it may say how it stands afterwards."""

    id: UUID
    after: str = ""


@dataclass(frozen=True, slots=True)
class TrailLine:
    """A line as it is read. `outcome` is None while it is under way, or when the process died in between."""

    id: UUID
    actor: str
    staff_id: int | None
    roles: tuple[str, ...]
    door: str
    action: str
    subject: str
    before: str
    reason: str
    at: datetime
    outcome: str | None
    why: str | None
    after: str | None


@contextlib.asynccontextmanager
async def doing(
    database: Database, doer: Doer, action: str, subject: str = "", *, reason: str = "", before: str = ""
) -> AsyncIterator[Deed]:
    """Write the line, let the block do it, write the outcome: done, refused (the reason's code), or unknown (anything else)."""
    deed = Deed(ids.new_id())
    await database.transact(
        lambda tx: tx.run(
            sql.add_action, deed.id, doer.shop_id, doer.actor, doer.staff_id, list(doer.roles), doer.door, action, subject[:160],
            before[:LONGEST], reason[:400], clock.now(),
        )
    )  # fmt: skip
    try:
        yield deed
    except Refusal as refusal:
        await _end(database, deed, "refused", refusal.reason)
        raise
    except Exception as fault:
        with contextlib.suppress(Exception):
            await _end(database, deed, "unknown", type(fault).__name__)
        raise
    await _end(database, deed, "done", "")


async def trail(
    database: Database, shop_id: int, *, before: UUID | None = None, actor: str = "", action: str = "", subject: str = "",
    limit: int = PAGE,
) -> list[TrailLine]:  # fmt: skip
    """The trail, newest first, narrowed by who, what (a beginning such as `case.`) and to what."""
    rows = await database.rows(sql.trail, shop_id, before, actor, action, subject, min(limit, PAGE))
    return [TrailLine(**{**dict(row), "roles": tuple(row["roles"])}) for row in rows]


async def _end(database: Database, deed: Deed, outcome: str, why: str) -> None:
    async def work(tx: Tx) -> None:
        await tx.run(sql.add_outcome, deed.id, outcome, why[:160], deed.after[:LONGEST], clock.now())

    await database.transact(work)
