"""The devices that a user has logged in with: listed, and unbound by a factor that is older than the device itself.

A stranger who got in may have changed the password; the number has been there since the account began. So a password that is
younger than the device proves nothing, and a code sent to the number does.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from daozhang import clock, notices
from daozhang.events.log import Event, append
from daozhang.identity.confirm import Confirmation, Confirmations, Operation
from daozhang.identity.model import Session, Visitor
from daozhang.identity.own_number import OwnNumber
from daozhang.identity.service import Identity
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.identity")


class Device(msgspec.Struct, frozen=True):
    """A browser. `password_older`: the present password was there before it, so it may prove that the user wants it gone."""

    id: UUID
    agent: str
    first_seen_at: datetime
    seen_at: datetime
    password_older: bool


class Devices:
    """The devices of one shop's users."""

    def __init__(self, database: Database, identity: Identity, confirmations: Confirmations) -> None:
        self._database, self._identity, self._number = database, identity, OwnNumber(identity, confirmations)

    async def of_user(self, user_id: int) -> list[Device]:
        """A user's devices, the one used last first."""
        return [Device(**row) for row in await self._database.rows(sql.devices_of, user_id)]

    async def send(self, session: Session, device_id: UUID, visitor: Visitor) -> None:
        """Send a code with which this device can be unbound. Raises `operation.too_many`, `provider.*`, `confirmation.unsent`."""
        await self._device(session.user_id, device_id)
        await self._number.send(session, operation_of(device_id), visitor)

    async def waiting(self, session: Session, device_id: UUID) -> Confirmation | None:
        """The code that was sent and may be typed."""
        return await self._number.waiting(session, operation_of(device_id))

    async def unbind(
        self, session: Session, device_id: UUID, visitor: Visitor, *, password: str = "", code: str = "", factor: str = ""
    ) -> None:  # fmt: skip
        """Unbind a device: its sessions end, and what it does next it does as a new one; large spending waits a day.

        Raises `account.device_unknown`, `account.device_younger_password`, `account.old_password_wrong`, `account.factor_wrong`,
        `confirmation.*`.
        """
        device, phone, operation = await self._device(session.user_id, device_id), "", operation_of(device_id)
        if password:
            if not device.password_older:
                raise Refusal("account.device_younger_password")
            await self._identity.prove_again(session, password, visitor, factor)
        else:
            phone = await self._number.prove(session, operation, visitor, code=code, factor=factor)
        await self._database.transact(lambda tx: self._unbind(tx, session, device_id, phone, operation))

    async def _unbind(self, tx: Tx, session: Session, device_id: UUID, phone: str, operation: Operation) -> None:
        await tx.value(sql.lock_user, session.user_id)
        if phone:
            await self._number.use(tx, phone, operation)
        at = clock.now()
        if not await tx.value(sql.unbind_device, session.user_id, device_id, at):
            raise Refusal("account.device_unknown")
        for row in await tx.rows(sql.sessions_on, session.user_id, device_id):
            await tx.value(sql.end_sessions, session.user_id, row["id"], None, "device_unbound")
        await notices.tell(tx, session.shop_id, session.user_id, at, "device_unbound", {}, "/me/devices")
        event = Event("user.device_unbound", None, session.user_id, f'{{"device":"{device_id}"}}')
        await append(tx, session.shop_id, at, f"user:{session.user_id}", [event])

    async def _device(self, user_id: int, device_id: UUID) -> Device:
        for each in await self.of_user(user_id):
            if each.id == device_id:
                return each
        raise Refusal("account.device_unknown")


def operation_of(device_id: UUID) -> Operation:
    """What a code for unbinding is bound to."""
    return Operation("unbind", str(device_id))
