"""How much of a day goes on which strength of proof in a licensed payment institution: dated rows of the book, as the law is.

A password is one factor; a code to the number or a look at the face is the second. What is above both goes only by an agreement
that was signed with the user, which a person looks at. (Measures for online payment of non-bank payment institutions, announcement
43 of the People's Bank of China of 2015, art. 24.) Shops of the other modes have `operation.confirm` alone.
"""

from typing import Any

from daozhang import clock
from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, Strength
from daozhang.reasons.catalogue import Layer


def _bounded(book: Book) -> bool:
    return book.eligibility.mode == "licensed_psp" and bool(book.confirm.strengths)


def _two(facts: Facts, book: Book) -> Hit | None:
    """Without a second factor only what one factor may have. Nobody can let more go: not a person, and not a pass."""
    one_fen, two_fen = _fen(facts, book)
    sum_fen = _sum_fen(facts)
    if facts.confirmed or one_fen is None or sum_fen <= one_fen:
        return None
    if two_fen is None or sum_fen <= two_fen:
        return Hit(Outcome.CHALLENGE, "operation.strength_two", {"limit_fen": one_fen})
    return Hit(Outcome.CHALLENGE, "operation.strength_signed", {"limit_fen": two_fen})


def _signed(facts: Facts, book: Book) -> Hit | None:
    """Above what two factors may have a person looks for the signed agreement. Before the second factor nobody is bothered."""
    _, two_fen = _fen(facts, book)
    if not facts.confirmed or two_fen is None or _sum_fen(facts) <= two_fen:
        return None
    return Hit(Outcome.HOLD, "operation.strength_signed", {"limit_fen": two_fen})


def _fen(facts: Facts, book: Book) -> tuple[int | None, int | None]:
    """What one factor and what two may have on the day of Shanghai that it is; None = no row bounds it."""
    day, found = clock.business_day(facts.at), {}
    for row in book.confirm.strengths:
        if row.from_on <= day and (row.until_on is None or day < row.until_on):
            found[row.factors] = row.day_fen
    return found.get("one"), found.get("two")


def _sum_fen(facts: Facts) -> int:
    assert facts.amount_fen is not None
    assert facts.admitted_fen is not None
    return facts.admitted_fen + facts.amount_fen


def _tells_one(facts: Facts, book: Book) -> dict[str, Any]:
    one_fen, _ = _fen(facts, book)
    return {} if one_fen is None else {"limit_fen": one_fen}


def _tells_two(facts: Facts, book: Book) -> dict[str, Any]:
    _, two_fen = _fen(facts, book)
    return {} if two_fen is None else {"limit_fen": two_fen}


TWO = Check(
    name="operation.strength",
    layer=Layer.OPERATION,
    strength=Strength.HARD,
    stages=BEFORE,
    needs=("amount_fen", "admitted_fen"),
    judge=_two,
    tells=_tells_one,
    applies=_bounded,
)

SIGNED = Check(
    name="operation.signed",
    layer=Layer.OPERATION,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=("amount_fen", "admitted_fen"),
    judge=_signed,
    tells=_tells_two,
    applies=_bounded,
)
