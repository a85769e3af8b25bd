"""Held money that an authority orders to be kept: at once, with its order and dates, and lifted early only by two."""

from datetime import timedelta

import asyncpg
import pytest
from tests.flows.shop import Shop, refuses
from tests.flows.test_hold import held

from daozhang import alarms, clock
from daozhang.postgres import Database
from daozhang.recharge.freeze import Writ
from daozhang.recharge.release import reject, release


def writ(*, review_days: int = 30, until_days: int | None = 90, reference: str = "(2026)公冻字17号") -> Writ:
    at = clock.now()
    until = at + timedelta(days=until_days) if until_days else None
    return Writ("某市公安局", reference, at + timedelta(days=review_days), until)


async def test_frozen_by_order_nobody_gets_it_until_two_lift_it(shop: Shop) -> None:
    order, case = await held(shop)
    freezes, cases = shop.program.desk.freezes, shop.program.house.cases
    await freezes.order(order.id, writ(), "staff:1")
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.reason) == ("frozen_by_order", "received", "regulation.money_frozen")
    assert seen.reason_facts == {}, "the user hears no authority, no number and no date"
    closed = await cases.case(case.id)
    assert closed is not None
    assert closed.state == "closed", "no silence of anybody decides about it"
    for decide in (release, reject):
        with refuses("operation.not_waiting"):
            await decide(shop.program.database, shop.program.accounts, order.id, "staff:1", "no")
    assert await freezes.lift(order.id, "staff:1", "the authority wrote") is False
    with refuses("freeze.second_person"):
        await freezes.lift(order.id, "staff:1", "me again")
    assert (await shop.order(order.id)).state == "frozen_by_order"
    assert await freezes.lift(order.id, "staff:2", "seen the letter") is True
    assert (await shop.order(order.id)).state == "held"
    again = await cases.open_about(1, "hold", order.shown)
    assert again is not None
    assert again.turn == "staff"
    await cases.propose(again.id, "staff:1", "approved", "clean")
    await cases.confirm(again.id, "staff:2")
    assert (await shop.order(order.id)).state == "credited"
    assert await shop.cash() == 5_000


async def test_the_only_person_of_a_shop_lifts_it_a_day_after_asking(shop: Shop) -> None:
    order, _ = await held(shop)
    freezes = shop.program.desk.freezes
    await freezes.order(order.id, writ(), "staff:1")
    assert await freezes.lift(order.id, "staff:1", "the authority wrote") is False
    await shop.later(timedelta(hours=24, seconds=1).total_seconds())
    assert await freezes.lift(order.id, "staff:1", "and I slept over it") is True
    assert (await shop.order(order.id)).state == "held"


async def test_its_review_rings_and_its_end_gives_it_back_to_people(shop: Shop) -> None:
    order, _ = await held(shop)
    freezes, database = shop.program.desk.freezes, shop.program.database
    await freezes.order(order.id, writ(), "staff:1")
    await shop.later(timedelta(days=30, minutes=1).total_seconds())
    await shop.work()
    assert {each.kind for each in await alarms.open_alarms(database)} == {"order.freeze_review"}
    # The authority goes on: the new order and its dates are taken down, and the alarm ends.
    await freezes.order(order.id, writ(review_days=60, until_days=70, reference="(2026)公冻字18号"), "staff:1")
    assert await alarms.open_alarms(database) == []
    await shop.later(timedelta(days=69).total_seconds())
    await shop.work()
    assert (await shop.order(order.id)).state == "frozen_by_order"
    await shop.later(timedelta(days=1, minutes=2).total_seconds())
    await shop.work()
    assert (await shop.order(order.id)).state == "held"
    assert {each.kind for each in await alarms.open_alarms(database)} == {"order.freeze_ended"}
    assert await shop.program.house.cases.open_about(1, "hold", order.shown) is not None
    row = await database.row("select lifted_by, reference from order_freezes")
    assert row is not None
    assert tuple(row) == ("program", "(2026)公冻字18号")


async def test_a_later_order_of_the_authority_asks_both_persons_anew(shop: Shop) -> None:
    """Whoever agreed to the end of the first order has not seen the second: one person alone does not end it with that."""
    order, _ = await held(shop)
    freezes = shop.program.desk.freezes
    await freezes.order(order.id, writ(), "staff:1")
    assert await freezes.lift(order.id, "staff:1", "the authority wrote") is False
    await freezes.order(order.id, writ(reference="(2026)公冻字18号"), "staff:2")
    assert await freezes.lift(order.id, "staff:2", "seen the first letter") is False
    assert (await shop.order(order.id)).state == "frozen_by_order"
    assert await freezes.lift(order.id, "staff:1", "and the second") is True
    assert (await shop.order(order.id)).state == "held"


async def test_only_held_money_is_frozen_and_only_with_a_whole_writ(shop: Shop) -> None:
    placed = await shop.place()
    with refuses("operation.not_waiting"):
        await shop.program.desk.freezes.order(placed.id, writ(), "staff:1")
    order, _ = await held(shop)
    for bad in (writ(review_days=-1), writ(review_days=400), writ(until_days=-1), writ(reference=" ")):
        with refuses("freeze.malformed"):
            await shop.program.desk.freezes.order(order.id, bad, "staff:1")
    for actor in ("", "program"):
        with refuses("freeze.malformed"):
            await shop.program.desk.freezes.order(order.id, writ(), actor)
    with refuses("operation.not_waiting"):
        await shop.program.desk.freezes.lift(order.id, "staff:1", "there is none")
    assert (await shop.order(order.id)).state == "held"


@pytest.mark.parametrize(
    "change",
    [
        "lifted_by = 'staff:1', lifted_at = clock_now()",
        "lifted_by = 'program', lifted_at = clock_now()",
        "lift_asked_by = 'a', lift_why = 'x', lift_asked_at = clock_now(), lifted_by = 'a', lifted_at = clock_now()",
    ],
)
async def test_the_database_wants_two_for_an_early_end(shop: Shop, database: Database, change: str) -> None:
    order, _ = await held(shop)
    await shop.program.desk.freezes.order(order.id, writ(until_days=None), "staff:1")
    with pytest.raises(asyncpg.CheckViolationError, match="freezes_need_two"):
        await database.transact(lambda tx: tx.run(f"update order_freezes set {change}"))
