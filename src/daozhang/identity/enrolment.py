"""Setting up one's second factor, new recovery codes, and giving it up: each after the password, and after the factor itself."""

from datetime import datetime, timedelta
from typing import NamedTuple

from daozhang import clock, ids, notices
from daozhang.events.log import Event, append
from daozhang.identity import factor, totp
from daozhang.identity.model import Session, Visitor
from daozhang.identity.phone import mask_phone
from daozhang.identity.service import Identity
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.identity")

CODES = 10
COOLS = timedelta(hours=72)
"""How long a factor that was said to be lost stays in force after two people agreed: its owner may still object."""


class Wanted(NamedTuple):
    """What the authenticator scans, shown once; the secret is the same in letters."""

    secret: str
    address: str


class Factor(NamedTuple):
    """The factor in force. `ends_at`: when it ends because it was said to be lost."""

    since: datetime
    ends_at: datetime | None
    codes_left: int


class Enrolment:
    """The second factors of one shop's users."""

    def __init__(self, database: Database, vault: Vault, identity: Identity) -> None:
        self._database, self._vault, self._identity = database, vault, identity

    async def of_user(self, user_id: int) -> Factor | None:
        """The factor in force, or None."""
        row = await self._database.row(sql.factor_in_force, user_id)
        if row is None:
            return None
        left: int = await self._database.value(sql.recovery_codes_left, user_id)
        return Factor(row["since"], row["ends_at"], left)

    async def begin(self, session: Session, password: str, visitor: Visitor, issuer: str) -> Wanted:
        """A fresh secret, not in force before its first code. Raises `account.old_password_wrong`, `account.factor_there`."""
        await self._identity.prove_again(session, password, visitor)
        secret = totp.new_secret()
        kept = self._vault.seal(secret, factor.place_of(session.user_id))
        if not await self._database.transact(lambda tx: tx.value(sql.want_factor, session.user_id, session.shop_id, kept)):
            raise Refusal("account.factor_there")
        return await self._wanted(session, secret, issuer)

    async def wanted(self, session: Session, issuer: str) -> Wanted | None:
        """The secret of an enrolment that is not confirmed yet: it is shown again after a wrong code."""
        row = await self._database.row(sql.factor_wanted, session.user_id)
        if row is None or row["wanted_sealed"] is None:
            return None
        secret = self._vault.unseal_text(row["wanted_sealed"], factor.place_of(session.user_id))
        return await self._wanted(session, secret, issuer)

    async def confirm(self, session: Session, code: str) -> tuple[str, ...]:
        """The first code of the authenticator: the factor is in force, and these are its recovery codes, shown once.

        Raises `account.factor_unproved` for a wrong code, `account.factor_stale` when nothing was begun.
        """
        row = await self._database.row(sql.factor_wanted, session.user_id)
        if row is None or row["wanted_sealed"] is None:
            raise Refusal("account.factor_stale")
        kept = row["wanted_sealed"]
        step = totp.taken_step(self._vault.unseal_text(kept, factor.place_of(session.user_id)), code[:64], clock.now_s())
        if step is None:
            raise Refusal("account.factor_unproved")

        async def work(tx: Tx) -> tuple[str, ...]:
            await tx.value(sql.lock_user, session.user_id)
            if not await tx.value(sql.keep_factor, session.user_id, kept, step, clock.now()):
                raise Refusal("account.factor_stale")
            await tx.value(sql.prove_user_session, session.id)
            await self._told(tx, session, "factor_on")
            return await self._codes(tx, session.user_id)

        return await self._database.transact(work)

    async def new_codes(self, session: Session, password: str, code: str, visitor: Visitor) -> tuple[str, ...]:
        """A new set; the one before is void. Raises `account.old_password_wrong`, `account.factor_wrong`, `account.factor_none`."""
        await self._identity.prove_again(session, password, visitor, code)

        async def work(tx: Tx) -> tuple[str, ...]:
            await tx.value(sql.lock_user, session.user_id)
            if await tx.row(sql.factor_in_force, session.user_id) is None:
                raise Refusal("account.factor_none")
            await self._told(tx, session, "factor_codes")
            return await self._codes(tx, session.user_id)

        return await self._database.transact(work)

    async def end(self, session: Session, password: str, code: str, visitor: Visitor) -> None:
        """Give it up; large spending waits a day. Raises as `new_codes`."""
        await self._identity.prove_again(session, password, visitor, code)

        async def work(tx: Tx) -> None:
            await tx.value(sql.lock_user, session.user_id)
            if not await tx.value(sql.end_factor, session.user_id, clock.now()):
                raise Refusal("account.factor_none")
            await self._told(tx, session, "factor_off")

        await self._database.transact(work)

    async def lose(self, tx: Tx, shop_id: int, user_id: int, actor: str) -> None:
        """Two people agreed that it is lost: it ends in `COOLS`, unless its owner objects. In the caller's transaction."""
        ends_at = clock.now() + COOLS
        if not await tx.value(sql.lose_factor, user_id, ends_at):
            raise Refusal("account.factor_none")
        await notices.tell(tx, shop_id, user_id, clock.now(), "factor_ending", {"until_at": ends_at}, "/me/factor")
        await append(tx, shop_id, clock.now(), actor, [Event("user.factor_ending", None, user_id, "{}")])

    async def keep(self, session: Session) -> None:
        """It is not lost: it stays. Raises `account.factor_none` when it was not about to end."""

        async def work(tx: Tx) -> None:
            if not await tx.value(sql.find_factor_again, session.user_id, clock.now()):
                raise Refusal("account.factor_none")
            await self._told(tx, session, "factor_kept")

        await self._database.transact(work)

    async def _wanted(self, session: Session, secret: str, issuer: str) -> Wanted:
        name = mask_phone(await self._identity.phone(session.user_id))
        return Wanted(secret, totp.enrolment(secret, issuer, name))

    async def _codes(self, tx: Tx, user_id: int) -> tuple[str, ...]:
        codes = tuple(factor.new_recovery_code() for _ in range(CODES))
        blinds = [factor.blind(self._vault, user_id, code) for code in codes]
        await tx.value(sql.put_recovery_codes, user_id, [ids.new_id() for _ in codes], blinds, clock.now())
        return tuple(f"{code[:5]}-{code[5:]}" for code in codes)

    async def _told(self, tx: Tx, session: Session, kind: str) -> None:
        await notices.tell(tx, session.shop_id, session.user_id, clock.now(), kind, {}, "/me/factor")
        event = Event(f"user.{kind}", None, session.user_id, "{}")
        await append(tx, session.shop_id, clock.now(), f"user:{session.user_id}", [event])
