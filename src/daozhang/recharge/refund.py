"""Refunds: the money is set aside first, captured when the channel has returned it, released when it definitely has not.

The refund's number is committed before the first call and stays the same on every retry. After anything but a clear answer the
channel is asked first and told again only when it knows no such number.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from daozhang import clock, ids, offers
from daozhang.cases import Cases
from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Answer, Channel, Outcome, RefundRequest, Report
from daozhang.events import log as events
from daozhang.ledger import Accounts, accounts
from daozhang.ledger.reserve import Hold, reserve
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish
from daozhang.policy.model import Outcome as Ruling
from daozhang.policy.model import Stage
from daozhang.policy.passes import grant
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import schedule
from daozhang.recharge.model import RefundView
from daozhang.recharge.paid import left_to_return_fen, locked_payment
from daozhang.recharge.refund_end import Endings, note
from daozhang.recharge.view import refund_view

sql = statements("daozhang.recharge")
log = logging.getLogger(__name__)

FIRST_LOOK = timedelta(minutes=1)

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
            await note(tx, row, "unresolved", "no end after thirty days")
    return rows


class Refunds:
    """Begins refunds, sends them, asks after them and books their end."""

    def __init__(
        self,
        database: Database,
        books: Books,
        ledger_accounts: Accounts,
        channel: Callable[[int], Channel | None],
        notify_url: Callable[[Channel], str],
        cases: Cases | None = None,
    ) -> None:
        """`cases` asks people about money that bounced."""
        self._database, self._books, self._accounts = database, books, ledger_accounts
        self._channel, self._notify_url = channel, notify_url
        self._endings = Endings(ledger_accounts, cases)

    async def ask(self, order_id: UUID, amount_fen: int, why: str, actor: str, *, checked: bool = False) -> UUID:
        """Begin a refund of a credited order and send it.

        `checked`: the actor looked at what the rules would ask about, which lets it go once; never past a refusal. Raises `Refusal`
        with no money moved: `refund.*`, or what the policy says of refunds (that decision is kept).
        """
        refund_id = ids.new_id()
        row = await self._database.row(sql.order_for_work, order_id)
        if row is None:
            raise Refusal("refund.not_paid")
        book = await self._books.current(row["shop_id"])
        try:
            refused = await self._database.transact(
                lambda tx: self._begin(tx, book, refund_id, order_id, amount_fen, why, actor, checked=checked)
            )
        except asyncpg.CheckViolationError as fault:
            if fault.constraint_name != "account_floor":
                raise
            raise Refusal("refund.spent") from fault
        if refused is not None:
            raise refused
        await self.look(refund_id)
        return refund_id

    async def _begin(
        self, tx: Tx, book: Book, refund_id: UUID, order_id: UUID, amount_fen: int, why: str, actor: str, *, checked: bool
    ) -> Refusal | None:
        """Set the money aside; a refusal by the policy is answered, not raised, so that its decision is kept."""
        attempt, order = await locked_payment(tx, order_id, "refund.not_paid")
        at = clock.now()
        if order["state"] not in REFUNDABLE:
            raise Refusal("refund.not_paid")
        left_fen = await left_to_return_fen(tx, attempt, order)
        _judge_amount(amount_fen, left_fen)
        rules = KINDS[attempt["kind"]].refunds
        if at - attempt["moved_at"] > rules.oldest_for(attempt["method"]):
            raise Refusal("refund.too_old")
        before = await tx.row(sql.refunds_of_attempt, attempt["id"])
        assert before is not None
        if before["number"] >= rules.most:
            raise Refusal("refund.too_many", limit_count=rules.most)
        if before["latest"] and at - before["latest"] < rules.apart:
            raise Refusal("refund.apart", wait_s=int((before["latest"] + rules.apart - at).total_seconds()) + 1)
        user_id, shop_id = order["user_id"], order["shop_id"]
        cash_fen = await tx.value(sql.balance_of, shop_id, accounts.cash(user_id)) or 0
        if amount_fen > cash_fen:
            raise Refusal("refund.spent", left_fen=cash_fen)
        wish = Wish(shop_id, user_id, amount_fen)
        (decision,) = await enforce(tx, Stage.REFUND, [(order_id, wish)], book)
        if checked and not decision.admits and decision.outcome is not Ruling.REFUSE:
            await grant(tx, shop_id, user_id, amount_fen, why, actor, at)
            (decision,) = await enforce(tx, Stage.REFUND, [(order_id, wish)], book)
        if not decision.admits:
            return Refusal(decision.reason or "platform.fault", **decision.facts)
        await tx.value(sql.count_refund, order_id, amount_fen)
        hold = Hold(ids.new_id(), shop_id, accounts.cash(user_id), accounts.reserved(user_id), amount_fen)
        await reserve(tx, self._accounts, at, actor, hold)
        returned_fen = attempt["paid_fen"] - left_fen + amount_fen
        await offers.begin_taking(tx, self._accounts, at, actor, refund_id, order_id, returned_fen)
        await tx.value(
            sql.begin_refund, shop_id, at, refund_id, order_id, attempt["id"], attempt["channel_id"], hold.id, "cash",
            amount_fen, attempt["paid_fen"], why[:80] or "退款", actor, at + FIRST_LOOK,
        )  # fmt: skip
        event = events.Event("refund.asked", order_id, user_id, f'{{"amount_fen":{amount_fen}}}')
        await events.append(tx, shop_id, at, actor, [event])
        return None

    async def __call__(self, row: Any) -> None:
        """One look at a claimed refund."""
        await self.look(row["id"])

    async def look(self, refund_id: UUID) -> None:
        """Send a refund to its channel, or query it there, and book the answer."""
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
        """Give up a refund that waits at its channel for a person. Answers the refund's state.

        The money is balance again; money that was never credited is where it was before, with a case that decides. The channel
        is asked once more: what it has returned, or definitely will not, is what counts. Raises `refund.in_progress` while it may
        still deliver, `refund.not_stuck` for any other refund.
        """
        row = await self._database.row(sql.refund_in_work, refund_id)
        channel = self._channel(row["channel_id"]) if row else None
        if row is None or channel is None:
            raise Refusal("operation.not_found")
        if row["state"] not in ("reserved", "sent"):
            raise Refusal("refund.not_stuck")
        if not await self._database.transact(lambda tx: tx.value(sql.count_look, refund_id, row["queries"])):
            # A look is under way this moment.
            raise Refusal("refund.in_progress")
        answer = await channel.query_refund(ids.text26(refund_id), ids.text26(row["attempt_id"]))
        if answer.outcome in (Outcome.SUCCESS, Outcome.FAILURE):
            return await self.take(refund_id, answer.outcome, answer.report, answer)
        told = answer.reason or (answer.report.reason if answer.report else None)
        # Not while the first call may still be on its way.
        never_taken = row["state"] == "reserved" and answer.exists is False and clock.now() - row["created_at"] > FIRST_LOOK * 2
        if NEEDS_HAND not in (told, row["reason"]) and not never_taken:
            await self._database.transact(lambda tx: tx.run(sql.uncount_look, refund_id))
            raise Refusal("refund.in_progress")
        log.warning("refund %s is given up by %s: %s", refund_id, actor, why[:80])
        reason = KEPT if row["origin"] == "cash" else "refund.failed"

        async def give_up(tx: Tx) -> str:
            ended = await self._endings.finish(tx, refund_id, "failed", None, None, reason, actor)
            if ended == "failed" and row["origin"] == "cash":
                # What a person was asked is decided. Money that was never credited is asked about anew, in a case.
                await tx.run(sql.refund_given_up, row["attempt_id"], str(refund_id), clock.now(), f"{actor}: {why}"[:200])
            return ended

        return await self._database.transact(give_up)

    async def _refused(self, tx: Tx, refund_id: UUID, reason: str | None) -> None:
        """Money that must go back, plainly refused before anything was taken in: the next look is the first one again.

        That matters where a channel knows no numbers of refunds and is asked only once. A person is told, unless it merely waits.
        """
        row = await tx.row(sql.lock_refund, refund_id)
        if row is None or row["state"] != "reserved":
            return
        await tx.run(sql.uncount_look, refund_id)
        if reason not in WAITS:
            await note(tx, row, "unresolved", reason or "")

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
            return await self._database.transact(lambda tx: self._endings.finish(tx, refund_id, "done", report, native, None))
        if outcome is Outcome.FAILURE:
            return await self._database.transact(
                lambda tx: self._endings.finish(tx, refund_id, "failed", report, native, reason or "refund.failed")
            )
        await self._database.transact(lambda tx: self._sent(tx, refund_id, report, native, reason))
        return "noted"

    async def _sent(self, tx: Tx, refund_id: UUID, report: Report | None, native: str | None, reason: str | None) -> None:
        row = await tx.row(sql.lock_refund, refund_id)
        at = clock.now()
        if row and row["state"] in ("reserved", "sent") and reason == NEEDS_HAND:
            await note(tx, row, "unresolved", reason)
        if row and row["state"] == "reserved":
            due = schedule.next_refund_look(row["created_at"], at)
            txn = report.channel_txn if report else None
            await tx.rows(sql.move_refund, at, "refund", refund_id, "reserved", "sent", "sent", due, txn, native, reason)

    async def view(self, refund_id: UUID) -> RefundView:
        """A refund as it is now."""
        row = await self._database.row(sql.refund_in_work, refund_id)
        assert row is not None, refund_id
        return refund_view(row)


def _judge_amount(amount_fen: int, left_fen: int) -> None:
    if left_fen <= 0:
        raise Refusal("refund.not_paid")
    if not 0 < amount_fen <= left_fen:
        raise Refusal("refund.exceeds", left_fen=left_fen)
