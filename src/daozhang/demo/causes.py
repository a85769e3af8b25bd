"""The causes of failed recharges that the demo shows: data (`causes.toml`), in the order in which they are told."""

from functools import cache
from importlib import resources
from typing import NamedTuple

import msgspec

from daozhang.reasons.catalogue import CuredBy, Layer


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a visitor reads of a cause: who he is, what to try, and how it is cured."""

    title: str
    meet: str
    cure: str


class Cause(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cause. `quote` is how people speak of it, `quote_en` the same in English.

    `reason` is the code that is given, `cured_by` who can cure it, `layer` where it belongs, `says` what the reason's own cure
    speaks of. Each can be met in the demo (`scenes.py`).
    """

    id: str
    quote: str
    quote_en: str
    layer: Layer
    reason: str
    cured_by: CuredBy
    says: str
    zh: Words
    en: Words


class _File(msgspec.Struct, forbid_unknown_fields=True):
    main: str
    shut: str
    small: str
    cause: tuple[Cause, ...]


class Ways(NamedTuple):
    """The ways to pay (kind, method) that situations are made at.

    `main` for nearly all, `shut` is the one that is closed for maintenance, `small` takes the smallest amounts.
    """

    main: tuple[str, str]
    shut: tuple[str, str]
    small: tuple[str, str]


def causes() -> tuple[Cause, ...]:
    """Every cause, in order."""
    return _file().cause


def ways() -> Ways:
    """Where situations are made."""
    file = _file()
    return Ways(*((kind, method) for kind, _, method in (way.partition(":") for way in (file.main, file.shut, file.small))))


@cache
def _file() -> _File:
    """Raises `msgspec.ValidationError` for a file that breaks its form."""
    content = resources.files("daozhang.demo").joinpath("causes.toml").read_bytes()
    return msgspec.toml.decode(content, type=_File)
