"""Eligibility: may this user, of this age and name, put this much money into this kind of shop, and on which terms?"""

from typing import Any

from daozhang.limits.model import OVERSEAS
from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, Stage, Strength
from daozhang.reasons.catalogue import Layer


def _agreement(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001 -- every check has the same shape
    if facts.agreement_agreed:
        return None
    return Hit(Outcome.REFUSE, "eligibility.agreement", {"version": facts.agreement_version})


def _first_purchase(facts: Facts, book: Book) -> Hit | None:
    if facts.bought or facts.purchase or not book.eligibility.first_purchase:
        return None
    return Hit(Outcome.REFUSE, "eligibility.first_purchase", {})


def _ceiling_fen(facts: Facts, book: Book) -> int | None:
    """The most that the user may have here, in fen; None when nothing limits it."""
    rules = book.eligibility
    if rules.mode != "single_purpose_card":
        return None
    return rules.named_ceiling_fen if facts.verified else rules.unnamed_ceiling_fen


def _ceiling(facts: Facts, book: Book) -> Hit | None:
    if facts.purchase:
        return None
    if book.eligibility.mode == "own_goods":
        return Hit(Outcome.REFUSE, "eligibility.no_stored_value", {})
    assert facts.stored_fen is not None
    limit_fen, amount = _ceiling_fen(facts, book), book.amount
    # What is too much for one recharge is told as that.
    wanted_fen = min(facts.amount_fen, amount.max_fen) if facts.amount_fen is not None else amount.min_fen
    # What comes on top is on the card as well.
    gift_fen = (facts.offer_fen or 0) + (facts.coupon_fen or 0) + (facts.offers_fen or 0)
    if limit_fen is None or facts.stored_fen + gift_fen + wanted_fen <= limit_fen:
        return None
    left_fen = max(0, limit_fen - facts.stored_fen - gift_fen)
    if facts.verified:
        return Hit(Outcome.REFUSE, "eligibility.ceiling_named", {"limit_fen": limit_fen, "left_fen": left_fen})
    named_fen = book.eligibility.named_ceiling_fen
    return Hit(
        Outcome.REFUSE, "eligibility.ceiling_unnamed", {"limit_fen": limit_fen, "left_fen": left_fen, "named_fen": named_fen}
    )


def _minor(facts: Facts, book: Book) -> Hit | None:
    if facts.age in ("adult", "unverified"):
        return None
    if facts.age not in ("from_8", "from_16"):
        # Below eight, or an age that this release does not know: nothing is bought by a child alone (Civil Code art. 20).
        return Hit(Outcome.REFUSE, "eligibility.minor_below_8", {})
    order_fen, month_fen = _minor_fen(facts, book)
    assert facts.month_fen is not None
    wanted_fen = facts.amount_fen if facts.amount_fen is not None else min(book.amount.min_fen, order_fen)
    if wanted_fen > order_fen:
        return Hit(Outcome.REFUSE, "eligibility.minor_order", {"limit_fen": order_fen})
    left_fen = max(0, month_fen - facts.month_fen)
    if wanted_fen <= left_fen:
        return None
    told = {"limit_fen": month_fen, "left_fen": left_fen, "until_at": facts.month_ends_at}
    return Hit(Outcome.REFUSE, "eligibility.minor_month", told)


def _minor_fen(facts: Facts, book: Book) -> tuple[int, int]:
    rules = book.eligibility
    if facts.age == "from_8":
        return rules.from_8_order_fen, rules.from_8_month_fen
    return rules.from_16_order_fen, rules.from_16_month_fen


def _named(facts: Facts, book: Book) -> Hit | None:
    assert facts.admitted_fen is not None
    if facts.verified:
        return None
    # As with the ceiling: what is too much for one recharge is told as that.
    sum_fen = facts.admitted_fen + min(facts.amount_fen or 0, book.amount.max_fen)
    if sum_fen >= book.eligibility.name_from_fen:
        return Hit(Outcome.REFUSE, "eligibility.name_needed", {"limit_fen": book.eligibility.name_from_fen})
    if sum_fen >= book.eligibility.name_warn_fen:
        return Hit(Outcome.MONITOR, "eligibility.name_soon", {"limit_fen": book.eligibility.name_from_fen})
    return None


def _cross_border(facts: Facts, book: Book) -> Hit | None:
    """By what is paid with and in what currency; never by an address, which says where a network ends and not whose money it is."""
    abroad = facts.instrument == OVERSEAS or facts.currency not in (None, "CNY")
    return Hit(Outcome.REFUSE, "eligibility.cross_border", {}) if abroad and not book.eligibility.cross_border else None


def _tells_ceiling(facts: Facts, book: Book) -> dict[str, Any]:
    limit_fen = _ceiling_fen(facts, book)
    if limit_fen is None or facts.stored_fen is None or facts.purchase:
        return {}
    return {"limit_fen": limit_fen, "left_fen": max(0, limit_fen - facts.stored_fen)}


def _tells_minor(facts: Facts, book: Book) -> dict[str, Any]:
    if facts.age not in ("from_8", "from_16"):
        return {}
    order_fen, month_fen = _minor_fen(facts, book)
    return {"order_fen": order_fen, "month_fen": month_fen}


def _tells_named(facts: Facts, book: Book) -> dict[str, Any]:
    return {} if facts.verified else {"limit_fen": book.eligibility.name_from_fen}


def _tells_agreement(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    return {"version": facts.agreement_version} if facts.agreement_version else {}


CROSS_BORDER = Check(
    name="eligibility.cross_border",
    layer=Layer.ELIGIBILITY,
    strength=Strength.HARD,
    stages=BEFORE | {Stage.PAID},
    needs=(),
    judge=_cross_border,
)

AGREEMENT = Check(
    name="eligibility.agreement",
    layer=Layer.ELIGIBILITY,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=("agreement_version", "agreement_agreed"),
    judge=_agreement,
    tells=_tells_agreement,
)

FIRST_PURCHASE = Check(
    name="eligibility.first_purchase",
    layer=Layer.ELIGIBILITY,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=(
        "bought",
        "purchase",
    ),
    judge=_first_purchase,
)

CEILING = Check(
    name="eligibility.ceiling",
    layer=Layer.ELIGIBILITY,
    strength=Strength.HARD,
    stages=BEFORE,
    needs=(
        "stored_fen",
        "verified",
        "purchase",
    ),
    judge=_ceiling,
    tells=_tells_ceiling,
)

MINOR = Check(
    name="eligibility.minor",
    layer=Layer.ELIGIBILITY,
    strength=Strength.HARD,
    stages=BEFORE,
    needs=(
        "age",
        "month_fen",
    ),
    judge=_minor,
    tells=_tells_minor,
)

NAMED = Check(
    name="eligibility.named",
    layer=Layer.ELIGIBILITY,
    strength=Strength.HARD,
    stages=BEFORE,
    needs=(
        "verified",
        "admitted_fen",
    ),
    judge=_named,
    tells=_tells_named,
)
