"""Offers: is the chosen campaign or coupon to be had with this recharge, and may both be had at once?"""

from typing import Any

from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, Strength
from daozhang.reasons.catalogue import Layer

_OFFERS = {"spent": "eligibility.offer_gone", "capped": "eligibility.offer_capped"}
"""Why a campaign gives nothing; every other word says that it does not run."""
_FINE = frozenset({"none", "open", "below"})
"""An amount below the tiers of a campaign is no fault: it brings no bonus, and the recharge goes on."""


def _offer(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001 -- every check has the same shape
    if facts.offer in _FINE:
        return None
    return Hit(Outcome.REFUSE, _OFFERS.get(facts.offer or "", "eligibility.offer_over"), {})


_COUPONS = {
    "used": "eligibility.coupon_used",
    "reserved": "eligibility.coupon_reserved",
    "capped": "eligibility.coupon_capped",
}


def _coupon(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    if facts.coupon in ("none", "open"):
        return None
    if facts.coupon == "below":
        return Hit(Outcome.REFUSE, "eligibility.coupon_minimum", {"limit_fen": facts.coupon_from_fen})
    if facts.coupon == "expired":
        return Hit(Outcome.REFUSE, "eligibility.coupon_expired", {"until_at": facts.coupon_until_at})
    return Hit(Outcome.REFUSE, _COUPONS.get(facts.coupon or "", "eligibility.coupon_unknown"), {})


def _stack(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    # What is not known of either is said by its own check.
    if facts.offers_stack is not False:
        return None
    return Hit(Outcome.REFUSE, "eligibility.no_stack", {})


def _tells_offer(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    return {"bonus_fen": facts.offer_fen} if facts.offer == "open" else {}


def _tells_coupon(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    return {"bonus_fen": facts.coupon_fen} if facts.coupon == "open" else {}


OFFER = Check(
    name="eligibility.offer",
    layer=Layer.ELIGIBILITY,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=("offer",),
    judge=_offer,
    tells=_tells_offer,
)

COUPON = Check(
    name="eligibility.coupon",
    layer=Layer.ELIGIBILITY,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=("coupon",),
    judge=_coupon,
    tells=_tells_coupon,
)

STACK = Check(
    name="eligibility.stack",
    layer=Layer.ELIGIBILITY,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=(),
    judge=_stack,
)
