"""The checks of policy as a person reads them: one list, shown before paying and again when it did not work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daozhang.policy.sentences import line

if TYPE_CHECKING:
    from daozhang.policy.model import Verdict
    from daozhang.reasons import Told
    from daozhang.web.locale import Locale

_MARKS = {"passed": "tick", "noted": "tick", "stopped": "cross", "later": "dash"}
_GRAVITY = ("cross", "dash", "tick")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its layer, its mark, the word that the mark stands for, its sentence, and what cures it if it stopped something."""

    layer: str
    mark: str
    word: str
    text: str
    cure: str


@dataclass(frozen=True, slots=True)
class Group:
    """The rules of one layer under its name; the gravest mark stands for all."""

    name: str
    mark: str
    word: str
    texts: list[str]


def rules(verdicts: "Iterable[Verdict | Mapping[str, Any]]", reader: "Locale") -> list[Rule]:
    """Verdicts in their order, fresh or as an order stored them, without those that are not for the user's eyes."""
    told = [line(verdict, reader.code) for verdict in verdicts]
    return [
        Rule(one.layer, _MARKS[one.mark], reader.t(f"verdict.{one.mark}"), one.text, one.cure) for one in told if one is not None
    ]


def stopped(layer: str, told: "Told", reader: "Locale") -> Rule:
    """What no check of ours could know beforehand: the answer of the channel, as a line of the same list."""
    return Rule(layer, "cross", reader.t("verdict.stopped"), told.title, told.cure)


def groups(said: Iterable[Rule], reader: "Locale") -> list[Group]:
    """The same rules gathered by layer, in the order of the layers' first rules."""
    by_layer: dict[str, list[Rule]] = {}
    for rule in said:
        by_layer.setdefault(rule.layer, []).append(rule)
    made = []
    for layer, members in by_layer.items():
        worst = min(members, key=lambda rule: _GRAVITY.index(rule.mark))
        telling = [rule for rule in members if rule.mark == worst.mark] if worst.mark == "cross" else members
        texts = [rule.text for rule in telling if rule.text]
        made.append(Group(reader.either(f"layer.{layer}", "layer.other"), worst.mark, worst.word, texts))
    return made
