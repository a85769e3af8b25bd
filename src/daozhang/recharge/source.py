"""The case about just-unfrozen money: its owner says where it comes from, two people decide, and it may leave the balance once."""

from uuid import UUID

from daozhang import clock, notices
from daozhang.cases import Case, Cases
from daozhang.cases.model import Verdict
from daozhang.ledger import accounts
from daozhang.policy import passes
from daozhang.postgres import Database, Tx, statements

sql = statements("daozhang.recharge")

KIND = "funds"
REASON = "risk.funds_unfrozen"


async def ask(database: Database, cases: Cases, shop_id: int, user_id: int) -> UUID | None:
    """Open the case about a user's balance as it is now, or find the one that is open; its id. None where nothing is there."""
    amount_fen = await database.value(sql.balance_there, shop_id, [accounts.cash(user_id), accounts.bonus(user_id)])
    if not amount_fen:
        return None
    facts = {"amount_fen": amount_fen, "reason": REASON}
    return await database.transact(lambda tx: cases.open(tx, shop_id, user_id, KIND, f"user:{user_id}", "funds_source", facts))


class SourceVerdict:
    """What a verdict does: approved, what was asked about may leave once within a day; rejected, it waits until it has cooled."""

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        """Do it."""
        if verdict != "approved":
            return
        assert case.user_id is not None, case.id
        at, amount_fen = clock.now(), int(case.facts["amount_fen"])
        await passes.grant(tx, case.shop_id, case.user_id, amount_fen, case.verdict_why or "looked at", actor, at)
        await notices.tell(tx, case.shop_id, case.user_id, at, "spend_once", {"amount_fen": amount_fen}, "/shop")
