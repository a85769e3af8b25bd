"""Money that is held has a case: its owner is asked the right question, two decide, and it ends credited or on its way back.

Silence never releases: after seven days without an answer the money goes back to where it came from.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from daozhang import clock
from daozhang.cases import Case, Cases
from daozhang.cases import shown as case_shown
from daozhang.cases.kinds import KINDS
from daozhang.cases.model import Verdict
from daozhang.ledger import Accounts
from daozhang.postgres import Tx
from daozhang.recharge.fulfilment import Fulfilment
from daozhang.recharge.judgement import FROZEN, RETURNED
from daozhang.recharge.release import CASE, end_held
from daozhang.recharge.told import tell
from daozhang.recharge.view import parse_shown, shown

KIND = CASE
_QUESTIONS = {
    "risk.payer_new": "payer",
    "risk.payer_flagged": "payer",
    "risk.linked_accounts": "payer",
    "risk.card_testing": "payer",
    "risk.device_new": "device",
    "risk.place_unusual": "device",
    "risk.funds_unfrozen": "source",
    "account.frozen": "source",
}
"""What is asked, by why the money is held; anything else asks what it is for."""
MISFIT = "anomaly.amount"
"""Why money waits that came with another amount: nothing is asked of its owner, staff look first."""
_STAFF_FIRST = {
    MISFIT: "other_amount", "channel.credit_card_paid": "credit_card", RETURNED: "looked_at", FROZEN: "looked_at",
    "regulation.suspended": "looked_at", "regulation.returned": "looked_at",
}  # fmt: skip
"""What needs no answer: its owner may say something, and staff decide without waiting for it.

Where the law or the channel keeps the money, its owner has nothing to explain, and silence of theirs decides nothing.
"""


class Held(NamedTuple):
    """An order whose money was just held, or is kept apart because it is another amount."""

    order_id: UUID
    user_id: int
    amount_fen: int
    reason: str


async def open_cases(tx: Tx, cases: Cases, shop_id: int, held: Sequence[Held]) -> None:
    """Open a case for each and tell its owner, in the commit that holds the money: whoever closed the page would never know."""
    for each in held:
        facts = {"order": shown(each.order_id), "amount_fen": each.amount_fen, "reason": each.reason}
        first = "staff" if each.reason in _STAFF_FIRST else "user"
        question = _STAFF_FIRST.get(each.reason) or _QUESTIONS.get(each.reason, "purpose")
        case_id = await cases.open(tx, shop_id, each.user_id, KIND, shown(each.order_id), question, facts, first=first)  # type: ignore[arg-type]
        await _tell(tx, shop_id, each, case_id, asked=first == "user")


async def _tell(tx: Tx, shop_id: int, held: Held, case_id: UUID, *, asked: bool) -> None:
    if held.reason == RETURNED:
        # It goes back within seconds, and that is told.
        return
    case = f"/cases/{case_shown(case_id)}"
    if asked:
        until_at = clock.now() + timedelta(seconds=KINDS[KIND].user_s)
        await tell(tx, shop_id, held.user_id, "money_asked", held.amount_fen, case, until_at=until_at)
    elif held.reason == MISFIT:
        await tell(tx, shop_id, held.user_id, "money_misfit", held.amount_fen, f"/orders/{shown(held.order_id)}")
    else:
        await tell(tx, shop_id, held.user_id, "money_held", held.amount_fen, case)


class HoldVerdict:
    """What a verdict about held money does: it is credited with what it was for, or goes back to where it came from."""

    def __init__(self, ledger_accounts: Accounts, fulfilments: Sequence[Fulfilment]) -> None:
        self._accounts, self._fulfilments = ledger_accounts, fulfilments

    async def __call__(self, tx: Tx, case: Case, verdict: Verdict, actor: str) -> None:
        """Do it. Raises `Refusal` when the money waits no more; then nothing is decided."""
        order_id = parse_shown(case.about)
        assert order_id is not None, case.about
        why = case.verdict_why or ("checked" if verdict == "approved" else "退回")
        how = "credit" if verdict == "approved" else "return"
        await end_held(tx, self._accounts, order_id, actor, why, how, self._fulfilments)  # type: ignore[arg-type]
