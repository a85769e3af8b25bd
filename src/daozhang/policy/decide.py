"""Decide: run every check and rule of a stage, and the worst outcome wins. Pure: the same facts and book, the same decision."""

from daozhang.policy.book import Book
from daozhang.policy.model import Decision, Facts, Outcome, Stage, Strength, Verdict
from daozhang.policy.plans import UNANSWERED, Objections, at, plan
from daozhang.policy.rules.ruleset import Ready
from daozhang.reasons.catalogue import Layer, catalogue

UNSEEN = "risk.unseen"
"""The reason of a soft rule that cannot be judged, above the static small limits that stand in for it."""

_STOPS = Outcome.CHALLENGE.rank
_MILDER = {Outcome.REFUSE: Outcome.HOLD, Outcome.HOLD: Outcome.CHALLENGE, Outcome.CHALLENGE: Outcome.MONITOR}


def decide(stage: Stage, facts: Facts, book: Book) -> Decision:
    """Judge one wish, payment, spending or refund. Everything that can be judged is, so that a person hears everything at once.

    The headline is what has to be cured first among the verdicts of the worst outcome: the law's, then the account's; what lasts
    before what passes; else in the order of the checks. Money that has arrived cannot be refused or asked back: at `paid` whatever
    would stop it is a hold.
    """
    objections: Objections = []
    verdicts = plan(stage, book)(facts, objections)
    _add_rules(verdicts, objections, stage, facts, book)
    tolerated = passed = False
    worst, headline = Outcome.ADMIT, None
    if objections:
        tolerated = _tolerate(facts, objections)
        if facts.confirmed:
            _confirm(objections)
        passed = _pass(stage, facts, objections)
        for place, _, _, verdict in objections:
            verdicts[place] = verdict
        worst = max((verdict.outcome for *_, verdict in objections if verdict.outcome), key=_rank)
        headline = _headline([verdict for *_, verdict in objections if verdict.outcome is worst])
    return Decision(
        stage=stage,
        outcome=worst,
        reason=headline.reason if headline else None,
        facts=headline.facts if headline else {},
        verdicts=tuple(verdicts),
        book_version=book.version,
        tolerated=tolerated,
        passed=passed,
    )


def shown(facts: Facts, book: Book) -> list[Verdict]:
    """What may be shown before paying, in order: hits, passes, and rules that can be judged only once something is chosen."""
    return [verdict for verdict in decide(Stage.SHOWN, facts, book).verdicts if verdict.shown]


def stops(decision: Decision) -> list[Verdict]:
    """Everything that stands in the way and may be told, what must be cured first at the head; each reason once."""
    found: dict[str, Verdict] = {}
    for verdict in sorted((v for v in decision.verdicts if v.outcome is not None and v.outcome.rank >= _STOPS), key=_urgency):
        if verdict.reason is not None and (verdict.shown or verdict.reason == decision.reason):
            found.setdefault(verdict.reason, verdict)
    first = found.pop(decision.reason, None) if decision.reason else None
    return [*([first] if first else []), *found.values()]


def trial(stage: Stage, facts: Facts, book: Book) -> tuple[str, ...]:
    """The rules on trial that would have hit, by key. Nobody feels them."""
    ready = book.shadows.at(stage)
    return tuple(ready[place].rule.key for place, truth in book.shadows.judge(stage, facts) if truth)


def _add_rules(verdicts: list[Verdict], objections: Objections, stage: Stage, facts: Facts, book: Book) -> None:
    """The verdicts of the rules: every hit, and of published rules also that they passed."""
    ready = book.rules.at(stage)
    if not ready:
        return
    hits = book.rules.judge(stage, facts)
    if not hits:
        verdicts += book.rules.passed(stage)
        return
    found = dict(hits)
    for place, each in enumerate(ready):
        if place not in found:
            if each.published:
                verdicts.append(each.passed)
            continue
        of_rule = _of_rule(each, found[place], stage, facts, book)
        if of_rule is None:
            continue
        if of_rule.outcome is not None:
            objections.append((len(verdicts), each.strength, each.rule.tolerance, of_rule))
        verdicts.append(of_rule)


