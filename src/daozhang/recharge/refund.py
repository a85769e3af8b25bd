"""Refunds: the money is set aside first, captured when the channel has returned it, released when it definitely has not.

The refund's number is committed before the first call and stays the same on every retry. After anything but a clear answer the
channel is asked first and told again only when it knows no such number.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg

from daozhang import clock, ids
from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Answer, Channel, Outcome, RefundRequest, Report
from daozhang.events import log as events
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.ledger.reserve import Hold, end, reserve
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves, schedule
from daozhang.recharge.model import RefundView
from daozhang.recharge.view import refund_view

sql = statements("daozhang.recharge")
log = logging.getLogger(__name__)

FIRST_LOOK = timedelta(minutes=1)
MOST_BY_ITSELF, AGAIN_AFTER = 5, timedelta(hours=1)
"""How often a second payment is sent back under a new number, and how long after the last one failed."""

REFUNDABLE = frozenset({"credited"})
KEPT = "refund.kept_as_balance"
CLOSED_WAYS = ("refund.payer_account_closed", KEPT)
"""Reasons of failed refunds after which the way back is closed: then a person may pay the money out another way."""
NEEDS_HAND = "refund.needs_hand"
"""The channel could not deliver the money: a person decides in its merchant platform, and it stays set aside until then."""

WAITS = frozenset({"refund.not_sent", "refund.in_progress"})
"""Refusals that end by themselves: the channel could not be asked, or another refund of the payment has no end yet."""


async def claim(tx: Tx, most: int) -> Sequence[Any]:
    """Claim due refunds and set when they are looked at next."""
    at = clock.now()
    rows = await tx.rows(sql.due_refunds, at, most)
    for row in rows:
        due = schedule.next_refund_look(row["created_at"], at)
        await tx.run(sql.postpone_refund, row["id"], due)
        if due is None:
            anomaly = moves.Anomaly("unresolved", row["order_id"], row["attempt_id"], row["channel_id"], row["amount_fen"])
            await moves.note_anomalies(tx, row["shop_id"], at, [anomaly])
    return rows


class Refunds:
    """Begins refunds, sends them, asks after them and books their end."""

    def __init__(
        self,
        database: Database,
        ledger_accounts: Accounts,
        channel: Callable[[int], Channel | None],
        notify_url: Callable[[Channel], str],
    ) -> None:
        self._database, self._accounts, self._channel, self._notify_url = database, ledger_accounts, channel, notify_url

    async def ask(self, order_id: UUID, amount_fen: int, why: str, actor: str) -> UUID:
        """Begin a refund of a credited order and send it. Raises `Refusal` (`refund.*`) with nothing changed."""
        refund_id = ids.new_id()
        try:
            await self._database.transact(lambda tx: self._begin(tx, refund_id, order_id, amount_fen, why, actor))
        except asyncpg.CheckViolationError as fault:
            if fault.constraint_name != "account_floor":
                raise
            raise Refusal("refund.spent") from fault
        await self.look(refund_id)
        return refund_id

    async def _begin(self, tx: Tx, refund_id: UUID, order_id: UUID, amount_fen: int, why: str, actor: str) -> None:
        attempt = await tx.row(sql.paid_attempt, order_id)
        if attempt is None:
            raise Refusal("refund.not_paid")
        await tx.value(sql.lock_for_settlement, [attempt["id"]])
        at = clock.now()
        order = await tx.row(sql.order_for_work, order_id)
        assert order is not None, order_id
        if order["state"] not in REFUNDABLE:
            raise Refusal("refund.not_paid")
        left_fen = attempt["paid_fen"] - order["refunded_fen"] - await tx.value(sql.paid_out_of, order_id)
        if not 0 < amount_fen <= left_fen:
            raise Refusal("refund.exceeds", left_fen=left_fen)
        rules = KINDS[attempt["kind"]].refunds
        if at - attempt["moved_at"] > rules.oldest_for(attempt["method"]):
            raise Refusal("refund.too_old")
        before = await tx.row(sql.refunds_of_attempt, attempt["id"])
        assert before is not None
        if before["number"] >= rules.most:
            raise Refusal("refund.too_many", limit_count=rules.most)
        if before["latest"] and at - before["latest"] < rules.apart:
            raise Refusal("refund.in_progress", wait_s=int((before["latest"] + rules.apart - at).total_seconds()) + 1)
        user_id, shop_id = order["user_id"], order["shop_id"]
        cash_fen = await tx.value(sql.balance_of, shop_id, accounts.cash(user_id)) or 0
        if amount_fen > cash_fen:
            raise Refusal("refund.spent", left_fen=cash_fen)
        await tx.value(sql.count_refund, order_id, amount_fen)
        hold = Hold(ids.new_id(), shop_id, accounts.cash(user_id), accounts.reserved(user_id), amount_fen)
        await reserve(tx, self._accounts, at, actor, hold)
        await tx.value(
            sql.begin_refund, shop_id, at, refund_id, order_id, attempt["id"], attempt["channel_id"], hold.id, "cash",
            amount_fen, attempt["paid_fen"], why[:80] or "退款", actor, at + FIRST_LOOK,
        )  # fmt: skip
        event = events.Event("refund.asked", order_id, user_id, f'{{"amount_fen":{amount_fen}}}')
        await events.append(tx, shop_id, at, actor, [event])

    async def __call__(self, row: Any) -> None:
        """One look at a claimed refund."""
        await self.look(row["id"])

    async def look(self, refund_id: UUID) -> None:
        """Bring a refund on: send it, or ask after it, and act on the answer."""
        row = await self._database.row(sql.refund_in_work, refund_id)
        channel = self._channel(row["channel_id"]) if row else None
        if row is None or channel is None or row["state"] in ("done", "failed"):
            return
        number, payment = ids.text26(refund_id), ids.text26(row["attempt_id"])
        asked_before = row["queries"] > 0 or row["state"] == "sent"
        answer = await channel.query_refund(number, payment) if asked_before else Answer(Outcome.UNKNOWN, exists=False)
        if answer.exists is False:
            if not await self._database.transact(lambda tx: tx.value(sql.count_look, refund_id, row["queries"])):
                # Another look began since ours read the row: it asks, and where refunds have no number only one may.
                return
            request = RefundRequest(
                payment, number, row["channel_txn"] or "", row["amount_fen"], row["total_fen"], row["why"],
                self._notify_url(channel), row["returned_fen"], asked_before, row["others_open"],
            )  # fmt: skip
            answer = await channel.refund(request)
            if asked_before and answer.outcome is Outcome.FAILURE and answer.report is None:
                # An earlier call may have been taken in after all: what the channel knows of the refund counts, not this refusal.
                known = await channel.query_refund(number, payment)
                answer = answer if known.exists is False else known
        refused = answer.outcome is Outcome.FAILURE and answer.report is None and row["origin"] != "cash"
        if refused and not asked_before:
            await self._database.transact(lambda tx: self._refused(tx, refund_id, answer.reason))
            return
        await self.take(refund_id, answer.outcome, answer.report, answer)

    async def keep(self, refund_id: UUID, why: str, actor: str) -> str:
        """Give up a refund that waits at its channel for a person, and keep the money as balance. Answers the refund's state.

        The channel is asked once more: what it has returned, or definitely will not, is what counts. Raises `refund.in_progress`
        while it may still deliver, `refund.not_stuck` for any other refund.
        """
        row = await self._database.row(sql.refund_in_work, refund_id)
        channel = self._channel(row["channel_id"]) if row else None
        if row is None or channel is None:
            raise Refusal("operation.not_found")
        if row["state"] != "sent" or row["origin"] != "cash":
            raise Refusal("refund.not_stuck")
        answer = await channel.query_refund(ids.text26(refund_id), ids.text26(row["attempt_id"]))
        if answer.outcome in (Outcome.SUCCESS, Outcome.FAILURE):
            return await self.take(refund_id, answer.outcome, answer.report, answer)
        told = answer.reason or (answer.report.reason if answer.report else None)
        if NEEDS_HAND not in (told, row["reason"]):
            raise Refusal("refund.in_progress")
        log.warning("refund %s is kept as balance by %s: %s", refund_id, actor, why[:80])
        return await self._database.transact(lambda tx: self._finish(tx, refund_id, "failed", None, None, KEPT, actor))

    async def _refused(self, tx: Tx, refund_id: UUID, reason: str | None) -> None:
        """Money that must go back, plainly refused before anything was taken in: the next look is the first one again.

        That matters where a channel knows no numbers of refunds and is asked only once. A person is told, unless it merely waits.
        """
        row = await tx.row(sql.lock_refund, refund_id)
        if row is None or row["state"] != "reserved":
            return
        await tx.run(sql.uncount_look, refund_id)
        if reason not in WAITS and not await tx.row(sql.hand_asked, row["attempt_id"]):
            anomaly = moves.Anomaly("unresolved", row["order_id"], row["attempt_id"], row["channel_id"], row["amount_fen"])
            await moves.note_anomalies(tx, row["shop_id"], clock.now(), [anomaly])

    async def settle(self, report: Report) -> str:
        """A report about a refund, from any witness: `done`, `failed`, `noted`, `foreign` or `unknown`."""
        refund_id = ids.parse26(report.number)
        row = await self._database.row(sql.refund_in_work, refund_id) if refund_id else None
        if refund_id is None or row is None:
            return "unknown"
        told = (report.channel_id, report.merchant, report.currency)
        if told != (row["channel_id"], row["merchant"], row["currency"]):
            return "foreign"
        return await self.take(refund_id, report.outcome, report, None)

    async def take(self, refund_id: UUID, outcome: Outcome, report: Report | None, answer: Answer | None) -> str:
        """Book what is known of a refund's outcome."""
        native = answer.native.code if answer and answer.native else None
        reason = (answer.reason if answer else None) or (report.reason if report else None)
        row = await self._database.row(sql.refund_in_work, refund_id)
        assert row is not None, refund_id
        if report and report.amount_fen not in (None, row["amount_fen"]) and outcome is Outcome.SUCCESS:
            log.error("refund %s: channel says %s fen, we asked %s", refund_id, report.amount_fen, row["amount_fen"])
            outcome, reason = Outcome.UNKNOWN, NEEDS_HAND
        if outcome is Outcome.FAILURE and report is None and row["origin"] != "cash":
            # Money that is not the user's to spend must go back: a refused call (our account there is empty) is tried again.
            outcome, reason = Outcome.UNKNOWN, NEEDS_HAND
        if outcome is Outcome.SUCCESS:
            return await self._database.transact(lambda tx: self._finish(tx, refund_id, "done", report, native, None))
        if outcome is Outcome.FAILURE:
            return await self._database.transact(
                lambda tx: self._finish(tx, refund_id, "failed", report, native, reason or "refund.failed")
            )
        await self._database.transact(lambda tx: self._sent(tx, refund_id, report, native, reason))
        return "noted"

    async def _sent(self, tx: Tx, refund_id: UUID, report: Report | None, native: str | None, reason: str | None) -> None:
        row = await tx.row(sql.lock_refund, refund_id)
        at = clock.now()
        if (
            row
            and row["state"] in ("reserved", "sent")
            and reason == NEEDS_HAND
            and not await tx.row(sql.hand_asked, row["attempt_id"])
        ):
            anomaly = moves.Anomaly("unresolved", row["order_id"], row["attempt_id"], row["channel_id"], row["amount_fen"])
            await moves.note_anomalies(tx, row["shop_id"], at, [anomaly])
        if row and row["state"] == "reserved":
            due = schedule.next_refund_look(row["created_at"], at)
            txn = report.channel_txn if report else None
            await tx.rows(sql.move_refund, at, "refund", refund_id, "reserved", "sent", "sent", due, txn, native, reason)

    async def _finish(
        self,
        tx: Tx,
        refund_id: UUID,
        state: str,
        report: Report | None,
        native: str | None,
        reason: str | None,
        actor: str = "refund",
    ) -> str:
        seen = await tx.row(sql.refund_in_work, refund_id)
        assert seen is not None, refund_id
        await tx.value(sql.lock_for_settlement, [seen["attempt_id"]])
        row = await tx.row(sql.lock_refund, refund_id)
        assert row is not None
        if row["state"] == state:
            return state
        if row["state"] in ("done", "failed"):
            return await self._contradicted(tx, row, state, report)
        at = clock.now()
        txn = report.channel_txn if report else None
        await tx.rows(sql.move_refund, at, actor, refund_id, row["state"], state, state, None, txn, native, reason)
        if state == "failed" and row["origin"] == "cash":
            await tx.value(sql.count_refund, row["order_id"], -row["amount_fen"])
        await self._order_ends(tx, row, state)
        event = events.Event(f"refund.{state}", row["order_id"], seen["user_id"], f'{{"amount_fen":{row["amount_fen"]}}}')
        await events.append(tx, row["shop_id"], at, "refund", [event])
        await self._book(tx, row, state, seen["user_id"])
        return state

    async def _contradicted(self, tx: Tx, row: Any, state: str, report: Report | None) -> str:
        """The channel says the opposite of what it said before.

        Money that went back after all is taken from the user's cash, if it is there; whatever happens, a person is told.
        """
        at = clock.now()
        log.error("refund %s was %s, and the channel says %s now", row["id"], row["state"], state)
        seen = await tx.row(sql.refund_in_work, row["id"])
        assert seen is not None
        wallet = accounts.cash(seen["user_id"])
        cash_fen = await tx.value(sql.balance_of, row["shop_id"], wallet) or 0
        takes = state == "done" and row["origin"] == "cash" and cash_fen >= row["amount_fen"]
        kind = "unresolved" if takes or state == "failed" else "spent"
        if not await tx.row(sql.hand_asked, row["attempt_id"]):
            anomaly = moves.Anomaly(kind, row["order_id"], row["attempt_id"], row["channel_id"], row["amount_fen"])
            await moves.note_anomalies(tx, row["shop_id"], at, [anomaly])
        if not takes:
            return str(row["state"])
        txn = report.channel_txn if report else None
        await tx.rows(sql.move_refund, at, "refund", row["id"], "failed", "done", "done", None, txn, None, None)
        await tx.value(sql.count_refund, row["order_id"], row["amount_fen"])
        target = accounts.receivable(row["channel_id"])
        found = await self._accounts.ids(tx, row["shop_id"], (wallet, target))
        lines = (Line(wallet, -row["amount_fen"]), Line(target, row["amount_fen"]))
        await post(tx, row["shop_id"], at, "refund", [Transfer(ids.new_id(), "refund", row["id"], at, lines)], found)
        return "done"

    async def _order_ends(self, tx: Tx, row: Any, state: str) -> None:
        """A refund of money that was never credited ends its order.

        One that bounced leaves the money where it was, for a person to decide again; the second payment of an order is sent back
        again under a new number.
        """
        at = clock.now()
        if row["origin"] != "cash" and state == "failed":
            anomaly = moves.Anomaly("unresolved", row["order_id"], row["attempt_id"], row["channel_id"], row["amount_fen"])
            await moves.note_anomalies(tx, row["shop_id"], at, [anomaly])
        order = await tx.row(sql.order_for_work, row["order_id"]) if row["order_id"] else None
        own = await tx.row(sql.paid_attempt, row["order_id"]) if order else None
        # The second payment of an order goes back beside it: its refund says nothing of the money that the order waits for.
        if order and order["state"] == "refunding" and own and own["id"] == row["attempt_id"]:
            if state == "done":
                await tx.value(sql.count_refund, order["id"], row["amount_fen"])
            move = "refunded" if state == "done" else "bounced" if row["origin"] == "review" else "unfit"
            step = moves.Step(order["id"], order["version"], "refunding", move)
            assert await moves.move_orders(tx, at, "refund", [step]) == {order["id"]}, order["id"]
        elif row["origin"] == "suspense" and state == "failed":
            before = await tx.row(sql.refunds_of_attempt, row["attempt_id"])
            assert before is not None
            if before["number"] < MOST_BY_ITSELF:
                await tx.value(
                    sql.begin_refund, row["shop_id"], at, ids.new_id(), row["order_id"], row["attempt_id"], row["channel_id"], None,
                    "suspense", row["amount_fen"], row["total_fen"], row["why"], "refund", at + AGAIN_AFTER,
                )  # fmt: skip

    async def _book(self, tx: Tx, row: Any, state: str, user_id: int) -> None:
        at, shop_id = clock.now(), row["shop_id"]
        target = accounts.receivable(row["channel_id"])
        if row["hold_id"]:
            how: Literal["captured", "released"] = "captured" if state == "done" else "released"
            ended = await end(tx, self._accounts, at, "refund", row["hold_id"], how, target)
            assert ended, "a refund's hold ended before it"
        elif state == "done":
            source = accounts.review(user_id) if row["origin"] == "review" else accounts.SUSPENSE
            found = await self._accounts.ids(tx, shop_id, (source, target))
            lines = (Line(source, -row["amount_fen"]), Line(target, row["amount_fen"]))
            await post(tx, shop_id, at, "refund", [Transfer(ids.new_id(), "refund", row["id"], at, lines)], found)

    async def view(self, refund_id: UUID) -> RefundView:
        """A refund as it is now."""
        row = await self._database.row(sql.refund_in_work, refund_id)
        assert row is not None, refund_id
        return refund_view(row)
