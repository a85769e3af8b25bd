"""Write, read and withdraw announcements."""

import re
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.announcements")

KINDS = ("news", "change", "warning")
LONGEST_DAYS = 366
REMEMBERED = timedelta(days=90)
"""How long one that has ended can still be read."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class Announcement(msgspec.Struct, frozen=True):
    """One. `kind` is news, a change of terms or prices, or a warning, which stands first."""

    id: UUID
    kind: str
    zh_title: str
    en_title: str
    zh: str
    en: str
    begins_at: datetime
    ends_at: datetime
    author: str
    withdrawn_at: datetime | None

    def title(self, language: str) -> str:
        """Its headline in a language."""
        return self.en_title if language == "en" else self.zh_title

    def text(self, language: str) -> str:
        """What it says in a language."""
        return self.en if language == "en" else self.zh


async def announce(
    database: Database, shop_id: int, *, kind: str, titles: tuple[str, str], texts: tuple[str, str], begins_at: datetime,
    ends_at: datetime, author: str,
) -> UUID:  # fmt: skip
    """Write one, titles and texts in Chinese and English; its id. Raises `operation.announcement_malformed`."""
    zh_title, en_title = (each.strip() for each in titles)
    zh, en = (each.replace("\r\n", "\n").strip() for each in texts)
    fits = 0 < len(zh_title) <= 60 and 0 < len(en_title) <= 120 and 0 < len(zh) <= 2_000 and 0 < len(en) <= 4_000
    sane = kind in KINDS and not any(_CONTROL.search(each) for each in (zh_title, en_title, zh, en))
    if not (fits and sane and begins_at < ends_at and (ends_at - begins_at).days <= LONGEST_DAYS):
        raise Refusal("operation.announcement_malformed")
    made = ids.new_id()

    async def work(tx: Tx) -> None:
        at = clock.now()
        await tx.run(sql.announce, made, shop_id, kind, zh_title, en_title, zh, en, begins_at, ends_at, author[:64], at)
        await events.append(tx, shop_id, at, author[:64], [events.Event("announcement.written", None, None, f'{{"id":"{made}"}}')])

    await database.transact(work)
    return made


async def current(database: Database, shop_id: int) -> list[Announcement]:
    """What holds now: warnings first, then the newest."""
    return [Announcement(**row) for row in await database.rows(sql.current, shop_id, clock.now())]


async def past(database: Database, shop_id: int) -> list[Announcement]:
    """What has ended in the last ninety days, the latest first."""
    at = clock.now()
    return [Announcement(**row) for row in await database.rows(sql.past, shop_id, at, at - REMEMBERED)]


async def listed(database: Database, shop_id: int, most: int = 50) -> list[Announcement]:
    """The newest, withdrawn and coming ones too."""
    return [Announcement(**row) for row in await database.rows(sql.listed, shop_id, most)]


async def withdraw(database: Database, shop_id: int, announcement_id: UUID, author: str) -> bool:
    """Take one back. False when it is taken back already or does not exist."""

    async def work(tx: Tx) -> bool:
        at = clock.now()
        if await tx.value(sql.withdraw, shop_id, announcement_id, at) is None:
            return False
        said = events.Event("announcement.withdrawn", None, None, f'{{"id":"{announcement_id}"}}')
        await events.append(tx, shop_id, at, author[:64], [said])
        return True

    return await database.transact(work)
