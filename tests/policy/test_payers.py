"""Payments of one payer count each other exactly: within a batch in their order, and over batches that run at once."""

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace
from tests.policy.test_signals import people

from daozhang import ids
from daozhang.policy.book import Book
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Decision, Signals, Stage
from daozhang.policy.record import read_facts
from daozhang.postgres import Database

if TYPE_CHECKING:
    from uuid import UUID

PAYER, OTHER = b"p" * 32, b"q" * 32
ALIKE: dict[bytes | None, bytes] = {PAYER: b"r" * 32, OTHER: b"s" * 32}
"""Payers of whom the same is told one by one."""
MOST = 9
"""Accounts of one payer that pass; the tenth is asked about (`payer_accounts_count`)."""


def paid(user_id: int, channel_id: int, payer: bytes | None = PAYER, amount_fen: int = 20_000) -> Wish:
    return Wish(1, user_id, amount_fen, channel_id, "native", payer=payer)


async def settle(database: Database, wishes: list[Wish], book: Book) -> list[Decision]:
    batch: list[tuple[UUID | None, Wish]] = [(ids.new_id(), each) for each in wishes]
    return await database.transact(lambda tx: enforce(tx, Stage.PAID, batch, book))


async def seen(database: Database, wishes: list[Wish], book: Book) -> list[Signals]:
    return [facts.signals for facts in await gather(database, wishes, Stage.PAID, book) if facts.signals]


async def test_a_batch_counts_its_payments_as_if_they_had_come_one_by_one(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    users = await people(owner_database, 12)
    await settle(database, [paid(users[1], channel_id)], book)  # one of them was here before
    batch = [paid(user_id, channel_id) for user_id in users]
    batch[4] = paid(users[4], channel_id, OTHER)
    batch[6] = paid(users[6], channel_id, None)
    together = await seen(database, batch, book)
    decided = await settle(database, batch, book)
    alone: list[Signals] = []
    apart: list[Decision] = []
    fresh = [replace(wish, payer=ALIKE.get(wish.payer)) for wish in batch]
    await settle(database, [fresh[1]], book)
    for wish in fresh:
        alone += await seen(database, [wish], book)
        apart += await settle(database, [wish], book)
    assert together == alone
    assert [each.reason for each in decided] == [each.reason for each in apart] == [None] * 11 + ["risk.linked_accounts"]
    assert [each.payer_accounts_count for each in together] == [2, 2, 3, 4, 1, 5, None, 6, 7, 8, 9, 10]
    assert [each.payer_day_fen for each in together[:4]] == [40_000, 60_000, 80_000, 100_000]


async def test_rl_03_the_fifth_amount_near_the_largest_is_held_in_whatever_batch_it_comes(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    users = await people(owner_database, 6)
    near = [paid(user_id, channel_id, amount_fen=495_000) for user_id in users]
    decided = await settle(database, near[:3], book) + await settle(database, near[3:], book)
    assert [each.reason if each.holds else None for each in decided] == [None] * 4 + ["risk.structuring"] * 2


async def test_rl_03_batches_at_once_count_one_payer_exactly(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    """Eight batches of three pay for twenty-four accounts at once: nine are credited, and every count is there once."""
    users = await people(owner_database, 24)
    batches = [[paid(user_id, channel_id) for user_id in users[at : at + 3]] for at in range(0, 24, 3)]
    decided = await asyncio.gather(*(settle(database, batch, book) for batch in batches))
    assert sum(each.admits for batch in decided for each in batch) == MOST
    rows = await database.rows("select facts from decisions where stage = 'paid'")
    counts = [facts.signals.payer_accounts_count for row in rows if (facts := read_facts(row["facts"])).signals]
    assert sorted(count for count in counts if count) == list(range(1, 25))


async def test_rl_03_the_naive_count_before_anybody_is_marked_lets_all_of_them_through(
    database: Database, owner_database: Database, channel_id: int, book: Book
) -> None:
    """The control: the same payments, each judged by what was there before any of them."""
    users = await people(owner_database, 12)
    counts = [(await seen(database, [paid(user_id, channel_id)], book))[0].payer_accounts_count for user_id in users]
    assert counts == [1] * 12