def _of_rule(each: Ready, truth: bool | None, stage: Stage, facts: Facts, book: Book) -> Verdict | None:  # noqa: FBT001 -- a truth value is what it is
    rules, rule = book.rules, each.rule
    outcome, reason, told = each.outcome, rule.reason, {}
    if truth:
        told = rules.told(rule, facts)
    elif stage is Stage.SHOWN and (facts.amount_fen is None or facts.channel_id is None):
        return each.later
    elif rule.unknown == "pass" or (rule.unknown == "static" and _is_small(facts, book)):
        return each.later if each.published else None
    else:
        reason, outcome = (
            (UNSEEN, outcome) if each.strength is Strength.SOFT else (UNANSWERED, max(outcome, Outcome.HOLD, key=_rank))
        )
    why = tuple([(leaf.feature, leaf.value, leaf.operator, leaf.against, leaf.truth) for leaf in rules.why(rule, facts)])
    return Verdict(
        check=each.name, layer=each.layer, outcome=at(stage, outcome), reason=reason, facts=told, shown=each.published, why=why
    )


def _is_small(facts: Facts, book: Book) -> bool:
    """Whether the static limits let it through that hold while a soft rule cannot be judged."""
    amount_fen = facts.amount_fen
    if amount_fen is None or amount_fen > book.risk.unseen_fen:
        return False
    # At `paid` today's sum is not read: the order was in it when it was admitted.
    return facts.admitted_fen is None or facts.admitted_fen + amount_fen <= book.risk.unseen_day_fen


def _tolerate(facts: Facts, objections: Objections) -> bool:
    """Let soft rules give way to what is left of the small-amount budget, unless something firmer stops it anyway."""
    left_fen = None if facts.signals is None else facts.signals.tolerance_fen
    if left_fen is None or facts.amount_fen is None or facts.amount_fen > left_fen:
        return False
    if any(strength is not Strength.SOFT and _stopping(verdict) for _, strength, _, verdict in objections):
        return False
    gave_way = False
    for number, (place, strength, tolerance, verdict) in enumerate(objections):
        if tolerance == "none" or not _stopping(verdict) or verdict.reason == UNSEEN:
            continue
        assert verdict.outcome is not None
        milder = Outcome.MONITOR if tolerance == "watch" else _MILDER[verdict.outcome]
        objections[number] = (place, strength, tolerance, _replaced(verdict, milder))
        gave_way = True
    return gave_way


def _confirm(objections: Objections) -> None:
    """Whoever showed a second factor for this very order has answered what a rule wanted one for."""
    for number, (place, strength, tolerance, verdict) in enumerate(objections):
        if verdict.outcome is Outcome.CHALLENGE and verdict.check.startswith("rule."):
            objections[number] = (place, strength, tolerance, _replaced(verdict, Outcome.MONITOR))


def _pass(stage: Stage, facts: Facts, objections: Objections) -> bool:
    """A person looked at it: their one-time pass stands in for what a soft or firm check would ask; never for a hard one.

    The second factor that a hard check asks for is still asked of the owner, after whatever a person has let go.
    """
    if stage is Stage.PAID or facts.pass_fen is None or facts.amount_fen is None or facts.pass_fen < facts.amount_fen:
        return False
    stopping = [number for number, each in enumerate(objections) if _stopping(each[3]) and not _asks_owner(each)]
    if not stopping or any(_beyond_a_pass(objections[number]) for number in stopping):
        return False
    for number in stopping:
        place, strength, _, verdict = objections[number]
        objections[number] = (place, strength, "none", _replaced(verdict, Outcome.MONITOR))
    return True


def _beyond_a_pass(objection: tuple[int, Strength, str, Verdict]) -> bool:
    _, strength, _, verdict = objection
    return strength is Strength.HARD or verdict.outcome is Outcome.REFUSE


def _asks_owner(objection: tuple[int, Strength, str, Verdict]) -> bool:
    _, strength, _, verdict = objection
    return strength is Strength.HARD and verdict.outcome is Outcome.CHALLENGE


def _replaced(verdict: Verdict, outcome: Outcome) -> Verdict:
    return Verdict(
        check=verdict.check, layer=verdict.layer, outcome=outcome, reason=verdict.reason, facts=verdict.facts, shown=verdict.shown,
        why=verdict.why, before=verdict.outcome,
    )  # fmt: skip


def _stopping(verdict: Verdict) -> bool:
    return verdict.outcome is not None and verdict.outcome.rank >= _STOPS


def _rank(outcome: Outcome) -> int:
    return outcome.rank


def _headline(worst: list[Verdict]) -> Verdict:
    return worst[0] if len(worst) == 1 else min(worst, key=_urgency)


def _urgency(verdict: Verdict) -> tuple[int, bool]:
    layer = 0 if verdict.layer is Layer.REGULATION else 1 if verdict.layer is Layer.ACCOUNT else 2
    return layer, not catalogue().get(verdict.reason or "").lasting
