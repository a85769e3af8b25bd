"""Enforce: gather the facts of many wishes, decide each, and keep the decisions, inside the transaction that acts on them."""

from collections.abc import Sequence
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
    facts = await gather(tx, [wish for _, wish in wishes], stage, book, besides=judged_now)
    made: list[Judged] = []
    for new, (order_id, wish), each in zip(ids.new_ids(len(wishes)), wishes, facts, strict=True):
        made.append((order_id, wish, await _settled(tx, stage, new, order_id, wish, each, book)))
    await store(tx, [(order_id, record) for order_id, _, record in made])
    await _mark(tx, stage, made)
    await _try(tx, stage, made, book)
    return [record.decision for _, _, record in made]


async def _settled(tx: Tx, stage: Stage, record_id: UUID, order_id: UUID | None, wish: Wish, facts: Facts, book: Book) -> Record:
    """Decide, and take what the decision uses up. What somebody else took meanwhile is not there: then it is decided again."""
    record = judged(stage, facts, book, record_id)
    decision = record.decision
    if decision.tolerated and decision.admits and not await _take_tolerance(tx, wish, facts, book):
        assert facts.signals is not None
        without = msgspec.structs.replace(facts, signals=msgspec.structs.replace(facts.signals, tolerance_fen=0))
        return await _settled(tx, stage, record_id, order_id, wish, without, book)
    if decision.passed and decision.admits and await _use_pass(tx, order_id, facts) is None:
        return await _settled(tx, stage, record_id, order_id, wish, msgspec.structs.replace(facts, pass_fen=0), book)
    return record


async def _take_tolerance(tx: Tx, wish: Wish, facts: Facts, book: Book) -> bool:
    assert facts.signals is not None
    allowed = tier(facts.signals.user_age_s, facts.signals.verification, book)
    keys = (wish.user_id, wish.device_id, wish.payer)
    room = (allowed.day_fen, allowed.day_count, allowed.month_fen)
    taken: bool = await tx.value(sql.take_tolerance, *keys, facts.at, facts.amount_fen, *room)
    return taken


async def _use_pass(tx: Tx, order_id: UUID | None, facts: Facts) -> UUID | None:
    used: UUID | None = await tx.value(sql.use_pass, facts.user_id, facts.amount_fen, order_id, facts.at)
    return used


async def _mark(tx: Tx, stage: Stage, made: Sequence[Judged]) -> None:
    """Write from where orders came and who paid: what the next windows count by. An order that is tried again is marked already."""
    if stage is Stage.PLACE:
        await _mark_orders(tx, made)
    elif stage is Stage.PAID:
        paid = [
            (order_id, wish.shop_id, wish.payer, wish.user_id, wish.amount_fen, record.facts.at)
            for order_id, wish, record in made
            if order_id is not None and wish.payer
        ]
        if paid:
            orders, shops, payers, users, amounts, moments = map(list, zip(*paid, strict=True))
            await tx.run(sql.mark_payers, orders, narrow(shops), payers, users, narrow(amounts), narrow(moments))


async def _mark_orders(tx: Tx, made: Sequence[Judged]) -> None:
    rows: list[tuple[object, ...]] = []
    for order_id, wish, record in made:
        place, at = wish.place(), record.facts.at
        province = place.province if place else None
        if order_id is not None and (wish.device_id or wish.payer or province):
            rows.append((order_id, wish.shop_id, wish.user_id, wish.device_id, wish.payer, province, wish.amount_fen, at))
        if province is not None and record.decision.admits:
            await tx.value(sql.note_place, wish.user_id, province, _BY_ORDER, at)
    if rows:
        await tx.run(sql.mark_orders, *map(list, zip(*rows, strict=True)))


async def _try(tx: Tx, stage: Stage, made: Sequence[Judged], book: Book) -> None:
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
