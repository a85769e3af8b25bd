"""The payment channel: is it switched on here, and does it offer the chosen method?"""

from typing import Any

from daozhang.policy.book import Book
from daozhang.policy.model import Check, Facts, Hit, Outcome, Stage, Strength
from daozhang.reasons.catalogue import Layer

_BEFORE = frozenset({Stage.SHOWN, Stage.ASKED, Stage.PLACE})


def _configured(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001 -- every check has the same shape
    return None if facts.channel_enabled else Hit(Outcome.REFUSE, "channel.not_configured", {})


def _method(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    if facts.methods and facts.method in facts.methods:
        return None
    return Hit(Outcome.REFUSE, "channel.method_unsupported", {"method": facts.method})


def _names_channel(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    return {"kind": facts.kind} if facts.kind else {}


def _names_method(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    return {"method": facts.method} if facts.method else {}


CONFIGURED = Check(
    name="channel.configured",
    layer=Layer.CHANNEL,
    strength=Strength.HARD,
    stages=_BEFORE,
    needs=("channel_id", "channel_enabled"),
    judge=_configured,
    tells=_names_channel,
)

METHOD = Check(
    name="channel.method",
    layer=Layer.CHANNEL,
    strength=Strength.HARD,
    stages=_BEFORE,
    needs=("methods", "method"),
    judge=_method,
    tells=_names_method,
)
