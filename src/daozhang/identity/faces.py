"""The tier of a face: a look compares it with the picture that the register has of the name that is verified already.

It is never asked for and never the only way to anything: it only raises trust. Consent is of its own and can be taken back, which
leaves the tier as it was given; no image reaches us.
"""

from daozhang.identity.confirm import Confirmations, Operation
from daozhang.identity.consent import FACE, consent, has_consent
from daozhang.identity.model import Session
from daozhang.identity.service import Identity
from daozhang.identity.verify import Claimed, Verifications
from daozhang.postgres import Database, Tx
from daozhang.reasons.refusal import Refusal


class Faces:
    """Raises the tier of one shop's users."""

    def __init__(self, database: Database, identity: Identity, verifications: Verifications, confirmations: Confirmations) -> None:
        self._database, self._identity = database, identity
        self._verifications, self._confirmations = verifications, confirmations

    async def begin(self, session: Session, return_url: str, *, agrees: bool) -> str:
        """Begin a look; where to go for it.

        Raises `identity.name_first`, `confirmation.*`, `provider.missing`, `operation.too_many`.
        """
        known = await self._verifications.again(session.user_id)
        if known is None:
            raise Refusal("identity.name_first")
        if agrees:
            await consent(self._database, session.user_id, FACE, given=True)
        person, phone = known[0], await self._identity.phone(session.user_id)
        begun = await self._confirmations.begin_face(
            session.shop_id, session.user_id, phone, operation_of(session.user_id), return_url,
            name=person.name, identity_number=person.number,
        )  # fmt: skip
        return begun.url

    async def back(self, session: Session) -> bool:
        """Its owner comes back: True when it passed and the tier is raised, once. Raises `confirmation.face_failed`."""
        phone, operation = await self._identity.phone(session.user_id), operation_of(session.user_id)
        waiting = await self._confirmations.waiting(phone, operation)
        if waiting is None or waiting.means != "face":
            return False
        if not waiting.passed and not await self._confirmations.look_at_face(waiting.id, phone):
            return False
        known = await self._verifications.again(session.user_id)
        if known is None:
            raise Refusal("identity.name_first")
        await self._database.transact(lambda tx: self._raise(tx, session.user_id, phone, operation, known[1]))
        return True

    async def agreed(self, user_id: int) -> bool:
        """Whether consent to looks at the face stands."""
        return await has_consent(self._database, user_id, FACE)

    async def take_back(self, user_id: int) -> None:
        """Take consent back: no look is begun any more without a new one."""
        await consent(self._database, user_id, FACE, given=False)

    async def _raise(self, tx: Tx, user_id: int, phone: str, operation: Operation, claimed: Claimed) -> None:
        if not await self._confirmations.use(tx, phone, operation):
            raise Refusal("confirmation.over")
        await self._verifications.keep(tx, user_id, claimed, "face")


def operation_of(user_id: int) -> Operation:
    """What a look for the tier is bound to."""
    return Operation("name", f"user:{user_id}")
