"""Risk and the law as people may know them: the rules themselves are data (`policy/rules`); here is what stands for them.

Rules whose criterion is not published show one constant line, whatever their result: it never says "passed", and neither a
threshold nor what is left of a tolerance is told. A line that changed with the result would teach the result.
"""

from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, Stage, Strength
from daozhang.reasons.catalogue import Layer


def _passes(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001 -- every check has the same shape
    return None


def _blind(facts: Facts, book: Book) -> Hit | None:
    """Without its signals risk falls back to static small limits: a larger amount waits for a person."""
    sum_fen = (facts.admitted_fen or 0) + (facts.amount_fen or 0)
    if facts.amount_fen is None or (facts.amount_fen <= book.risk.unseen_fen and sum_fen <= book.risk.unseen_day_fen):
        return None
    return Hit(Outcome.HOLD, "risk.unseen", {})


SIGNALS = Check(
    name="risk.signals",
    layer=Layer.RISK,
    strength=Strength.SOFT,
    stages=frozenset({Stage.ASKED, Stage.PLACE, Stage.SPEND}),
    needs=("signals",),
    judge=_passes,
    shown=False,
    blind=_blind,
)

FAMILY = Check(
    name="risk.family",
    layer=Layer.RISK,
    strength=Strength.SOFT,
    stages=BEFORE | {Stage.PAID},
    needs=(),
    judge=_passes,
    constant=True,
)

LEGAL = Check(
    name="regulation.screening",
    layer=Layer.REGULATION,
    strength=Strength.SOFT,
    stages=BEFORE | {Stage.PAID},
    needs=(),
    judge=_passes,
    constant=True,
)
