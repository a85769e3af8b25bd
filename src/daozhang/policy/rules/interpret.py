"""A rule judged by walking its tree: the second opinion beside the compiled form, and the account of what decided. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from daozhang.policy.model import Facts
from daozhang.policy.rules.features import READERS

Truth = bool | None
_COMPARE = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison that decided: the feature, its value then, what it was held against, and whether it was true."""

    feature: str
    value: Any
    operator: str
    against: Any
    truth: Truth


def judge(node: Mapping[str, Any], facts: Facts, params: Mapping[str, int]) -> Truth:
    """True, False, or None when it cannot be known."""
    return explain(node, facts, params)[0]


def explain(node: Mapping[str, Any], facts: Facts, params: Mapping[str, int]) -> tuple[Truth, list[Leaf]]:
    """The truth of a node with the leaves that decided it: what would have to be otherwise for another answer."""
    if "all" in node or "any" in node:
        settles = "any" in node
        parts = [explain(child, facts, params) for child in node["any" if settles else "all"]]
        for truth, leaves in parts:
            if truth is settles:
                return truth, leaves
        unknown = [leaf for truth, leaves in parts if truth is None for leaf in leaves]
        if unknown:
            return None, unknown
        return not settles, [leaf for _, leaves in parts for leaf in leaves]
    if "not" in node:
        truth, leaves = explain(node["not"], facts, params)
        return (None if truth is None else not truth), leaves
    leaf = _leaf(node, facts, params)
    return leaf.truth, [leaf]


def _leaf(node: Mapping[str, Any], facts: Facts, params: Mapping[str, int]) -> Leaf:
    if "known" in node:
        value = _value(node["known"], facts)
        return Leaf(node["known"], value, "known", "known", value is not None)
    if "is" in node:
        value = _value(node["is"], facts)
        return Leaf(node["is"], value, "is", "true", None if value is None else bool(value))
    value = _value(node["f"], facts)
    if "in" in node:
        return Leaf(node["f"], value, "in", node["in"], None if value is None else value in node["in"])
    against = node["v"]
    if isinstance(against, dict):
        ((kind, given),) = against.items()
        against = params[given] if kind == "param" else _value(given, facts) if kind == "feature" else given
    truth = None if value is None or against is None else _COMPARE[node["op"]](value, against)
    return Leaf(node["f"], value, node["op"], against, truth)


def _value(name: str, facts: Facts) -> Any:
    return READERS[name](facts)
