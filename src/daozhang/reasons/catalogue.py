"""Every reason a person can be given, read from `texts/*.toml` and held to its rules when the program starts.

Codes are stable: programs and stored orders hold them. `facts` are needed, `may` are optional; their units are in their names.

A reason says what happened, why, who can cure it and what to do next, in Chinese and English. Its texts name facts in braces;
how a fact is written follows from the unit in its name (`reasons/writing.py`). A sentence that names an optional fact is left
out when that fact is not there.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec

from daozhang.reasons.names import kind_names
from daozhang.reasons.writing import FACT, Words, fill

log = logging.getLogger(__name__)

Locale = Literal["zh", "en"]

_CODE = re.compile(r"[a-z]+(?:\.[a-z][a-z0-9_]*)+", re.ASCII)
_SAFE: dict[str, tuple[str, str]] = {
    "zh": ("这一步没有完成", "请打开订单查看最新进展。"),
    "en": ("This step is not done", "Open the order to see where it stands."),
}


class BadCatalogue(ValueError):
    """The catalogue breaks one of its own rules; the message names the code and the rule."""


class Layer(StrEnum):
    """Where a reason comes from, in the order in which checks are made and told."""

    ACCOUNT = "account"
    CHANNEL = "channel"
    OPERATION = "operation"
    ELIGIBILITY = "eligibility"
    RISK = "risk"
    REGULATION = "regulation"
    PLATFORM = "platform"


class CuredBy(StrEnum):
    """Who can make it right. `channel` is the payment channel, `platform` is us."""

    USER = "user"
    SUPPORT = "support"
    CHANNEL = "channel"
    PLATFORM = "platform"
    TIME = "time"
    NOBODY = "nobody"


class Retry(StrEnum):
    """Whether trying again makes sense, and when."""

    NOW = "now"
    LATER = "later"
    OTHER_CHANNEL = "other_channel"
    AFTER_CURE = "after_cure"
    NEVER = "never"


class Disclosure(StrEnum):
    """How much may be said: `full` shows numbers, `family` only the kind of rule, `legal` a neutral text and no fact at all."""

    FULL = "full"
    FAMILY = "family"
    LEGAL = "legal"


@dataclass(frozen=True, slots=True)
class Told:
    """A reason as one person reads it. `cure` says what to do next; `code` lets a page put it where it belongs."""

    title: str
    text: str
    cure: str
    code: str = ""


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    text: str
    cure: str


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the catalogue. `facts` must be given with the reason, `may` are facts that can be missing."""

    layer: Layer
    cured_by: CuredBy
    retry: Retry
    http: int
    zh: _Text
    en: _Text
    disclosure: Disclosure = Disclosure.FULL
    facts: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    code: str = ""

    def told(self, locale: str, facts: Mapping[str, Any] | None = None) -> Told:
        """The texts in one language (`zh` unless `en` is asked for), filled with `facts`.

        A fact that should be there and is not is our own bug: it is reported to `our_bug` and the sentence that names it is
        left out, so that a person never reads a brace.
        """
        given = facts or {}
        language: Locale = "en" if locale == "en" else "zh"
        for name in self.facts:
            if given.get(name) is None:
                our_bug(f"reason {self.code} was given without its fact {name}")
        text = self.en if language == "en" else self.zh
        safe = _SAFE[language]
        words = catalogue().words
        return Told(
            fill(text.title, given, language, words) or safe[0],
            fill(text.text, given, language, words),
            fill(text.cure, given, language, words) or safe[1],
            self.code,
        )

    def headline(self, locale: str) -> str:
        """The title for a list, where the facts are not at hand: an ellipsis stands for each of them."""
        return FACT.sub("…", (self.en if locale == "en" else self.zh).title)

    def shown(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The facts that a person may see: the declared ones, and none of a reason that is not told in full."""
        if self.disclosure is not Disclosure.FULL:
            return {}
        return {name: facts[name] for name in (*self.facts, *self.may) if facts.get(name) is not None}

    @property
    def lasting(self) -> bool:
        """It does not pass by itself: somebody has to cure it, or nobody can."""
        return self.retry in {Retry.AFTER_CURE, Retry.NEVER}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    reasons: dict[str, Reason] = {}
    words: Words = {}


class Catalogue:
    """All reasons by code, and the words for coded facts (`kind`, `method`, `why`)."""

    def __init__(self, reasons: Mapping[str, Reason], words: Words) -> None:
        self.words = words
        self._reasons = {code: msgspec.structs.replace(reason, code=code) for code, reason in reasons.items()}
        for reason in self._reasons.values():
            _hold(reason)

    def get(self, code: str) -> Reason:
        """The reason of a code. A code nobody wrote is our own bug: it is reported and told as `platform.fault`."""
        reason = self._reasons.get(code)
        if reason is None:
            our_bug(f"reason {code[:80]!r} is not in the catalogue")
            return self._reasons["platform.fault"]
        return reason

    def __contains__(self, code: object) -> bool:
        return code in self._reasons

    def __iter__(self) -> Iterator[Reason]:
        return iter(self._reasons.values())

    def __len__(self) -> int:
        return len(self._reasons)

    def codes(self) -> list[str]:
        """Every code, in the order of the file."""
        return list(self._reasons)


our_bug: Callable[[str], object] = log.error
"""Hears of a missing fact or an unknown code. Production logs it and tells a safe text; the tests set one that fails."""


@cache
def catalogue() -> Catalogue:
    """The catalogue of this release. Raises `BadCatalogue` when it breaks a rule: then the program does not start."""
    texts = resources.files("daozhang.reasons").joinpath("texts")
    read = read_catalogue(*(file.read_bytes() for file in sorted(texts.iterdir(), key=lambda file: file.name)))
    read.words["kind"] |= {
        kind: {locale: name.name for locale, name in languages.items()} for kind, languages in kind_names().items()
    }
    return read


def read_catalogue(*contents: bytes) -> Catalogue:
    """Read a catalogue from TOML files. Raises `BadCatalogue`, also when two of them hold the same code."""
    reasons: dict[str, Reason] = {}
    words: Words = {}
    for content in contents:
        try:
            file = msgspec.toml.decode(content, type=_File)
        except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
            raise BadCatalogue(str(fault)) from None
        for code in reasons.keys() & file.reasons.keys():
            raise BadCatalogue(f"{code} is there twice")
        reasons |= file.reasons
        for fact, meanings in file.words.items():
            words.setdefault(fact, {}).update(meanings)
    if "platform.fault" not in reasons:
        raise BadCatalogue("platform.fault is missing: it is what an unknown code is told as")
    return Catalogue(reasons, words)


def _hold(reason: Reason) -> None:
    declared = {*reason.facts, *reason.may}
    texts = {"zh": reason.zh, "en": reason.en}
    parts = [part for text in texts.values() for part in (text.title, text.text, text.cure)]
    rules = {
        "a code is lower-case words parted by points": _CODE.fullmatch(reason.code),
        "http is a status from 400 to 599": reason.http in range(400, 600),
        "a fact is either needed or optional": not set(reason.facts) & set(reason.may),
        "a legal reason shows no facts": reason.disclosure is not Disclosure.LEGAL or not declared,
        "a text names only declared facts": all(declared.issuperset(FACT.findall(part)) for part in parts),
        "a text has no loose brace": not any(set("{}") & set(FACT.sub("", part)) for part in parts),
        "each language has a title and a cure": all(text.title and text.cure for text in texts.values()),
    }
    for rule, holds in rules.items():
        if not holds:
            raise BadCatalogue(f"{reason.code}: {rule}")
