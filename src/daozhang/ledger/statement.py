"""What a user sees of the ledger: balances, and the statement of one account."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from daozhang.ledger import accounts
from daozhang.postgres import Database, statements

sql = statements("daozhang.ledger")

PAGE = 100
Only = Literal["", "in", "out"]


@dataclass(frozen=True, slots=True)
class Wallet:
    """A user's balances in fen."""

    cash_fen: int
    bonus_fen: int
    review_fen: int
    reserved_fen: int


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One posting of the cash account. `what` is the transfer's kind, `source_id` the order, hold or refund it was booked for.

    `order_shown` is filled in by the room that knows orders.
    """

    id: UUID
    at: datetime
    what: str
    amount_fen: int
    balance_after_fen: int
    source_id: UUID
    order_shown: str = ""


async def wallet(database: Database, shop_id: int, user_id: int) -> Wallet:
    """The balances now; accounts not opened yet are zero."""
    addresses = [accounts.cash(user_id), accounts.bonus(user_id), accounts.review(user_id), accounts.reserved(user_id)]
    rows = {row["address"]: row["balance_fen"] for row in await database.rows(sql.balances, shop_id, addresses)}
    return Wallet(*(rows.get(address, 0) for address in addresses))


async def statement(
    database: Database, shop_id: int, user_id: int, before: UUID | None = None, limit: int = PAGE, only: Only = ""
) -> list[StatementLine]:
    """The cash account's postings, newest first; `before` is the id the last page ended with, `only` what came in or went out."""
    rows = await database.rows(sql.statement, shop_id, accounts.cash(user_id), before, min(limit, PAGE), only)
    return [
        StatementLine(r["id"], r["booked_at"], r["kind"], r["amount_fen"], r["balance_after_fen"], r["source_id"]) for r in rows
    ]
