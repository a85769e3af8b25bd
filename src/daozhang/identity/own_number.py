"""A code to the number that an account has: who types it proves to be its owner, whoever changed the password meanwhile."""

from daozhang.identity.confirm import Confirmation, Confirmations, Operation
from daozhang.identity.model import Session, Visitor
from daozhang.identity.service import Identity
from daozhang.postgres import Tx
from daozhang.reasons.refusal import Refusal


class OwnNumber:
    """Codes to the numbers of users who are logged in, each bound to one operation."""

    def __init__(self, identity: Identity, confirmations: Confirmations) -> None:
        self._identity, self._confirmations = identity, confirmations

    async def send(self, session: Session, operation: Operation, visitor: Visitor) -> None:
        """Send a code, or another one. Raises `operation.too_many`, `provider.*`, `confirmation.unsent`."""
        phone = await self._identity.phone(session.user_id)
        await self._confirmations.send_or_again(
            session.shop_id, session.user_id, phone, operation, visitor.network, session.locale
        )  # fmt: skip

    async def waiting(self, session: Session, operation: Operation) -> Confirmation | None:
        """The code that was sent and may be typed."""
        return await self._confirmations.waiting(await self._identity.phone(session.user_id), operation)

    async def prove(self, session: Session, operation: Operation, visitor: Visitor, *, code: str, factor: str) -> str:
        """Check the code, and the second factor of who has one; the number, with which the proof is used.

        Raises `account.factor_wrong`, `confirmation.*`.
        """
        phone = await self._identity.phone(session.user_id)
        waiting = await self._confirmations.waiting(phone, operation)
        if waiting is None:
            raise Refusal("confirmation.over")
        await self._identity.prove_factor(session, factor, visitor)
        if not waiting.passed:
            await self._confirmations.answer(waiting.id, phone, code)
        return phone

    async def use(self, tx: Tx, phone: str, operation: Operation) -> None:
        """Use a proof, which can be done once. Raises `confirmation.over`."""
        if not await self._confirmations.use(tx, phone, operation):
            raise Refusal("confirmation.over")
