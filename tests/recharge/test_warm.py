"""A round about nothing plans what a settlement asks, and writes nothing."""

from daozhang.postgres import Database
from daozhang.recharge.warm import warm

WRITTEN = (
    "idempotency_keys",
    "orders",
    "attempts",
    "order_marks",
    "place_days",
    "fact_keys",
    "order_moves",
    "attempt_moves",
    "events",
    "decisions",
    "payer_marks",
    "notifications",
    "transfers",
    "postings",
)


async def test_a_round_about_nothing_writes_nothing(database: Database, owner_database: Database) -> None:
    for _ in range(2):
        await warm(database, 1)
    for table in WRITTEN:
        assert await owner_database.value(f"select count(*) from {table}") == 0, table
