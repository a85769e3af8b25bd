"""Holds: money set aside for a use under way, then captured or released, once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from daozhang import ids
from daozhang.ledger.accounts import Accounts
from daozhang.ledger.post import Line, Transfer, post
from daozhang.postgres import Tx, statements

sql = statements("daozhang.ledger")


@dataclass(frozen=True, slots=True)
class Hold:
    """Money of `source` that waits in `aside` (addresses)."""

    id: UUID
    shop_id: int
    source: str
    aside: str
    amount_fen: int


async def reserve(tx: Tx, accounts: Accounts, at: datetime, actor: str, hold: Hold) -> None:
    """Set the money aside. Raises `asyncpg.CheckViolationError` when the source does not hold it."""
    found = await accounts.ids(tx, hold.shop_id, (hold.source, hold.aside))
    await tx.run(sql.begin_hold, hold.shop_id, hold.id, found[hold.source], found[hold.aside], hold.amount_fen, at)
    lines = (Line(hold.source, -hold.amount_fen), Line(hold.aside, hold.amount_fen))
    await post(tx, hold.shop_id, at, actor, [Transfer(ids.new_id(), "hold.reserve", hold.id, at, lines)], found)


async def capture(tx: Tx, at: datetime, hold_id: UUID, target: str) -> Transfer | None:
    """End a hold as captured to `target`; its booking, for the caller to post with its others. None when it has ended before."""
    return await closing(tx, at, hold_id, "captured", target)


async def closing(tx: Tx, at: datetime, hold_id: UUID, how: Literal["captured", "released"], target: str = "") -> Transfer | None:
    """End a hold either way; its booking, for the caller to post with its others. None when it has ended before."""
    row = await tx.row(sql.end_hold, hold_id, how, at)
    if row is None:
        return None
    to = target if how == "captured" else row["source"]
    lines = (Line(row["aside"], -row["amount_fen"]), Line(to, row["amount_fen"]))
    return Transfer(ids.new_id(), f"hold.{how}", hold_id, at, lines)


async def end(
    tx: Tx, accounts: Accounts, at: datetime, actor: str, hold_id: UUID, how: Literal["captured", "released"], target: str = ""
) -> bool:
    """Capture the money to `target`, or release it to where it came from. False when the hold has ended before."""
    row = await tx.row(sql.end_hold, hold_id, how, at)
    if row is None:
        return False
    target = target if how == "captured" else row["source"]
    found = await accounts.ids(tx, row["shop_id"], (row["aside"], target))
    lines = (Line(row["aside"], -row["amount_fen"]), Line(target, row["amount_fen"]))
    transfer = Transfer(ids.new_id(), f"hold.{how}", hold_id, at, lines)
    await post(tx, row["shop_id"], at, actor, [transfer], found)
    return True
