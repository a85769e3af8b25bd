"""Logging in, and setting a new password, with a code sent to the number, for who has no password at hand.

A number that nobody registered behaves like one that somebody did: the pages, the answers and the limits are the same, and its code
is sent to nobody. A code is good in the browser that asked for it: whoever asks, or guesses, elsewhere voids nobody's
(docs/decisions/0126).
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from daozhang import clock, notices
from daozhang.events.log import Event, append
from daozhang.identity import factor
from daozhang.identity.confirm import Confirmations, Operation
from daozhang.identity.model import BUYER, LoggedIn, Visitor
from daozhang.identity.opening import open_session
from daozhang.identity.passwords import check_new_password
from daozhang.identity.phone import read_phone
from daozhang.identity.service import Identity
from daozhang.identity.tokens import token_hash
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.identity")

AT_LEAST_S = 0.4
"""How long sending takes at least: longer than a messenger usually needs to answer."""

Purpose = Literal["login", "reset"]
_ABOUT: dict[Purpose, str] = {"login": "session", "reset": "password"}


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who asks: the user of the number, if it has one; what the code will be good for; the user's own device, if this is one."""

    user_id: int | None
    operation: Operation
    device_id: UUID | None


class ByCode:
    """Codes instead of passwords, for the users of one shop."""

    def __init__(self, database: Database, vault: Vault, identity: Identity, confirmations: Confirmations) -> None:
        self._database, self._vault, self._identity, self._confirmations = database, vault, identity, confirmations

    async def send(self, shop_id: int, purpose: Purpose, phone: str, visitor: Visitor, locale: str) -> None:
        """Send a code, or another one. It takes a while whatever is sent: nobody learns from a clock which numbers are known.

        Nor from a messenger that is slow or sends nothing: the message is handed over beside the answer.
        Raises `account.phone_*`, `operation.too_many`, `provider.missing`.
        """
        await asyncio.gather(self._send(shop_id, purpose, phone, visitor, locale), asyncio.sleep(AT_LEAST_S))

    async def _send(self, shop_id: int, purpose: Purpose, phone: str, visitor: Visitor, locale: str) -> None:
        number = read_phone(phone)
        asker = await self._asker(shop_id, purpose, number, visitor)
        await self._count(asker, number, visitor)
        await self._confirmations.send_or_again(
            shop_id, asker.user_id, number, asker.operation, visitor.network, locale, known=asker.user_id is not None
        )

    async def _asker(self, shop_id: int, purpose: Purpose, number: str, visitor: Visitor) -> _Asker:
        device_hash = token_hash(visitor.device_token) or b""
        person = await self._database.row(sql.person_by_phone, shop_id, self._vault.blind("phone", number), device_hash)
        device_id = None if person is None else person["device_id"]
        browser = (token_hash(visitor.browser_token) or b"").hex()[:32]
        where = f"browser:{browser}" if device_id is None else f"device:{device_id.hex}"
        return _Asker(None if person is None else person["id"], Operation(purpose, f"{_ABOUT[purpose]} {where}"), device_id)

    async def _count(self, asker: _Asker, number: str, visitor: Visitor) -> None:
        """A device of the owner's has its own count, as with passwords; any other browser counts for its network and for all."""
        limiter = self._identity.limiter
        if asker.device_id is not None:
            await limiter.demand("confirm.device", asker.device_id.hex)
            return
        subject = self._confirmations.subject_of(number).hex()
        await limiter.demand("confirm.network", visitor.network)
        await limiter.demand("confirm.asked", f"{subject} {visitor.network}")
        await limiter.demand("confirm.strangers", subject)

    async def login(self, shop_id: int, phone: str, code: str, visitor: Visitor) -> LoggedIn:
        """Open a session.

        Raises `FactorNeeded`, `confirmation.wrong` (tries left), `confirmation.over`, `account.closed`, `account.phone_*`.
        """
        return await self._opened(shop_id, "login", read_phone(phone), code, visitor, None)

    async def reset(self, shop_id: int, phone: str, code: str, password: str, visitor: Visitor) -> LoggedIn:
        """Set a new password, end every session of the user and open a fresh one for this browser.

        The password is looked at before the code, so that a bad one uses no code up, and hashed after it, so that strangers who
        guess at codes do not keep those waiting who log in. Raises as `login`, `account.password_*` and `platform.busy`.
        """
        number = read_phone(phone)
        check_new_password(password, number)
        return await self._opened(shop_id, "reset", number, code, visitor, password)

    async def _opened(
        self, shop_id: int, purpose: Purpose, number: str, code: str, visitor: Visitor, password: str | None
    ) -> LoggedIn:
        asker = await self._asker(shop_id, purpose, number, visitor)
        operation, user_id = asker.operation, asker.user_id
        waiting = await self._confirmations.waiting(number, operation)
        if waiting is None:
            raise Refusal("confirmation.over")
        if not waiting.passed:
            await self._confirmations.answer(waiting.id, number, code)
        new_hash = None if password is None else await self._identity.hasher.hash(password)
        if user_id is None:
            raise Refusal("confirmation.over")
        if await factor.asked(self._database, user_id, visitor.device_token, always=purpose == "reset"):
            return await self._second(shop_id, user_id, number, operation, new_hash)
        opened = await self._database.transact(lambda tx: self._open(tx, shop_id, user_id, number, operation, visitor, new_hash))
        if opened is None:
            raise Refusal("account.closed")
        return opened

    async def _second(self, shop_id: int, user_id: int, number: str, operation: Operation, new_hash: str | None) -> LoggedIn:
        """The code is used up, and the second factor is asked for: whoever holds the telephone's number alone gets no further."""

        async def work(tx: Tx) -> datetime:
            await tx.value(sql.lock_user, user_id)
            if not await self._confirmations.use(tx, number, operation):
                raise Refusal("confirmation.over")
            since: datetime = await tx.value(sql.password_since, user_id)
            return since

        raise self._identity.factor_needed(shop_id, user_id, await self._database.transact(work), new_hash)

    async def _open(
        self, tx: Tx, shop_id: int, user_id: int, number: str, operation: Operation, visitor: Visitor, new_hash: str | None
    ) -> LoggedIn | None:
        standing = await tx.value(sql.lock_user, user_id)
        if not await self._confirmations.use(tx, number, operation):
            raise Refusal("confirmation.over")
        if standing == "closed":
            return None
        if new_hash is not None:
            await tx.run(sql.set_password, user_id, new_hash)
            await tx.value(sql.end_sessions, user_id, None, None, "password_reset")
        if (old := token_hash(visitor.session_token)) is not None:
            await tx.value(sql.end_session_of, old, "replaced")
        if new_hash is not None:
            await notices.tell(tx, shop_id, user_id, clock.now(), "password_reset", {}, "/me")
        kind = "user.password_reset" if new_hash else "user.logged_in"
        await append(tx, shop_id, clock.now(), f"user:{user_id}", [Event(kind, None, user_id, '{"by":"code"}')])
        return await open_session(tx, self._vault, shop_id, user_id, visitor, BUYER)
