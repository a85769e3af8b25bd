"""Enforce: gather the facts of many wishes, decide each, and keep the decisions, inside the transaction that acts on them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from daozhang import ids
from daozhang.policy.book import Book
from daozhang.policy.decide import trial
from daozhang.policy.facts import Wish, gather
from daozhang.policy.model import Decision, Facts, Stage
from daozhang.policy.record import Record, judged, store
from daozhang.policy.signals import tier
from daozhang.postgres import Tx, statements
from daozhang.postgres.columns import narrow

sql = statements("daozhang.policy")

_MOST_KNOWN = 1_024
"""How many texts a session remembers."""
_BY_ORDER = False
"""A place seen by an order, not by a log-in."""
_TRIALS = ("decision_id", "shop_id", "rule", "book_version", "outcome", "amount_fen", "at")

Judged = tuple[UUID | None, Wish, Record]


async def enforce(tx: Tx, stage: Stage, wishes: Sequence[tuple[UUID | None, Wish]], book: Book) -> list[Decision]:
    """One decision per wish, in order; each wish comes with the order it is about. A few statements, however many wishes.

    Lock the users first and in a statement of its own: windows and sums are counted here. The batch must hold a user only once,
    else two wishes of one user would both be judged by the sum before either. The orders under judgement may be written already:
    they are left out of the sums. What a decision uses up (tolerance, a one-time pass) is taken in this transaction.
    """
    judged_now = [order_id for order_id, _ in wishes if order_id is not None]
    made = await judge(tx, stage, wishes, await gather(tx, [wish for _, wish in wishes], stage, book, besides=judged_now), book)
    if not made:
        return []
    if stage is Stage.PAID:
        await keep_paid(tx, made, book)
    elif stage is Stage.PLACE:
        await _keep_placed(tx, made, book)
    else:
        await store(tx, [(order_id, record) for order_id, _, record in made])
    await try_rules(tx, stage, made, book)
    return [record.decision for _, _, record in made]


async def judge(
    tx: Tx, stage: Stage, wishes: Sequence[tuple[UUID | None, Wish]], facts: Sequence[Facts], book: Book
) -> list[Judged]:
    """Decide as `enforce` does and write no decision yet: who asks keeps them in this transaction, with what he writes himself."""
    return await settled(tx, wishes, decided(stage, facts, book), book)


def decided(stage: Stage, facts: Sequence[Facts], book: Book) -> list[Record]:
    """One decision for each. Pure: nothing that it uses up is taken yet, which is for `settled`."""
    return [judged(stage, each, book, new) for new, each in zip(ids.new_ids(len(facts)), facts, strict=True)]


async def settled(tx: Tx, wishes: Sequence[tuple[UUID | None, Wish]], records: Sequence[Record], book: Book) -> list[Judged]:
    """Take what decisions use up, one after the other; what somebody else took meanwhile is not there, and it is decided again."""
    return [
        (order_id, wish, await _settled(tx, record, order_id, wish, book) if _uses(record.decision) else record)
        for (order_id, wish), record in zip(wishes, records, strict=True)
    ]


def _uses(decision: Decision) -> bool:
    return (decision.tolerated or decision.passed) and decision.admits


async def judge_paid(tx: Tx, wishes: Sequence[tuple[UUID | None, Wish]], book: Book) -> list[Judged]:
    """Decide about payments as `enforce` does, and write no decision yet."""
    return await judge(tx, Stage.PAID, wishes, await gather(tx, [wish for _, wish in wishes], Stage.PAID, book), book)


async def plan_paid(tx: Tx, shop_id: int) -> None:
    """Have what the stage `paid` reads planned, and the look for texts; about nobody."""
    await tx.rows(sql.facts_paid, shop_id, [], [], 0)
    await tx.value(sql.keep_texts, [], [])


async def _settled(tx: Tx, record: Record, order_id: UUID | None, wish: Wish, book: Book) -> Record:
    decision, facts = record.decision, record.facts
    if not _uses(decision):
        return record
    if decision.tolerated and not await _take_tolerance(tx, wish, facts, book):
        assert facts.signals is not None
        without = msgspec.structs.replace(facts, signals=msgspec.structs.replace(facts.signals, tolerance_fen=0))
        return await _settled(tx, judged(decision.stage, without, book, record.id), order_id, wish, book)
    if decision.passed and await _use_pass(tx, order_id or record.id, facts) is None:
        without = msgspec.structs.replace(facts, pass_fen=0)
        return await _settled(tx, judged(decision.stage, without, book, record.id), order_id, wish, book)
    return record


async def _take_tolerance(tx: Tx, wish: Wish, facts: Facts, book: Book) -> bool:
    assert facts.signals is not None
    allowed = tier(facts.signals.user_age_s, facts.signals.verification, book)
    keys = (wish.user_id, wish.device_id, wish.payer)
    room = (allowed.day_fen, allowed.day_count, allowed.month_fen)
    taken: bool = await tx.value(sql.take_tolerance, *keys, facts.at, facts.amount_fen, *room)
    return taken


async def _use_pass(tx: Tx, used_by: UUID, facts: Facts) -> UUID | None:
    """What uses it up is on record: the order, or the decision where no order is (money that leaves a balance)."""
    used: UUID | None = await tx.value(sql.use_pass, facts.user_id, facts.amount_fen, used_by, facts.at)
    return used


def columns(made: Sequence[Judged], book: Book, *, alike: bool = True) -> tuple[Any, ...]:
    """The columns of decisions that share one moment, shop, stage and book; some of them narrow.

    `alike`: what several say is named by its hash (migration 0135), and `keep_texts` has been asked to see that it is there.
    """
    records = [record for *_, record in made]
    if alike:
        verdicts = [narrow([None if r.alike else r.verdicts_json for r in records]), narrow([r.alike for r in records])]
    else:
        verdicts = [narrow([record.verdicts_json for record in records])]
    return (
        records[0].facts.shop_id,
        records[0].facts.at,
        book.version,
        [record.id for record in records],
        [order_id for order_id, _, _ in made],
        [wish.user_id for _, wish, _ in made],
        narrow([record.decision.outcome for record in records]),
        narrow([record.decision.reason for record in records]),
        [record.facts_json for record in records],
        *verdicts,
        [record.hash for record in records],
        [record.latency_us for record in records],
    )


async def keep_texts(tx: Tx, made: Sequence[Judged]) -> None:
    """See that what several say is written. A session that found it committed by others need not look again."""
    texts = {r.alike: r.verdicts_json for *_, r in made if r.alike and r.alike not in tx.known}
    if texts and await tx.value(sql.keep_texts, list(texts), list(texts.values())):
        if len(tx.known) >= _MOST_KNOWN:
            tx.known.clear()
        tx.known.update(filter(None, texts))


async def keep_paid(tx: Tx, made: Sequence[Judged], book: Book) -> None:
    """Keep the decisions about payments, and mark who paid: what the next windows count by."""
    await keep_texts(tx, made)
    payers = [wish.payer if order_id else None for order_id, wish, _ in made]
    await tx.value(sql.keep_paid, *columns(made, book), payers, narrow([wish.amount_fen for _, wish, _ in made]))


async def _keep_placed(tx: Tx, made: Sequence[Judged], book: Book) -> None:
    """Keep the decisions about orders, and mark where they came from. An order that is tried again is marked already."""
    marks = (narrow([wish.device_id for _, wish, _ in made]), narrow([wish.payer for _, wish, _ in made]))
    places = narrow([wish.province() for _, wish, _ in made])
    amounts = narrow([wish.amount_fen for _, wish, _ in made])
    await tx.value(sql.keep_placed, *columns(made, book, alike=False), *marks, places, amounts)
    for _, wish, record in made:
        province = wish.province()
        if province is not None and record.decision.admits:
            await tx.value(sql.note_place, wish.user_id, province, _BY_ORDER, record.facts.at)


async def try_rules(tx: Tx, stage: Stage, made: Sequence[Judged], book: Book) -> None:
    """Judge by the rules on trial, after the live answer and beside it."""
    if not book.shadows.rules:
        return
    rows = [
        (
            record.id,
            record.facts.shop_id,
            key,
            book.version,
            record.decision.outcome.value,
            record.facts.amount_fen,
            record.facts.at,
        )
        for _, _, record in made
        for key in trial(stage, record.facts, book)
    ]
    if rows:
        await tx.copy("rule_trials", _TRIALS, rows)
