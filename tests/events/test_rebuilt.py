"""Whoever reads the events can rebuild what happened from their positions, however they reach him."""

import asyncio
import random

from tests.patience import until

from daozhang import clock, ids
from daozhang.events import log as events
from daozhang.events.hub import sql
from daozhang.postgres import Database

MANY, AT_ONCE, PAGE = 120, 12, 7


async def pages(database: Database, after: tuple[str, int]) -> list[tuple[str, int, str]]:
    """Everything after a position, a page at a time."""
    found: list[tuple[str, int, str]] = []
    while rows := await database.rows(sql.events_after, *after, PAGE):
        found += [(row["xact"], row["seq"], row["kind"]) for row in rows]
        after = found[-1][:2]
    return found


async def test_rc_19_events_shuffled_repeated_and_lost_are_rebuilt_from_their_positions(database: Database, seed: int) -> None:
    """Written by many at once. A reader who got them out of order, twice, or only in part ends with the one true list."""
    dice = random.Random(seed)
    start = (await database.value(sql.horizon), 0)
    slots = asyncio.Semaphore(AT_ONCE)

    async def write(n: int) -> None:
        async with slots:
            event = events.Event(f"story.{n}", None, None, "{}")
            await database.transact(lambda tx: events.append(tx, 1, clock.now(), "test", [event]))

    reader: list[tuple[str, int, str]] = []

    async def follow() -> bool:
        """A reader that begins anew from wherever it was, all the while."""
        reader.extend(await pages(database, reader[-1][:2] if reader else start))
        return len(reader) >= MANY

    writing = asyncio.gather(*(write(n) for n in range(MANY)))
    await until(follow)
    await writing
    true = await pages(database, start)
    assert reader == true, "what was read in between is what is read afterwards"
    assert sorted(kind for _, _, kind in true) == sorted(f"story.{n}" for n in range(MANY)), "each of them once"

    delivered = [event for event in true if dice.random() > 0.3]
    delivered += dice.choices(delivered, k=MANY)
    dice.shuffle(delivered)
    rebuilt = sorted(set(delivered), key=lambda event: (int(event[0]), event[1]))
    assert rebuilt == [event for event in true if event in set(rebuilt)], "positions alone give the order"
    # What was lost is asked for again: from before the first gap, as often as one likes.
    for _ in range(3):
        back = dice.choice([start, *(event[:2] for event in rebuilt)])
        rebuilt = sorted({*rebuilt, *await pages(database, back)}, key=lambda event: (int(event[0]), event[1]))
    assert sorted({*rebuilt, *await pages(database, start)}, key=lambda event: (int(event[0]), event[1])) == true


async def test_rc_19_positions_are_numbers_and_no_texts(database: Database, owner_database: Database) -> None:
    """The tenth transaction comes after the ninth: by their letters it would come before, and the ninth be passed over for ever."""
    for n in (9, 11, 8, 10, 100, 99, 12):
        await owner_database.transact(
            lambda tx, n=n: tx.run(  # type: ignore[misc]
                """insert into events (id, shop_id, kind, actor, data, at, xact)
                values ($1, 1, 'story.' || $2, 'test', '{}', clock_now(), $2::text::xid8)""",
                ids.new_id(),
                str(n),
            )
        )
    after, seen = ("0", 0), []
    while rows := await database.rows(sql.events_after, *after, 2):
        seen += [row["kind"] for row in rows]
        after = (rows[-1]["xact"], rows[-1]["seq"])
    assert seen == [f"story.{n}" for n in (8, 9, 10, 11, 12, 99, 100)]
