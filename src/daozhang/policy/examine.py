"""Examine kept decisions: is each one still what its hash says, and would its own facts and book decide the same again?"""

from dataclasses import dataclass
from uuid import UUID

from daozhang.policy.books import Books
from daozhang.policy.record import intact, replay
from daozhang.postgres import Database, statements

sql = statements("daozhang.policy")

BEGINNING = UUID(int=0)
PAGE_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Examined:
    """How many decisions were looked at, and the ids of those that were altered or that replay to another outcome."""

    count: int
    altered: tuple[UUID, ...]
    differing: tuple[UUID, ...]

    @property
    def ok(self) -> bool:
        """Whether every decision holds."""
        return not self.altered and not self.differing


async def examine(database: Database, *, after: UUID = BEGINNING) -> Examined:
    """Read every decision made after one (by default all), a thousand at a time. A decision whose book is gone is a differing one.

    A release that changes a check shows up here as differing: then the new rule and the old decision are both worth a look.
    """
    books, count, altered, differing = Books(database), 0, [], []
    while rows := await database.rows(sql.decisions_after, after, PAGE_ROWS):
        for row in rows:
            book = await books.version(row["shop_id"], row["book_version"])
            if not intact(row):
                altered.append(row["id"])
            if book is None or (again := replay(row, book)).outcome != row["outcome"] or again.reason != row["reason"]:
                differing.append(row["id"])
        count, after = count + len(rows), rows[-1]["id"]
    return Examined(count, tuple(altered), tuple(differing))
