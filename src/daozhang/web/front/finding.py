"""A finding as a person reads it: what happened to the money, why, who can act, the buttons, and every check by layer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daozhang.policy.checks import CHECKS
from daozhang.policy.model import Outcome, Verdict
from daozhang.policy.sentences import line as sentence
from daozhang.reasons import Told, catalogue
from daozhang.reasons.catalogue import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daozhang.diagnosis import Cause, Cure, Finding, Line, Stopped
    from daozhang.web.locale import Locale

_GLYPHS = {"passed": "tick", "noted": "tick", "failed": "cross", "unreached": "dash", "unknown": "ask", "constant": "dash"}
_CHIPS = {
    "never_asked": "off", "confirmed_none": "off", "not_known": "info", "checking": "info", "received": "info", "credited": "ok",
    "returning": "info", "returned": "off",
}  # fmt: skip
_GRAVITY = ("cross", "ask", "tick", "dash")
_LAYER_OF = {check.name: check.layer for check in CHECKS}
_RULE = "rule."
"""What a line about a rule of the book begins with: the published ones have sentences like a check."""
_OUTCOMES = {"passed": Outcome.ADMIT, "noted": Outcome.MONITOR, "failed": Outcome.REFUSE}


@dataclass(frozen=True, slots=True)
class Button:
    """One cure. `post` None = a link; else a form with these fields."""

    step: str
    text: str
    to: str
    post: dict[str, str] | None
    primary: bool


@dataclass(frozen=True, slots=True)
class Point:
    """One check as a line: its mark, the word of the mark, its sentence, who said it, and when."""

    glyph: str
    word: str
    text: str
    source: str
    at: str


@dataclass(frozen=True, slots=True)
class Step:
    """One layer: its name, the gravest mark of its checks, the sentences that matter, and every line."""

    name: str
    glyph: str
    word: str
    hit: bool
    texts: list[str]
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Refused:
    """What was refused of the balance lately: when, why, who can act, what to do, and where.

    `link` is empty if it is cured nowhere here; `post`: it is a form.
    """

    reason: str
    layer: str
    head: str
    title: str
    text: str
    who: str
    cure: str
    link: str
    link_text: str
    post: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything of a finding in words. `chip` is the kind and words of what happened to the money."""

    chip: tuple[str, str]
    title: str
    text: str
    who: str
    cure: str
    witness: str
    loop: str
    until: str
    buttons: list[Button]
    quiet: list[Button]
    layers: list[Step]
    stopped: list[Refused]


def shown(finding: "Finding", kind: str, reader: "Locale", *, watching: bool = False) -> Shown:
    """The finding in the reader's language; `kind` is the name of the channel that it is about."""
    told = headline(finding, kind, reader)
    buttons = [_button(cure, place == 0, reader) for place, cure in enumerate(_kept(finding.cures, watching=watching))]
    return Shown(
        chip=_chip(finding, kind, reader),
        title=told.title,
        text=told.text,
        who=_who(finding, kind, reader),
        cure=told.cure,
        witness=_witness(finding.cause, reader) if finding.told in ("cause", "not_told", "refund") else "",
        loop=_loop(finding, reader),
        until=reader.t("why.until", when=reader.when(finding.until_at)) if finding.until_at else "",
        buttons=[each for each in buttons if each.step not in _QUIET],
        quiet=[each for each in buttons if each.step in _QUIET],
        layers=[_layer(layer, kind, reader) for layer in finding.layers],
        stopped=[_refused(each, kind, reader) for each in finding.stopped],
    )


_LEADS = {
    "goods.balance_short": ("recharge", "/recharge"),
    "account.frozen": ("me", "/me"),
    "risk.funds_unfrozen": ("source", "/me/funds"),
}
"""Where a refusal of the balance is cured, with the step that names it."""
_ASKED_FOR = frozenset({"/me/funds"})
"""What is opened by a press: a form, not a link."""


def _refused(each: "Stopped", kind: str, reader: "Locale") -> Refused:
    told = catalogue().get(each.reason).told(reader.code, each.facts)
    step, link = _LEADS.get(each.reason, ("", ""))
    return Refused(
        each.reason, each.layer, reader.t(f"why.stopped_{each.stage}", when=reader.when(each.at)), told.title, told.text,
        reader.t(f"cured_by.{each.cured_by}", kind=kind), told.cure, link, reader.t(f"cure.{step}") if step else "",
        link in _ASKED_FOR,
    )  # fmt: skip


_QUIET = frozenset({"person", "watch"})
"""What stands below the buttons that cure."""


def _kept(cures: "Iterable[Cure]", *, watching: bool) -> "list[Cure]":
    kept = [cure for cure in cures if not (watching and cure.step == "watch")]
    return sorted(kept, key=lambda cure: cure.step in _QUIET)


