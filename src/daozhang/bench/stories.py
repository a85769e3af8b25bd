"""Stories of the diagnosis: what is broken and the truth about it (`stories.toml`), and what a user reads on the page of it.

The truth was written down by hand from what the channels document and what the checks are for; nothing of it is computed by the
code that explains.
"""

import html
import re
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

At = Literal["order", "state", "query", "refund", "refund_state", "refund_query", "wallet", "check"]
GROUPS = {
    "order": "order",
    "state": "query",
    "query": "query",
    "refund": "refund",
    "refund_state": "refund",
    "refund_query": "refund",
}
"""What a user did when a native code came, by the operation it came to: paid, waited for the credit, or asked for his money."""


class Truth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One story. `told` is what can be said at all; `not_told` where nobody told us, and then there is no reason.

    `at` is where it is broken: an operation of the channel, the payer's `wallet`, or a `check` of ours. `kind` and `code` say which
    channel speaks which native code, with `message` where a text tells it apart; `outcome` is what the code says of the money.
    `step` is the button that cures it: the first one, unless only asking a person or waiting does. `cure` are words of the cure.
    `hidden`: the layer has a constant line that never says how it went. `line` is a sentence that stands beside, among the checks.
    """

    id: str
    at: At = "check"
    told: str
    reason: str = ""
    layer: str = ""
    who: str = ""
    step: str = ""
    cure: str = ""
    kind: str = ""
    code: str = ""
    message: str = ""
    outcome: str = ""
    hidden: bool = False
    line: str = ""

    @property
    def native_class(self) -> tuple[str, str, str]:
        """The class of native codes that it stands for: the operation's group, the outcome, the reason of the row."""
        return GROUPS[self.at], self.outcome, self.code_reason

    said: str = ""
    """The reason that stands in the row of the code, where it is not the one that is told to a user."""

    @property
    def code_reason(self) -> str:
        """The reason of the code's row."""
        return self.said or self.reason


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the page names layers and those who can act, in Chinese; of a text with a name in it, its beginning."""

    layer: dict[str, str]
    who: dict[str, str]


class Stories(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `words` are Chinese, `words_en` the same in English.

    `left` are classes of native codes that no story can be told of, as `group outcome reason`, each with why.
    """

    words: Words
    words_en: Words
    left: dict[str, str]
    story: tuple[Truth, ...]


@cache
def stories() -> Stories:
    """Every story, in order. Raises `msgspec.ValidationError` for a file that breaks its form."""
    return msgspec.toml.decode(resources.files("daozhang.bench").joinpath("stories.toml").read_bytes(), type=Stories)


class Seen(msgspec.Struct, frozen=True):
    """What a user reads on the page: the answer with its cause, who can act, the buttons in order, the layers that are marked."""

    status: int
    told: str = ""
    reason: str = ""
    layer: str = ""
    title: str = ""
    who: str = ""
    cure: str = ""
    steps: tuple[str, ...] = ()
    hit: tuple[str, ...] = ()
    lines: str = ""


_ANSWER = re.compile(r'<section class="sheet answer[^"]*" data-told="(\w+)"([^>]*)>(.*?)</section>', re.DOTALL)
_ATTRIBUTE = re.compile(r'data-(reason|layer)="([^"]*)"')
_TITLE, _CURE = (
    re.compile(r"<h[12][^>]*>(.*?)</h[12]>", re.DOTALL),
    re.compile(r'<p class="cure">(?:<b>(.*?)</b>)?(.*?)</p>', re.DOTALL),
)
_STEP, _HIT = re.compile(r'data-step="(\w+)"'), re.compile(r'<li class="hit">.*?<summary><b>(.*?)</b>', re.DOTALL)
_LINES = re.compile(r'<ul class="witnesses">(.*?)</ul>', re.DOTALL)


def read(status: int, page: str) -> Seen:
    """Read a page. Where money was refused that lay in the balance, that is the answer. A page without one has but its status."""
    answers = list(_ANSWER.finditer(page))
    if not answers:
        return Seen(status)
    answer = next((each for each in answers if each[1] == "stopped"), answers[0])
    named = dict(_ATTRIBUTE.findall(answer[2]))
    cure = _CURE.search(answer[3])
    return Seen(
        status,
        told=answer[1],
        reason=named.get("reason", ""),
        layer=named.get("layer", ""),
        title=_plain(_TITLE, answer[3]),
        who=html.unescape(cure[1] or "") if cure else "",
        cure=html.unescape(cure[2]) if cure else "",
        steps=tuple(_STEP.findall(answer[3])),
        hit=tuple(html.unescape(name) for name in _HIT.findall(page)),
        lines=html.unescape(" ".join(_LINES.findall(page))),
    )


_ASIDE = ("stopped", "checking", "refused")
"""What is told where no layers stand, or beside layers that have nothing against a recharge."""
QUIET = ("watch", "person")
"""Steps that stand below the others."""


def wrong(truth: Truth, seen: Seen, words: Words) -> list[str]:
    """Where the page says something else than the truth; empty = it is right."""
    if seen.status not in (200, 503):
        return [f"the page answers {seen.status}"]
    found = [
        f"{name} is {getattr(seen, name)!r}, not {getattr(truth, name)!r}"
        for name in ("told", "reason", "layer")
        if getattr(seen, name) != getattr(truth, name)
    ]
    if not seen.who.startswith(words.who[truth.who]) if truth.who else seen.who:
        found.append(f"who can act is {seen.who!r}, not {truth.who!r}")
    if truth.layer and not truth.hidden and truth.told not in _ASIDE and words.layer[truth.layer] not in seen.hit:
        found.append(f"no mark at {truth.layer}, but at {seen.hit}")
    first = truth.step in seen.steps if truth.step in QUIET else (seen.steps or ("",))[0] == truth.step
    if truth.step and not first:
        found.append(f"the button is {seen.steps}, not {truth.step!r}")
    for part, text in ((truth.cure, seen.cure), (truth.line, seen.lines)):
        if part not in text:
            found.append(f"{part!r} is not in {text[:80]!r}")
    return found


_HAN = re.compile("[\u4e00-\u9fff]")


def otherwise(truth: Truth, zh: Seen, en: Seen, words: Words) -> list[str]:
    """Where the English page says something else than the Chinese one: empty = the same, and no word of it is left in Chinese."""
    found = [
        f"in English {name} is {getattr(en, name)!r}, not {getattr(zh, name)!r}"
        for name in ("status", "told", "reason", "layer", "steps")
        if getattr(en, name) != getattr(zh, name)
    ]
    if words.who[truth.who] not in en.who if truth.who else en.who:
        found.append(f"in English who can act is {en.who!r}")
    if len(en.hit) != len(zh.hit) or _marked(truth, en, words) != _marked(truth, zh, stories().words):
        found.append(f"in English the marks are at {en.hit}")
    for name in ("title", "who", "cure"):
        text = getattr(en, name)
        if bool(text) != bool(getattr(zh, name)) or _HAN.search(text):
            found.append(f"in English {name} is {text!r}")
    return found


def _marked(truth: Truth, seen: Seen, words: Words) -> bool:
    """Whether the layer of the truth is marked on a page that names layers with these words."""
    return bool(truth.layer) and words.layer[truth.layer] in seen.hit


def _plain(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return html.unescape(re.sub(r"<[^>]+>", " ", found[1]).strip()) if found else ""
