"""Alipay in a whole shop: placing, paying and knocking as the stories and the attacks need it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

import aiohttp
from tests.copies import Copies
from tests.flows.conftest import fresh_database, proved
from tests.flows.shop import Shop, open_shop

from daozhang import clock
from daozhang.postgres.supervisor import Supervisor
from daozhang.recharge.model import OrderView
from daozhang.settings import Settings
from daozhang.simulators.alipay.enrolment import App
from daozhang.simulators.alipay.station import AlipayStation
from daozhang.simulators.alipay.trades import beijing
from daozhang.simulators.merchant import Enrolment

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@asynccontextmanager
async def alipay_stall(server: Supervisor, copies: Copies, enrolment: Enrolment, settings: Settings) -> AsyncIterator[Shop]:
    """A shop whose stories are told at Alipay; after them its books are proved."""
    async with (
        fresh_database(server, copies) as database,
        open_shop(database, settings, enrolment=enrolment, kinds=("alipay",)) as opened,
    ):
        yield replace(opened, channel_id=opened.channels["alipay"])
        await proved(database)


def station(shop: Shop) -> AlipayStation:
    return shop.sim.station(AlipayStation)


async def place(shop: Shop, amount_fen: int = 5_000, method: str = "qr") -> OrderView:
    return await shop.place(amount_fen, method=method)


async def paid(shop: Shop, amount_fen: int = 5_000) -> OrderView:
    order = await place(shop, amount_fen)
    await shop.pay(order)
    return await shop.reach(order.id, "credited")


async def until(shop: Shop, order_id: UUID, state: str) -> OrderView:
    """Let time pass until an order has ended."""
    for _ in range(40):
        seen = await shop.order(order_id)
        if seen.state == state:
            return seen
        await shop.later(60)
        await shop.work()
    raise AssertionError((await shop.order(order_id)).state)


async def knock(shop: Shop, told: dict[str, str]) -> tuple[int, bytes]:
    """A form at Alipay's door."""
    url = f"{shop.url}/notify/alipay/{shop.channel_id}"
    async with aiohttp.ClientSession() as session, session.post(url, data=urlencode(told), headers=FORM) as answer:
        return answer.status, await answer.read()


def truth(app: App, number: str) -> dict[str, str]:
    """What Alipay would tell of a payment of 50 yuan."""
    now = beijing(clock.now_s())
    return {
        "app_id": app.app_id,
        "charset": "utf-8",
        "gmt_payment": now,
        "notify_id": secrets.token_hex(16),
        "notify_time": now,
        "notify_type": "trade_status_sync",
        "out_trade_no": number,
        "seller_id": app.seller_id,
        "total_amount": "50.00",
        "trade_no": f"2026{secrets.randbelow(10**24):024d}",
        "trade_status": "TRADE_SUCCESS",
        "version": "1.0",
    }


async def silenced(shop: Shop, order: OrderView) -> dict[str, str]:
    """Pay with a notice that never leaves, and give the notice that would have."""
    number = await shop.number(order.id)
    shop.sim.fault("notice", "silence", number=number)
    shop.sim.phone.pay(number)
    await shop.sim.quiet()
    return station(shop).notices.message(station(shop).books.notices(number)[0])
