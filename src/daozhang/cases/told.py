"""Messages to the owner of a case: that he is asked something, that his time is nearly over, how it ended.

Silence of his decides (`kinds.toml`), so nobody may be silent because he was never told. What a message says is the kind of the
matter and a moment; the question itself, and why, stand in the case.
"""

from datetime import datetime, timedelta

from daozhang import clock, notices
from daozhang.cases.kinds import KINDS
from daozhang.cases.model import Case, Verdict
from daozhang.postgres import Tx

WARNED = timedelta(days=1)
"""How long before the end of his time its owner is reminded."""


async def asked(tx: Tx, case: Case, until_at: datetime | None) -> None:
    """It is his turn, until then."""
    await _tell(tx, case, KINDS[case.kind].asked, until_at)


async def said(tx: Tx, case: Case) -> None:
    """Support wrote something, and whose turn it is stays."""
    await _tell(tx, case, "case_said", None)


async def reminded(tx: Tx, case: Case) -> None:
    """A day is left."""
    await _tell(tx, case, f"{KINDS[case.kind].asked}_again", case.deadline_at)


async def ended(tx: Tx, case: Case, verdict: Verdict) -> None:
    """It was decided; where the verdict's effect tells it by itself, nothing is said twice."""
    if verdict in KINDS[case.kind].tells:
        await _tell(tx, case, "case_ended", None)


def look_at(deadline: datetime, since: datetime) -> datetime:
    """When a case that waits for its owner is looked at: to remind him, where his time is longer than that."""
    return max(since, deadline - WARNED) if deadline - since > WARNED else deadline


async def _tell(tx: Tx, case: Case, kind: str, until_at: datetime | None) -> None:
    if case.user_id is None:
        return
    facts = {name: value for name, value in (("amount_fen", case.facts.get("amount_fen")), ("until_at", until_at)) if value}
    await notices.tell(tx, case.shop_id, case.user_id, clock.now(), kind, facts, f"/cases/{case.shown}")
