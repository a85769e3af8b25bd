"""A region that its user chose wrongly is put right by two people: where somebody lives decides what the law closes for him."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from daozhang.cases.model import Case, Verdict
from daozhang.cases.service import Cases
from daozhang.postgres import Database, Tx
from daozhang.reasons.refusal import Refusal

KIND = "region"


async def propose(database: Database, cases: Cases, shop_id: int, user_id: int, region: str, actor: str, why: str) -> UUID:
    """Propose another region in a case, which a second person confirms; its id.

    Raises `cases.not_waiting` while this or another one waits already.
    """
    facts = {"region": region}
    case_id = await database.transact(
        lambda tx: cases.open(tx, shop_id, user_id, KIND, f"user:{user_id}", "explain", facts, first="staff")
    )
    case = await cases.case(case_id)
    if case is None or case.facts.get("region") != region:
        raise Refusal("cases.not_waiting")
    await cases.propose(case_id, actor, "approved", why)
    return case_id


class RegionVerdict:
    """What a verdict does: approved, the region is kept; rejected, it stays as its user said."""

    def __init__(self, declare: Callable[[Tx, int, int, str, str], Awaitable[None]]) -> None:
        """`declare(tx, shop_id, user_id, region, actor)` keeps it."""
        self._declare = declare

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        """Do it."""
        if verdict == "approved":
            assert case.user_id is not None, case.id
            await self._declare(tx, case.shop_id, case.user_id, str(case.facts["region"]), actor)
