"""What a kind's native codes mean: `errors.toml` beside each adapter, read once."""

import tomllib
from collections import deque
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from daozhang.channels.port import Outcome

_PARTIES = frozenset({"user", "merchant", "platform", "channel", "bank", "policy"})
_RETRY_LATER = frozenset({202, 408, 425, 429})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an answer means: our outcome, the reason to tell, and whose fault it is (for statistics and the person on call)."""

    name: str
    outcome: Outcome
    reason: str
    party: str


@dataclass(frozen=True, slots=True)
class _Row:
    code: str
    says: tuple[str, ...]
    on: tuple[str, ...]
    meaning: Meaning


class Unmapped(NamedTuple):
    """A code that a channel really answered and nobody has mapped."""

    kind: str
    operation: str
    code: str


unmapped: deque[Unmapped] = deque(maxlen=1_000)
"""What was heard lately, for whoever rings the alarm; bounded, because a channel gone mad may answer anything."""


class NativeCodes:
    """The codes of one kind."""

    def __init__(self, kind: str, rows: list[dict[str, Any]]) -> None:
        """Take the rows of an `errors.toml`. A malformed row is our own bug."""
        self._kind = kind
        self._rows: dict[str, list[_Row]] = {}
        self._names: set[str] = set()
        for raw in rows:
            row = _row(raw)
            assert row.meaning.name not in self._names, f"{kind}: {row.meaning.name} is there twice"
            self._names.add(row.meaning.name)
            self._rows.setdefault(row.code, []).append(row)

    def names(self) -> set[str]:
        """Every name of the file."""
        return set(self._names)

    def knows(self, code: str) -> bool:
        """Whether a code stands in the file, for whatever operation."""
        return bool(code) and code in self._rows

    def said(self, message: str) -> Meaning | None:
        """The meaning of a message alone, where it holds a text that some row goes by: without a code, or the code is a text."""
        bare = [row for row in self._rows.get("", ()) if row.says and _says(row, message)]
        worded = [rows[0] for code, rows in self._rows.items() if code and not code.isascii() and code in message]
        return next((row.meaning for row in (*bare, *worded)), None)

    def reasons(self) -> set[str]:
        """Every reason code the file can give, with the two for what nobody has mapped."""
        rows = [row for same in self._rows.values() for row in same]
        return {row.meaning.reason for row in rows} | {"channel.refused_unexplained", "channel.unknown_answer", "channel.checking"}

    def read(self, operation: str, code: str, message: str = "", http: int | None = None) -> Meaning:
        """The meaning of a native code for an operation (`order`, `query`, `close`, `refund`, `refund_query`, `state` ...).

        A code nobody has mapped is `failure` only for an order that the channel plainly refused (4xx); otherwise nobody knows. It
        is noted in `unmapped`, unless it is no word of the channel's but ours for a bare HTTP status.
        """
        candidates = [*self._rows.get(code, ()), *self._rows.get("", ())]
        fitting = [row for row in candidates if (not row.on or operation in row.on) and _says(row, message)]
        if fitting:
            best = max(fitting, key=lambda row: (bool(row.says), bool(row.on)))
            meaning: Meaning = best.meaning
            if not best.on and operation != "order" and meaning.outcome is Outcome.FAILURE:
                return Meaning(meaning.name, Outcome.UNKNOWN, meaning.reason, meaning.party)
            return meaning
        if code and not code.startswith("HTTP_"):
            unmapped.append(Unmapped(self._kind, operation, code[:64]))
        if http is None or http >= 500 or http in _RETRY_LATER:
            return Meaning(code, Outcome.UNKNOWN, "channel.checking", "channel")
        if operation == "order" and 400 <= http < 500:
            return Meaning(code, Outcome.FAILURE, "channel.refused_unexplained", "channel")
        return Meaning(code, Outcome.UNKNOWN, "channel.unknown_answer", "channel")


@cache
def native_codes(kind: str) -> NativeCodes:
    """Load the codes of a kind such as `wechatpay`."""
    text = resources.files(f"daozhang.channels.kinds.{kind}").joinpath("errors.toml").read_text("utf-8")
    return NativeCodes(kind, tomllib.loads(text)["code"])


def _row(raw: dict[str, Any]) -> _Row:
    assert raw["party"] in _PARTIES, raw["name"]
    meaning = Meaning(raw["name"], Outcome(raw["outcome"]), raw["reason"], raw["party"])
    return _Row(raw.get("code", raw["name"]), tuple(raw.get("says", ())), tuple(raw.get("on", ())), meaning)


def _says(row: _Row, message: str) -> bool:
    return not row.says or any(text in message for text in row.says)
