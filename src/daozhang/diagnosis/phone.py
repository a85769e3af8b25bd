"""What the payer's phone showed: the picks of the question, and pasted words matched against native codes and messages. Pure.

No channel tells a shop what happened inside a wallet. Whoever reads these words believes the payer, and says so.
"""

import re
import tomllib
import unicodedata
from functools import cache
from importlib import resources
from typing import NamedTuple

import msgspec

from daozhang.channels.native import NativeCodes
from daozhang.channels.port import Outcome

LONGEST = 400
"""Characters of a pasted text that are read and kept."""
OTHER = "other"
"""The pick of a pasted text that leads to none of the others."""
_TOKEN = re.compile(r"[A-Z][A-Z0-9]*(?:[_.:-][A-Z0-9]+)+|(?:码|CODE) ?[:=]? ?\[?([0-9]{2})(?![0-9])")
"""A code as channels write them. Two bare digits may be an amount: they count only where a word says that they are a code."""
_THEIRS = frozenset({"user", "bank", "policy"})
"""Whose doing a code may be to count here: what is the shop's or the channel's own fault shows no code to a payer."""
_NEEDLESS = re.compile(r"\s+")


class Pick(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"unless": "not"}):
    """One possible answer. `says` are words that lead to it; `unless` are words that only look alike."""

    name: str
    reason: str | None = None
    says: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


class Words(NamedTuple):
    """What a text was read as: a pick, the reason it stands for, and the native code that was in it."""

    pick: str
    reason: str | None
    native: str = ""


@cache
def picks() -> tuple[Pick, ...]:
    """The possible answers, in the order of `phone.toml`."""
    tree = tomllib.loads(resources.files("daozhang.diagnosis").joinpath("phone.toml").read_text("utf-8"))
    return msgspec.convert(tree["pick"], tuple[Pick, ...])


def picked(name: str) -> Words | None:
    """What a pick stands for; None when there is none of that name."""
    found = next((each for each in picks() if each.name == name), None)
    return Words(found.name, found.reason) if found else None


def read(text: str, codes: NativeCodes | None) -> Words:
    """Read a pasted text: a code of the channel first, then words. What says nothing we know is `other`, and no guess is made.

    A code counts only where it means that the payment failed: what a wallet shows is no proof that money moved.
    """
    plain = unicodedata.normalize("NFKC", text[:LONGEST])
    if codes and (said := codes.said(plain)):
        return Words(OTHER, said.reason, said.name[:64])
    for token in _TOKEN.finditer(plain.upper()) if codes else ():
        code = token[1] or token[0].strip("[]")
        if codes and codes.knows(code):
            meaning = codes.read("state", code, plain)
            if meaning.outcome is not Outcome.SUCCESS and meaning.party in _THEIRS:
                return Words(OTHER, meaning.reason, meaning.name[:64])
    bare = _NEEDLESS.sub("", plain).lower()
    for each in picks():
        left = bare
        for word in each.unless:
            left = left.replace(_bare(word), "")
        if any(_bare(word) in left for word in each.says):
            return Words(each.name, each.reason)
    return Words(OTHER, None)


def _bare(word: str) -> str:
    return _NEEDLESS.sub("", word).lower()
