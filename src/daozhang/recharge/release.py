"""Deciding about money that was received and not credited: release what was held, keep a misfit amount, or send either back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves
from daozhang.recharge.fulfilment import Credited, Fulfilment, finish_all

sql = statements("daozhang.recharge")

_SOURCES = {"held": (accounts.review, "review"), "misfit": (lambda _: accounts.SUSPENSE, "suspense")}
_GOOD = {"held": "released", "misfit": "kept"}


async def release(
    database: Database, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str, fulfilments: Sequence[Fulfilment] = ()
) -> None:
    """Credit what was held, or keep a misfit amount as received, to the user's cash. Raises `Refusal` when nothing waits.

    What the order was for is handed over in the same commit, where the amount is the one that was asked for.
    """
    await database.transact(lambda tx: end_held(tx, ledger_accounts, order_id, actor, why, "credit", fulfilments))


async def reject(database: Database, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str) -> None:
    """Send what was held or misfit back to where it came from; the refund is due at once. Raises `Refusal` when nothing waits."""
    await database.transact(lambda tx: end_held(tx, ledger_accounts, order_id, actor, why, "return"))


async def returned(database: Database, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str) -> None:
    """Book that held or misfit money was returned by hand at the channel: nothing is asked of it any more. Raises `Refusal`."""
    await database.transact(lambda tx: end_held(tx, ledger_accounts, order_id, actor, why, "returned"))


async def end_held(
    tx: Tx, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str, how: Literal["credit", "return", "returned"],
    fulfilments: Sequence[Fulfilment] = (),
) -> None:  # fmt: skip
    """Decide about money that waits, in the caller's transaction. Raises `Refusal` when nothing waits."""
    attempt = await tx.row(sql.paid_attempt, order_id)
    if attempt is None:
        raise Refusal("operation.not_found")
    await tx.value(sql.lock_for_settlement, [attempt["id"]])
    at = clock.now()
    order = await tx.row(sql.order_for_work, order_id)
    assert order is not None, order_id
    if order["state"] not in _SOURCES:
        raise Refusal("operation.not_waiting")
    move = _GOOD[order["state"]] if how == "credit" else "rejected"
    then = "refunded" if how == "returned" else None
    step = moves.Step(order_id, order["version"], order["state"], move, why, then=then)
    assert await moves.move_orders(tx, at, actor, [step]) == {order_id}, order_id
    event = events.Event(f"order.{move}", order_id, order["user_id"], f'{{"amount_fen":{attempt["paid_fen"]}}}')
    await events.append(tx, order["shop_id"], at, actor, [event])
    if how == "credit":
        target = accounts.cash(order["user_id"])
        await _book(tx, ledger_accounts, at, actor, order, attempt["paid_fen"], target, "release", order_id)
        if attempt["paid_fen"] == order["amount_fen"]:
            credited = Credited(order_id, order["user_id"], order["amount_fen"])
            finished = await finish_all(fulfilments, tx, at, [credited])
            found = await ledger_accounts.ids(tx, order["shop_id"], {line.address for t in finished.transfers for line in t.lines})
            await post(tx, order["shop_id"], at, actor, finished.transfers, found)
    else:
        refund_id, due_at = ids.new_id(), None if how == "returned" else at
        await tx.value(
            sql.begin_refund, order["shop_id"], at, refund_id, order_id, attempt["id"], attempt["channel_id"], None,
            _SOURCES[order["state"]][1], attempt["paid_fen"], attempt["paid_fen"], why[:80] or "退回", actor, due_at,
        )  # fmt: skip
        if how == "returned":
            await tx.rows(sql.move_refund, at, actor, refund_id, "reserved", "done", "done", None, None, None, None)
            await tx.value(sql.count_refund, order_id, attempt["paid_fen"])
            target = accounts.receivable(attempt["channel_id"])
            await _book(tx, ledger_accounts, at, actor, order, attempt["paid_fen"], target, "refund", refund_id)


async def _book(
    tx: Tx,
    ledger_accounts: Accounts,
    at: datetime,
    actor: str,
    order: Any,
    amount_fen: int,
    target: str,
    kind: str,
    source_id: UUID,
) -> None:
    source = _SOURCES[order["state"]][0](order["user_id"])
    found = await ledger_accounts.ids(tx, order["shop_id"], (source, target))
    lines = (Line(source, -amount_fen), Line(target, amount_fen))
    await post(tx, order["shop_id"], at, actor, [Transfer(ids.new_id(), kind, source_id, at, lines)], found)
