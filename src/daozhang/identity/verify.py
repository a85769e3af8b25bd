"""Real-name verification: a name and a number, held to their form, compared by a provider, sealed, and shown masked everywhere.

What a minor may do and from which amount a name is needed are checks of the policy; here is only who somebody is.
"""

import logging
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from daozhang import clock, ids
from daozhang.events.log import Event, append
from daozhang.identity.gb11643 import IdentityNumber, read_identity_number
from daozhang.identity.limits import Limiter
from daozhang.identity.views import note_view
from daozhang.postgres import Database, Tx, statements
from daozhang.providers.rows import Providers
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.identity")
log = logging.getLogger(__name__)
Tier = Literal["identity", "face"]

_NAME = re.compile(
    r"[\u3400-\u9fff\U00020000-\U000323af]{1,20}(?:·[\u3400-\u9fff\U00020000-\U000323af]{1,20}){0,3}|[A-Za-z][A-Za-z .'-]{1,49}"
)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a page shows: never more than this. `masked_name` is 张*, `masked_number` 110***********1234."""

    tier: str
    masked_name: str
    masked_number: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """What somebody says of himself, held to its form and sealed under the identifier that its verification would have."""

    id: UUID
    name_sealed: bytes
    number_sealed: bytes
    blind: bytes
    adult_on: date | None


@dataclass(frozen=True, slots=True)
class Person:
    """A name and a number in clear, for the one who may see them and said why."""

    name: str
    number: str


class Verifications:
    """Who the users of a shop really are."""

    def __init__(self, database: Database, vault: Vault, limiter: Limiter, providers: Providers) -> None:
        self._database, self._vault, self._limiter, self._providers = database, vault, limiter, providers

    async def verify(self, user_id: int, name: str, number: str) -> Verified:
        """Compare a name with its number and keep both sealed. The same ones again change nothing.

        Raises `identity.name_malformed`, `identity.number_malformed`, `identity.mismatch`, `identity.no_record`,
        `identity.unchecked` (nobody knows: try later), `identity.other_person`, `account.closed`, `operation.too_many`.
        """
        plain, read = _held(name, number)
        await self._limiter.demand("verify.user", user_id)
        provider = await self._providers.identity()
        claimed = self._sealed(plain, read)
        result = await provider.check(ids.text26(claimed.id), plain, read.text)
        if result != "match":
            raise Refusal(_WHY[result])
        await self._database.transact(lambda tx: self.keep(tx, user_id, claimed))
        known = await self.shown(user_id)
        assert known is not None, user_id
        return known

    async def claim(self, user_id: int, name: str, number: str) -> Claimed:
        """What people are to look at, because the register cannot say. Raises as `verify` for what has no form."""
        plain, read = _held(name, number)
        await self._limiter.demand("verify.user", user_id)
        return self._sealed(plain, read)

    async def keep(self, tx: Tx, user_id: int, claimed: Claimed, tier: Tier = "identity") -> None:
        """Keep as verified, in the caller's transaction. Raises `identity.other_person`, `account.closed`."""
        at, sealed = clock.now(), (claimed.name_sealed, claimed.number_sealed, claimed.blind)
        try:
            done = await tx.value(sql.verify_user, claimed.id, user_id, tier, *sealed, claimed.adult_on, at)
        except asyncpg.CheckViolationError as fault:
            if fault.constraint_name != "verified_once":
                raise
            raise Refusal("identity.other_person") from fault
        if not done:
            raise Refusal("account.closed")
        shop_id = await tx.value(sql.shop_of_user, user_id)
        data = msgspec.json.encode({"tier": tier}).decode()
        await append(tx, shop_id, at, f"user:{user_id}", [Event("user.verified", None, user_id, data)])

    async def again(self, user_id: int) -> tuple[Person, Claimed] | None:
        """Who a user is verified as, for the program's own eyes: in clear for a provider, and sealed anew for a higher tier."""
        row = await self._database.row(sql.verification, user_id)
        if row is None:
            return None
        person = self.opened(row)
        read = read_identity_number(person.number, clock.business_day(clock.now()))
        assert read is not None, user_id
        return person, self._sealed(person.name, read)

    async def settled(self, user_id: int, before: datetime) -> Person | None:
        """Who a user has been verified as since before a moment, in clear for a provider; None without a name as old."""
        since = await self._database.value(sql.verified_since, user_id)
        row = await self._database.row(sql.verification, user_id) if since is not None and since < before else None
        return self.opened(row) if row is not None else None

    async def shown(self, user_id: int) -> Verified | None:
        """What the user's own page shows, masked; None while nothing is verified."""
        row = await self._database.row(sql.verification, user_id)
        if row is None:
            return None
        person = self.opened(row)
        return Verified(row["tier"], mask_name(person.name), mask_number(person.number), row["at"])

    async def view(self, shop_id: int, user_id: int, actor: str, why: str) -> Person | None:
        """Name and number in clear. The look is on record before anything is shown."""
        row = await self._database.row(sql.verification, user_id)
        if row is None:
            return None
        await self._database.transact(lambda tx: note_view(tx, shop_id, user_id, "identity", actor, why))
        return self.opened(row)

    def _sealed(self, plain: str, read: IdentityNumber) -> Claimed:
        asked, adult_on = ids.new_id(), read.adult_on()
        return Claimed(
            asked, self._vault.seal(plain, f"verifications:name:{asked}"),
            self._vault.seal(read.text, f"verifications:number:{asked}"), self._vault.blind("identity", read.text),
            adult_on if adult_on > clock.business_day(clock.now()) else None,
        )  # fmt: skip

    def opened(self, row: Any) -> Person:
        """Name and number of a row that keeps them sealed. Whoever shows them puts the look on record first."""
        return Person(
            self._vault.unseal_text(row["name_sealed"], f"verifications:name:{row['id']}"),
            self._vault.unseal_text(row["number_sealed"], f"verifications:number:{row['id']}"),
        )


def _held(name: str, number: str) -> tuple[str, IdentityNumber]:
    """Both in the one form in which they are compared. Raises `identity.name_malformed`, `identity.number_malformed`."""
    plain = unicodedata.normalize("NFC", name).strip().replace("•", "·").replace("・", "·")
    if not _NAME.fullmatch(plain):
        raise Refusal("identity.name_malformed")
    read = read_identity_number(number, clock.business_day(clock.now()))
    if read is None:
        raise Refusal("identity.number_malformed")
    return plain, read


def mask_name(name: str) -> str:
    """Only the first letter stays."""
    return name[0] + "*" * min(3, max(1, len(name) - 1))


def mask_number(number: str) -> str:
    """The first three and the last two characters stay: enough to know one's own, too little for anything else."""
    return f"{number[:3]}{'*' * 13}{number[-2:]}"


_WHY = {"mismatch": "identity.mismatch", "no_record": "identity.no_record", "unknown": "identity.unchecked"}
