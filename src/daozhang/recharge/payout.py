"""Paying back by hand, where the way back is closed: to a verified account of the same name, by two persons, outside this program.

A shop of one person has no second one. There whoever proposed a payout may approve it after a day, up to a sum a day, and whoever
runs the shop hears of the proposal at once; that it was so stands on the payout.

This program moves no money here. It sets it aside, asks for a second person, and books what a person did at the bank, with the
bank's reference. The account is sealed; who reads it is on record.
"""

import re
import unicodedata
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from daozhang import clock, ids, offers
from daozhang.channels.catalogue import KINDS
from daozhang.events import log as events
from daozhang.identity.staff import ALONE_WAITS, alone, same_person, second_waits_s, tell_alone
from daozhang.identity.verify import Verifications
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.ledger.reserve import Hold, closing, reserve
from daozhang.policy.book import Book
from daozhang.policy.books import Books
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish
from daozhang.policy.model import Stage
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.paid import left_to_return_fen, locked_payment
from daozhang.recharge.refund import CLOSED_WAYS
from daozhang.recharge.states import PAYOUT_MOVES
from daozhang.recharge.view import shown
from daozhang.vault import Vault

sql = statements("daozhang.recharge")

_NUMBER = re.compile(r"[0-9A-Za-z@._+-]{6,64}", re.ASCII)
_REFERENCE = re.compile(r"[0-9A-Za-z._-]{4,64}", re.ASCII)

MAY = "payout.approve"
ALONE_FEN = 500_000
"""What somebody who is alone may approve of own proposals within a day, all of them together; `move_payout` holds it."""
COMES_BACK = timedelta(days=60)
"""How long after a payment by hand the desk offers to book that it came back; the command line does it later, too."""


