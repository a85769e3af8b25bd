"""An order that asks its owner something before its payment: is the amount right, is it really you. Answered, it goes on.

What was answered before stays answered when another question follows: the moves of the order say which were.

What proves an owner is older than what made the program ask: the code goes to the number of the account, which nobody who is
logged in can change, and a face is compared with a name that was verified before. So a stolen login answers nothing here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from daozhang.identity import Identity
from daozhang.identity.confirm import Confirmation, Confirmations, Operation
from daozhang.identity.consent import FACE, consent, has_consent
from daozhang.identity.verify import Person, Verifications
from daozhang.postgres import Database
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.desk import Desk
from daozhang.recharge.model import OrderView

Question = Literal["amount", "confirm"]
_AMOUNT = "operation.amount_odd"
"""The reason that asks whether the amount is right. Any other, a rule's too, asks whether it is really you: by a second factor."""
_RISK = "risk."
"""What these reasons begin with that found something odd: there a person may look instead, and a young name proves nothing."""
SETTLED = timedelta(days=7)
"""How long a name has been verified whose face answers an oddity: longer than a stranger stays unnoticed in an account."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an order asks now. `sent` is the confirmation under way, if one is.

    `ends_at`: left unanswered until then, the order is over, and nobody has paid anything. `face`: a look at it would tell whether
    it is the owner. `person`: a person may look at the order instead.
    """

    question: Question
    ends_at: datetime | None = None
    sent: Confirmation | None = None
    face_agreed: bool = False
    face: bool = False
    person: bool = False


class Challenges:
    """Asks and hears answers, for the orders of one shop."""

    def __init__(
        self, database: Database, identity: Identity, confirmations: Confirmations, desk: Desk, verifications: Verifications
    ) -> None:
        self._database, self._identity, self._confirmations, self._desk = database, identity, confirmations, desk
        self._verifications = verifications

    async def asked(self, order: OrderView) -> Asked | None:
        """What the order asks; None when it asks nothing."""
        if order.state != "challenged":
            return None
        ends_at = await self._desk.waiting.ends_at(order.id)
        if order.reason == _AMOUNT:
            return Asked("amount", ends_at)
        phone = await self._identity.phone(order.user_id)
        sent = await self._confirmations.waiting(phone, operation_of(order))
        agreed, known = await has_consent(self._database, order.user_id, FACE), await self._person(order)
        return Asked("confirm", ends_at, sent, agreed, face=known is not None, person=_is_odd(order))

    async def sure(self, order: OrderView, amount_fen: int) -> None:
        """The amount is right. Raises `operation.not_waiting` for another amount, or an order that asks something else."""
        if order.reason != _AMOUNT or order.state != "challenged" or amount_fen != order.amount_fen:
            raise Refusal("operation.not_waiting")
        await self._go_on(order, "amount")

    async def send(self, order: OrderView, network: str, locale: str = "zh") -> None:
        """Send a code to the owner's number, or another one. Raises `operation.too_many`, `provider.missing`, `confirmation.*`."""
        await self._confirming(order)
        phone = await self._identity.phone(order.user_id)
        await self._confirmations.send_or_again(self._desk.shop_id, order.user_id, phone, operation_of(order), network, locale)

    async def answer(self, order: OrderView, code: str) -> None:
        """The code that was typed; right, the order goes on. Raises `confirmation.wrong` (tries left), `confirmation.over`."""
        asked = await self._confirming(order)
        if asked.sent is None:
            raise Refusal("confirmation.over")
        if not asked.sent.passed:
            await self._confirmations.answer(asked.sent.id, await self._identity.phone(order.user_id), code)
        await self._passed(order)

    async def face(self, order: OrderView, return_url: str, *, agrees: bool) -> str:
        """Begin a look at the face, which is never the only way; where to go for it.

        Raises `confirmation.consent_needed`, and `confirmation.face_unfit` where no name is old enough to compare it with.
        """
        await self._confirming(order)
        known = await self._person(order)
        if known is None:
            raise Refusal("confirmation.face_unfit")
        if agrees:
            await consent(self._database, order.user_id, FACE, given=True)
        phone = await self._identity.phone(order.user_id)
        begun = await self._confirmations.begin_face(
            self._desk.shop_id, order.user_id, phone, operation_of(order), return_url, name=known.name, identity_number=known.number
        )
        return begun.url

    async def back(self, order: OrderView) -> bool:
        """The owner comes back from the look: True when it passed and the order went on. Raises `confirmation.face_failed`."""
        asked = await self.asked(order)
        if asked is None or asked.sent is None or asked.sent.means != "face":
            return False
        phone = await self._identity.phone(order.user_id)
        if not asked.sent.passed and not await self._confirmations.look_at_face(asked.sent.id, phone):
            return False
        await self._passed(order)
        return True

    async def ask_person(self, order: OrderView) -> None:
        """Its owner cannot confirm what a rule found odd: a person looks at the order. Raises `operation.not_waiting`."""
        if not _is_odd(order):
            raise Refusal("operation.not_waiting")
        await self._desk.waiting.ask_person(order.id, order.reason or "")

    async def _person(self, order: OrderView) -> Person | None:
        """Whom a face is compared with: who was verified before the order, and well before it where a rule found it odd."""
        before = order.created_at - SETTLED if _is_odd(order) else order.created_at
        return await self._verifications.settled(order.user_id, before)

    async def _confirming(self, order: OrderView) -> Asked:
        asked = await self.asked(order)
        if asked is None or asked.question != "confirm":
            raise Refusal("operation.not_waiting")
        return asked

    async def _passed(self, order: OrderView) -> None:
        """Use the confirmation, once, and let the order go on."""
        phone, operation = await self._identity.phone(order.user_id), operation_of(order)
        if not await self._database.transact(lambda tx: self._confirmations.use(tx, phone, operation)):
            raise Refusal("confirmation.over")
        await self._go_on(order, "confirm")

    async def _go_on(self, order: OrderView, question: Question) -> None:
        attempt = await self._desk.resume.go(order.id, "challenged", f"user:{order.user_id}", question)
        if attempt is not None:
            await self._desk.place_order.ask(attempt)


def _is_odd(order: OrderView) -> bool:
    return order.state == "challenged" and (order.reason or "").startswith(_RISK)


def operation_of(order: OrderView) -> Operation:
    """What a confirmation of the order is bound to: its number, which has one way to pay, and its amount."""
    return Operation("order", order.shown, order.amount_fen)
