"""The platform itself: can we write it down, can the channel reach us, and does the page still state the rules in force?"""

from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, Stage, Strength
from daozhang.reasons.catalogue import Layer

RULES_MARK = "+"
"""Parts the release of a page from the version of the book whose rules it showed. A program that shows no rules names none."""


def page_of(release: str, book: Book) -> str:
    """The version that a page carries: of the program, and of the rules that it shows."""
    return f"{release}{RULES_MARK}{book.version}"


def _database(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001 -- every check has the same shape
    return None if facts.database_writes else Hit(Outcome.REFUSE, "platform.database", {})


def _notify_door(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    # A closed door delays the credit and loses nothing, since every open payment is asked about as well.
    return None if facts.notify_door else Hit(Outcome.MONITOR, "platform.notify_door", {})


def _page(facts: Facts, book: Book) -> Hit | None:
    """A page of another release, or one that showed an older version of the rules: what it said may not hold any more."""
    assert facts.page_version is not None
    if RULES_MARK not in facts.page_version:
        return Hit(Outcome.REFUSE, "operation.page_outdated", {}) if facts.page_version != facts.page_current else None
    release, _, rules = facts.page_version.partition(RULES_MARK)
    older = bool(rules) and not (rules.isascii() and rules.isdigit() and int(rules) >= book.version)
    return Hit(Outcome.REFUSE, "operation.page_outdated", {}) if release != facts.page_current or older else None


DATABASE = Check(
    name="platform.database",
    layer=Layer.PLATFORM,
    strength=Strength.HARD,
    stages=BEFORE | {Stage.SPEND, Stage.REFUND},
    needs=("database_writes",),
    judge=_database,
)

NOTIFY_DOOR = Check(
    name="platform.notify_door",
    layer=Layer.PLATFORM,
    strength=Strength.SOFT,
    stages=BEFORE,
    needs=("notify_door",),
    judge=_notify_door,
)

PAGE = Check(
    # Decisions of every release know it by this name.
    name="operation.page",
    layer=Layer.PLATFORM,
    strength=Strength.FIRM,
    stages=BEFORE,
    needs=("page_version", "page_current"),
    judge=_page,
)
