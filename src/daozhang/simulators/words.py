"""The words of the simulated phone, zh and en, and how it writes money and time."""

import tomllib
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Literal

from daozhang.clock import SHANGHAI

Language = Literal["zh", "en"]


class Words:
    """The texts of one language: `words.pay`, or `words["pay"]`; a missing text is our own bug and raises `KeyError`."""

    def __init__(self, language: Language, texts: dict[str, str]) -> None:
        self.language: Language = language
        self._texts = texts

    def __getattr__(self, name: str) -> str:
        """The text of that name."""
        return self._texts[name]

    def __getitem__(self, name: str) -> str:
        """The text of that name."""
        return self._texts[name]

    def get(self, name: str) -> str | None:
        """The text of that name, or None."""
        return self._texts.get(name)

    def left(self, seconds: float) -> str:
        """How long is left, in minutes while there are at least two."""
        span = self.minutes.format(n=int(seconds // 60)) if seconds >= 120 else self.seconds.format(n=max(int(seconds), 0))
        return self.left_for.format(time=span)


@cache
def words(language: Language, kind: str = "") -> Words:
    """The texts of a language; of a kind of channel, its own stand before the phone's."""
    here = resources.files(__package__)
    files = [here.joinpath("phone.toml")] + ([here.joinpath(kind, "phone.toml")] if kind else [])
    texts: dict[str, str] = {}
    for file in files:
        texts |= tomllib.loads(file.read_text("utf-8"))[language]
    return Words(language, texts)


def choose(asked: str, cookie: str, accepted: str) -> Language:
    """The language of a visitor: what was clicked, else what was clicked before, else what the browser prefers, else Chinese."""
    for wish in (asked, cookie):
        if wish in ("zh", "en"):
            return wish  # type: ignore[return-value] # mypy does not narrow a str by membership in a tuple.
    return "en" if accepted.strip().lower().startswith("en") else "zh"


def clock_time(moment_s: float) -> str:
    """Seconds since 1970 as `09-23 14:05` in Shanghai."""
    return datetime.fromtimestamp(moment_s, SHANGHAI).strftime("%m-%d %H:%M:%S")
