"""Writing moves: the columns that the database's moving functions take, made from plain steps."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from daozhang import ids
from daozhang.channels.port import Report
from daozhang.postgres import Tx, statements
from daozhang.postgres.columns import narrow
from daozhang.recharge.states import ATTEMPT_MOVES, ORDER_MOVES

sql = statements("daozhang.recharge")


class Step(NamedTuple):
    """One move of an order or an attempt, from the version and state that were seen under its lock."""

    id: UUID
    version: int
    state: str
    move: str
    reason: str = ""
    due_at: datetime | None = None
    """Attempts only: when the channel is asked next."""
    then: str | None = None
    """Orders only: a second move at once, with its reason."""
    then_reason: str = ""


class Paid(NamedTuple):
    """The move `paid` of an attempt, with what the payment told us. `payer` is sealed."""

    id: UUID
    version: int
    state: str
    channel_txn: str
    payer: bytes | None
    paid_fen: int


class Anomaly(NamedTuple):
    """An odd circumstance, an axis of its own beside the states. `facts` is a JSON text."""

    kind: str
    order_id: UUID | None
    attempt_id: UUID | None
    channel_id: int
    amount_fen: int | None
    facts: str = "{}"


async def move_orders(tx: Tx, at: datetime, actor: str, steps: Sequence[Step]) -> set[UUID]:
    """Move orders; the ids that really moved. A step whose state or version is stale touches nothing."""
    if not steps:
        return set()
    then_to = [ORDER_MOVES[ORDER_MOVES[step.state, step.move], step.then] if step.then else None for step in steps]
    then = (narrow([step.then for step in steps]), narrow(then_to), narrow([step.then_reason for step in steps]))
    identifiers, *columns = _columns(steps, ORDER_MOVES)
    return {row[0] for row in await tx.rows(sql.move_orders, at, actor, identifiers, *map(narrow, columns), *then)}


async def move_attempts(tx: Tx, at: datetime, actor: str, steps: Sequence[Step]) -> set[UUID]:
    """Move attempts (any move but `paid`); the ids that really moved."""
    if not steps:
        return set()
    identifiers, *columns = _columns(steps, ATTEMPT_MOVES)
    due = [step.due_at for step in steps]
    return {row[0] for row in await tx.rows(sql.move_attempts, at, actor, identifiers, *map(narrow, columns), due)}


async def pay_attempts(tx: Tx, at: datetime, actor: str, paid: Sequence[Paid]) -> set[UUID]:
    """Move attempts to `paid`, keeping what the payment told us; the ids that really moved."""
    if not paid:
        return set()
    rows = await tx.rows(
        sql.pay_attempts,
        at,
        actor,
        [p.id for p in paid],
        narrow([p.version + 1 for p in paid]),
        narrow([p.state for p in paid]),
        [p.channel_txn for p in paid],
        [p.payer for p in paid],
        narrow([p.paid_fen for p in paid]),
    )
    return {row[0] for row in rows}


async def note_anomalies(tx: Tx, shop_id: int, at: datetime, anomalies: Sequence[Anomaly]) -> None:
    """Write anomalies."""
    if anomalies:
        await tx.run(
            sql.note_anomalies,
            shop_id,
            at,
            ids.new_ids(len(anomalies)),
            [a.kind for a in anomalies],
            [a.order_id for a in anomalies],
            [a.attempt_id for a in anomalies],
            [a.channel_id for a in anomalies],
            [a.amount_fen for a in anomalies],
            [a.facts for a in anomalies],
        )


async def note_other_amount(tx: Tx, shop_id: int, at: datetime, attempt_id: UUID, report: Report) -> None:
    """A person hears of a payment that is booked as asked, of which the channel's own message tells another amount; once."""
    facts = {"channel_txn": report.channel_txn, "number": report.number[:64], "witness": report.witness, "why": "told otherwise"}
    told = msgspec.json.encode(facts).decode()
    await tx.run(sql.note_other_amount, shop_id, at, ids.new_id(), attempt_id, report.amount_fen, told, report.channel_id)


def _columns(steps: Sequence[Step], legal: Mapping[tuple[str, str], str]) -> tuple[list[Any], ...]:
    return (
        [step.id for step in steps],
        [step.version + 1 for step in steps],
        [step.state for step in steps],
        [step.move for step in steps],
        [legal[step.state, step.move] for step in steps],
        [step.reason for step in steps],
    )
