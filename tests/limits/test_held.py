"""Limits through the real desk: exactly as much as they say, however many ask at once, in the days of Shanghai."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from tests.flows.conftest import proved
from tests.flows.shop import Shop, open_shop, refuses

from daozhang import __version__, alarms, clock
from daozhang.app import open_program
from daozhang.channels import console
from daozhang.limits import contradiction, rows
from daozhang.limits.judge import stopped
from daozhang.limits.model import Way
from daozhang.limits.read import read
from daozhang.policy.examine import examine
from daozhang.postgres import Database
from daozhang.recharge.desk import Desk
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, enrol


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol()


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, enrolment=enrolment) as opened:
        yield opened
        await proved(database)


async def limited(shop: Shop, **given: Any) -> int:
    stated = {"owner": "channel", "source": "the contract", "source_date": date(2026, 11, 1), "kind": "wechatpay", **given}
    return await rows.put(shop.program.database, rows.Stated(**stated), "staff:1")


async def place(shop: Shop, amount_fen: int = 5_000, method: str = "native", desk: Desk | None = None, **card: str) -> OrderView:
    return await (desk or shop.program.desk).place(
        PlaceRequest(
            1, shop.user_id, amount_fen, shop.channel_id, method, secrets.token_hex(16), __version__, "203.0.113.9", **card
        )
    )


async def noon(shop: Shop, *, hour: int = 12, minute: int = 0, days: int = 1) -> None:
    """Go to an hour of a later day in Shanghai."""
    day = clock.business_day(clock.now()) + timedelta(days=days)
    await shop.later((datetime.combine(day, time(hour, minute), clock.SHANGHAI) - clock.now()).total_seconds())


@pytest.mark.parametrize("span", ["day", "month"])
async def test_am_07_twenty_at_once_fill_the_channels_day_or_month_exactly(shop: Shop, database: Database, span: str) -> None:
    await limited(shop, **{f"{span}_fen": 20_000})
    views = await asyncio.gather(*(place(shop) for _ in range(20)))
    assert sorted(view.state for view in views) == ["awaiting_payment"] * 4 + ["refused"] * 16
    assert {view.reason for view in views if view.state == "refused"} == {f"channel.limit.{span}"}
    assert {view.reason_facts["left_fen"] for view in views if view.state == "refused"} == {0}
    assert (await examine(database)).ok


async def test_am_07_twenty_at_once_in_two_processes_fill_the_day_exactly(
    shop: Shop, database: Database, settings: Settings
) -> None:
    """A second program beside the first shares nothing with it but the database."""
    await limited(shop, day_fen=20_000)
    async with open_program(settings, database.dsn, database.dsn, work=False, public_url=shop.url) as beside:
        desks = (shop.program.desk, beside.desk)
        views = await asyncio.gather(*(place(shop, desk=desks[number % 2]) for number in range(20)))
    assert sorted(view.state for view in views) == ["awaiting_payment"] * 4 + ["refused"] * 16
    assert (await examine(database)).ok


async def test_am_07_the_naive_count_without_the_users_lock_admits_too_many(shop: Shop, database: Database) -> None:
    """The control: counting first and writing later is how a limit is broken by whoever presses twice."""
    await limited(shop, day_fen=20_000)
    way, seen = Way(1, shop.user_id, shop.channel_id, "native"), asyncio.Barrier(20)

    async def naive() -> bool:
        (limits,) = await read(database, [way])
        await seen.wait()
        return stopped(limits, 5_000, "day") is None

    assert sum(await asyncio.gather(*(naive() for _ in range(20)))) == 20


@pytest.mark.parametrize(("amount_fen", "state"), [(4_999, "awaiting_payment"), (5_000, "awaiting_payment"), (5_001, "refused")])
async def test_am_07_the_single_limit_to_the_fen(shop: Shop, amount_fen: int, state: str) -> None:
    await limited(shop, single_fen=5_000)
    view = await place(shop, amount_fen)
    assert view.state == state
    if state == "refused":
        assert (view.reason, view.reason_facts["limit_fen"], view.money) == ("channel.limit.single", 5_000, "none")
        assert {v["check"]: v.get("outcome") for v in view.verdicts}["channel.single"] == "refuse"


async def test_what_ends_without_money_is_free_again_and_what_was_paid_is_not(shop: Shop) -> None:
    await limited(shop, day_fen=5_000)
    await shop.program.desk.cancel(shop.user_id, (await place(shop)).id)
    order = await place(shop)
    assert order.state == "awaiting_payment"
    assert (await place(shop, 100)).reason == "channel.limit.day"
    await shop.later(16 * 60)
    await shop.work()
    assert (await shop.order(order.id)).state == "expired"
    paid = await place(shop)
    await shop.pay(paid)
    await shop.reach(paid.id, "credited")
    assert (await place(shop, 100)).reason_facts["left_fen"] == 0


async def test_the_day_and_the_month_are_shanghais(shop: Shop) -> None:
    """23:59 and 0:01 in Shanghai are two days, though both are the same day in UTC."""
    await limited(shop, day_fen=5_000, month_fen=10_000)
    days = (32 - clock.business_day(clock.now()).day) if clock.business_day(clock.now()).day > 25 else 1
    await noon(shop, hour=23, minute=58, days=days)
    first = await place(shop)
    await shop.pay(first)
    await shop.reach(first.id, "credited")
    assert (await place(shop, 100)).reason == "channel.limit.day"
    await shop.later(4 * 60)
    second = await place(shop)
    assert second.state == "awaiting_payment"
    await shop.pay(second)
    await shop.reach(second.id, "credited")
    await noon(shop)
    third = await place(shop, 100)
    assert (third.reason, third.reason_facts["left_fen"]) == ("channel.limit.month", 0)
    await noon(shop, days=32)
    assert (await place(shop)).state == "awaiting_payment"


async def test_a_limit_holds_for_what_it_names_and_an_order_tried_again_counts_once(shop: Shop) -> None:
    await limited(shop, day_fen=5_000, method="native")
    await limited(shop, owner="ours", kind=None, day_fen=8_000)
    order = await place(shop)
    assert (await place(shop, 100)).reason == "channel.limit.day"
    again = await shop.program.desk.retry(shop.user_id, order.id, shop.channel_id, "h5", "192.0.2.1")
    assert again.state == "awaiting_payment"
    assert (await place(shop, 3_001)).reason_facts["whose"] == "ours"
    assert (await place(shop, 3_000)).state == "awaiting_payment"


async def test_the_card_that_a_payer_names_is_held_to_its_banks_limits(shop: Shop) -> None:
    await limited(shop, owner="bank", kind=None, bank="icbc", instrument="debit", single_fen=4_000, day_fen=6_000)
    view = await place(shop, bank="icbc", instrument="debit")
    assert (view.reason, view.reason_facts["bank"]) == ("channel.limit.single", "icbc")
    assert (await place(shop, bank="ccb", instrument="debit")).state == "awaiting_payment"
    assert (await place(shop, 4_000, bank="icbc", instrument="debit")).state == "awaiting_payment"
    assert (await place(shop, 2_001, bank="icbc", instrument="debit")).reason == "channel.limit.day"
    assert (await place(shop, 2_000, bank="icbc", instrument="debit")).state == "awaiting_payment"
    with refuses("limits.malformed"):
        await place(shop, bank="<b>")


async def test_hours_of_service_are_kept(shop: Shop) -> None:
    await limited(shop, opens="08:00", closes="22:00")
    await noon(shop, hour=22)
    closed = await place(shop)
    assert (closed.reason, closed.reason_facts["until_at"][:16]) == ("channel.limit.hours", _shanghai(closed, 8))
    await noon(shop)
    assert (await place(shop)).state == "awaiting_payment"


def _shanghai(view: OrderView, hour: int) -> str:
    day = clock.business_day(view.created_at) + timedelta(days=1)
    return datetime.combine(day, time(hour), clock.SHANGHAI).isoformat()[:16]


async def test_am_10_a_credit_card_where_none_is_taken_is_refused_before_the_channel_is_asked(shop: Shop) -> None:
    await console.refuse_credit(shop.program.database, shop.channel_id)
    await shop.program.registry.load()
    view = await place(shop, bank="cmb", instrument="credit")
    assert (view.state, view.reason, view.action) == ("refused", "channel.credit_card", None)
    debit = await place(shop, bank="cmb", instrument="debit")
    assert debit.state == "awaiting_payment"
    await shop.program.interface_log.drain()
    said = await shop.program.database.value("select request from interface_log where operation = 'order' order by at desc limit 1")
    assert '"limit_pay"' in said
    assert "no_credit" in said


async def test_a_limit_that_the_channel_contradicts_is_marked_and_rings_once(shop: Shop, database: Database) -> None:
    limit_id = await limited(shop, single_fen=50_000)
    for _ in range(2):
        assert await hear(shop, "channel.limit.single") == 1
    (row,) = await rows.listed(database)
    assert (row.id, row.changed_axis, row.changed_fen, row.changed_code) == (limit_id, "single", 5_000, "LIMIT")
    rung = [alarm for alarm in await alarms.open_alarms(database) if alarm.kind == "channel.limit_changed"]
    assert [(alarm.key, alarm.times) for alarm in rung] == [(f"limit:{limit_id}", 2)]
    # What the row itself forbids is no contradiction, another reason is none, and a refusal that no row explains asks for one.
    assert await hear(shop, "channel.limit.single", 50_001) == await hear(shop, "channel.trade_refused") == 0
    assert {alarm.kind for alarm in await alarms.open_alarms(database)} == {"channel.limit_changed"}
    assert await hear(shop, "channel.limit.month") == 0
    assert {alarm.kind for alarm in await alarms.open_alarms(database)} == {"channel.limit_changed", "channel.limit_unlisted"}
    # Stating it anew clears the mark.
    await limited(shop, single_fen=4_000)
    assert [row.changed_at for row in await rows.listed(database)] == [None]


async def hear(shop: Shop, reason: str, amount_fen: int = 5_000) -> int:
    """The channel has refused an amount."""
    way = Way(1, shop.user_id, shop.channel_id, "native")
    said = [contradiction.Refused(way, "wechatpay", amount_fen, reason, "LIMIT")]
    return await shop.program.database.transact(lambda tx: contradiction.heard(tx, clock.now(), said))
