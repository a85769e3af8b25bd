"""Threads, findings and watches against the real database and simulated channels."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from tests.flows.shop import Shop, refuses

from daozhang import clock, notices
from daozhang.diagnosis import Diagnoses
from daozhang.postgres import Database
from daozhang.status import calendar


def diagnoses(shop: Shop) -> Diagnoses:
    return shop.program.house.diagnoses


async def test_a_finding_stays_as_it_was_and_the_next_one_is_another_row(shop: Shop, owner_database: Database) -> None:
    order = await shop.place()
    thread, first = await diagnoses(shop).of_order(order, 1)
    assert (first.told, first.moved) == ("waiting", "not_known")
    await diagnoses(shop).of_order(order, 1)
    assert len(await diagnoses(shop).past(thread)) == 1
    await shop.pay(order)
    _, last = await diagnoses(shop).of_order(await shop.reach(order.id, "credited"), 1)
    assert last.told == "arrived"
    past = await diagnoses(shop).past(thread)
    assert [each.finding.told for each in past] == ["arrived", "waiting"]
    assert past[1].finding == first
    for change in ("update findings set number = 9", "delete from findings", "truncate findings"):
        with pytest.raises(asyncpg.PostgresError):
            await owner_database.transact(lambda tx, change=change: tx.run(change))


async def test_the_code_opens_the_story_for_its_owner_alone(shop: Shop) -> None:
    order = await shop.place()
    thread, _ = await diagnoses(shop).of_order(order, 1)
    stranger = shop.user_id + 1
    assert await diagnoses(shop).by_code(1, thread.shown.lower(), shop.user_id) == thread
    assert await diagnoses(shop).by_code(1, thread.code) == thread
    assert await diagnoses(shop).by_code(1, thread.code, stranger) is None
    assert await diagnoses(shop).by_code(2, thread.code) is None
    assert await diagnoses(shop).by_code(1, "nonsense") is None
    assert await diagnoses(shop).code_of(1, shop.user_id, order.id) == thread.shown


async def test_twenty_who_ask_at_once_get_one_thread(shop: Shop) -> None:
    order = await shop.place()
    found = await asyncio.gather(*(diagnoses(shop).of_order(order, 1) for _ in range(20)))
    assert len({thread.id for thread, _ in found}) == 1
    assert len(await diagnoses(shop).past(found[0][0])) == 1


async def test_the_phones_words_become_a_finding_with_the_user_as_witness(shop: Shop) -> None:
    order = await shop.place()
    await diagnoses(shop).hear(order, 1, "other", "当前交易存在风险")
    _, finding = await diagnoses(shop).of_order(order, 1)
    assert finding.cause is not None
    assert (finding.told, finding.cause.reason, finding.cause.source) == ("cause", "risk.channel_stopped", "user")
    assert finding.ways == ()
    assert [text for _, text in await diagnoses(shop).phone_texts(order.id)] == ["当前交易存在风险"]
    with refuses("operation.form_malformed"):
        await diagnoses(shop).hear(order, 1, "no such pick")


async def test_looking_has_no_effect_on_what_is_decided(shop: Shop) -> None:
    order = await shop.place()
    count = "select count(*) from decisions"
    before = await shop.program.database.value(count)
    await diagnoses(shop).of_order(order, 1)
    await diagnoses(shop).in_general(shop.user_id, 1)
    assert await shop.program.database.value(count) == before


async def test_whoever_asked_is_told_once_when_it_works_again(shop: Shop) -> None:
    now = clock.now()
    minute = timedelta(minutes=1)
    await calendar.plan(shop.program.database, shop.channel_id, now - minute, now + 5 * minute)
    await shop.program.board.load()
    order = await shop.place()
    thread, finding = await diagnoses(shop).of_order(order, 1)
    assert finding.cause is not None
    assert (order.state, finding.cause.reason, finding.until_at is not None) == ("refused", "channel.maintenance", True)
    await diagnoses(shop).watch(thread)
    await diagnoses(shop).watch(thread)
    await shop.later(60)
    await shop.work()
    assert await notices.unread(shop.program.database, shop.user_id) == []
    await shop.later(400)
    await shop.program.board.load()
    await shop.work()
    await shop.work()
    (told,) = await notices.unread(shop.program.database, shop.user_id)
    assert (told.kind, told.link) == ("works_again", f"/orders/{order.shown}/why")
    past = await diagnoses(shop).past(thread)
    assert past[-1].finding.cause is not None
    assert past[-1].finding.cause.reason == "channel.maintenance"
