"""The rules as everybody may read them: stated by the checks that enforce them, with the book's own numbers."""

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from daozhang import clock
from daozhang.policy.book import Book
from daozhang.policy.checks import CHECKS
from daozhang.policy.model import Facts, Stage, Verdict
from daozhang.policy.sentences import Line, line

_NOBODY = Facts(
    at=datetime(2000, 1, 1, tzinfo=UTC), shop_id=0, user_id=0, standing="active", admitted_fen=0, verified=False, age="unverified",
    stored_fen=0, month_fen=0, purchase=False, bought=False, open_count=0, limits=(),
)  # fmt: skip
"""A new user of whom nothing is known: what is left of a limit to somebody is no part of the rule."""
_PERSONAL = frozenset({"left_fen", "open_count", "kind", "method"})


@dataclass(frozen=True, slots=True)
class Stated:
    """One layer with its rules, in the order in which they are checked."""

    layer: str
    lines: tuple[Line, ...]


def stated(book: Book, locale: str, agreement_version: int = 0) -> list[Stated]:
    """Every rule that may be told, by layer. Nothing is written twice: the sentences and numbers are those of the checks."""
    verdicts = [
        Verdict(
            check=check.name,
            layer=check.layer,
            outcome=None,
            facts=_facts(check.tells(_who(agreement_version), book)) if check.tells else {},
        )
        for check in CHECKS
        if check.shown and Stage.PLACE in check.stages and (check.applies is None or check.applies(book))
    ]
    verdicts += [ready.later for ready in book.rules.at(Stage.PLACE) if ready.published]
    by_layer: dict[str, list[Line]] = {}
    for verdict in verdicts:
        told = line(verdict, locale)
        if told is not None and told.text:
            by_layer.setdefault(told.layer, []).append(told)
    return [Stated(layer, tuple(lines)) for layer, lines in by_layer.items()]


def _who(agreement_version: int) -> Facts:
    return msgspec.structs.replace(_NOBODY, agreement_version=agreement_version, at=clock.now())


def _facts(told: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in told.items() if name not in _PERSONAL}
