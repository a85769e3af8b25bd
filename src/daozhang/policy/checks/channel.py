"""The payment channel: is it switched on here, does it offer the chosen method, and do the limits let the amount through?"""

from typing import Any

from daozhang.limits.judge import room, stopped
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


def _status(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    return Hit(Outcome.REFUSE, facts.channel_stop, facts.channel_stop_facts or {}) if facts.channel_stop else None


def _credit(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    credit = facts.no_credit and facts.instrument == "credit"
    return Hit(Outcome.REFUSE, "channel.credit_card", {}) if credit else None


def _credit_paid(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    """By what the payment itself says: a channel that cannot be told beforehand (UnionPay, Epay) takes any card. Unknown holds."""
    credit = facts.instrument == "credit" and facts.no_credit is not False
    return Hit(Outcome.HOLD, "channel.credit_card_paid", {}) if credit else None


def _hours(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    return _limit(facts, "hours")


def _single(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    return _limit(facts, "min") or _limit(facts, "single")


def _day(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    return _limit(facts, "day")


def _month(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    return _limit(facts, "month")


def _limit(facts: Facts, axis: str) -> Hit | None:
    stop = stopped(facts.limits, facts.amount_fen, axis) if facts.limits else None
    return Hit(Outcome.REFUSE, stop.reason, stop.facts) if stop else None


def _tells_single(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    single_fen = room(facts.limits).single_fen if facts.limits else None
    return {} if single_fen is None else {"limit_fen": single_fen}


def _tells_day(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    left_fen = room(facts.limits).day_left_fen if facts.limits else None
    return {} if left_fen is None else {"left_fen": left_fen}


def _tells_month(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    left_fen = room(facts.limits).month_left_fen if facts.limits else None
    return {} if left_fen is None else {"left_fen": left_fen}


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

STATUS = Check(
    name="channel.status",
    layer=Layer.CHANNEL,
    strength=Strength.HARD,
    stages=_BEFORE,
    needs=("channel_id",),
    judge=_status,
)

CREDIT = Check(
    name="channel.credit",
    layer=Layer.CHANNEL,
    strength=Strength.HARD,
    stages=_BEFORE,
    needs=("no_credit",),
    judge=_credit,
)

CREDIT_PAID = Check(
    name="channel.credit_paid",
    layer=Layer.CHANNEL,
    strength=Strength.HARD,
    stages=frozenset({Stage.PAID}),
    needs=(),
    judge=_credit_paid,
)

HOURS = Check(
    name="channel.hours",
    layer=Layer.CHANNEL,
    strength=Strength.HARD,
    stages=_BEFORE,
    needs=("limits", "channel_id"),
    judge=_hours,
)

SINGLE = Check(
    name="channel.single",
    layer=Layer.CHANNEL,
    strength=Strength.HARD,
    stages=_BEFORE,
    needs=("limits", "channel_id", "amount_fen"),
    judge=_single,
    tells=_tells_single,
)

DAY = Check(
    name="channel.day",
    layer=Layer.CHANNEL,
    strength=Strength.HARD,
    stages=_BEFORE,
    needs=("limits", "channel_id", "amount_fen"),
    judge=_day,
    tells=_tells_day,
)

MONTH = Check(
    name="channel.month",
    layer=Layer.CHANNEL,
    strength=Strength.HARD,
    stages=_BEFORE,
    needs=("limits", "channel_id", "amount_fen"),
    judge=_month,
    tells=_tells_month,
)
