"""One message: a kind with facts, and where it leads. Its words are made when it is read, in the language of who reads it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from daozhang import ids
from daozhang.postgres import Database, Tx, statements

sql = statements("daozhang.notices")

MOST = 100
SAFETY = frozenset(
    ("password_reset", "password_changed", "device_unbound", "frozen", "unfrozen", "factor_on", "factor_off", "factor_codes",
     "factor_asked", "factor_ending", "factor_kept")
)  # fmt: skip
"""Kinds that go to the number of the account whatever was chosen: it was there before whoever got in."""


class Notice(msgspec.Struct, frozen=True):
    """A message to one user. `kind` names its texts, `facts` fill them (units in their names), `link` is a path of this site."""

    id: UUID
    kind: str
    facts: dict[str, Any]
    link: str
    at: datetime
    read_at: datetime | None


async def tell(tx: Tx, shop_id: int, user_id: int, at: datetime, kind: str, facts: Mapping[str, Any], link: str = "") -> UUID:
    """Leave a message in the caller's transaction; its id."""
    notice_id = ids.new_id()
    told = msgspec.json.encode(dict(facts)).decode()
    await tx.run(sql.tell, notice_id, shop_id, user_id, kind, told, link, at, ids.new_id(), ids.new_id(), kind in SAFETY)
    return notice_id


async def unread(database: Database, user_id: int, limit: int = MOST) -> list[Notice]:
    """A user's unread messages, newest first."""
    return [_notice(row) for row in await database.rows(sql.unread, user_id, min(limit, MOST))]


async def recent(database: Database, user_id: int, limit: int = MOST) -> list[Notice]:
    """A user's messages, read ones too, newest first."""
    return [_notice(row) for row in await database.rows(sql.recent, user_id, min(limit, MOST))]


async def unread_count(database: Database, user_id: int) -> int:
    """How many messages wait, at most `MOST`."""
    return int(await database.value(sql.count_unread, user_id, MOST))


async def read(database: Database, user_id: int, at: datetime, notice_id: UUID | None = None) -> None:
    """Mark one message of a user, or all of them, as read."""
    await database.transact(lambda tx: tx.run(sql.mark_read, user_id, at, notice_id))


def _notice(row: Any) -> Notice:
    return Notice(row["id"], row["kind"], msgspec.json.decode(row["facts"]), row["link"], row["at"], row["read_at"])
