"""A channel refuses what is listed as allowed: the order says which limit, the row is marked, a person is told, others offered."""

from collections.abc import AsyncIterator
from datetime import date

import pytest
from tests.flows.conftest import proved
from tests.flows.shop import Shop, open_shop
from tests.flows.test_switch import place, switch

from daozhang import alarms
from daozhang.limits import rows
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, enrolment=enrolment, kinds=("alipay", "unionpay")) as opened:
        yield opened
        await proved(database)


async def listed(shop: Shop, kind: str, **given: int) -> int:
    stated = rows.Stated(owner="channel", kind=kind, source="the contract", source_date=date(2026, 11, 1), **given)
    return await rows.put(shop.program.database, stated, "staff:1")


async def marks(shop: Shop) -> dict[int, tuple[str | None, int | None, str | None]]:
    return {row.id: (row.changed_axis, row.changed_fen, row.changed_code) for row in await rows.listed(shop.program.database)}


async def rung(shop: Shop) -> list[tuple[str, str]]:
    return [(each.kind, each.key) for each in await alarms.open_alarms(shop.program.database) if "limit" in each.kind]


@pytest.mark.parametrize(
    ("code", "reason", "axis"),
    [
        ("ACQ.BEYOND_PER_RECEIPT_SINGLE_RESTRICTION", "channel.amount_over_single", "single"),
        ("ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", "account.wallet_limit_day", "day"),
        ("ACQ.BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR", "account.wallet_limit_month", "month"),
    ],
)
async def test_alipay_refuses_an_order_within_the_listed_limit(shop: Shop, code: str, reason: str, axis: str) -> None:
    limit_id = await listed(shop, "alipay", single_fen=50_000, day_fen=80_000, month_fen=90_000)
    shop.sim.fault("order", "error", code=code, http=200, channel="alipay")
    order = await place(shop, "alipay", "qr")
    assert (order.state, order.reason, order.native_code) == ("failed", reason, code)
    assert await marks(shop) == {limit_id: (axis, 5_000, code)}
    assert await rung(shop) == [("channel.limit_changed", f"limit:{limit_id}")]
    again = await switch(shop, order, "wechatpay", "native")
    assert (again.id, again.state) == (order.id, "awaiting_payment")
    (alipay,) = {
        each.room.doubted for each in (await shop.program.desk.quote(shop.user_id)).methods if each.kind == "alipay" and each.room
    }
    assert alipay


async def test_unionpays_bank_refuses_while_paying_and_the_order_says_which_limit(shop: Shop) -> None:
    limit_id = await listed(shop, "unionpay", single_fen=50_000)
    order = await place(shop, "unionpay", "qr")
    shop.sim.phone.refuse(await shop.number(order.id), "bank_limit")
    await shop.program.desk.look(order.id)
    seen = await shop.order(order.id)
    assert (seen.state, seen.reason, seen.money) == ("failed", "channel.limit.single", "none")
    assert await marks(shop) == {limit_id: ("single", 5_000, "33")}
    assert await rung(shop) == [("channel.limit_changed", f"limit:{limit_id}")]


async def test_a_refusal_that_no_row_explains_asks_for_the_row(shop: Shop) -> None:
    order = await place(shop, "unionpay", "qr")
    shop.sim.phone.refuse(await shop.number(order.id), "bank_limit")
    await shop.program.desk.look(order.id)
    assert await rung(shop) == [("channel.limit_unlisted", "unionpay:qr:single")]
