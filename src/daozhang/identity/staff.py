"""Staff: people of the shop with a name, a password, a second factor and roles. They are apart from users.

Nobody is staff until the operator makes the first one at the command line; there is no default login. A wrong name, a wrong
password and a wrong code read alike, take the same time and count for the same pause.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from daozhang import clock
from daozhang.alarms import ring
from daozhang.identity import totp
from daozhang.identity.hashing import Hasher
from daozhang.identity.limits import Limiter
from daozhang.identity.lockout import Place, at_network, give_up, return_try, take_try
from daozhang.identity.model import STAFF, LoggedIn, Visitor
from daozhang.identity.opening import open_session
from daozhang.identity.passwords import LONGEST
from daozhang.identity.roles import ROLES, holders, may
from daozhang.identity.tokens import token_hash
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.identity")

PROVEN_S = 600
"""How long a second factor that was shown is enough for what moves money."""
ALONE_WAITS = timedelta(hours=24)
"""How long somebody who is alone sleeps over the first half of what takes two."""
TERMINAL = "cli:"
"""What a name begins with that was typed at a terminal and proves nothing."""
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}", re.ASCII)
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
MOST = 200


@dataclass(frozen=True, slots=True)
class StaffSession:
    """A logged-in person of the staff. `proved_at`: when the second factor was last shown in this session."""

    id: UUID
    shop_id: int
    staff_id: int
    name: str
    roles: tuple[str, ...]
    proved_at: datetime
    ends_at: datetime

    @property
    def actor(self) -> str:
        """How the person stands in events, moves and the trail."""
        return f"staff:{self.staff_id}"

    @property
    def fresh(self) -> bool:
        """Whether the second factor was shown a moment ago."""
        return (clock.now() - self.proved_at).total_seconds() < PROVEN_S


@dataclass(frozen=True, slots=True)
class StaffLine:
    """A person in the list."""

    id: int
    name: str
    active: bool
    roles: tuple[str, ...]
    created_at: datetime
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Papers:
    """What a new person is handed, once: it is kept nowhere in clear."""

    staff_id: int
    name: str
    password: str
    secret: str
    address: str


class Staff:
    """The one door to staff. Every method may raise `Unavailable` and `OutcomeUnknown` of the database."""

    def __init__(self, database: Database, vault: Vault, limiter: Limiter, hasher: Hasher) -> None:
        self._database, self._vault, self._limiter, self._hasher = database, vault, limiter, hasher

    async def add(
        self, shop_id: int, name: str, roles: tuple[str, ...], actor: str, *, password: str = "", secret: str = "",
        issuer: str = "daozhang",
    ) -> Papers:  # fmt: skip
        """Make a person; password and secret are made unless given (a demo). Raises `staff.malformed`, `staff.name_taken`."""
        if not _NAME.fullmatch(name):
            raise Refusal("staff.malformed", field="name")
        _check(roles)
        staff_id: int = await self._database.value(sql.next_staff_id)
        password, secret = password or new_password(), secret or totp.new_secret()
        known_hash = await self._hasher.hash(password)
        sealed = self._vault.seal(secret, _place(staff_id))

        async def work(tx: Tx) -> bool:
            return bool(await tx.value(sql.add_staff, staff_id, shop_id, name, known_hash, sealed, list(roles), actor))

        if not await self._database.transact(work):
            raise Refusal("staff.name_taken")
        return Papers(staff_id, name, password, secret, totp.enrolment(secret, issuer, name))

    async def reset(self, shop_id: int, name: str, *, issuer: str = "daozhang") -> Papers:
        """A new password and a new second factor; every session ends. Raises `staff.unknown`."""
        staff_id = await self._id(shop_id, name)
        password, secret = new_password(), totp.new_secret()
        known_hash = await self._hasher.hash(password)
        sealed = self._vault.seal(secret, _place(staff_id))
        await self._database.transact(lambda tx: tx.value(sql.set_staff_secrets, staff_id, known_hash, sealed, None))
        return Papers(staff_id, name, password, secret, totp.enrolment(secret, issuer, name))

    async def give_roles(self, shop_id: int, name: str, roles: tuple[str, ...], actor: str) -> None:
        """Replace a person's roles; held from the next page on. Raises `staff.unknown`, `staff.malformed`, `staff.last_owner`."""
        _check(roles)
        staff_id = await self._id(shop_id, name)
        await self._owned(lambda tx: tx.value(sql.set_staff_roles, staff_id, list(roles), actor))

    async def enable(self, shop_id: int, name: str, *, active: bool) -> None:
        """Let a person in again, or no longer: then their sessions end at once. Raises `staff.unknown`, `staff.last_owner`."""
        staff_id = await self._id(shop_id, name)
        await self._owned(lambda tx: tx.value(sql.set_staff_active, staff_id, active))

    async def listed(self, shop_id: int) -> list[StaffLine]:
        """Everybody, the first one first."""
        rows = await self._database.rows(sql.all_staff, shop_id, MOST)
        return [
            StaffLine(row["id"], row["name"], row["active"], tuple(row["roles"]), row["created_at"], row["seen_at"]) for row in rows
        ]

    async def login(self, shop_id: int, name: str, password: str, code: str, visitor: Visitor) -> LoggedIn:
        """Open a session of half an hour of quiet and twelve hours at most.

        Raises `staff.credentials_wrong` (tries left), `account.locked` (time to wait), `operation.too_many`.
        """
        plain = name.strip().casefold()[:64]
        place = at_network(shop_id, self._vault.blind("staff", plain), self._vault.blind("network", visitor.network))
        await self._limiter.demand("staff.network", visitor.network)
        person = await self._database.row(sql.staff_by_name, shop_id, plain)
        left_count = await take_try(self._database, place)
        known_hash = person["password_hash"] if person else None
        right = await self._hasher.verify(known_hash, password[: LONGEST + 1])
        step = self._step(person, code) if person else None
        if person is None or not right or step is None or not await self._take(person["id"], step):
            await give_up(self._database, place, left_count, "staff.credentials_wrong")
        staff_id: int = person["id"]

        async def work(tx: Tx) -> LoggedIn:
            await return_try(tx, place)
            if (old := token_hash(visitor.session_token)) is not None:
                await tx.value(sql.end_session_of, old, "replaced")
            opened = await open_session(tx, self._vault, shop_id, staff_id, visitor, STAFF, staff=True)
            await tx.value(sql.prove_session, opened.session_id)
            return opened

        return await self._database.transact(work)

    async def session(self, token: str) -> StaffSession | None:
        """The living session of a cookie, or None. Roles are read with it: one that was taken away is gone at once."""
        digest = token_hash(token)
        row = None if digest is None else await self._database.row(sql.staff_session, digest)
        if row is None:
            return None
        if row["unseen"]:
            await self._database.transact(lambda tx: tx.run(sql.see_session, row["id"]))
        return StaffSession(
            row["id"], row["shop_id"], row["staff_id"], row["name"], tuple(row["roles"]), row["proved_at"], row["ends_at"]
        )

    async def prove(self, session: StaffSession, code: str, visitor: Visitor) -> None:
        """Show the second factor again. Raises `staff.code_wrong` (tries left), `account.locked`."""
        place = self._place_of(session, visitor)
        left_count = await take_try(self._database, place)
        person = await self._database.row(sql.staff_by_name, session.shop_id, session.name)
        step = self._step(person, code) if person else None
        if step is None or not await self._take(session.staff_id, step):
            await give_up(self._database, place, left_count, "staff.code_wrong")

        async def work(tx: Tx) -> None:
            await return_try(tx, place)
            await tx.value(sql.prove_session, session.id)

        await self._database.transact(work)

    async def signs(self, shop_id: int, name: str, permission: str, code: str) -> str:
        """Somebody answers for a deed away from the desk, by a code of the second factor; how that person stands on the record.

        Raises `staff.unknown`, `staff.forbidden`, `staff.code_wrong` (tries left), `account.locked`.
        """
        plain = name.strip().casefold()[:64]
        line = next((each for each in await self.listed(shop_id) if each.name == plain and each.active), None)
        if line is None:
            raise Refusal("staff.unknown")
        if not may(line.roles, permission):
            raise Refusal("staff.forbidden", permission=permission)
        place = at_network(shop_id, self._vault.blind("staff", plain), self._vault.blind("network", "terminal"))
        left_count = await take_try(self._database, place)
        person = await self._database.row(sql.staff_by_name, shop_id, plain)
        step = self._step(person, code) if person else None
        if step is None or not await self._take(line.id, step):
            await give_up(self._database, place, left_count, "staff.code_wrong")
        await self._database.transact(lambda tx: return_try(tx, place))
        return f"staff:{line.id}"

    async def logout(self, token: str) -> None:
        """End the session of a cookie; one that is not living is no error."""
        digest = token_hash(token)
        if digest is not None:
            await self._database.transact(lambda tx: tx.value(sql.end_session_of, digest, "logout"))

    async def code(self, shop_id: int, name: str) -> str:
        """The present code of a person's second factor: for a demo, where nobody has it on a telephone. Raises `staff.unknown`."""
        person = await self._database.row(sql.staff_by_name, shop_id, name)
        if person is None or person["totp_sealed"] is None:
            raise Refusal("staff.unknown")
        secret = self._vault.unseal_text(person["totp_sealed"], _place(person["id"]))
        return totp.code_of(secret, max(totp.step_at(clock.now_s()), person["totp_step"] + 1))

    def _step(self, person: Any, code: str) -> int | None:
        if person["totp_sealed"] is None:
            return None
        return totp.taken_step(self._vault.unseal_text(person["totp_sealed"], _place(person["id"])), code, clock.now_s())

    async def _take(self, staff_id: int, step: int) -> bool:
        """A code opens once, however many ask with it at the same time."""
        return bool(await self._database.transact(lambda tx: tx.value(sql.take_totp_step, staff_id, step)))

    def _place_of(self, session: StaffSession, visitor: Visitor) -> Place:
        subject = self._vault.blind("staff", session.name)
        return at_network(session.shop_id, subject, self._vault.blind("network", f"prove:{visitor.network}"))

    async def _id(self, shop_id: int, name: str) -> int:
        person = await self._database.row(sql.any_staff_by_name, shop_id, name)
        if person is None:
            raise Refusal("staff.unknown")
        found: int = person["id"]
        return found

    async def _owned(self, work: Any) -> None:
        try:
            await self._database.transact(work)
        except asyncpg.CheckViolationError as fault:
            if fault.constraint_name != "last_owner":
                raise
            raise Refusal("staff.last_owner") from fault


