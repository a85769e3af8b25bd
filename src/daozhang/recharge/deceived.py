"""A payer who was talked into paying for a stranger's account says so, without an account of his own.

Who knows the channel's number of a payment and its amount made it, or saw it made. What is left of its money is set aside at once,
a case opens, and two people decide: it goes back the way it came, or is free again. Whoever reports is told the same words whether
we know the payment or not, so that nobody can try numbers out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from daozhang import clock, ids, notices
from daozhang.cases import Case, Cases
from daozhang.cases import parse_shown as parse_case
from daozhang.cases import shown as case_shown
from daozhang.cases.evidence import remade
from daozhang.cases.model import Verdict
from daozhang.events import log as events
from daozhang.ledger import Accounts, accounts
from daozhang.ledger.lots import unspent
from daozhang.ledger.reserve import Hold, end, reserve
from daozhang.policy import losses
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.paid import left_to_return_fen, locked_payment
from daozhang.recharge.refund import REFUNDABLE
from daozhang.recharge.view import parse_shown, shown

sql = statements("daozhang.recharge")

KIND = "deceived"
WHY = "被骗付款退回"
_NUMBER = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Statement:
    """What the payer says. `number` is the channel's own number of the payment, as the bill in the wallet shows it."""

    number: str
    amount_fen: int
    text: str
    pictures: Sequence[bytes] = ()


class Deceived:
    """Takes such reports of one shop."""

    def __init__(self, shop_id: int, database: Database, ledger_accounts: Accounts, cases: Cases) -> None:
        self._shop_id, self._database, self._accounts, self._cases = shop_id, database, ledger_accounts, cases

    async def report(self, said: Statement) -> str:
        """Take a report in; the number of its case, which nobody can guess. The same payment again joins the open case.

        Raises `deceived.number_malformed`, `cases.*`.
        """
        number = "".join(said.number.split())
        if not _NUMBER.fullmatch(number) or said.amount_fen <= 0:
            raise Refusal("deceived.number_malformed")
        made = await remade(said.pictures)
        case_id = await self._database.transact(lambda tx: self._take(tx, number, said, made))
        return case_shown(case_id)

    async def standing(self, shown_number: str) -> Case | None:
        """The case of a report by the number that was given for it; None for anything else."""
        identifier = parse_case(shown_number)
        case = await self._cases.case(identifier) if identifier else None
        return case if case is not None and case.kind == KIND else None

    async def _take(self, tx: Tx, number: str, said: Statement, made: Sequence[Any]) -> UUID:
        paid = await tx.row(sql.paid_by_transaction, self._shop_id, number)
        if paid is not None:
            await tx.value(sql.lock_users, [paid["user_id"]])
            await tx.value(sql.lock_for_settlement, [paid["attempt_id"]])
        ours = paid is not None and paid["paid_fen"] == said.amount_fen
        about = shown(paid["order_id"]) if paid and ours else f"TX-{number}"
        known = await self._cases.open_in(tx, self._shop_id, KIND, about)
        facts: dict[str, Any] = {"number": number, "amount_fen": said.amount_fen}
        if paid and ours and known is None:
            facts |= await self._set_aside(tx, paid)
        case_id = known or await self._cases.open(tx, self._shop_id, None, KIND, about, "paid_proof", facts, first="staff")
        await self._cases.hand_in(tx, case_id, "payer", said.text, made)
        return case_id

    async def _set_aside(self, tx: Tx, paid: Any) -> dict[str, Any]:
        """Hold what is left of the payment's money, and tell its owner that it is looked at."""
        user_id, order_id, at = paid["user_id"], paid["order_id"], clock.now()
        order = await tx.row(sql.order_for_work, order_id)
        assert order is not None, order_id
        told: dict[str, Any] = {"order": shown(order_id)}
        if order["state"] not in REFUNDABLE:
            return told
        cash_fen = await tx.value(sql.balance_of, self._shop_id, accounts.cash(user_id)) or 0
        held_fen = min(cash_fen, await unspent(tx, self._shop_id, accounts.cash(user_id), order_id))
        if held_fen <= 0:
            return told | {"held_fen": 0}
        hold = Hold(ids.new_id(), self._shop_id, accounts.cash(user_id), accounts.reserved(user_id), held_fen)
        await reserve(tx, self._accounts, at, "payer", hold)
        link = f"/orders/{shown(order_id)}"
        await notices.tell(tx, self._shop_id, user_id, at, "money_questioned", {"amount_fen": held_fen}, link)
        event = events.Event("order.questioned", order_id, user_id, f'{{"amount_fen":{held_fen}}}')
        await events.append(tx, self._shop_id, at, "payer", [event])
        return told | {"held_fen": held_fen, "hold": str(hold.id)}


class DeceivedVerdict:
    """What a verdict does: approved, what was set aside goes back to the payer; rejected, it is free again."""

    def __init__(self, ledger_accounts: Accounts) -> None:
        self._accounts = ledger_accounts

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        """Do it. Approved it is a confirmed loss; a report of a payment that nothing was left of ends with that."""
        order_id, hold = parse_shown(case.about), case.facts.get("hold")
        if order_id is None:
            return
        if verdict == "approved":
            await losses.confirm_in(tx, case.shop_id, order_id, case.verdict_why or WHY, actor)
        if hold is None:
            return
        attempt, order = await locked_payment(tx, order_id, "operation.not_found")
        at = clock.now()
        if not await end(tx, self._accounts, at, actor, UUID(str(hold)), "released"):
            return
        user_id, shop_id = order["user_id"], case.shop_id
        if verdict == "rejected":
            link = f"/orders/{shown(order_id)}"
            await notices.tell(tx, shop_id, user_id, at, "money_free", {"amount_fen": case.facts["held_fen"]}, link)
            return
        left_fen = await left_to_return_fen(tx, attempt, order)
        part_fen = min(left_fen, case.facts["held_fen"])
        if part_fen > 0:
            await self._give_back(tx, order, attempt, part_fen, actor)

    async def _give_back(self, tx: Tx, order: Any, attempt: Any, part_fen: int, actor: str) -> None:
        user_id, shop_id, at = order["user_id"], order["shop_id"], clock.now()
        aside = Hold(ids.new_id(), shop_id, accounts.cash(user_id), accounts.reserved(user_id), part_fen)
        await tx.value(sql.count_refund, order["id"], part_fen)
        await reserve(tx, self._accounts, at, actor, aside)
        await tx.value(
            sql.begin_refund, shop_id, at, ids.new_id(), order["id"], attempt["id"], attempt["channel_id"], aside.id, "cash",
            part_fen, attempt["paid_fen"], WHY, actor, at,
        )  # fmt: skip
        event = events.Event("refund.asked", order["id"], user_id, f'{{"amount_fen":{part_fen}}}')
        await events.append(tx, shop_id, at, actor, [event])
