"""The evidence of one order in one piece: what support, a channel or an authority asks for, with a hash that proves it unchanged.

Nothing personal is in it but the masked account: no payer, no address, no message in clear. What was said to channels stands in it
as digests, which the interface log can prove.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from daozhang import ids
from daozhang.postgres import Database, statements
from daozhang.recharge.model import OrderView

sql = statements("daozhang.diagnosis")

FORM = "daozhang-evidence-1"


class Bundle(msgspec.Struct, frozen=True):
    """`content` in the order in which it is read; `sha256` is over its canonical JSON (keys sorted, no spaces)."""

    content: dict[str, Any]
    sha256: str

    def document(self) -> bytes:
        """The bundle as JSON: the content, and its hash beside it."""
        return msgspec.json.format(msgspec.json.encode({**self.content, "sha256": self.sha256}))


async def bundle(database: Database, order: OrderView, code: str, account: str) -> Bundle:
    """Everything about an order. `code` is the quotable code of its diagnosis, `account` the masked phone number."""
    attempts = await database.rows(sql.attempts_of, order.id)
    numbers, returns = [row["attempt_id"] for row in attempts], [each.id for each in order.refunds]
    said = await database.rows(sql.digests_of, order.id, numbers, returns)
    content: dict[str, Any] = {
        "form": FORM,
        "order": order.shown,
        "code": code,
        "account": account,
        "placed_at": _at(order.created_at),
        "amount_fen": order.amount_fen,
        "currency": "CNY",
        "kind": order.kind,
        "method": order.method,
        "state": order.state,
        "money": order.money,
        "credited_at": _at(order.credited_at),
        "returned_fen": order.gone_fen,
        "returning_fen": order.going_fen,
        "reason": order.reason,
        "native_code": order.native_code,
        "channel_txn": order.channel_txn,
        "client_version": await database.value(sql.page_of, order.id) or "",
        "anomalies": list(order.anomalies),
        "attempts": [
            {
                "number": ids.text26(row["attempt_id"]), "kind": row["kind"], "method": row["method"], "state": row["state"],
                "reason": row["reason"], "native_code": row["native_code"], "paid_fen": row["paid_fen"],
                "at": _at(row["created_at"]),
            }
            for row in attempts
        ],
        "steps": [{"at": _at(step.at), "what": step.what, "actor": _actor(step.actor)} for step in order.steps],
        "interface_log": [{**dict(row), "at": _at(row["at"])} for row in said],
    }  # fmt: skip
    return Bundle(content, digest(content))


def known(content: dict[str, Any]) -> dict[str, Any]:
    """What a case about the order is opened with, so that nobody has to be asked for it: names and values, nothing personal.

    `number` is ours at the channel and `trace` the last one that a channel gave; `log_sha256` is over the
    digests of all that was said.
    """
    newest = content["attempts"][-1] if content["attempts"] else None
    log = content["interface_log"]
    facts = {
        "order": content["order"], "code": content["code"], "placed_at": content["placed_at"], "amount_fen": content["amount_fen"],
        "kind": content["kind"], "method": content["method"], "state": content["state"], "reason": content["reason"],
        "native": content["native_code"] or (newest["native_code"] if newest else ""), "number": newest["number"] if newest else "",
        "channel_txn": content["channel_txn"], "trace": next((each["trace"] for each in reversed(log) if each["trace"]), ""),
        "log_entries": len(log), "log_sha256": digest(log), "client_version": content["client_version"],
    }  # fmt: skip
    return {name: value for name, value in facts.items() if value not in (None, "")}


def digest(content: Any) -> str:
    """SHA-256 of the canonical JSON of a bundle without its hash, or of a part of one."""
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def _at(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds") if moment else None


def _actor(actor: str) -> str:
    """The office, never the person."""
    return actor.split(":", 1)[0]
