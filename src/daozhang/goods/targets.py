"""The kinds of accounts that a top-up may go to: data in `targets.toml`."""

import tomllib
from importlib import resources

import msgspec

from daozhang.goods.pattern import compiled


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind: the pattern that its names have unless a good says otherwise, the keyboard that fits, a free example."""

    pattern: str
    inputmode: str
    example: str


def _read() -> dict[str, Target]:
    tree = tomllib.loads(resources.files("daozhang.goods").joinpath("targets.toml").read_text("utf-8"))
    targets = msgspec.convert(tree, dict[str, Target])
    for target in targets.values():
        compiled(target.pattern)
    return targets


TARGETS = _read()
