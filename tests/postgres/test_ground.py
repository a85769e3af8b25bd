"""The ground: Shanghai's day, and months that are there before anything is written into them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from daozhang import clock
from daozhang.postgres import Database


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 22, 15, 59, 59, 999_999, tzinfo=UTC), date(2026, 11, 22)),
        (datetime(2026, 11, 22, 16, 0, tzinfo=UTC), date(2026, 11, 23)),
        (datetime(2024, 2, 28, 16, 0, tzinfo=UTC), date(2024, 2, 29)),
        (datetime(1990, 7, 1, 15, 30, tzinfo=UTC), date(1990, 7, 2)),  # Shanghai's summer time, which ended in 1991.
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
async def test_the_day_is_shanghais_wherever_the_server_is(database: Database, at: datetime, day: date, zone: str) -> None:
    async with database.pool.acquire() as connection:
        await connection.execute(f"set time zone '{zone}'")
        assert await connection.fetchval("select business_day($1)", at) == day
        await connection.execute("reset time zone")


async def test_a_shifted_clock_finds_its_months(database: Database, free_clock: None) -> None:
    """Two years later everything can still be written: the months come with the clock."""
    await database.value("select shift_clock($1)", timedelta(days=730).total_seconds())
    month = f"{clock.now() + timedelta(days=730):%Y%m}"
    tables = [row["name"] for row in await database.rows("select name from partitioned_tables")]
    missing = [name for name in tables if await database.value("select to_regclass($1)", f"{name}_{month}") is None]
    assert missing == []
