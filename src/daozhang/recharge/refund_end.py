"""How a refund ends: what its end does to its hold, its order, its case and the books, in one commit."""

import logging
from typing import Any, Literal
from uuid import UUID

import msgspec

from daozhang import clock, ids, notices, offers
from daozhang.cases import Case, Cases
from daozhang.cases import shown as case_shown
from daozhang.cases.model import Verdict
from daozhang.channels.port import Report
from daozhang.events import log as events
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.ledger.reserve import closing
from daozhang.postgres import Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import moves
from daozhang.recharge.paid import left_to_return_fen
from daozhang.recharge.release import CASE
from daozhang.recharge.send_back import AGAIN_AFTER, MOST_BY_ITSELF, again
from daozhang.recharge.told import tell
from daozhang.recharge.view import shown

sql = statements("daozhang.recharge")
log = logging.getLogger(__name__)

STUCK = "returning"
"""The kind of case of a second payment that cannot go back: its verdict keeps it as balance, or tries the way back once more."""


class Endings:
    """Books the ends of refunds. Callers bring the transaction."""

    def __init__(self, ledger_accounts: Accounts, cases: Cases | None) -> None:
        """`cases` asks people where money stays behind; without it only the anomaly says so."""
        self._accounts, self._cases = ledger_accounts, cases

    async def finish(
        self, tx: Tx, refund_id: UUID, state: str, report: Report | None, native: str | None, reason: str | None,
        actor: str = "refund",
    ) -> str:  # fmt: skip
        """Book that a refund is `done` or `failed`; the state that it really has then."""
        seen = await tx.row(sql.refund_in_work, refund_id)
        assert seen is not None, refund_id
        await tx.value(sql.lock_for_settlement, [seen["attempt_id"]])
        row = await tx.row(sql.lock_refund, refund_id)
        assert row is not None
        if row["state"] == state:
            return state
        if row["state"] in ("done", "failed"):
            return await self._contradicted(tx, row, state, report, seen["user_id"])
        at = clock.now()
        txn = report.channel_txn if report else None
        await tx.rows(sql.move_refund, at, actor, refund_id, row["state"], state, state, None, txn, native, reason)
        if state == "failed" and row["origin"] == "cash":
            await tx.value(sql.count_refund, row["order_id"], -row["amount_fen"])
        await self._order_ends(tx, row, state, reason, seen["user_id"], by_hand=actor != "refund")
        event = events.Event(f"refund.{state}", row["order_id"], seen["user_id"], f'{{"amount_fen":{row["amount_fen"]}}}')
        await events.append(tx, row["shop_id"], at, actor, [event])
        if state == "done":
            await tx.run(sql.refund_came_through, row["attempt_id"], str(refund_id), at, "the refund came through")
            if row["origin"] == "suspense" and row["order_id"]:
                facts, link = {"amount_fen": row["amount_fen"]}, f"/orders/{shown(row['order_id'])}"
                await notices.tell(tx, row["shop_id"], seen["user_id"], at, "sent_back", facts, link)
        await self._book(tx, row, state, seen["user_id"])
        return state

    async def _contradicted(self, tx: Tx, row: Any, state: str, report: Report | None, user_id: int) -> str:
        """The channel says the opposite of what it said before.

        Money that went back after all is taken from where it was put meanwhile, if it is there and if no more than was paid goes
        back by it; whatever happens, a person is told.
        """
        at = clock.now()
        log.error("refund %s was %s, and the channel says %s now", row["id"], row["state"], state)
        order = await tx.row(sql.order_for_work, row["order_id"]) if row["order_id"] else None
        waits = await self._still_waits(tx, row, order)
        takes = state == "done" and (await self._cash_is_there(tx, row, order, user_id) if row["origin"] == "cash" else waits)
        await note(tx, row, "unresolved" if takes or state == "failed" else "spent", "said otherwise")
        if not takes:
            return str(row["state"])
        assert order is not None, row["id"]
        txn = report.channel_txn if report else None
        await tx.rows(sql.move_refund, at, "refund", row["id"], "failed", "done", "done", None, txn, None, None)
        await tx.value(sql.count_refund, order["id"], row["amount_fen"])
        if waits:
            step = moves.Step(order["id"], order["version"], order["state"], "rejected", "returned after all", then="refunded")
            assert await moves.move_orders(tx, at, "refund", [step]) == {order["id"]}, order["id"]
            if self._cases is not None:
                # Whoever decides a case takes its user's lock first, as we did: nobody decides it at this moment.
                await self._cases.overtake(tx, row["shop_id"], CASE, shown(order["id"]), "the refund came through after all")
        await self._post(tx, row, _waiting_at(row, user_id) if waits else accounts.cash(user_id))
        return "done"

    async def _cash_is_there(self, tx: Tx, row: Any, order: Any, user_id: int) -> bool:
        own = await tx.row(sql.paid_attempt, row["order_id"]) if order else None
        if own is None:
            return False
        left_fen = await left_to_return_fen(tx, own, order)
        cash_fen = await tx.value(sql.balance_of, row["shop_id"], accounts.cash(user_id)) or 0
        return bool(row["amount_fen"] <= min(left_fen, cash_fen))

    async def _still_waits(self, tx: Tx, row: Any, order: Any) -> bool:
        """Whether what a bounced refund left behind is still undecided: then its coming through is the decision."""
        where = {"review": "held", "suspense": "misfit"}.get(row["origin"])
        if order is None or order["state"] != where:
            return False
        own = await tx.row(sql.paid_attempt, order["id"])
        return bool(own and own["id"] == row["attempt_id"] and own["paid_fen"] == row["amount_fen"])

    async def _order_ends(self, tx: Tx, row: Any, state: str, reason: str | None, user_id: int, *, by_hand: bool) -> None:
        """A refund of money that was never credited ends its order.

        One that bounced leaves the money where it was, and a person decides again in a case of its own; the second payment of an
        order is sent back again under a new number, and when that has failed often enough a person is asked what to do with it.
        """
        at = clock.now()
        order = await tx.row(sql.order_for_work, row["order_id"]) if row["order_id"] else None
        own = await tx.row(sql.paid_attempt, row["order_id"]) if order else None
        bounced = state == "failed" and row["origin"] != "cash"
        # The second payment of an order goes back beside it: its refund says nothing of the money that the order waits for.
        if order and order["state"] == "refunding" and own and own["id"] == row["attempt_id"]:
            if state == "done":
                await tx.value(sql.count_refund, order["id"], row["amount_fen"])
            move = "refunded" if state == "done" else "bounced" if row["origin"] == "review" else "unfit"
            step = moves.Step(order["id"], order["version"], "refunding", move, reason or "")
            assert await moves.move_orders(tx, at, "refund", [step]) == {order["id"]}, order["id"]
            if bounced:
                await note(tx, row, "unresolved", reason or "")
                await self._ask(tx, row, user_id, CASE, shown(order["id"]), reason)
        elif row["origin"] == "suspense" and bounced:
            before = await tx.row(sql.refunds_of_attempt, row["attempt_id"])
            assert before is not None
            if before["number"] < MOST_BY_ITSELF and not by_hand:
                await again(tx, at, row, at + AGAIN_AFTER)
            else:
                await note(tx, row, "unresolved", reason or "")
                await self._ask(tx, row, user_id, STUCK, payment_shown(row["attempt_id"]), reason)
        elif bounced:
            await note(tx, row, "unresolved", reason or "")

    async def _ask(self, tx: Tx, row: Any, user_id: int, kind: str, about: str, reason: str | None) -> None:
        if self._cases is None:
            return
        facts = {"amount_fen": row["amount_fen"], "reason": reason or "refund.failed", "refund": str(row["id"])}
        if row["order_id"]:
            facts["order"] = shown(row["order_id"])
        case_id = await self._cases.open(tx, row["shop_id"], user_id, kind, about, "account_for_refund", facts, first="staff")
        await tell(tx, row["shop_id"], user_id, "money_stuck", row["amount_fen"], f"/cases/{case_shown(case_id)}")

    async def _book(self, tx: Tx, row: Any, state: str, user_id: int) -> None:
        if row["hold_id"]:
            how: Literal["captured", "released"] = "captured" if state == "done" else "released"
            target = accounts.receivable(row["channel_id"])
            at = clock.now()
            booking = await closing(tx, at, row["hold_id"], how, target)
            assert booking, "a refund's hold ended before it"
            taken = await offers.end_taking(tx, at, row["id"], "taken" if state == "done" else "given_back")
            bookings = [booking, *taken]
            found = await self._accounts.ids(tx, row["shop_id"], {line.address for each in bookings for line in each.lines})
            await post(tx, row["shop_id"], at, "refund", bookings, found)
        elif state == "done":
            await self._post(tx, row, _waiting_at(row, user_id))

    async def _post(self, tx: Tx, row: Any, source: str) -> None:
        at, target = clock.now(), accounts.receivable(row["channel_id"])
        found = await self._accounts.ids(tx, row["shop_id"], (source, target))
        lines = (Line(source, -row["amount_fen"]), Line(target, row["amount_fen"]))
        await post(tx, row["shop_id"], at, "refund", [Transfer(ids.new_id(), "refund", row["id"], at, lines)], found)