def headline(finding: "Finding", kind: str, reader: "Locale") -> Told:
    """Why, in one line, with a text and what to do."""
    cause = finding.cause
    if cause is not None and finding.told not in ("arrived", "back"):
        return catalogue().get(cause.reason).told(reader.code, cause.facts)
    key = f"why.{finding.told}" + ("_general" if not finding.about else "")
    if finding.told == "not_told" and finding.moved == "not_known":
        # The order is still open: what a channel did not say it may yet say.
        key = "why.not_heard"
    heard = finding.heard is not None and finding.told == "not_told" and finding.heard.pick
    if heard in ("paid", "nothing", "other"):
        key = f"why.heard_{heard}"
    amount = reader.money(finding.amount_fen)
    parts = [reader.t(f"{key}_{part}", kind=kind, amount=amount) for part in ("title", "text", "cure")]
    return Told(*parts)


def point(line: "Line", kind: str, reader: "Locale") -> Point:
    """One line in words. Its sentence is the check's own, the reason's headline, or what no check could know."""
    at = "" if line.at is None else reader.clock(line.at)
    word, said = reader.t(f"finding_mark.{line.mark}"), _sentence(line, kind, reader)
    # A sentence may begin with the name of what it is about, and that with a small letter.
    return Point(_GLYPHS[line.mark], word, said[:1].upper() + said[1:], reader.t(f"finding_source.{line.source}"), at)


def _sentence(line: "Line", kind: str, reader: "Locale") -> str:
    rule = line.what.startswith(_RULE) and line.reason is None
    if rule or line.what in _LAYER_OF:
        layer = _LAYER_OF.get(line.what, Layer.RISK)
        verdict = Verdict(check=line.what, layer=layer, outcome=_OUTCOMES.get(line.mark), reason=line.reason, facts=line.facts)
        said = sentence(verdict, reader.code)
        return said.text if said else ""
    if line.reason is not None:
        told = catalogue().get(line.reason).told(reader.code, line.facts)
        if line.what == "cause" or line.what.startswith(_RULE):
            return told.title
        return reader.t(f"finding_line.{_word(line.what)}_why", kind=kind, why=told.title)
    return reader.either(f"finding_line.{_word(line.what)}", "finding_line.other", kind=kind)


def _word(what: str) -> str:
    return what.replace(".", "_")


def _layer(layer: "object", kind: str, reader: "Locale") -> Step:
    name, mark, lines = layer.layer, layer.mark, layer.lines  # type: ignore[attr-defined]
    points = [point(line, kind, reader) for line in lines]
    points = sorted([each for each in points if each.text], key=lambda each: _GRAVITY.index(each.glyph))
    glyph = _GLYPHS[mark]
    telling = [each.text for each in points if each.glyph == glyph] if glyph in ("cross", "ask") else [each.text for each in points]
    word = reader.t(f"finding_mark.{mark}")
    return Step(reader.either(f"layer.{name}", "layer.other"), glyph, word, glyph == "cross", telling[:3], points)


def _chip(finding: "Finding", kind: str, reader: "Locale") -> tuple[str, str]:
    if not finding.about:
        return ("ok", reader.t("moved.clear")) if finding.told == "clear" else ("warn", reader.t("moved.blocked"))
    if finding.told == "waiting":
        return "info", reader.t("moved.waiting", kind=kind)
    return _CHIPS[finding.moved], reader.t(f"moved.{finding.moved}", kind=kind)


def _who(finding: "Finding", kind: str, reader: "Locale") -> str:
    if finding.cause is not None and finding.told in ("cause", "not_told", "checking", "received", "refund"):
        return reader.t(f"cured_by.{finding.cause.cured_by}", kind=kind)
    return reader.t("cured_by.user") if finding.told == "not_told" else ""


def _witness(cause: "Cause | None", reader: "Locale") -> str:
    if cause is None:
        return ""
    who = reader.either(f"kind.{cause.kind}", "kind.other")
    parts = [reader.t(f"witness.{cause.source}", kind=who)]
    if cause.at is not None:
        parts.append(reader.clock(cause.at))
    if cause.native:
        parts.append(reader.t("witness.code", code=cause.native))
    return " · ".join(parts)


def _loop(finding: "Finding", reader: "Locale") -> str:
    loop = finding.loop
    if loop is None:
        return ""
    retry = finding.cause.retry if finding.cause else "now"
    key = "why.loop_not_told" if finding.cause is None else "why.loop_again" if retry == "now" else "why.loop_stop"
    return reader.t(key, count=loop.count, since=reader.when(loop.since_at))


def _button(cure: "Cure", primary: bool, reader: "Locale") -> Button:  # noqa: FBT001 - a truth value is what it is
    facts = {
        "kind": reader.either(f"kind.{cure.facts.get('kind')}", "kind.other"),
        "method": reader.either(f"method.{cure.facts.get('method')}", "method.page"),
        "amount": reader.money(cure.facts.get("amount_fen", 0)),
    }
    text = reader.t(f"cure.{cure.step}", **facts)
    return Button(cure.step, text, cure.to, cure.post, primary and cure.step not in _QUIET)
