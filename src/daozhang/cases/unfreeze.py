"""A frozen account comes back through a case: its owner sees why, shows proof, and a second person approves."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from daozhang.cases.model import Case, Verdict
from daozhang.cases.service import Cases
from daozhang.identity.service import BY_LAW
from daozhang.postgres import Database, Tx
from daozhang.reasons.refusal import Refusal

KIND = "unfreeze"


async def ask(database: Database, cases: Cases, shop_id: int, user_id: int, why: str, facts: dict[str, Any]) -> UUID:
    """Open the case of a frozen user, or find the one that is open. Raises `account.frozen_by_law`."""
    if why in BY_LAW:
        raise Refusal("account.frozen_by_law")
    return await database.transact(
        lambda tx: cases.open(tx, shop_id, user_id, KIND, f"user:{user_id}", "identity_proof", {"why": why, **facts})
    )


class UnfreezeVerdict:
    """What a verdict does: approved, the account works again at once; rejected, it stays as it is."""

    def __init__(self, unfreeze: Callable[[Tx, int, str, str], Awaitable[None]]) -> None:
        """`unfreeze(tx, user_id, actor, why)` ends the freeze, or raises `Refusal` where that is not ours to do."""
        self._unfreeze = unfreeze

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        """Do it."""
        if verdict == "approved":
            assert case.user_id is not None, case.id
            await self._unfreeze(tx, case.user_id, actor, case.verdict_why or "approved")
