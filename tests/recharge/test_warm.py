"""A round about nothing plans what a settlement asks, and writes nothing."""

from pathlib import Path

from daozhang.ledger import Accounts
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.recharge.settle import Settle
from daozhang.settings import Settings
from daozhang.vault import Vault

WRITTEN = (
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


async def test_a_round_about_nothing_writes_nothing(database: Database, owner_database: Database, tmp_path: Path) -> None:
    vault = await Vault.open(database, Settings(data=tmp_path))
    settle = Settle(database, Books(database), vault, Accounts(), lambda _: None)
    for _ in range(2):
        await settle.warm(1)
    for table in WRITTEN:
        assert await owner_database.value(f"select count(*) from {table}") == 0, table
