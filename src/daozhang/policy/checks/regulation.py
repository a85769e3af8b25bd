"""Regulation: may this class of channels be used here and now, and what becomes of money that was on its way?"""

from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, RegionRule, Stage, Strength
from daozhang.reasons.catalogue import Layer


def here(rule: RegionRule, region: str | None) -> bool:
    """Whether a row applies in the user's region; while that is unknown, only a row for everywhere does."""
    return rule.region == "*" or bool(region and region.startswith(rule.region))


def _region(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001 -- every check has the same shape
    rules = facts.region_rules
    if not rules:
        return None
    if any(here(rule, facts.region) for rule in rules):
        return Hit(Outcome.REFUSE, "regulation.suspended", {})
    # Where somebody is that nobody knows is asked, not guessed; an address alone says nothing.
    return Hit(Outcome.REFUSE, "regulation.region_unknown", {}) if not facts.region else None


def _in_flight(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    rules = [rule for rule in facts.region_rules or () if here(rule, facts.region)]
    if not rules:
        return None
    # Where one row says that money goes back and another that a person looks, the person looks.
    reason = "regulation.suspended" if any(rule.in_flight == "hold" for rule in rules) else "regulation.returned"
    return Hit(Outcome.HOLD, reason, {})


REGION = Check(
    name="regulation.region",
    layer=Layer.REGULATION,
    strength=Strength.HARD,
    stages=BEFORE,
    needs=("region_rules",),
    judge=_region,
    shown=False,
)

IN_FLIGHT = Check(
    name="regulation.in_flight",
    layer=Layer.REGULATION,
    strength=Strength.HARD,
    stages=frozenset({Stage.PAID}),
    needs=("region_rules",),
    judge=_in_flight,
    shown=False,
)
