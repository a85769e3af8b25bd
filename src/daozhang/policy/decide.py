"""Decide: run every check of a stage and let the worst outcome win. Pure: the same facts and book give the same decision."""

from daozhang.policy.book import Book
from daozhang.policy.checks import BY_STAGE
from daozhang.policy.model import WISHED, Check, Decision, Facts, Hit, Outcome, Stage, Strength, Verdict
from daozhang.reasons.catalogue import Layer, catalogue

UNANSWERED = "platform.check_unanswered"
"""The reason of a hard or firm check that misses a fact: it never fails open."""


def decide(stage: Stage, facts: Facts, book: Book) -> Decision:
    """Judge one wish or payment. All checks that can be judged run, so that a person hears everything at once.

    The headline is what has to be cured first among the verdicts of the worst outcome: the law's, then the account's; what lasts
    before what passes; else in the order of the checks. Money that has arrived cannot be refused: at `paid` a refusal is a hold.
    """
    verdicts = tuple([_verdict(check, stage, facts, book) for check in BY_STAGE[stage]])
    worst = Outcome.ADMIT
    for verdict in verdicts:
        if verdict.outcome is not None and verdict.outcome.rank > worst.rank:
            worst = verdict.outcome
    headline = None if worst is Outcome.ADMIT else _headline([verdict for verdict in verdicts if verdict.outcome is worst])
    return Decision(
        stage=stage,
        outcome=worst,
        reason=headline.reason if headline else None,
        facts=headline.facts if headline else {},
        verdicts=verdicts,
        book_version=book.version,
    )


def shown(facts: Facts, book: Book) -> list[Verdict]:
    """What may be shown before paying, in order: hits, passes, and rules that can be judged only once something is chosen."""
    return [verdict for verdict in decide(Stage.SHOWN, facts, book).verdicts if verdict.shown]


def _verdict(check: Check, stage: Stage, facts: Facts, book: Book) -> Verdict:
    missing = [name for name in check.needs if getattr(facts, name) is None]
    if not missing:
        hit = check.judge(facts, book)
    elif check.strength is Strength.SOFT or (stage is Stage.SHOWN and WISHED.issuperset(missing)):
        return _said(check, None, facts, book)
    else:
        hit = Hit(Outcome.REFUSE, UNANSWERED, {})
    if hit is None:
        return _said(check, Outcome.ADMIT, facts, book)
    outcome = Outcome.HOLD if stage is Stage.PAID and hit.outcome is Outcome.REFUSE else hit.outcome
    return Verdict(check=check.name, layer=check.layer, outcome=outcome, reason=hit.reason, facts=hit.facts, shown=check.shown)


def _said(check: Check, outcome: Outcome | None, facts: Facts, book: Book) -> Verdict:
    return Verdict(check=check.name, layer=check.layer, outcome=outcome, facts=check.tells(facts, book), shown=check.shown)


def _headline(worst: list[Verdict]) -> Verdict:
    reasons = catalogue()

    def urgency(verdict: Verdict) -> tuple[int, bool]:
        layer = 0 if verdict.layer is Layer.REGULATION else 1 if verdict.layer is Layer.ACCOUNT else 2
        return layer, not reasons.get(verdict.reason or "").lasting

    return min(worst, key=urgency)
