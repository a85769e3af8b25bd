"""Asking for a frozen account back, proved by a factor that is older than the odd event.

Whoever got in may have changed the password before anybody noticed. The number was there from the beginning, so a code sent to it
always proves; a password does only if it was not changed in the week before the freeze.
"""

from daozhang.identity.confirm import Confirmation, Confirmations, Operation
from daozhang.identity.model import Session, Visitor
from daozhang.identity.own_number import OwnNumber
from daozhang.identity.service import Identity
from daozhang.postgres import Database, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.identity")


class Regain:
    """Proof of the owners of frozen accounts."""

    def __init__(self, database: Database, identity: Identity, confirmations: Confirmations) -> None:
        self._database, self._identity, self._number = database, identity, OwnNumber(identity, confirmations)

    async def password_counts(self, user_id: int) -> bool:
        """Whether the present password is older than a week before the freeze, or the one that the account began with."""
        return bool(await self._database.value(sql.password_older_than_freeze, user_id))

    async def send(self, session: Session, visitor: Visitor) -> None:
        """Send a code, or another one. Raises `operation.too_many`, `provider.missing`, `confirmation.unsent`."""
        await self._number.send(session, operation_of(session.user_id), visitor)

    async def waiting(self, session: Session) -> Confirmation | None:
        """The code that was sent and may be typed."""
        return await self._number.waiting(session, operation_of(session.user_id))

    async def prove(
        self, session: Session, visitor: Visitor, *, password: str = "", code: str = "", factor: str = ""
    ) -> None:  # fmt: skip
        """Prove with one of the two. Raises `account.password_younger`, `account.old_password_wrong`, `confirmation.*`."""
        if password:
            if not await self.password_counts(session.user_id):
                raise Refusal("account.password_younger")
            await self._identity.prove_again(session, password, visitor, factor)
            return
        operation = operation_of(session.user_id)
        phone = await self._number.prove(session, operation, visitor, code=code, factor=factor)
        await self._database.transact(lambda tx: self._number.use(tx, phone, operation))


def operation_of(user_id: int) -> Operation:
    """What a code for it is bound to."""
    return Operation("unfreeze", f"user:{user_id}")
