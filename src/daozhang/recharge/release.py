"""Deciding about money that was received and not credited: release what was held, keep a misfit amount, or send either back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from daozhang import clock, ids
from daozhang.cases import Cases
from daozhang.events import log as events
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves
from daozhang.recharge.fulfilment import Credited, Fulfilment, finish_all
from daozhang.recharge.paid import locked_payment
from daozhang.recharge.told import of_order
from daozhang.recharge.view import shown

sql = statements("daozhang.recharge")

How = Literal["credit", "return", "returned"]
CASE = "hold"
"""The kind of case that held money has."""

TOLD = "原路退回"
"""What the payer reads of it in the wallet. Why somebody decided so stands on the order's move and in its case, for staff alone."""

_SOURCES = {"held": (accounts.review, "review"), "misfit": (lambda _: accounts.SUSPENSE, "suspense")}
_GOOD = {"held": "released", "misfit": "kept"}


async def release(
    database: Database, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str, fulfilments: Sequence[Fulfilment] = (),
    cases: Cases | None = None,
) -> None:  # fmt: skip
    """Credit what was held, or keep a misfit amount as received, to the user's cash. Raises `Refusal` when nothing waits.

    What the order was for is handed over in the same commit, where the amount is the one that was asked for. With `cases`, here and
    below, the open case about the money ends with it.
    """
    await _decide(database, ledger_accounts, order_id, actor, why, "credit", fulfilments, cases)


async def reject(
    database: Database, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str, cases: Cases | None = None
) -> None:
    """Send what was held or misfit back to where it came from; the refund is due at once. Raises `Refusal` when nothing waits."""
    await _decide(database, ledger_accounts, order_id, actor, why, "return", (), cases)


async def returned(
    database: Database, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str, cases: Cases | None = None,
    proposed: UUID | None = None,
) -> None:  # fmt: skip
    """Book that held or misfit money was returned by hand at the channel: nothing is asked of it any more. Raises `Refusal`.

    `proposed` is the case in which somebody else proposed to send it back: `actor` is the second person.
    """
    await _decide(database, ledger_accounts, order_id, actor, why, "returned", (), cases, proposed)


async def _decide(
    database: Database, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str, how: How,
    fulfilments: Sequence[Fulfilment], cases: Cases | None, proposed: UUID | None = None,
) -> None:  # fmt: skip
    async def work(tx: Tx) -> None:
        if cases and proposed and not await cases.second(tx, proposed, actor, "rejected"):
            raise Refusal("cases.not_waiting")
        order = await tx.row(sql.order_for_work, order_id)
        if cases and order:
            # The case first: it takes its user's lock, and its row stands before the order's everywhere.
            await cases.overtake(tx, order["shop_id"], CASE, shown(order_id), f"{how}: {why}")
        await end_held(tx, ledger_accounts, order_id, actor, why, how, fulfilments)

    await database.transact(work)


async def end_held(
    tx: Tx, ledger_accounts: Accounts, order_id: UUID, actor: str, why: str, how: How,
    fulfilments: Sequence[Fulfilment] = (),
) -> None:  # fmt: skip
    """Decide about money that waits, in the caller's transaction. Raises `Refusal` when nothing waits."""
    attempt, order = await locked_payment(tx, order_id, "operation.not_found")
    at = clock.now()
    if order["state"] not in _SOURCES:
        raise Refusal("operation.not_waiting")
    move = _GOOD[order["state"]] if how == "credit" else "rejected"
    then = "refunded" if how == "returned" else None
    step = moves.Step(order_id, order["version"], order["state"], move, why, then=then)
    assert await moves.move_orders(tx, at, actor, [step]) == {order_id}, order_id
    event = events.Event(f"order.{move}", order_id, order["user_id"], f'{{"amount_fen":{attempt["paid_fen"]}}}')
    await events.append(tx, order["shop_id"], at, actor, [event])
    if actor != f"user:{order['user_id']}":
        await of_order(tx, "money_released" if how == "credit" else "money_returned", order, attempt["paid_fen"])
    if how == "credit":
        bookings = [_booking(at, order, attempt["paid_fen"], accounts.cash(order["user_id"]), "release", order_id)]
        if attempt["paid_fen"] == order["amount_fen"]:
            credited = Credited(order_id, order["user_id"], order["amount_fen"])
            finished = await finish_all(fulfilments, tx, at, [credited])
            bookings += finished.transfers
            if reason := finished.undelivered.get(order_id):
                facts = msgspec.json.encode({"why": reason}).decode()
                gone = moves.Anomaly("undelivered", order_id, attempt["id"], attempt["channel_id"], order["amount_fen"], facts)
                await moves.note_anomalies(tx, order["shop_id"], at, [gone])
        await _post(tx, ledger_accounts, at, actor, order, bookings)
    else:
        refund_id, due_at = ids.new_id(), None if how == "returned" else at
        await tx.value(
            sql.begin_refund, order["shop_id"], at, refund_id, order_id, attempt["id"], attempt["channel_id"], None,
            _SOURCES[order["state"]][1], attempt["paid_fen"], attempt["paid_fen"], TOLD, actor, due_at,
        )  # fmt: skip
        if how == "returned":
            await tx.rows(sql.move_refund, at, actor, refund_id, "reserved", "done", "done", None, None, None, None)
            await tx.value(sql.count_refund, order_id, attempt["paid_fen"])
            target = accounts.receivable(attempt["channel_id"])
            booking = _booking(at, order, attempt["paid_fen"], target, "refund", refund_id)
            await _post(tx, ledger_accounts, at, actor, order, [booking])


def _booking(at: datetime, order: Any, amount_fen: int, target: str, kind: str, source_id: UUID) -> Transfer:
    source = _SOURCES[order["state"]][0](order["user_id"])
    return Transfer(ids.new_id(), kind, source_id, at, (Line(source, -amount_fen), Line(target, amount_fen)))


async def _post(tx: Tx, ledger_accounts: Accounts, at: datetime, actor: str, order: Any, bookings: Sequence[Transfer]) -> None:
    """Book everything at once: two bookings one after the other would lock their accounts out of order."""
    found = await ledger_accounts.ids(tx, order["shop_id"], {line.address for each in bookings for line in each.lines})
    await post(tx, order["shop_id"], at, actor, bookings, found)
