"""A round about nothing plans what a settlement asks, and writes nothing."""

from daozhang.postgres import Database, Tx, statements
from daozhang.postgres.supervisor import Supervisor
from daozhang.recharge.warm import warm

sql = statements("daozhang.recharge")

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


async def test_what_was_planned_on_an_empty_table_reads_no_table_from_end_to_end(server: Supervisor, fresh: str) -> None:
    """A plan is kept: made while a table is tiny, it would read all of it for every batch of the next minute."""
    tills = await Database.open(server.dsn("app", fresh), size=1, by_key=True)

    async def plan(tx: Tx, statement: str, arguments: int) -> str:
        await tx.run(f"prepare looked_at as {statement}")
        nothing = ", ".join(["'{}'"] * arguments)
        rows = await tx.rows(f"explain execute looked_at ({nothing})")
        await tx.run("deallocate looked_at")
        return "\n".join(row[0] for row in rows)

    try:
        for statement, arguments in ((sql.attempts_in_work, 1), (sql.keep_answers, 5)):
            seen = await tills.transact(lambda tx, s=statement, n=arguments: plan(tx, s, n))
            assert "Seq Scan" not in seen, seen
            assert "Index Cond: (id = ANY" in seen, seen
    finally:
        await tills.close()
