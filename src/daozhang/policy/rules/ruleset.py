"""The rules of one version of the book, compiled once and ready to judge. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from daozhang.policy.model import Facts, Outcome, Stage, Strength, Verdict
from daozhang.policy.rules.compiled import Judge, compiled
from daozhang.policy.rules.features import READERS
from daozhang.policy.rules.interpret import Leaf, explain
from daozhang.policy.rules.tree import BadRule, Rule, hold_rule
from daozhang.reasons.catalogue import Disclosure, Layer


class Ready(NamedTuple):
    """A rule with what is asked of it on every decision, worked out once."""

    rule: Rule
    name: str
    layer: Layer
    outcome: Outcome
    strength: Strength
    published: bool
    """Its criterion is told beforehand and its result afterwards; any other rule is told by its constant line alone."""
    passed: Verdict
    later: Verdict


class RuleSet:
    """Rules held to the registry and compiled. Raises `BadRule` when one of them says something it cannot mean."""

    def __init__(self, rules: Sequence[Rule], params: Mapping[str, int]) -> None:
        self.rules, self.params = tuple(hold_rule(rule, dict(params)) for rule in rules), dict(params)
        keys = [rule.key for rule in rules]
        if len(set(keys)) != len(keys):
            raise BadRule(f"two rules have one key: {', '.join(sorted({key for key in keys if keys.count(key) > 1}))}")
        self._by_stage: dict[Stage, tuple[tuple[Ready, ...], Judge]] = {}
        self._passed: dict[Stage, tuple[Verdict, ...]] = {}
        ready = [self._ready(rule) for rule in self.rules]
        for stage in Stage:
            asked = stage in (Stage.SHOWN, Stage.ASKED)
            mine = tuple(
                each for each in ready if (each.published and "place" in each.rule.stages if asked else stage in each.rule.stages)
            )
            self._by_stage[stage] = (mine, compiled([each.rule for each in mine], self.params))
            self._passed[stage] = tuple(each.passed for each in mine if each.published)

    def at(self, stage: Stage) -> tuple[Ready, ...]:
        """The rules of a stage, in their order. Before paying only those whose criterion is published."""
        return self._by_stage[stage][0]

    def judge(self, stage: Stage, facts: Facts) -> list[tuple[int, bool | None]]:
        """The rules that hit (True) or cannot be known (None), by their place in `at(stage)`."""
        return self._by_stage[stage][1](facts)

    def passed(self, stage: Stage) -> tuple[Verdict, ...]:
        """The verdicts when no rule of the stage hits: one "passed" for each published rule."""
        return self._passed[stage]

    def why(self, rule: Rule, facts: Facts) -> list[Leaf]:
        """The comparisons that decided a rule."""
        return explain(rule.when, facts, self.params)[1]

    def told(self, rule: Rule, facts: Facts) -> dict[str, Any]:
        """The facts that fill the texts of the rule's reason."""
        said = {}
        for name, source in rule.tells.items():
            value = self.params[source[6:]] if source.startswith("param:") else READERS[source](facts)
            if value is not None:
                said[name] = value
        return said

    def _ready(self, rule: Rule) -> Ready:
        name, layer, published = f"rule.{rule.key}", rule.layer, rule.disclosure is Disclosure.FULL
        stated = {fact: self.params[source[6:]] for fact, source in rule.tells.items() if source.startswith("param:")}
        passed = Verdict(check=name, layer=layer, outcome=Outcome.ADMIT, facts=stated, shown=published)
        later = Verdict(check=name, layer=layer, outcome=None, facts=stated, shown=published)
        return Ready(rule, name, layer, rule.outcome, rule.firmness, published, passed, later)


NO_RULES = RuleSet((), {})
"""For a book of a time before rules."""
