"""A rule and its condition tree as data, held to the registry when it is read. Pure.

A node is an object with one of these shapes (numbers carry their unit, so that yuan are never compared with minutes):

    {"all": [node, ...]}   {"any": [node, ...]}   {"not": node}
    {"is": "payer.flagged"}                       a feature that is true or false
    {"known": "place.usual"}                      whether a feature is known; never itself unknown
    {"f": "amount", "op": ">=", "v": {"fen": 200000}}      ops: == != < <= > >=
    {"f": "user.large_orders", "op": ">=", "v": {"param": "large_count"}}     a parameter of the book
    {"f": "amount", "op": ">", "v": {"feature": "user.sum_day"}}              another feature of the same unit
    {"f": "channel.method", "in": ["native", "h5"]}

Truth has three values: a comparison with something that is not known is not known; `all`, `any` and `not` follow Kleene.
"""

from typing import Any

import msgspec

from daozhang.policy.model import Outcome, Stage, Strength
from daozhang.policy.rules.features import FEATURES, Feature
from daozhang.reasons.catalogue import Disclosure, Layer, catalogue

DEEPEST, LARGEST = 12, 200
"""How deep a tree may be, and how many nodes a rule may have."""
OPERATORS = ("==", "!=", "<", "<=", ">", ">=")
_ORDERED = frozenset({"<", "<=", ">", ">="})
_STAGES = frozenset({Stage.PLACE, Stage.PAID, Stage.SPEND, Stage.REFUND})


class BadRule(ValueError):
    """A rule that would not do what its author means; the message names the rule and what is wrong."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule as it is kept in a version of the book.

    `unknown` says what an unknown condition means: `hit`, `pass`, or `static` (a hit above the book's `unseen_fen`). A hard or
    firm rule hits. `tolerance`: what the small-amount budget makes of a soft hit: nothing, one step milder, or only watched.
    `tells` are facts of the reason: name -> feature or `param:<name>`. `tries`: shadow rules are judged and recorded, never felt.
    """

    key: str
    strength: str
    stages: tuple[str, ...]
    outcome: Outcome
    when: dict[str, Any]
    reason: str
    unknown: str = "hit"
    tolerance: str = "none"
    tells: dict[str, str] = {}
    note: str = ""

    @property
    def layer(self) -> Layer:
        """The layer of its reason."""
        return catalogue().get(self.reason).layer

    @property
    def disclosure(self) -> Disclosure:
        """The disclosure class of the rule's reason."""
        return catalogue().get(self.reason).disclosure

    @property
    def firmness(self) -> Strength:
        """Its strength as a value."""
        return Strength[self.strength.upper()]


def hold_rule(rule: Rule, params: dict[str, int]) -> Rule:
    """The same rule, when it says what it can mean. `params` are the parameters of its book by name. Raises `BadRule`."""
    parts = rule.key.split(".")
    held = {
        "key: lower-case words parted by points": len(rule.key) <= 64 and all(_is_word(part) for part in parts),
        "strength: hard, firm or soft": rule.strength in ("hard", "firm", "soft"),
        "stages: one or more of place, paid, spend, refund": bool(rule.stages) and set(rule.stages) <= {str(s) for s in _STAGES},
        "outcome: more than admit": rule.outcome is not Outcome.ADMIT,
        "reason: one of the catalogue": rule.reason in catalogue(),
        "unknown: hit, pass or static": rule.unknown in ("hit", "pass", "static"),
        "unknown: a hard or firm rule never fails open": rule.strength == "soft" or rule.unknown == "hit",
        "tolerance: none, one_step or watch": rule.tolerance in ("none", "one_step", "watch"),
        "tolerance: only a soft rule gives way": rule.strength == "soft" or rule.tolerance == "none",
    }
    for what, holds in held.items():
        if not holds:
            raise BadRule(f"{rule.key[:64]}: {what}")
    seen = _Held(rule.key, params)
    seen.node(rule.when, 1)
    _hold_tells(rule, params)
    return rule


