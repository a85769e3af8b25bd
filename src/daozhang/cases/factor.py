"""A second factor whose telephone and recovery codes are gone: a case for people, two of whom agree; then it ends after three days.

Who asks has shown the password (or a code sent to the number) and nothing more, so it is told to every browser that is logged in,
and any of them may stop it.
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from daozhang import clock, notices
from daozhang.cases.evidence import Picture
from daozhang.cases.model import Case, Verdict
from daozhang.cases.service import Cases
from daozhang.postgres import Database, Tx

KIND = "factor"


async def report(database: Database, cases: Cases, shop_id: int, user_id: int, text: str, pictures: Sequence[Picture]) -> UUID:
    """Open the case, or add to the one that is open; its id. Raises `cases.*`."""

    async def work(tx: Tx) -> UUID:
        case_id = await cases.open(tx, shop_id, user_id, KIND, f"user:{user_id}", "identity_proof", {}, first="staff")
        await cases.hand_in(tx, case_id, f"user:{user_id}", text, pictures)
        await notices.tell(tx, shop_id, user_id, clock.now(), "factor_asked", {}, "/me/factor")
        return case_id

    return await database.transact(work)


class FactorVerdict:
    """What a verdict does: approved, the factor ends after the days in which its owner may object; rejected, it stays."""

    def __init__(self, lose: Callable[[Tx, int, int, str], Awaitable[None]]) -> None:
        """`lose(tx, shop_id, user_id, actor)` lets it end, or raises `Refusal` where there is none."""
        self._lose = lose

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        """Do it."""
        if verdict == "approved":
            assert case.user_id is not None, case.id
            await self._lose(tx, case.shop_id, case.user_id, actor)
