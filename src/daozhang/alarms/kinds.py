"""The kinds of alarms, with how urgent each is and what to do about it: data in `kinds.toml`."""

import tomllib
from importlib import resources
from typing import Literal

import msgspec


class AlarmKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind. `urgent` wakes somebody, `today` is for the working day, `note` for whoever looks. `do`: the first thing to do."""

    severity: Literal["urgent", "today", "note"]
    zh: str
    en: str
    do_zh: str
    do_en: str


def _read() -> dict[str, AlarmKind]:
    tree = tomllib.loads(resources.files("daozhang.alarms").joinpath("kinds.toml").read_text("utf-8"))
    return msgspec.convert(tree["kinds"], dict[str, AlarmKind])


KINDS = _read()
