"""What the rules of the release are for, in two languages: `words.toml`, for the staff desk and the reference page."""

from functools import cache
from importlib import resources

import msgspec

from daozhang.policy.rules.tree import Rule


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one rule is for."""

    zh: str
    en: str


@cache
def words() -> dict[str, Words]:
    """The words of each rule of the release, by its key. Raises `msgspec.MsgspecError` for a file that breaks its form."""
    content = resources.files("daozhang.policy").joinpath("rules", "words.toml").read_bytes()
    return msgspec.toml.decode(content, type=dict[str, Words])


def worded(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules of the release with what they are for as their note: a version of the book says it by itself."""
    return tuple(msgspec.structs.replace(rule, note=words()[rule.key].en) for rule in rules)


def described(rule: Rule, locale: str) -> str:
    """What a rule is for: the release's words in either language, or those that an operator gave it, as they were given."""
    known = words().get(rule.key)
    if known is None or rule.note not in ("", known.en):
        return rule.note
    return known.en if locale == "en" else known.zh
