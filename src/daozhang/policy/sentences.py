"""How a verdict reads: the same line on the recharge page, at a refusal and in the order afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec

from daozhang.policy.checks import CHECKS
from daozhang.policy.model import Outcome, Verdict
from daozhang.reasons.catalogue import catalogue
from daozhang.reasons.writing import fill


class BadSentences(ValueError):
    """A check has no sentences, or sentences are there for no check."""


class Sentences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language of one check."""

    name: str
    rule: str
    passed: str


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    zh: Sentences
    en: Sentences


@dataclass(frozen=True, slots=True)
class Line:
    """A verdict as one line. `mark`: `passed`, `noted` (watched, goes on), `stopped`, or `later` (judged only further on)."""

    check: str
    layer: str
    mark: Literal["passed", "noted", "stopped", "later"]
    name: str
    text: str
    cure: str = ""


OTHER_RULE = "rule.other"
"""How a published rule reads that nobody wrote sentences for; rules themselves are data of each shop."""


@cache
def sentences() -> dict[str, _Entry]:
    """The sentences of every check. Raises `BadSentences`: then the program does not start."""
    content = resources.files("daozhang.policy").joinpath("sentences.toml").read_bytes()
    try:
        entries = msgspec.toml.decode(content, type=dict[str, _Entry])
    except msgspec.MsgspecError as fault:
        raise BadSentences(str(fault)) from None
    named = {check.name for check in CHECKS} | {OTHER_RULE}
    odd = {name for name in entries.keys() ^ named if name in named or not name.startswith("rule.")}
    if odd:
        raise BadSentences(", ".join(sorted(odd)))
    return entries


def line(verdict: Verdict | Mapping[str, Any], locale: str) -> Line | None:
    """Tell a verdict, fresh or as a stored decision holds it. None when it is not for the user, or its check is no more."""
    known = verdict if isinstance(verdict, Verdict) else msgspec.convert(verdict, Verdict)
    entry = sentences().get(known.check) or (sentences()[OTHER_RULE] if known.check.startswith("rule.") else None)
    if entry is None or not known.shown:
        return None
    language: Literal["zh", "en"] = "en" if locale == "en" else "zh"
    said = entry.en if language == "en" else entry.zh
    if known.reason is not None:
        reason = catalogue().get(known.reason)
        told = reason.told(locale, known.facts)
        mark: Literal["noted", "stopped"] = "noted" if known.outcome is Outcome.MONITOR else "stopped"
        return Line(known.check, known.layer.value, mark, said.name, told.title, told.cure)
    text = fill(said.rule if known.outcome is None else said.passed, known.facts, language, catalogue().words)
    return Line(known.check, known.layer.value, "later" if known.outcome is None else "passed", said.name, text)
