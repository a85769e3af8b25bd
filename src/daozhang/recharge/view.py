"""An order as its owner may see it: read from the rows, told in the words of the reasons' catalogue and the table of states."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from daozhang import ids
from daozhang.postgres import Database, statements
from daozhang.recharge.model import EVERYTHING, OrderLine, OrderView, Payout, RefundView, Sought, Step, Tried
from daozhang.recharge.states import CHARGED, ORDER_STATES, Money

sql = statements("daozhang.recharge")

PAGE = 50


def shown(order_id: UUID) -> str:
    """The order's number as people see it."""
    return f"RC-{ids.text26(order_id)}"


def parse_shown(text: str) -> UUID | None:
    """Read a shown number; None for anything else."""
    return ids.parse26(text[3:]) if text.startswith("RC-") else None


async def order_view(database: Database, order_id: UUID, user_id: int | None = None) -> OrderView | None:
    """The order; None when there is none, or it is not this user's (the same answer)."""
    row = await database.row(sql.order_view, order_id, user_id)
    if row is None:
        return None
    moved = await database.rows(sql.order_steps, order_id)
    steps = [Step(r["at"], r["what"], r["actor"], _facts(r["what"], r["reason"], r["kind"])) for r in moved]
    anomalies = [r["kind"] for r in await database.rows(sql.order_anomalies, order_id)]
    decision = await database.row(sql.newest_verdicts, order_id)
    payouts = [
        Payout(r["state"], r["amount_fen"], r["payee_tail"], r["created_at"], r["moved_at"], r["reference"])
        for r in await database.rows(sql.order_payouts, order_id)
    ]
    refunds = [refund_view(r) for r in await database.rows(sql.order_refunds, order_id)]
    payload: dict[str, Any] = msgspec.json.decode(row["payload"]) if row["payload"] and row["attempt_state"] == "open" else {}
    until = payload.pop("until", None)
    return OrderView(
        id=order_id,
        shown=shown(order_id),
        user_id=row["user_id"],
        state=row["state"],
        money=money_of(row["state"], in_doubt=row["in_doubt"]),
        terminal=ORDER_STATES[row["state"]].terminal,
        amount_fen=row["amount_fen"],
        refunded_fen=row["refunded_fen"],
        channel_id=row["attempt_channel_id"] or row["channel_id"],
        kind=row["kind"] or "",
        method=row["attempt_method"] or row["method"],
        created_at=row["created_at"],
        expires_at=row["attempt_expires_at"] or row["expires_at"],
        credited_at=row["credited_at"],
        action=row["action"] if row["attempt_state"] == "open" else None,
        payload=payload,
        reason=_reason(row),
        reason_facts=msgspec.json.decode(row["reason_facts"]) if row["reason_facts"] else {},
        native_code=row["native_code"] or "",
        channel_txn=row["channel_txn"] or "",
        anomalies=tuple(anomalies),
        verdicts=tuple(msgspec.json.decode(decision["verdicts"])) if decision else (),
        steps=(Step(row["created_at"], "order.created", "buyer", {"amount_fen": row["amount_fen"]}), *steps),
        version=row["version"],
        refunds=tuple(refunds),
        payouts=tuple(payouts),
        paid_fen=row["paid_fen"],
        purpose=row["purpose"],
        payload_until=datetime.fromisoformat(until) if until else None,
    )


def refund_view(row: Any) -> RefundView:
    """A refund from its row."""
    return RefundView(
        row["id"], row["order_id"], row["state"], row["amount_fen"], row["created_at"], row["moved_at"], row["reason"],
        row["origin"], row["kind"], row["why"], bool(row.get("waits")),
    )  # fmt: skip


async def order_lines(
    database: Database, shop_id: int, user_id: int, before: UUID | None, limit: int, sought: Sought = EVERYTHING
) -> list[OrderLine]:
    """A user's orders, newest first; those that are sought."""
    states = list(sought.states) if sought.states else None
    rows = await database.rows(sql.order_lines, user_id, shop_id, before, min(limit, PAGE), states, sought.amount_fen)
    return [
        OrderLine(
            id=row["id"],
            shown=shown(row["id"]),
            state=row["state"],
            money=money_of(row["state"], in_doubt=row["in_doubt"]),
            amount_fen=row["amount_fen"],
            refunded_fen=row["refunded_fen"],
            kind=row["kind"] or "",
            created_at=row["created_at"],
            reason=row["reason"],
            purpose=row["purpose"],
        )
        for row in rows
    ]


async def order_tries(database: Database, order_id: UUID) -> list[Tried]:
    """Every attempt of an order, oldest first, the refused ones too."""
    return [Tried(**{**row, "reason": row["reason"] or ""}) for row in await database.rows(sql.order_tries, order_id)]


def money_of(state: str, *, in_doubt: bool) -> Money:
    """What happened to the money, in one word. Any attempt whose outcome we do not know makes an unpaid order `checking`."""
    money = ORDER_STATES[state].money
    return "checking" if in_doubt and money == "none" else money


def _reason(row: Any) -> str | None:
    if row["state"] in ("created", "awaiting_payment", "closing"):
        if money_of(row["state"], in_doubt=row["in_doubt"]) != "checking":
            return None
        return CHARGED if row["attempt_reason"] == CHARGED else "channel.checking"
    if row["state"] in ("credited", "paid", "refunded"):
        return None
    reason: str | None = row["reason"]
    return reason


def _facts(what: str, reason: str, kind: str | None) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": kind} if kind else {}
    if what.startswith(("refund.", "payout.")):
        return said | ({"amount_fen": int(reason)} if reason.isdigit() else {})
    return said | ({"why": reason} if reason else {})
