"""Names and codes of regions: the first two digits of GB/T 2260, as people say them and as files of places write them."""

from functools import cache
from importlib import resources

import msgspec


@cache
def names(locale: str) -> dict[str, str]:
    """Code -> name in one language, in the order of the codes."""
    table = msgspec.toml.decode(
        resources.files("daozhang.policy").joinpath("regions.toml").read_bytes(), type=dict[str, dict[str, str]]
    )
    return table["en" if locale == "en" else "zh"]


@cache
def code_of(told: str | None) -> str:
    """The code of a region that was declared as a code, or named by a file of places (广东省). Empty = not known."""
    if not told:
        return ""
    if told.isascii() and (told.isdigit() or (len(told) == 2 and told.isupper())):
        return told
    return next((code for code, name in names("zh").items() if told.startswith(name)), "")


def name_of(code: str, locale: str) -> str:
    """A region's name, with the code where it is a part of one; the code itself where it has none, and the country for `*`."""
    if code == "*":
        return "nationwide" if locale == "en" else "全国"
    name = names(locale).get(code[:2])
    return code if name is None else name if len(code) == 2 else f"{name} {code}"
