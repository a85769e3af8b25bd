"""Registering, logging in and out, sessions, and the standing of users.

Nothing here tells a stranger whether a number has an account: an unknown number takes the same counts, the same hash and the same
refusal as a known one, and registering a number twice looks exactly like registering it once.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from daozhang import clock, notices
from daozhang.events.log import Event, append
from daozhang.identity import factor as second
from daozhang.identity.hashing import Hasher
from daozhang.identity.limits import Limiter
from daozhang.identity.lockout import Place, at_device, at_network, give_up, return_try, take_try
from daozhang.identity.model import BUYER, Locale, LoggedIn, Session, SessionLine, Visitor
from daozhang.identity.names import Names, phone_place
from daozhang.identity.opening import open_session
from daozhang.identity.passwords import LONGEST, check_new_password
from daozhang.identity.phone import read_phone
from daozhang.identity.tokens import token_hash
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

log = logging.getLogger(__name__)

_SHOPS_KEPT_S = 30.0
REVIEWED_AFTER = timedelta(days=30)
"""When a freeze without an end is looked at again."""
Office = Literal["risk", "support", "finance", "law"]
BY_LAW = frozenset({"court_order"})
"""Freezes that this shop cannot end: an authority has to."""


class Identity:
    """The one door to users. Every method may raise `Unavailable` and `OutcomeUnknown` of the database."""

    def __init__(self, database: Database, vault: Vault, limiter: Limiter, hasher: Hasher | None = None) -> None:
        self._database, self._vault, self.limiter = database, vault, limiter
        self.hasher = Hasher() if hasher is None else hasher
        self._sql = statements("daozhang.identity")
        self._shops: tuple[float, list[tuple[int, str | None]]] = (0.0, [])
        self.account = Names(database, vault)
        """The user's number masked, as a payment names whose account it is for."""

    async def shop(self, host: str) -> int:
        """The shop that a host name (without port, lower case) belongs to; any other name is the first shop's."""
        kept_until, shops = self._shops
        if clock.now_s() >= kept_until:
            shops = [(row["id"], row["host"]) for row in await self._database.rows(self._sql.shops)]
            self._shops = (clock.now_s() + _SHOPS_KEPT_S, shops)
        return next((shop_id for shop_id, name in shops if name == host), shops[0][0])

    async def register(self, shop_id: int, phone: str, password: str, visitor: Visitor, locale: Locale = "zh") -> None:
        """Make an account for a number that has none; for a number that has one nothing changes and nothing is said.

        Raises `account.phone_*`, `account.password_*`, `operation.too_many`, `platform.busy`.
        """
        number = read_phone(phone)
        check_new_password(password, number)
        await self.limiter.demand("register.network", visitor.network)
        password_hash = await self.hasher.hash(password)
        blind = self._vault.blind("phone", number)

        async def work(tx: Tx) -> None:
            user_id: int = await tx.value(self._sql.next_user_id)
            sealed = self._vault.seal(number, phone_place(user_id))
            if await tx.value(self._sql.add_user, user_id, shop_id, sealed, blind, locale) is not None:
                await tx.run(self._sql.add_credential, user_id, password_hash)
                await _note(tx, shop_id, user_id, "user.registered")
            else:
                # As many statements as for a new number, so that the time tells nothing; and the owner's record tells of the try.
                holder: int = await tx.value(self._sql.user_of_phone, shop_id, blind)
                await _note(tx, shop_id, holder, "user.registered_again", "visitor")

        await self._database.transact(work)

    async def login(self, shop_id: int, phone: str, password: str, visitor: Visitor) -> LoggedIn:
        """Open a session. The session in the visitor's cookie, whoever's it was, ends.

        Raises `FactorNeeded` where the user has a second factor and never logged in with this browser (the try stays counted until
        the second step is done), `account.credentials_wrong` (tries left), `account.locked` (time to wait), `account.closed` (only
        after the right password), `account.phone_*`, `operation.too_many`, `platform.busy`.
        """
        blind = self._vault.blind("phone", read_phone(phone))
        device_hash = token_hash(visitor.device_token) or b""
        person = await self._database.row(self._sql.person_by_phone, shop_id, blind, device_hash)
        if person is not None and person["device_id"] is not None:
            place = at_device(shop_id, blind, person["device_id"])
            await self.limiter.demand("login.device", person["device_id"].hex)
        else:
            place = at_network(shop_id, blind, self._vault.blind("network", visitor.network))
            await self.limiter.demand("login.network", visitor.network)
        known_hash = None if person is None else person["password_hash"]
        await self._prove(place, known_hash, password, "account.credentials_wrong")
        assert person is not None
        user_id: int = person["id"]
        if await second.asked(self._database, user_id, visitor.device_token):
            raise self.factor_needed(shop_id, user_id, person["changed_at"])
        renewed = await self._renewed(known_hash, password)

        async def work(tx: Tx) -> LoggedIn | None:
            standing = await tx.value(self._sql.lock_user, user_id)
            if await tx.value(self._sql.password_since, user_id) != person["changed_at"]:
                # The password was changed while this one was looked at: it opens nothing any more, and the try stays counted.
                raise Refusal("account.credentials_wrong")
            await return_try(tx, place)
            if standing == "closed":
                return None
            if renewed is not None:
                await tx.run(self._sql.renew_hash, user_id, known_hash, renewed)
            if (old := token_hash(visitor.session_token)) is not None:
                await tx.value(self._sql.end_session_of, old, "replaced")
            await _note(tx, shop_id, user_id, "user.logged_in")
            return await open_session(tx, self._vault, shop_id, user_id, visitor, BUYER)

        logged_in = await self._database.transact(work)
        if logged_in is None:
            raise Refusal("account.closed")
        return logged_in

    async def session(self, token: str) -> Session | None:
        """The living session of a cookie, or None. One statement, nothing cached: an ended session is dead at once."""
        digest = token_hash(token)
        row = None if digest is None else await self._database.row(self._sql.session_by_token, digest)
        if row is None:
            return None
        if row["unseen"]:
            await self._database.transact(lambda tx: tx.run(self._sql.see_session, row["id"]))
        frozen = row["standing"] == "frozen"
        return Session(
            id=row["id"],
            shop_id=row["shop_id"],
            user_id=row["user_id"],
            device_id=row["device_id"],
            locale=row["locale"],
            standing=row["standing"],
            standing_why=row["standing_why"] if frozen else None,
            standing_until=row["standing_until"] if frozen else None,
            standing_review_at=row["standing_review_at"] if frozen else None,
            verification=row["verification"],
            created_at=row["created_at"],
            ends_at=row["ends_at"],
            standing_office=row["standing_office"] if frozen else None,
            factor_due=row["factor_due"],
        )

    async def logout(self, token: str) -> None:
        """End the session of a cookie; one that is not living is no error."""
        digest = token_hash(token)
        if digest is not None:
            await self._database.transact(lambda tx: tx.value(self._sql.end_session_of, digest, "logout"))

    async def sessions(self, user_id: int) -> list[SessionLine]:
        """The living sessions of a user, the most recently used first, at most 100."""
        rows = await self._database.rows(self._sql.sessions_of_user, user_id)
        return [
            SessionLine(
                row["id"],
                row["agent"],
                self._vault.unseal_text(row["address_sealed"], f"sessions:address:{row['id'].hex}"),
                row["created_at"],
                row["seen_at"],
            )
            for row in rows
        ]

    async def revoke(self, user_id: int, session_id: UUID) -> None:
        """End one of the user's own sessions. Raises `account.session_unknown` for any other, without saying whose it is."""
        if not await self._end(user_id, only=session_id, why="revoked"):
            raise Refusal("account.session_unknown")

    async def revoke_all(self, user_id: int, keep: UUID | None = None) -> int:
        """End every session of a user but `keep`; how many were ended."""
        return await self._end(user_id, keep=keep, why="revoked")

    def factor_needed(self, shop_id: int, user_id: int, changed_at: datetime, new_hash: str | None = None) -> second.FactorNeeded:
        """The first step was right: the ticket to the second one."""
        ticket = second.Ticket(shop_id, user_id, changed_at, clock.now_s() + second.TICKET_S, new_hash)
        return second.FactorNeeded(second.sealed(self._vault, ticket))

    async def prove_again(self, session: Session, password: str, visitor: Visitor, code: str = "") -> None:
        """Make sure that it is still the user himself, before something is shown or done that a stranger at his screen must not.

        `code` is of the second factor, asked for where the user has one and did not show it within ten minutes.
        Raises `account.old_password_wrong`, `account.factor_wrong`, `account.locked`, `operation.too_many`, `platform.busy`.
        """
        person = await self._database.row(self._sql.person_by_id, session.user_id)
        assert person is not None
        await self.limiter.demand("password.user", session.user_id)
        place = self._place_of(session, person["phone_blind"], visitor)
        left_count = await self._prove(place, person["password_hash"], password, "account.old_password_wrong")
        await self._prove_factor(session, place, left_count, code)
        await self._database.transact(lambda tx: return_try(tx, place))

    async def prove_factor(self, session: Session, code: str, visitor: Visitor) -> None:
        """The second factor alone, beside a proof that is no password. Raises `account.factor_wrong`, `account.locked`."""
        if session.factor_due:
            person = await self._database.row(self._sql.person_by_id, session.user_id)
            assert person is not None
            place = self._place_of(session, person["phone_blind"], visitor)
            await self._prove_factor(session, place, await take_try(self._database, place), code)
            await self._database.transact(lambda tx: return_try(tx, place))

    async def _prove_factor(self, session: Session, place: Place, left_count: int, code: str) -> None:
        """What is asked for ten minutes after it was shown last. A wrong code is a wrong try, like a wrong password."""
        if session.factor_due:
            if not await second.right(self._database, self._vault, session.user_id, code):
                await give_up(self._database, place, left_count, "account.factor_wrong")
            await self._database.transact(lambda tx: tx.value(self._sql.prove_user_session, session.id))

    async def change_password(self, session: Session, old: str, new: str, visitor: Visitor, code: str = "") -> LoggedIn:
        """Replace the password, end every session, and open a fresh one for this browser.

        Raises `account.old_password_wrong`, `account.factor_wrong`, `account.locked`, `account.password_*`, `operation.too_many`,
        `platform.busy`.
        """
        person = await self._database.row(self._sql.person_by_id, session.user_id)
        assert person is not None
        number = self._vault.unseal_text(person["phone_sealed"], phone_place(session.user_id))
        check_new_password(new, number)
        if new == old:
            raise Refusal("account.password_same")
        await self.limiter.demand("password.user", session.user_id)
        place = self._place_of(session, person["phone_blind"], visitor)
        left_count = await self._prove(place, person["password_hash"], old, "account.old_password_wrong")
        await self._prove_factor(session, place, left_count, code)
        new_hash = await self.hasher.hash(new)

        async def work(tx: Tx) -> LoggedIn | None:
            standing = await tx.value(self._sql.lock_user, session.user_id)
            await return_try(tx, place)
            if standing == "closed" or not await tx.run(
                self._sql.replace_password, session.user_id, person["password_hash"], new_hash
            ):
                return None
            await tx.value(self._sql.end_sessions, session.user_id, None, None, "password_changed")
            await _note(tx, session.shop_id, session.user_id, "user.password_changed")
            await notices.tell(tx, session.shop_id, session.user_id, clock.now(), "password_changed", {}, "/me")
            return await open_session(tx, self._vault, session.shop_id, session.user_id, visitor, BUYER)

        logged_in = await self._database.transact(work)
        if logged_in is None:
            raise Refusal("account.login_required")
        return logged_in

    async def phone(self, user_id: int) -> str:
        """The user's own number in clear. Pages show it through `mask_phone`."""
        person = await self._database.row(self._sql.person_by_id, user_id)
        assert person is not None
        return self._vault.unseal_text(person["phone_sealed"], phone_place(user_id))

    async def find(self, shop_id: int, phone: str) -> int | None:
        """The user of a number, for staff and set-up; never for a page that a stranger sees. Raises `account.phone_*`."""
        person = await self._database.row(self._sql.person_by_phone, shop_id, self._vault.blind("phone", read_phone(phone)), b"")
        return None if person is None else person["id"]

    async def speak(self, user_id: int, locale: Locale) -> None:
        """Remember the language of a user."""
        await self._database.transact(lambda tx: tx.run(self._sql.set_locale, user_id, locale))

    async def freeze(
        self,
        user_id: int,
        *,
        actor: str,
        reason: str,
        note: str = "",
        until: datetime | None = None,
        review_at: datetime | None = None,
        office: Office = "risk",
    ) -> None:
        """Freeze a user: they may log in and look, and move no money. `until` ends it by itself. Raises `account.closed`.

        One without an end is looked at again after thirty days at the latest. `office` is what its user is told, never a person.
        """
        if until is None and review_at is None:
            review_at = clock.now() + REVIEWED_AFTER

        async def work(tx: Tx) -> None:
            before = await tx.value(self._sql.freeze_user, user_id, reason, office, note, actor, until, review_at)
            assert before is not None, f"no user {user_id}"
            if before == "closed":
                raise Refusal("account.closed")
            shop_id = await tx.value(self._sql.shop_of_user, user_id)
            await _note(tx, shop_id, user_id, "user.frozen", actor)
            await notices.tell(tx, shop_id, user_id, clock.now(), "frozen", {}, "/me")

        await self._database.transact(work)

    async def unfreeze(self, user_id: int, *, actor: str, reason: str, note: str = "") -> None:
        """Make a frozen user active again. Raises `account.closed`."""
        await self._stand(user_id, "active", actor, reason, note, None, None)

    async def unfreeze_in(self, tx: Tx, user_id: int, actor: str, why: str) -> None:
        """End a freeze in the caller's transaction. One by law is not ours to end: `account.frozen_by_law`."""
        row = await tx.row(self._sql.standing_of, user_id)
        if row is None or row["standing"] != "frozen":
            raise Refusal("operation.not_waiting")
        if row["standing_why"] in BY_LAW:
            raise Refusal("account.frozen_by_law")
        await tx.row(self._sql.set_standing, user_id, "active", "approved", why[:1_000], actor, None, None)
        await _note(tx, row["shop_id"], user_id, "user.active", actor)
        await notices.tell(tx, row["shop_id"], user_id, clock.now(), "unfrozen", {}, "/me")

    async def close(self, user_id: int, *, actor: str, reason: str, note: str = "") -> None:
        """Close a user for ever and end their sessions. Raises `account.closed` when they are already."""
        await self._stand(user_id, "closed", actor, reason, note, None, None)

    async def standing_history(self, user_id: int) -> Sequence[dict[str, object]]:
        """Every change of a user's standing, the first one first."""
        return [dict(row) for row in await self._database.rows(self._sql.standing_history, user_id)]

    async def sweep(self) -> int:
        """Remove what nobody needs any more (daily work); the number of rows."""
        rows: int = await self._database.transact(lambda tx: tx.value(self._sql.sweep_identity))
        return rows

    def _place_of(self, session: Session, phone_blind: bytes, visitor: Visitor) -> Place:
        if session.device_id is None:
            return at_network(session.shop_id, phone_blind, self._vault.blind("network", visitor.network))
        return at_device(session.shop_id, phone_blind, session.device_id)

    async def _prove(self, place: Place, known_hash: str | None, password: str, reason: str) -> int:
        left_count = await take_try(self._database, place)
        # One letter more than the longest password can be is enough to be wrong, and bounds what is hashed.
        if not await self.hasher.verify(known_hash, password[: LONGEST + 1]):
            log.info("a password was wrong at %s, %d tries left", place.whence.partition(":")[0], left_count)
            await give_up(self._database, place, left_count, reason)
        return left_count

    async def _renewed(self, known_hash: str | None, password: str) -> str | None:
        if known_hash is None or not self.hasher.is_outdated(known_hash):
            return None
        return await self.hasher.hash(password)

    async def _end(self, user_id: int, *, only: UUID | None = None, keep: UUID | None = None, why: str) -> int:
        ended: int = await self._database.transact(lambda tx: tx.value(self._sql.end_sessions, user_id, only, keep, why))
        return ended

    async def _stand(
        self,
        user_id: int,
        to: Literal["active", "closed"],
        actor: str,
        reason: str,
        note: str,
        until: datetime | None,
        review_at: datetime | None,
    ) -> None:
        async def work(tx: Tx) -> str:
            row = await tx.row(self._sql.set_standing, user_id, to, reason, note, actor, until, review_at)
            assert row is not None
            assert row["before"] is not None, f"no user {user_id}"
            if row["before"] != "closed":
                await _note(tx, row["shop_id"], user_id, f"user.{to}", actor)
            before: str = row["before"]
            return before

        before = await self._database.transact(work)
        if before == "closed":
            raise Refusal("account.closed")


async def _note(tx: Tx, shop_id: int, user_id: int, kind: str, actor: str = "") -> None:
    await append(tx, shop_id, clock.now(), actor or f"user:{user_id}", [Event(kind, None, user_id, "{}")])
