"""Rules made into one Python function per stage: a hit costs what its comparisons cost. Pure.

Only node types, registry names and numbers reach the text that is compiled; words go in as constants by number. So no rule can say
anything but what the tree allows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from daozhang.policy.model import Facts, Signals
from daozhang.policy.rules.features import FEATURES
from daozhang.policy.rules.tree import OPERATORS, Rule

Judge = Callable[[Facts], list[tuple[int, bool | None]]]
"""Which rules hit (True) or cannot be known (None), by their place."""

_BLANK = Signals()


def compiled(rules: Sequence[Rule], params: Mapping[str, int]) -> Judge:
    """One function that judges all of the rules. The rules were held to the registry before (`hold_rule`)."""
    text = _Text(params)
    lines = [f" if (r := {text.node(rule.when)}) is not False: out.append(({place}, r))" for place, rule in enumerate(rules)]
    body = "\n".join(["def judge(facts):", " out = []", *text.loads(), *lines, " return out"])
    names: dict[str, Any] = {"blank": _BLANK, **text.constants}
    exec(compile(body, "<rules>", "exec"), names)  # noqa: S102 -- see the head of this file
    made: Judge = names["judge"]
    return made


class _Text:
    """The text of one function: features are read once each, at its beginning."""

    def __init__(self, params: Mapping[str, int]) -> None:
        self._params = params
        self._features: dict[str, str] = {}
        self._temporaries = 0
        self.constants: dict[str, Any] = {}

    def loads(self) -> list[str]:
        """The lines that read the features."""
        held = {"facts": "facts", "signals": "s"}
        lines = [
            f" {variable} = {held[FEATURES[name].holder]}.{FEATURES[name].attribute}" for name, variable in self._features.items()
        ]
        return [" s = facts.signals", " if s is None: s = blank", *lines]

    def node(self, node: Mapping[str, Any]) -> str:  # noqa: PLR0911 -- one return per shape of a node
        """The node as an expression that is True, False or None."""
        if "all" in node:
            return self._chain([self.node(child) for child in node["all"]], "False", "True")
        if "any" in node:
            return self._chain([self.node(child) for child in node["any"]], "True", "False")
        if "not" in node:
            temporary = self._temporary()
            return f"(None if ({temporary} := {self.node(node['not'])}) is None else not {temporary})"
        if "known" in node:
            return f"({self._feature(node['known'])} is not None)"
        if "is" in node:
            return self._feature(node["is"])
        variable = self._feature(node["f"])
        if "in" in node:
            return f"(None if {variable} is None else {variable} in {self._constant(frozenset(node['in']))})"
        assert node["op"] in OPERATORS
        against, may_be_unknown = self._against(node["v"])
        test = f"{variable} is None or {against} is None" if may_be_unknown else f"{variable} is None"
        return f"(None if {test} else {variable} {node['op']} {against})"

    def _against(self, value: Any) -> tuple[str, bool]:
        if not isinstance(value, dict):
            return self._constant(value), False
        ((kind, given),) = value.items()
        if kind == "feature":
            return self._feature(given), True
        return str(int(self._params[given] if kind == "param" else given)), False

    def _chain(self, parts: list[str], settles: str, otherwise: str) -> str:
        """Kleene's `all` (settled by False) or `any` (settled by True), left to right."""
        if len(parts) == 1:
            return parts[0]
        temporaries = [self._temporary() for _ in parts]
        head = "".join(
            f"{settles} if ({temporary} := {part}) is {settles} else " for temporary, part in zip(temporaries, parts, strict=True)
        )
        unknown = " or ".join(f"{temporary} is None" for temporary in temporaries)
        return f"({head}None if {unknown} else {otherwise})"

    def _feature(self, name: str) -> str:
        return self._features.setdefault(name, f"f{len(self._features)}")

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    def _constant(self, value: Any) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name
