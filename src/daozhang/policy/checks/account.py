"""The account: may this user move money at all?"""

from typing import Any

from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, Stage, Strength
from daozhang.reasons.catalogue import Layer


def _standing(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001 -- every check has the same shape
    if facts.standing == "active":
        return None
    if facts.standing == "closed":
        return Hit(Outcome.REFUSE, "account.closed", {})
    if facts.standing == "frozen":
        told: dict[str, Any] = {"why": facts.standing_why or "other"}
        if facts.standing_until_at is not None:
            told["until_at"] = facts.standing_until_at
        if facts.standing_review_at is not None:
            told["review_at"] = facts.standing_review_at
        return Hit(Outcome.REFUSE, "account.frozen", told)
    # A standing that this release does not know is no permission.
    return Hit(Outcome.REFUSE, "platform.check_unanswered", {})


def _lockout(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    until_at = facts.locked_until_at
    if until_at is None or until_at <= facts.at:
        return None
    wait = until_at - facts.at
    return Hit(Outcome.REFUSE, "account.locked", {"wait_s": wait.days * 86_400 + wait.seconds + (wait.microseconds > 0)})


def _balance(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    assert facts.available_fen is not None
    assert facts.amount_fen is not None
    if facts.amount_fen <= facts.available_fen:
        return None
    short_fen = facts.amount_fen - facts.available_fen
    return Hit(Outcome.REFUSE, "goods.balance_short", {"short_fen": short_fen, "balance_fen": facts.available_fen})


def _cooling(facts: Facts, book: Book) -> Hit | None:
    assert facts.unbound_s is not None
    assert facts.amount_fen is not None
    # All of it together: whoever took an account over would else buy just below the bound, again and again.
    if facts.unbound_s >= book.risk.unbound_s or facts.cooling_fen + facts.amount_fen < book.risk.large_fen:
        return None
    limit_fen = book.risk.large_fen
    told = {"wait_s": book.risk.unbound_s - facts.unbound_s, "limit_fen": limit_fen}
    if facts.cooling_fen < limit_fen:
        told["left_fen"] = limit_fen - facts.cooling_fen
    return Hit(Outcome.HOLD, "account.cooling", told)


def _refundable(facts: Facts, book: Book) -> Hit | None:
    # A closed account gets its money back; one that is frozen keeps it until the freeze ends.
    return None if facts.standing == "closed" else _standing(facts, book)


STANDING = Check(
    name="account.standing",
    layer=Layer.ACCOUNT,
    strength=Strength.HARD,
    stages=frozenset(Stage) - {Stage.REFUND},
    needs=("standing",),
    judge=_standing,
)

LOCKOUT = Check(
    name="account.lockout",
    layer=Layer.ACCOUNT,
    strength=Strength.FIRM,
    stages=BEFORE | {Stage.SPEND},
    needs=("standing",),
    judge=_lockout,
)

BALANCE = Check(
    name="account.balance",
    layer=Layer.ACCOUNT,
    strength=Strength.HARD,
    stages=frozenset({Stage.SPEND}),
    needs=("available_fen", "amount_fen"),
    judge=_balance,
)

COOLING = Check(
    name="account.cooling",
    layer=Layer.ACCOUNT,
    strength=Strength.FIRM,
    stages=frozenset({Stage.SPEND}),
    needs=("unbound_s", "amount_fen"),
    judge=_cooling,
)

REFUNDABLE = Check(
    name="account.refundable",
    layer=Layer.ACCOUNT,
    strength=Strength.FIRM,
    stages=frozenset({Stage.REFUND}),
    needs=("standing",),
    judge=_refundable,
)