class Payee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account at a bank or a wallet: whose it is, where, and its number."""

    name: str
    bank: str
    number: str

    def __repr__(self) -> str:
        """Never shows the account."""
        return "Payee(...)"


class PayoutView(msgspec.Struct, frozen=True):
    """A payout as staff see it in a list, without the account but for the end of its number."""

    id: UUID
    order_id: UUID
    user_id: int
    amount_fen: int
    state: str
    payee_tail: str
    why: str
    proposed_by: str
    decided_by: str | None
    reference: str | None
    created_at: datetime
    moved_at: datetime

    @property
    def alone_at(self) -> datetime:
        """From when somebody who is alone may approve an own proposal."""
        return self.created_at + ALONE_WAITS


class Payouts:
    """Proposes, approves, rejects and books payouts."""

    def __init__(
        self, database: Database, books: Books, ledger_accounts: Accounts, vault: Vault, verifications: Verifications
    ) -> None:
        self._database, self._books, self._accounts, self._vault = database, books, ledger_accounts, vault
        self._verifications = verifications

    async def propose(self, order_id: UUID, amount_fen: int, payee: Payee, why: str, actor: str) -> UUID:
        """Set the money aside and wait for a second person.

        Raises `Refusal` with no money moved: `refund.*`, `payout.*`, or what the policy says of money that goes back.
        """
        if not _NUMBER.fullmatch(payee.number) or not 2 <= len(payee.bank) <= 64 or not payee.bank.isprintable() or not actor:
            raise Refusal("payout.malformed")
        row = await self._database.row(sql.order_for_work, order_id)
        if row is None:
            raise Refusal("operation.not_found")
        person = await self._verifications.view(row["shop_id"], row["user_id"], actor, f"payout of {shown(order_id)}")
        if person is None:
            raise Refusal("payout.unverified")
        if _plain(person.name) != _plain(payee.name):
            raise Refusal("payout.other_name")
        payout_id, book = ids.new_id(), await self._books.current(row["shop_id"])
        try:
            refused = await self._database.transact(
                lambda tx: self._begin(tx, book, payout_id, order_id, amount_fen, payee, why, actor)
            )
        except asyncpg.CheckViolationError as fault:
            if fault.constraint_name != "account_floor":
                raise
            raise Refusal("refund.spent") from fault
        if refused is not None:
            raise refused
        return payout_id

    async def _begin(
        self, tx: Tx, book: Book, payout_id: UUID, order_id: UUID, amount_fen: int, payee: Payee, why: str, actor: str
    ) -> Refusal | None:
        attempt, order = await locked_payment(tx, order_id, "refund.not_paid")
        at = clock.now()
        if order["state"] != "credited":
            raise Refusal("refund.not_paid")
        kind = KINDS.get(attempt["kind"])
        old = kind is not None and at - attempt["moved_at"] > kind.refunds.oldest_for(attempt["method"])
        if not old and not await tx.value(sql.way_back_is_closed, order_id, list(CLOSED_WAYS)):
            raise Refusal("payout.way_open")
        left_fen = await left_to_return_fen(tx, attempt, order)
        if not 0 < amount_fen <= left_fen:
            raise Refusal("refund.exceeds", left_fen=left_fen)
        shop_id, user_id = order["shop_id"], order["user_id"]
        cash_fen = await tx.value(sql.balance_of, shop_id, accounts.cash(user_id)) or 0
        if amount_fen > cash_fen:
            raise Refusal("refund.spent", left_fen=cash_fen)
        (decision,) = await enforce(tx, Stage.REFUND, [(order_id, Wish(shop_id, user_id, amount_fen))], book)
        if not decision.admits:
            return Refusal(decision.reason or "platform.fault", **decision.facts)
        hold = Hold(ids.new_id(), shop_id, accounts.cash(user_id), accounts.reserved(user_id), amount_fen)
        await reserve(tx, self._accounts, at, actor, hold)
        returned_fen = attempt["paid_fen"] - left_fen + amount_fen
        await offers.begin_taking(tx, self._accounts, at, actor, payout_id, order_id, returned_fen)
        sealed = self._vault.seal(msgspec.json.encode(payee), _place(payout_id))
        await tx.value(
            sql.create_payout, shop_id, at, payout_id, user_id, order_id, amount_fen, hold.id, sealed, payee.number[-4:],
            why[:200] or "原路退不回", actor,
        )  # fmt: skip
        await tell_alone(tx, shop_id, MAY, f"payout:{str(payout_id)[:13]}")
        await _tell(tx, shop_id, at, actor, "payout.proposed", order_id, user_id, amount_fen)
        return None

    async def approve(self, payout_id: UUID, actor: str) -> None:
        """A second person agrees.

        Raises `payout.same_person` for who proposed it, unless nobody else could and a day has passed, and then
        `payout.alone_capped` above the sum of a day.
        """
        try:
            await self._database.transact(lambda tx: self._decide(tx, payout_id, "approved", actor, ""))
        except asyncpg.CheckViolationError as fault:
            if fault.constraint_name != "payouts_alone_sum":
                raise
            raise Refusal("payout.alone_capped", limit_fen=ALONE_FEN) from fault

    async def reject(self, payout_id: UUID, actor: str, why: str) -> None:
        """It is not paid: the money is the user's to spend again. Raises `Refusal` once it was paid."""
        await self._database.transact(lambda tx: self._decide(tx, payout_id, "rejected", actor, why))

    async def paid(self, payout_id: UUID, actor: str, reference: str) -> None:
        """A person has paid it at the bank; `reference` is the bank's own number of that payment."""
        if not _REFERENCE.fullmatch(reference):
            raise Refusal("payout.malformed")
        await self._database.transact(lambda tx: self._decide(tx, payout_id, "paid", actor, "", reference))

    async def bounced(self, payout_id: UUID, actor: str, why: str) -> None:
        """The bank has sent it back to the shop: the money is the user's to spend again, and the bonus that had gone with it."""
        await self._database.transact(lambda tx: self._decide(tx, payout_id, "bounced", actor, why))

    async def _decide(self, tx: Tx, payout_id: UUID, move: str, actor: str, why: str, reference: str | None = None) -> None:
        seen = await tx.row(sql.one_payout, payout_id)
        if seen is None:
            raise Refusal("operation.not_found")
        # In the house's order: the user, then the payout; the accounts come last, when they are booked.
        await tx.value(sql.lock_users, [seen["user_id"]])
        row = await tx.row(sql.lock_payout, payout_id)
        assert row is not None
        target = PAYOUT_MOVES.get((row["state"], move))
        if target is None or not actor:
            raise Refusal("payout.not_now")
        by_one = move == "approved" and same_person(row["proposed_by"], actor)
        if by_one and (wait_s := await second_waits_s(tx, row["shop_id"], MAY, actor, row["created_at"], actor)):
            raise Refusal("payout.same_person", wait_s=wait_s, limit_fen=ALONE_FEN)
        at = clock.now()
        await tx.rows(sql.move_payout, at, actor, payout_id, row["state"], move, target, why[:200], reference, by_one)
        await self._book(tx, at, actor, row, target)
        await _tell(tx, row["shop_id"], at, actor, f"payout.{move}", row["order_id"], row["user_id"], row["amount_fen"])

    async def _book(self, tx: Tx, at: datetime, actor: str, row: Any, state: str) -> None:
        how: dict[str, Literal["captured", "released"]] = {"paid": "captured", "rejected": "released"}
        if state in how:
            booking = await closing(tx, at, row["hold_id"], how[state], accounts.PAYOUTS)
            assert booking, "a payout's hold ended before it"
            taken = await offers.end_taking(tx, at, row["id"], "taken" if state == "paid" else "given_back")
            bookings = [booking, *taken]
            found = await self._accounts.ids(tx, row["shop_id"], {line.address for each in bookings for line in each.lines})
            await post(tx, row["shop_id"], at, actor, bookings, found)
        elif state == "bounced":
            cash = accounts.cash(row["user_id"])
            lines = (Line(accounts.PAYOUTS, -row["amount_fen"]), Line(cash, row["amount_fen"]))
            back = Transfer(ids.new_id(), "payout.bounced", row["id"], at, lines)
            bookings = [back, *await offers.restore_taking(tx, at, row["id"])]
            found = await self._accounts.ids(tx, row["shop_id"], {line.address for each in bookings for line in each.lines})
            await post(tx, row["shop_id"], at, actor, bookings, found)

    async def payee(self, payout_id: UUID, actor: str) -> Payee:
        """The account in clear, for who pays it. The look is on record before anything is shown. Raises `Refusal`."""
        row = await self._database.row(sql.one_payout, payout_id)
        if row is None:
            raise Refusal("operation.not_found")
        if row["state"] != "approved":
            raise Refusal("payout.not_now")

        async def note(tx: Tx) -> None:
            await _tell(tx, row["shop_id"], clock.now(), actor, "payout.viewed", row["order_id"], row["user_id"], row["amount_fen"])

        await self._database.transact(note)
        return msgspec.json.decode(self._vault.unseal(row["payee"], _place(payout_id)), type=Payee)

    async def alone(self, shop_id: int) -> bool:
        """Whether one person of this shop approves payouts, and nobody else could have for a day."""
        return await self._database.transact(lambda tx: alone(tx, shop_id, MAY))

    async def waiting(self) -> list[PayoutView]:
        """Payouts that wait for a second person, or to be paid, oldest first."""
        return [_view(row) for row in await self._database.rows(sql.waiting_payouts)]

    async def paid_lately(self, shop_id: int) -> list[PayoutView]:
        """Payouts that a bank may still send back, newest first: paid within `COMES_BACK`."""
        return [_view(row) for row in await self._database.rows(sql.paid_payouts, shop_id, clock.now() - COMES_BACK)]


def _view(row: Any) -> PayoutView:
    return PayoutView(**{name: row[name] for name in PayoutView.__struct_fields__})


def _place(payout_id: UUID) -> str:
    return f"payouts:payee:{payout_id}"


def _plain(name: str) -> str:
    """A name as it is compared: one form of its letters, without blanks, one dot."""
    text = unicodedata.normalize("NFKC", name).replace("•", "·").replace("・", "·")
    return "".join(text.split()).casefold()


async def _tell(tx: Tx, shop_id: int, at: datetime, actor: str, what: str, order_id: UUID, user_id: int, amount_fen: int) -> None:
    await events.append(tx, shop_id, at, actor, [events.Event(what, order_id, user_id, f'{{"amount_fen":{amount_fen}}}')])