class StuckVerdict:
    """What a verdict about a second payment does that cannot go back: approved, it becomes balance; rejected, it is tried again."""

    def __init__(self, ledger_accounts: Accounts) -> None:
        self._accounts = ledger_accounts

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        """Do it. Raises `Refusal` when the money is on its way, or went back after all; then nothing is decided."""
        attempt_id = ids.parse26(case.about.removeprefix("PA-"))
        assert attempt_id is not None, case.about
        await tx.value(sql.lock_for_settlement, [attempt_id])
        last = await tx.row(sql.newest_refund_of, attempt_id)
        if last is None or last["undecided"] or last["state"] != "failed":
            raise Refusal("operation.not_waiting")
        at = clock.now()
        if verdict == "rejected":
            await again(tx, at, last, at)
            return
        cash = accounts.cash(last["user_id"])
        found = await self._accounts.ids(tx, last["shop_id"], (accounts.SUSPENSE, cash))
        lines = (Line(accounts.SUSPENSE, -last["amount_fen"]), Line(cash, last["amount_fen"]))
        event = events.Event("refund.kept", last["order_id"], last["user_id"], f'{{"amount_fen":{last["amount_fen"]}}}')
        await events.append(tx, last["shop_id"], at, actor, [event])
        await post(tx, last["shop_id"], at, actor, [Transfer(ids.new_id(), "twice.kept", attempt_id, at, lines)], found)
        await tx.run(sql.refund_came_through, attempt_id, str(last["id"]), at, f"kept as balance by {actor}")


def payment_shown(attempt_id: UUID) -> str:
    """How a case names a payment that is not its order's own."""
    return f"PA-{ids.text26(attempt_id)}"


async def note(tx: Tx, row: Any, kind: str, why: str) -> None:
    """Tell a person about a refund, once for each refund and kind while nobody has resolved it."""
    if await tx.row(sql.told_of_refund, row["attempt_id"], kind, str(row["id"])):
        return
    facts = msgspec.json.encode({"refund": str(row["id"]), "why": why}).decode()
    anomaly = moves.Anomaly(kind, row["order_id"], row["attempt_id"], row["channel_id"], row["amount_fen"], facts)
    await moves.note_anomalies(tx, row["shop_id"], clock.now(), [anomaly])


def _waiting_at(row: Any, user_id: int) -> str:
    return accounts.review(user_id) if row["origin"] == "review" else accounts.SUSPENSE
