"""Enforce: gather the facts of many wishes, decide each, and keep the decisions, inside the transaction that acts on them."""

from collections.abc import Sequence
from uuid import UUID

from daozhang.policy.book import Book
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Decision, Stage
from daozhang.policy.record import judged, store
from daozhang.postgres import Tx


async def enforce(tx: Tx, stage: Stage, wishes: Sequence[tuple[UUID | None, Wish]], book: Book) -> list[Decision]:
    """One decision per wish, in order; each wish comes with the order it is about. Two statements, however many wishes.

    Lock the users first and in a statement of its own: today's sum is counted here. The batch must hold a user only once, else
    two wishes of one user would both be judged by the sum before either. The orders under judgement may be written already: their
    own amounts are left out of the sum.
    """
    judged_now = [order_id for order_id, _ in wishes if order_id is not None]
    facts = await gather(tx, [wish for _, wish in wishes], stage, besides=judged_now)
    records = [judged(stage, each, book) for each in facts]
    await store(tx, [(order_id, record) for (order_id, _), record in zip(wishes, records, strict=True)])
    return [record.decision for record in records]
