"""Publish a version, find the one in force, and keep who agreed to it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from daozhang import clock
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.agreements")

LONGEST = 100_000
"""Characters of one language."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version. `sha256` is over both texts, each after its language."""

    version: int
    zh: str
    en: str
    sha256: bytes
    from_at: datetime
    author: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Publication:
    """A version in a list, without its texts."""

    version: int
    sha256: str
    from_at: datetime
    author: str
    published_at: datetime
    present: bool
    consents_count: int


class Ticked(NamedTuple):
    """The version that a user ticked with an order."""

    user_id: int
    version: int
    order_id: UUID


async def publish(database: Database, shop_id: int, zh: str, en: str, *, author: str, from_at: datetime | None = None) -> int:
    """Put a version on record, in force from `from_at` (by default at once); its number.

    Raises `eligibility.agreement_malformed` for a missing or overlong text, and `eligibility.agreement_same` when the newest
    version says the same: asking people again for nothing teaches them not to read.
    """
    texts = [text.replace("\r\n", "\n").strip() for text in (zh, en)]
    if not all(1 <= len(text) <= LONGEST for text in texts):
        raise Refusal("eligibility.agreement_malformed", limit_count=LONGEST)
    return await database.transact(lambda tx: _publish(tx, shop_id, texts[0], texts[1], author, from_at))


async def _publish(tx: Tx, shop_id: int, zh: str, en: str, author: str, from_at: datetime | None) -> int:
    await tx.value(sql.lock_shop, shop_id)
    digest, at = digest_of(zh, en), clock.now()
    if await tx.value(sql.newest, shop_id) == digest:
        raise Refusal("eligibility.agreement_same")
    version: int = await tx.value(sql.publish, shop_id, zh, en, digest, max(from_at, at) if from_at else at, author, at)
    return version


def digest_of(zh: str, en: str) -> bytes:
    """SHA-256 of both texts: the same texts, the same hash."""
    return hashlib.sha256(b"zh\n" + zh.encode() + b"\nen\n" + en.encode()).digest()


async def present(database: Database, shop_id: int) -> Agreement | None:
    """The version in force; None when the shop has published none."""
    row = await database.row(sql.present, shop_id)
    return Agreement(**row) if row else None


async def read(database: Database, shop_id: int, version: int) -> Agreement | None:
    """One version, whether in force, past or to come."""
    row = await database.row(sql.one, shop_id, version)
    return Agreement(**row) if row else None


async def listed(database: Database, shop_id: int) -> list[Publication]:
    """Every version, oldest first, with how many users agreed to it."""
    return [Publication(**{**row, "sha256": row["sha256"].hex()}) for row in await database.rows(sql.listed, shop_id)]


async def accept(tx: Tx, shop_id: int, at: datetime, ticked: Sequence[Ticked]) -> None:
    """Keep consents in the transaction that places their orders. Only what is ticked for the version in force counts."""
    if ticked:
        await tx.run(sql.accept, shop_id, at, *map(list, zip(*ticked, strict=True)))
