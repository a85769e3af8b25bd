"""The checks of a stage made ready for one book: one Python function that asks them all, with the verdicts that it says often.

Most checks pass, and what a passing check says is one of a few verdicts: each is made once and kept. Only names out of the list of
checks reach the text that is compiled, and every check is asked in its place, exactly as the list has it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from daozhang.policy.book import Book
from daozhang.policy.checks import BY_STAGE
from daozhang.policy.model import WISHED, Check, Facts, Hit, Outcome, Stage, Strength, Verdict

UNANSWERED = "platform.check_unanswered"
"""The reason of a hard or firm check that misses a fact: it never fails open."""

Objections = list[tuple[int, Strength, str, Verdict]]
"""What is more than admitted: its place among the verdicts, the strength of its check, what tolerance makes of it, the verdict."""

Asked = Callable[[Facts, Objections], list[Verdict]]
"""Asks every check: one verdict for each, in order; those that object are put among the objections, too."""

_STOPS = Outcome.CHALLENGE.rank
_MOST_KEPT, _MOST_SAID = 128, 1_024
"""How many books and stages are kept ready, and how many verdicts of one check."""
_ANYBODY = Facts(at=datetime(2026, 1, 1, tzinfo=UTC), shop_id=0, user_id=0)
_kept: dict[tuple[Stage, int], tuple[tuple[Check, ...], Book, Asked]] = {}


def plan(stage: Stage, book: Book) -> Asked:
    """The checks of a stage, ready for a book."""
    checks, known = BY_STAGE[stage], _kept.get((stage, id(book)))
    if known is None or known[0] is not checks or known[1] is not book:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        asked = tuple(check for check in checks if check.applies is None or check.applies(book))
        known = _kept[stage, id(book)] = (checks, book, _compiled(stage, asked, book))
    return known[2]


def at(stage: Stage, outcome: Outcome) -> Outcome:
    """What becomes of an outcome at a stage: money that has arrived is held instead of refused or asked about."""
    return Outcome.HOLD if stage is Stage.PAID and outcome.rank >= _STOPS else outcome


def _compiled(stage: Stage, checks: tuple[Check, ...], book: Book) -> Asked:
    names: dict[str, Any] = {"book": book}
    lines = ["def ask(facts, objections):"]
    for place, check in enumerate(checks):
        passed = Verdict(check=check.name, layer=check.layer, outcome=Outcome.ADMIT, shown=check.shown)
        later = Verdict(check=check.name, layer=check.layer, outcome=None, shown=check.shown)
        said = later if check.constant else passed
        names |= {f"judge{place}": check.judge, f"said{place}": said, f"hit{place}": partial(_hit, stage, check, place)}
        names[f"blind{place}"] = partial(_blind, stage, check, place, book, later)
        words = f"said{place}"
        if check.tells and check.by_book:
            names[words] = _telling(said, check.tells(_ANYBODY, book))
        elif check.tells:
            known: dict[Any, Verdict] = {}
            names |= {f"tells{place}": check.tells, f"known{place}": known.get, f"told{place}": partial(_told, said, known)}
            again = f"known{place}(tuple(told.items())) or told{place}(told)"
            words = f"({again}) if (told := tells{place}(facts, book)) else said{place}"
        passes = f"if (hit := judge{place}(facts, book)) is None: v{place} = {words}"
        objects = f" else: v{place} = hit{place}(hit, objections)"
        if check.needs:
            assert all(name.isidentifier() for name in check.needs), check.name
            missing = " or ".join(f"facts.{name} is None" for name in check.needs)
            lines += [f" if {missing}: v{place} = blind{place}(facts, objections)", f" el{passes}", objects]
        else:
            lines += [f" {passes}", objects]
    lines.append(f" return [{', '.join(f'v{place}' for place in range(len(checks)))}]")
    exec(compile("\n".join(lines), "<checks>", "exec"), names)  # noqa: S102 -- see the head of this file
    made: Asked = names["ask"]
    return made


def _hit(stage: Stage, check: Check, place: int, hit: Hit, objections: Objections) -> Verdict:
    verdict = Verdict(
        check=check.name, layer=check.layer, outcome=at(stage, hit.outcome), reason=hit.reason, facts=hit.facts, shown=check.shown
    )
    objections.append((place, check.strength, "none", verdict))
    return verdict


def _blind(stage: Stage, check: Check, place: int, book: Book, later: Verdict, facts: Facts, objections: Objections) -> Verdict:
    hit = _unknown(check, stage, facts, book)
    if hit is not None:
        return _hit(stage, check, place, hit, objections)
    told = check.tells(facts, book) if check.tells else None
    return _telling(later, told) if told else later


def _unknown(check: Check, stage: Stage, facts: Facts, book: Book) -> Hit | None:
    """The objection of a check that misses a fact it needs; None when a later choice brings it, or a soft check says nothing."""
    if stage is Stage.SHOWN and {name for name in check.needs if getattr(facts, name) is None} <= WISHED:
        return None
    if check.strength is Strength.SOFT:
        return check.blind(facts, book) if check.blind else None
    return Hit(Outcome.REFUSE, UNANSWERED, {})


def _told(said: Verdict, known: dict[Any, Verdict], told: dict[str, Any]) -> Verdict:
    """A verdict with the facts of its sentence, made once for each set of facts."""
    if len(known) >= _MOST_SAID:
        known.clear()
    verdict = known[tuple(told.items())] = _telling(said, told)
    return verdict


def _telling(said: Verdict, told: dict[str, Any]) -> Verdict:
    return Verdict(check=said.check, layer=said.layer, outcome=said.outcome, facts=told, shown=said.shown)
