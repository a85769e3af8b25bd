"""The platform itself: can we write it down, and can the channel reach us?"""

from daozhang.policy.book import Book
from daozhang.policy.model import BEFORE, Check, Facts, Hit, Outcome, Stage, Strength
from daozhang.reasons.catalogue import Layer


def _database(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001 -- every check has the same shape
    return None if facts.database_writes else Hit(Outcome.REFUSE, "platform.database", {})


def _notify_door(facts: Facts, book: Book) -> Hit | None:  # noqa: ARG001
    # A closed door delays the credit and loses nothing, since every open payment is asked about as well.
    return None if facts.notify_door else Hit(Outcome.MONITOR, "platform.notify_door", {})


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