async def alone(tx: Tx, shop_id: int, permission: str) -> bool:
    """Whether one person alone may do something in this shop, and nobody else could have for a day.

    A second one who was sent away an hour ago does not make the first one alone: else a stolen login could.
    """
    return bool(await tx.value(sql.may_alone, shop_id, holders(permission), clock.now()))


async def nobody_else(tx: Tx, shop_id: int, permission: str) -> bool:
    """Whether no second person could do something: where the command line is all that there is, nobody has a login at all."""
    return bool(await tx.value(sql.nobody_else, shop_id, holders(permission), clock.now()))


def same_person(first: str, actor: str) -> bool:
    """Whether two deeds may be one person's. A name that was only typed at a terminal may be anybody's, also the other one's."""
    one, other = first.strip().casefold(), actor.strip().casefold()
    return one == other or one.startswith(TERMINAL) or other.startswith(TERMINAL)


async def second_waits_s(tx: Tx, shop_id: int, permission: str, first: str, since_at: datetime, actor: str) -> int:
    """0 when `actor` may do the second half of what `first` began at `since_at`; else the seconds until then, at least 1.

    Another person may at once. The same one may where nobody else could, and only after a day to sleep over it.
    """
    if not same_person(first, actor):
        return 0
    left_s = int((ALONE_WAITS - (clock.now() - since_at)).total_seconds()) + 1
    return 0 if left_s <= 0 and await nobody_else(tx, shop_id, permission) else max(1, left_s)


async def tell_alone(tx: Tx, shop_id: int, permission: str, key: str) -> None:
    """The notice of a shop of one person: whoever runs it hears at once of what its author may confirm tomorrow."""
    if await alone(tx, shop_id, permission):
        await ring(tx, shop_id, clock.now(), "staff.alone", key, {"kind": permission})


def new_password() -> str:
    """Five groups of four letters and digits that nobody confuses when writing them down: 99 random bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(5))


def _check(roles: tuple[str, ...]) -> None:
    if not roles or not set(roles) <= set(ROLES):
        raise Refusal("staff.malformed", field="role")


def _place(staff_id: int) -> str:
    return f"staff:totp:{staff_id}"
