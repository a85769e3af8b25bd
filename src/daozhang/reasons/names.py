"""Names of kinds of channels, as each states them in `channels/kinds/<kind>/words.toml`: data, read without loading any channel."""

import tomllib
from functools import cache
from importlib import resources
from typing import Literal

import msgspec


class Name(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people call a kind, and the one letter of its badge."""

    name: str
    mark: str


@cache
def kind_names() -> dict[str, dict[Literal["zh", "en"], Name]]:
    """Kind -> language -> name, of every kind that has a folder. A malformed file is our own bug and raises."""
    kinds = resources.files("daozhang").joinpath("channels", "kinds")
    files = {folder.name: folder.joinpath("words.toml") for folder in kinds.iterdir() if folder.is_dir()}
    return {
        kind: msgspec.convert(tomllib.loads(file.read_text("utf-8")), dict[Literal["zh", "en"], Name])
        for kind, file in sorted(files.items())
        if file.is_file()
    }
