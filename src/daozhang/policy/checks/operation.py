"""The operation: the amount, what is left of today, and whether it is really its owner's."""

from typing import Any

from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, Stage, Strength
from daozhang.reasons.catalogue import Layer


def day_left_fen(facts: Facts, book: Book) -> int:
    """What the user may still recharge today, in fen; never negative. Nothing is left while today's sum is unknown."""
    return 0 if facts.admitted_fen is None else max(book.day.max_fen - facts.admitted_fen, 0)


def _amount(facts: Facts, book: Book) -> Hit | None:
    amount_fen = facts.amount_fen
    if amount_fen is None or amount_fen <= 0:
        return Hit(Outcome.REFUSE, "operation.amount.malformed", {})
    if amount_fen < book.amount.min_fen:
        return Hit(Outcome.REFUSE, "operation.amount.too_small", {"min_fen": book.amount.min_fen})
    if amount_fen > book.amount.max_fen:
        return Hit(Outcome.REFUSE, "operation.amount.too_large", {"limit_fen": book.amount.max_fen})
    return None


def _day(facts: Facts, book: Book) -> Hit | None:
    left_fen = day_left_fen(facts, book)
    wanted_fen = facts.amount_fen if facts.amount_fen is not None else book.amount.min_fen
    if wanted_fen <= left_fen:
        return None
    return Hit(Outcome.REFUSE, "limits.day", {"limit_fen": book.day.max_fen, "left_fen": left_fen, "until_at": facts.day_ends_at})


def _open(facts: Facts, book: Book) -> Hit | None:
    assert facts.open_count is not None
    if facts.open_count < book.open.most_count:
        return None
    return Hit(Outcome.REFUSE, "operation.open_orders", {"limit_count": book.open.most_count, "open_count": facts.open_count})


def _odd(facts: Facts, book: Book) -> Hit | None:
    """An extra zero, or a lost point: the amount is ten or a hundred times what this user recharges, or what the page offers."""
    amount_fen, recent_fen = facts.amount_fen, facts.recent_fen
    assert amount_fen is not None
    assert recent_fen is not None
    if (
        not book.amount.ask_odd
        or facts.purchase
        or facts.sure_fen == amount_fen
        or amount_fen in recent_fen
        or amount_fen in book.amount.presets_fen
    ):
        return None
    usual_fen = recent_fen or book.amount.presets_fen
    for times in (10, 100):
        meant_fen, rest = divmod(amount_fen, times)
        if not rest and meant_fen in usual_fen and amount_fen > max(usual_fen):
            return Hit(Outcome.CHALLENGE, "operation.amount_odd", {"amount_fen": amount_fen, "usual_fen": meant_fen})
    return None


def _confirm(facts: Facts, book: Book) -> Hit | None:
    assert facts.amount_fen is not None
    assert facts.admitted_fen is not None
    if facts.confirmed:
        return None
    if facts.amount_fen > book.confirm.from_fen:
        return Hit(Outcome.CHALLENGE, "operation.confirm_needed", {"limit_fen": book.confirm.from_fen})
    if facts.admitted_fen + facts.amount_fen > book.confirm.day_fen:
        return Hit(Outcome.CHALLENGE, "operation.confirm_needed", {"limit_fen": book.confirm.day_fen})
    return None


def _tells_confirm(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    return {"limit_fen": min(book.confirm.from_fen, book.confirm.day_fen)}


def _tells_bounds(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    return {"min_fen": book.amount.min_fen, "limit_fen": book.amount.max_fen}


def _tells_day(facts: Facts, book: Book) -> dict[str, Any]:
    return {"limit_fen": book.day.max_fen, "left_fen": day_left_fen(facts, book)}


def _tells_open(facts: Facts, book: Book) -> dict[str, Any]:  # noqa: ARG001
    return {"limit_count": book.open.most_count}


AMOUNT = Check(
    name="operation.amount",
    layer=Layer.OPERATION,
    strength=Strength.HARD,
    stages=BEFORE,
    needs=("amount_fen",),
    judge=_amount,
    tells=_tells_bounds,
    by_book=True,
)

DAY = Check(
    name="operation.day",
    layer=Layer.OPERATION,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=("admitted_fen", "day_ends_at"),
    judge=_day,
    tells=_tells_day,
)

OPEN = Check(
    name="operation.open",
    layer=Layer.OPERATION,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=("open_count",),
    judge=_open,
    tells=_tells_open,
    by_book=True,
)

ODD = Check(
    name="operation.amount_odd",
    layer=Layer.OPERATION,
    strength=Strength.SOFT,
    stages=frozenset({Stage.ASKED, Stage.PLACE}),
    needs=("amount_fen", "recent_fen"),
    judge=_odd,
)

CONFIRM = Check(
    name="operation.confirm",
    layer=Layer.OPERATION,
    strength=Strength.HARD,
    stages=BEFORE,
    needs=("amount_fen", "admitted_fen"),
    judge=_confirm,
    tells=_tells_confirm,
    by_book=True,
)
