"""Deciding about money that was received and not credited: release what was held, keep a misfit amount, or send either back."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves

sql = statements("daozhang.recharge")

_SOURCES = {"held": (accounts.review, "review"), "misfit": (lambda _: accounts.SUSPENSE, "suspense")}
_GOOD = {"held": "released", "misfit": "kept"}


async def release(database: Database, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str) -> None:
    """Credit what was held, or keep a misfit amount as received, to the user's cash. Raises `Refusal` when nothing waits."""
    await database.transact(lambda tx: _end(tx, ledger_accounts, order_id, actor, why, "credit"))


async def reject(database: Database, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str) -> None:
    """Send what was held or misfit back to where it came from; the refund is due at once. Raises `Refusal` when nothing waits."""
    await database.transact(lambda tx: _end(tx, ledger_accounts, order_id, actor, why, "return"))


async def _end(tx: Tx, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str, how: Literal["credit", "return"]) -> None:
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
    await moves.move_orders(tx, at, actor, [moves.Step(order_id, order["version"], order["state"], move, why)])
    event = events.Event(f"order.{move}", order_id, order["user_id"], f'{{"amount_fen":{attempt["paid_fen"]}}}')
    await events.append(tx, order["shop_id"], at, actor, [event])
    if how == "credit":
        await _credit(tx, ledger_accounts, at, actor, order, attempt)
    else:
        await tx.value(
            sql.begin_refund, order["shop_id"], at, ids.new_id(), order_id, attempt["id"], attempt["channel_id"], None,
            _SOURCES[order["state"]][1], attempt["paid_fen"], attempt["paid_fen"], why[:80] or "退回", actor, at,
        )  # fmt: skip


async def _credit(tx: Tx, ledger_accounts: Accounts, at: datetime, actor: str, order: Any, attempt: Any) -> None:
    source, target = _SOURCES[order["state"]][0](order["user_id"]), accounts.cash(order["user_id"])
    found = await ledger_accounts.ids(tx, order["shop_id"], (source, target))
    lines = (Line(source, -attempt["paid_fen"]), Line(target, attempt["paid_fen"]))
    await post(tx, order["shop_id"], at, actor, [Transfer(ids.new_id(), "release", order["id"], at, lines)], found)
