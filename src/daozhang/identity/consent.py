"""Consent to what needs it of its own. Given for a version of its words, withdrawn at any time; every step stays on record.

Face: PIPL art. 29 and the measures on face recognition of 2025 ask for separate consent and for another way that is always open.
"""

from typing import Literal

from daozhang import clock, ids
from daozhang.postgres import Database, statements

sql = statements("daozhang.identity")

Kind = Literal["face"]
FACE: Kind = "face"
VERSIONS: dict[Kind, str] = {"face": "2026-11"}
"""The version of the words that are asked for now; another version asks again."""


async def has_consent(database: Database, user_id: int, kind: Kind) -> bool:
    """Whether the user consented to the text in force and has not withdrawn it."""
    row = await database.row(sql.newest_consent, user_id, kind)
    return row is not None and row["given"] and row["version"] == VERSIONS[kind]


async def consent(database: Database, user_id: int, kind: Kind, *, given: bool) -> None:
    """Record that consent was given, or withdrawn."""
    version = VERSIONS[kind]
    await database.transact(lambda tx: tx.run(sql.add_consent, ids.new_id(), user_id, kind, version, given, clock.now()))
