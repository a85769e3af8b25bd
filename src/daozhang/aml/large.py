"""The register of large values: who moved in one day what a payment institution has to report. Kept in the mode licensed_psp only.

Natural persons at home: 500,000 yuan of one day, single or summed (银发〔2018〕163号, art. 2).
"""

from datetime import date, datetime, timedelta

import msgspec

from daozhang import clock
from daozhang.aml.suspicions import Reader, demand
from daozhang.policy.books import Books
from daozhang.postgres import Database, statements

sql = statements("daozhang.aml")

FROM_FEN = 50_000_000
LOOK_BACK = 7
"""Days that are looked at again, so that none is left out after a day without this program."""
MOST = 1_000


class Large(msgspec.Struct, frozen=True):
    """One user's day in one direction, in fen."""

    day: date
    user_id: int
    direction: str
    amount_fen: int
    count: int
    noted_at: datetime


async def note(database: Database, books: Books, shop_id: int) -> int:
    """Note what the days that are over held; how many rows are new. Nothing in another mode."""
    if (await books.current(shop_id)).eligibility.mode != "licensed_psp":
        return 0
    at, noted = clock.now(), 0
    today = clock.business_day(at)
    for back in range(1, LOOK_BACK + 1):
        day = today - timedelta(days=back)
        noted += await database.transact(lambda tx, day=day: tx.value(sql.note_large_values, shop_id, day, FROM_FEN, at))  # type: ignore[misc]
    return noted


async def listed(database: Database, reader: Reader) -> list[Large]:
    """The register, newest first. Raises `staff.forbidden`."""
    demand(reader.roles, "suspicion.read")
    return [Large(**dict(row)) for row in await database.rows(sql.large_values, reader.shop_id, MOST)]
