"""Writes `docs/reference/rules.md`: `python -m daozhang.policy.reference > docs/reference/rules.md`."""

import sys

from daozhang.policy.book import Parameters, defaults, rule_params
from daozhang.policy.rules.tree import Rule, unit_of_param
from daozhang.policy.rules.words import words

_HEAD = """# Rules of risk

Generated from `src/daozhang/policy/rules` by `python -m daozhang.policy.reference`; a test keeps it current.

These are the rules with which a shop's book begins; each shop changes its own by versions (staff desk, *Rules*; `daozhang policy`).
A `challenge` is answered by the owner with a code or the face, a `hold` by a person; `monitor` is watched and goes on. A soft rule
gives way to what is left of the small-amount budget as its tolerance says, a firm one only to a person, a hard one to nobody.
"""


def page() -> str:
    """The whole page as Markdown, in the order of the rules."""
    begun = defaults()
    return "\n".join([_HEAD, *(_entry(rule, begun) for rule in begun.rules)])


def _entry(rule: Rule, begun: Parameters) -> str:
    said, params = words()[rule.key], rule_params(begun)
    told = {source.removeprefix("param:") for source in rule.tells.values() if source.startswith("param:")}
    named = [f"`{name}` {_value(name, params[name])}" for name in sorted(_params(rule.when) | told)]
    parts = [f"{rule.outcome.value}", rule.strength, f"at {', '.join(rule.stages)}", f"reason `{rule.reason}`"]
    if rule.tolerance != "none":
        parts.append(f"tolerance {rule.tolerance}")
    measured = f"\nMeasured by {', '.join(named)}.\n" if named else ""
    return f"## `{rule.key}`\n\n{'; '.join(parts)}.\n{measured}\n- zh: {said.zh}\n- en: {said.en}\n"


def _params(node: object) -> set[str]:
    """The parameters that a tree names."""
    if isinstance(node, dict):
        own = {node["param"]} if set(node) == {"param"} else set()
        return own.union(*(_params(value) for value in node.values()))
    return set().union(*(_params(value) for value in node)) if isinstance(node, list) else set()


def _value(name: str, value: int) -> str:
    unit = unit_of_param(name)
    return f"{value / 100:,.0f} yuan" if unit == "fen" else f"{value:,} s" if unit == "s" else f"{value}"


if __name__ == "__main__":
    sys.stdout.write(page())
