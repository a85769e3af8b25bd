"""The register of suspicious activity: drafts, what was filed, and export. Secret, also from those who decide about the case.

Filing is secret by law (Anti-Money-Laundering Law of 2024, art. 35; secrecy also art. 7): nothing here reaches a user, a case, an
event or a page of another role. Everything that says whom it is about is sealed; each look and each export is a row of its own.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from daozhang import clock, ids
from daozhang.identity.roles import may
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.vault import Vault

sql = statements("daozhang.aml")

MOST = 500
LONGEST = 8_000
"""Characters of one field."""


class Reader(NamedTuple):
    """Who asks, with the roles held at this moment."""

    shop_id: int
    actor: str
    roles: tuple[str, ...]


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is suspected: of whom, which orders, what pattern, on which facts, and what was done about it."""

    user_id: int
    orders: tuple[str, ...]
    pattern: str
    facts: str
    measures: str = ""


class Suspicion(msgspec.Struct, frozen=True):
    """An entry. `state`: draft, filed (with the authority's reference) or dropped."""

    id: UUID
    state: str
    content: Content
    reference: str | None
    opened_by: str
    opened_at: datetime
    moved_at: datetime


async def open_draft(database: Database, vault: Vault, reader: Reader, content: Content) -> UUID:
    """Write a draft; its number. Raises `staff.forbidden`, `aml.malformed`."""
    demand(reader.roles, "suspicion.write")
    fields = {"user_id": content.user_id > 0, "pattern": 1 <= len(content.pattern.strip()) <= 200,
              "facts": 1 <= len(content.facts.strip()) <= LONGEST, "measures": len(content.measures) <= LONGEST,
              "orders": len(content.orders) <= 100 and all(0 < len(each) <= 40 for each in content.orders)}  # fmt: skip
    for field, holds in fields.items():
        if not holds:
            raise Refusal("aml.malformed", field=field)
    new, at = ids.new_id(), clock.now()
    sealed = vault.seal(msgspec.json.encode(content), _place(new))

    async def work(tx: Tx) -> None:
        await tx.run(sql.add_suspicion, new, reader.shop_id, sealed, reader.actor, at)
        await _step(tx, reader, new, "opened", "")

    await database.transact(work)
    return new


async def end(database: Database, reader: Reader, suspicion_id: UUID, *, reference: str = "", why: str = "") -> None:
    """File a draft under its reference, or drop it with why. Raises `staff.forbidden`, `aml.malformed`, `aml.past_that`."""
    demand(reader.roles, "suspicion.write")
    state = "filed" if reference.strip() else "dropped"
    if (state == "dropped" and len(why.strip()) < 2) or len(reference) > 120:
        raise Refusal("aml.malformed", field="why" if state == "dropped" else "reference")

    async def work(tx: Tx) -> None:
        done = await tx.value(sql.end_suspicion, reader.shop_id, clock.now(), suspicion_id, state, reference.strip() or None)
        if done is None:
            raise Refusal("aml.past_that")
        await _step(tx, reader, suspicion_id, state, why[:400])

    await database.transact(work)


async def listed(database: Database, vault: Vault, reader: Reader) -> list[Suspicion]:
    """The register, newest first; the look is a row of its own. Raises `staff.forbidden`."""
    demand(reader.roles, "suspicion.read")
    await database.transact(lambda tx: _step(tx, reader, None, "read", ""))
    return await _read(database, vault, reader.shop_id)


async def exported(database: Database, vault: Vault, reader: Reader) -> bytes:
    """The register as JSON. That it was exported, by whom, and the hash of what it held, stands before it is handed out.

    Raises `staff.forbidden`.
    """
    demand(reader.roles, "suspicion.export")
    entries = await _read(database, vault, reader.shop_id)
    at = clock.now()
    content = msgspec.json.format(
        msgspec.json.encode({"shop_id": reader.shop_id, "exported_at": at, "suspicions": entries}), indent=2
    )
    digest = hashlib.sha256(content).digest()
    await database.transact(lambda tx: _step(tx, reader, None, "exported", "", digest))
    return content


async def _read(database: Database, vault: Vault, shop_id: int) -> list[Suspicion]:
    return [
        Suspicion(
            row["id"], row["state"], msgspec.json.decode(vault.unseal(row["content_sealed"], _place(row["id"])), type=Content),
            row["reference"], row["opened_by"], row["opened_at"], row["moved_at"],
        )
        for row in await database.rows(sql.suspicions, shop_id, MOST)
    ]  # fmt: skip


async def _step(tx: Tx, reader: Reader, suspicion_id: UUID | None, what: str, why: str, digest: bytes | None = None) -> None:
    await tx.run(sql.add_step, ids.new_id(), reader.shop_id, suspicion_id, what, reader.actor, why, digest, clock.now())


def demand(roles: Iterable[str], permission: str) -> None:
    """The door asked already; this room asks again, because nothing here may ever be read by a way that somebody forgot."""
    if not may(roles, permission):
        raise Refusal("staff.forbidden", permission=permission)


def _place(suspicion_id: UUID) -> str:
    return f"suspicions:content:{suspicion_id}"
