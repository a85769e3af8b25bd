"""A name that the register does not know, or knows otherwise: its owner shows the card, two people look, and it is verified.

What was said is sealed beside the case until it is decided, and gone with the answer. It cannot be said otherwise meanwhile, so
both look at the same name; whoever mistyped it takes the case back and asks anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from daozhang import clock
from daozhang.cases.evidence import remade
from daozhang.cases.model import Case, Verdict
from daozhang.cases.service import Cases
from daozhang.identity.verify import Claimed, Person, Verifications
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal

sql = statements("daozhang.cases")

KIND = "verification"


async def ask(
    database: Database, cases: Cases, verifications: Verifications, shop_id: int, user_id: int, name: str, number: str, text: str,
    pictures: Sequence[bytes],
) -> UUID:  # fmt: skip
    """Open the case; its id. One that is open already stays as it is.

    Raises `identity.name_malformed`, `identity.number_malformed`, `identity.picture_needed`, `cases.*`, `operation.too_many`.
    """
    standing = await cases.open_about(shop_id, KIND, _about(user_id))
    if standing is not None:
        return standing.id
    if not pictures:
        raise Refusal("identity.picture_needed")
    claimed = await verifications.claim(user_id, name, number)
    made = await remade(pictures)

    async def work(tx: Tx) -> UUID:
        case_id = await cases.open(tx, shop_id, user_id, KIND, _about(user_id), "identity_proof", {}, first="staff")
        sealed = (claimed.name_sealed, claimed.number_sealed, claimed.blind)
        if await tx.value(sql.want_verification, claimed.id, case_id, *sealed, claimed.adult_on, clock.now()):
            await cases.hand_in(tx, case_id, f"user:{user_id}", text, made)
        return case_id

    return await database.transact(work)


async def wanted(database: Database, verifications: Verifications, case_id: UUID) -> Person | None:
    """What is said in a case, in clear: whoever shows it puts the look on record first, or masks it. None once it is decided."""
    row = await database.row(sql.wanted_verification, case_id)
    return verifications.opened(row) if row else None


class VerificationVerdict:
    """What a verdict does: approved, the name is verified; rejected, nothing is kept of it."""

    def __init__(self, keep: Callable[[Tx, int, Claimed], Awaitable[None]]) -> None:
        """`keep(tx, user_id, claimed)` verifies, or raises `Refusal` where the account is somebody else's."""
        self._keep = keep

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:  # noqa: ARG002 -- the moves say who
        """Do it."""
        row: Any = await tx.row(sql.take_wanted_verification, case.id)
        if verdict != "approved":
            return
        if row is None:
            raise Refusal("cases.not_waiting")
        claimed = Claimed(row["id"], row["name_sealed"], row["number_sealed"], row["number_blind"], row["adult_on"])
        await self._keep(tx, row["user_id"], claimed)


def _about(user_id: int) -> str:
    return f"user:{user_id}"
