"""Eligibility: may this user, of this age and name, put this much money into this kind of shop, and on which terms?"""

from typing import Any

from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, Strength
from daozhang.reasons.catalogue import Layer


def _agreement(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001 -- every check has the same shape
    if facts.agreement_agreed:
        return None
    return Hit(Outcome.REFUSE, "eligibility.agreement", {"version": facts.agreement_version})


def _tells_agreement(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    return {"version": facts.agreement_version} if facts.agreement_version else {}


AGREEMENT = Check(
    name="eligibility.agreement",
    layer=Layer.ELIGIBILITY,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=("agreement_version", "agreement_agreed"),
    judge=_agreement,
    tells=_tells_agreement,
)
