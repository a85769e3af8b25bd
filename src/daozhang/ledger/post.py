"""Booking: any number of transfers, with all their postings, by one statement. The database judges it at its end."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from daozhang.postgres import Tx, statements
from daozhang.postgres.columns import narrow

sql = statements("daozhang.ledger")


class Line(NamedTuple):
    """One posting: an account's address and a signed amount in fen."""

    address: str
    amount_fen: int


class Transfer(msgspec.Struct, frozen=True):
    """A balanced booking. `source_id` and `kind` name the fact it books: the same fact is never booked twice."""

    id: UUID
    kind: str
    source_id: UUID
    happened_at: datetime
    lines: tuple[Line, ...]
    reason: str = ""


async def post(
    tx: Tx, shop_id: int, at: datetime, actor: str, transfers: Sequence[Transfer], account_ids: Mapping[str, int]
) -> None:
    """Book the transfers in their order. Takes the accounts' locks, so call it last before the commit.

    Raises `asyncpg.UniqueViolationError` for a fact booked before and `asyncpg.CheckViolationError` for a broken law
    (unbalanced, below a floor).
    """
    if not transfers:
        return
    if all(len(t.lines) == 2 and t.lines[0].amount_fen == -t.lines[1].amount_fen for t in transfers):
        await _post_pairs(tx, shop_id, at, actor, transfers, account_ids)
        return
    lines = [line for transfer in transfers for line in transfer.lines]
    await tx.value(
        sql.post_transfers,
        shop_id,
        at,
        actor,
        [t.id for t in transfers],
        narrow([t.kind for t in transfers]),
        [t.source_id for t in transfers],
        [t.happened_at for t in transfers],
        [t.reason for t in transfers],
        narrow([len(t.lines) for t in transfers]),
        [account_ids[line.address] for line in lines],
        [line.amount_fen for line in lines],
    )


async def _post_pairs(
    tx: Tx, shop_id: int, at: datetime, actor: str, transfers: Sequence[Transfer], account_ids: Mapping[str, int]
) -> None:
    """Nearly every transfer goes from one account to one other: half the columns, and no lines to count."""
    await tx.value(
        sql.post_pairs,
        shop_id,
        at,
        actor,
        [t.id for t in transfers],
        narrow([t.kind for t in transfers]),
        [t.source_id for t in transfers],
        [t.happened_at for t in transfers],
        [t.reason for t in transfers],
        narrow([account_ids[t.lines[0].address] for t in transfers]),
        narrow([account_ids[t.lines[1].address] for t in transfers]),
        narrow([t.lines[1].amount_fen for t in transfers]),
    )
