"""The rooms a settlement needs, on a database of their own, and the hands that move them from outside."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from daozhang import clock, ids
from daozhang.bench import seed
from daozhang.channels.port import Outcome, Report
from daozhang.channels.registry import Registry
from daozhang.ledger import Accounts
from daozhang.policy.books import Books
from daozhang.postgres import Database, Tx, statements
from daozhang.recharge import moves
from daozhang.recharge.desk import Desk
from daozhang.recharge.settle import Settle
from daozhang.recharge.settlement import Arrival
from daozhang.settings import Settings
from daozhang.vault import Vault

CHANNEL = 1
sql = statements("daozhang.recharge")


class Merchant(NamedTuple):
    """What settle asks of a channel about a number that nobody knows: whose it is."""

    merchant: str
    app: str


class House:
    """Settle, refunds and desk without doors and without a channel: what the channel says comes as reports."""

    def __init__(self, database: Database, vault: Vault, settings: Settings) -> None:
        self.database, self.accounts = database, Accounts()
        books = Books(database)
        us = SimpleNamespace(kind="wechatpay", merchant=seed.MERCHANT, app=seed.APP, no_credit=False)
        self.settle = Settle(database, books, vault, self.accounts, lambda _: us)  # type: ignore[arg-type, return-value]
        registry = Registry(database, vault, settings)
        self.desk = Desk(1, database, books, vault, registry, self.accounts, self.settle, public_url="", page_version="1")

    @classmethod
    async def open(cls, dsn: str, settings: Settings) -> "House":
        """Open it in the running loop."""
        database = await Database.open(dsn, size=6)
        return cls(database, await Vault.open(database, settings), settings)

    async def told(self, reports: Sequence[Report]) -> list[str]:
        """Have reports settled at the same time; what became of each."""
        return [str(done.effect) for done in await asyncio.gather(*(self.settle(Arrival(1, report)) for report in reports))]

    async def again(self, order: UUID, user_id: int, amount_fen: int) -> UUID:
        """Another attempt of an order, as a retry makes it."""
        attempt_id = ids.new_id(after=order)

        async def work(tx: Tx) -> None:
            at = clock.now()
            later = at + timedelta(minutes=15)
            row = await tx.row(sql.lock_order, order)
            assert row is not None
            steps = [moves.Step(order, row["version"], row["state"], "retried", then="submitted")]
            await moves.move_orders(tx, at, "fuzz", steps)
            await tx.value(
                sql.create_attempts, 1, at, [attempt_id], [order], [user_id], [CHANNEL], ["wechatpay"], ["native"],
                [seed.MERCHANT], [seed.APP], [amount_fen], ["127.0.0.1"], [None], [later], [later],
            )  # fmt: skip
            await moves.move_attempts(tx, at, "fuzz", [moves.Step(attempt_id, 0, "prepared", "opened", due_at=later)])

        await self.database.transact(work)
        return attempt_id

    async def stand(self, user_id: int, standing: str) -> None:
        """Freeze a user or let them go."""
        await self.database.value("select set_standing($1, $2, 'risk', '', 'fuzz', null, null)", user_id, standing)

    async def balances(self) -> dict[str, int]:
        """Every balance that is not zero."""
        rows = await self.database.rows("select address, balance_fen from accounts where balance_fen <> 0")
        return {row["address"]: row["balance_fen"] for row in rows}

    async def refunds(self, orders: Sequence[UUID]) -> list[Any]:
        """Refunds of these orders that are under way."""
        return await self.database.rows(
            """select id, order_id, amount_fen, origin from refunds
               where order_id = any ($1) and state in ('reserved', 'sent') order by id""",
            list(orders),
        )


def payment(number: str, amount_fen: int, txn: str, witness: str = "notification") -> Report:
    """A report that a payment succeeded."""
    return _report("payment", number, Outcome.SUCCESS, amount_fen, txn, witness)


def refund(number: str, amount_fen: int, outcome: Outcome, witness: str = "query") -> Report:
    """A report about a refund."""
    return _report("refund", number, outcome, amount_fen, f"50{number}", witness)


def _report(subject: Any, number: str, outcome: Outcome, amount_fen: int, txn: str, witness: Any) -> Report:
    return Report(
        witness=witness, subject=subject, channel_id=CHANNEL, number=number, outcome=outcome, amount_fen=amount_fen,
        currency="CNY", merchant=seed.MERCHANT, app=seed.APP, channel_txn=txn, happened_at=clock.now(),
    )  # fmt: skip