def _hold_tells(rule: Rule, params: dict[str, int]) -> None:
    """Every fact that the reason needs is told, in the unit that its name promises."""
    reason = catalogue().get(rule.reason)
    for name, source in rule.tells.items():
        known = params.keys() if source.startswith("param:") else FEATURES.keys()
        if source.removeprefix("param:") not in known:
            raise BadRule(f"{rule.key}: tells {name} from {source!r}, which is not known")
        unit = unit_of_param(source[6:]) if source.startswith("param:") else FEATURES[source].unit
        if unit != unit_of_param(name):
            raise BadRule(f"{rule.key}: tells {name} from {source!r}, which has another unit")
    if rule.disclosure is Disclosure.FULL and (missing := set(reason.facts) - set(rule.tells)):
        raise BadRule(f"{rule.key}: the reason {rule.reason} needs {', '.join(sorted(missing))}")


def unit_of_param(name: str) -> str:
    """The unit that a parameter's or fact's name ends with."""
    return next((unit for unit in ("fen", "count", "s") if name.endswith(f"_{unit}")), "")


class _Held:
    """Walks one tree, counting its nodes."""

    def __init__(self, key: str, params: dict[str, int]) -> None:
        self._key, self._params, self._count = key, params, 0

    def node(self, node: Any, depth: int) -> None:  # noqa: C901 -- one case per shape of a node
        self._count += 1
        if depth > DEEPEST or self._count > LARGEST:
            raise self._bad("the tree is too large")
        if not isinstance(node, dict):
            raise self._bad("a node is an object")
        match sorted(node):
            case ["all"] | ["any"]:
                (children,) = node.values()
                if not isinstance(children, list) or not children:
                    raise self._bad("all and any hold a list that is not empty")
                for child in children:
                    self.node(child, depth + 1)
            case ["not"]:
                self.node(node["not"], depth + 1)
            case ["is"]:
                if self._feature(node["is"]).type != "bool":
                    raise self._bad(f"{node['is']} is not true or false")
            case ["known"]:
                self._feature(node["known"])
            case ["f", "in"]:
                self._among(self._feature(node["f"]), node["in"])
            case ["f", "op", "v"]:
                self._compare(self._feature(node["f"]), node["op"], node["v"])
            case keys:
                raise self._bad(f"no node has the shape {keys}")

    def _among(self, feature: Feature, values: Any) -> None:
        if feature.type != "word":
            raise self._bad(f"{feature.name} is not a word, so it is not one of a list")
        if not isinstance(values, list) or not values or not all(isinstance(value, str) and value for value in values):
            raise self._bad(f"{feature.name} in: a list of words that is not empty")

    def _compare(self, feature: Feature, operator: Any, value: Any) -> None:
        if operator not in OPERATORS:
            raise self._bad(f"no operator {operator!r}")
        if feature.type == "bool":
            raise self._bad(f"{feature.name} is true or false: use is and not")
        if feature.type == "word":
            if operator in _ORDERED:
                raise self._bad(f"{feature.name} is a word and has no order")
            if not isinstance(value, str) or not value:
                raise self._bad(f"{feature.name} is compared with a word")
            return
        if not isinstance(value, dict) or len(value) != 1:
            raise self._bad(f"{feature.name} is compared with a value that says its unit")
        ((kind, given),) = value.items()
        unit = self._unit(kind, given)
        if unit != feature.unit:
            raise self._bad(f"{feature.name} is in {feature.unit}, not in {unit or 'no unit'}")

    def _unit(self, kind: str, given: Any) -> str:
        if kind == "param":
            if given not in self._params:
                raise self._bad(f"no parameter {given!r}")
            return unit_of_param(given)
        if kind == "feature":
            other = self._feature(given)
            if other.type != "int":
                raise self._bad(f"{other.name} is not a number")
            return other.unit
        if kind not in ("fen", "s", "count"):
            raise self._bad(f"no unit {kind!r}")
        if type(given) is not int or not 0 <= given <= 10**12:
            raise self._bad(f"{kind}: a whole number from 0 to 10^12")
        return kind

    def _feature(self, name: Any) -> Feature:
        feature = FEATURES.get(name) if isinstance(name, str) else None
        if feature is None:
            raise self._bad(f"no feature {name!r}")
        return feature

    def _bad(self, what: str) -> BadRule:
        return BadRule(f"{self._key}: {what}")


def _is_word(part: str) -> bool:
    return part.isascii() and part[:1].isalpha() and part == part.lower() and part.replace("_", "a").isalnum()
