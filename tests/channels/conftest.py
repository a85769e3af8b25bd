"""A simulated channel, our adapter pointed at it over real HTTP, and a door that receives its callbacks."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.channels.rig import Door, Patient, open_door
from tests.patience import MOST_S

from daozhang import clock, ids
from daozhang.channels.kinds.wechatpay.adapter import WechatPay
from daozhang.channels.kinds.wechatpay.keys import WechatKeys, read_keys
from daozhang.channels.port import OrderRequest, RefundRequest
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Exchange
from daozhang.simulators.merchant import Enrolment, Merchant, enrol
from daozhang.simulators.simulator import Simulator


def keys_of(merchant: Merchant, **changes: object) -> WechatKeys:
    """A merchant's keys as its shop would enter them."""
    raw: dict[str, object] = {
        "serial_no": merchant.serial_no,
        "private_key": merchant.private_key,
        "api_v3_key": merchant.api_v3_key,
        "platform_certificates": list(merchant.platform_certificates.values()),
        "public_key_id": merchant.public_key_id,
        "public_key": merchant.public_key,
    }
    return read_keys(raw | changes)


def wish(notify_url: str = "http://127.0.0.1:9/notify", method: str = "native", **changes: Any) -> OrderRequest:
    """A fresh order of 50 yuan."""
    values: dict[str, Any] = {
        "out_trade_no": ids.text26(ids.new_id()),
        "method": method,
        "amount_fen": 5000,
        "description": "到账 · 余额充值",
        "expires_at": clock.now() + timedelta(minutes=30),
        "notify_url": notify_url,
        "client_ip": "203.0.113.9",
        "payer_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" if method == "jsapi" else "",
    }
    return OrderRequest(**(values | changes))


def back(order: OrderRequest, txn: str = "", amount_fen: int = 5000) -> RefundRequest:
    """A refund of an order."""
    number = ids.text26(ids.new_id())
    return RefundRequest(order.out_trade_no, number, txn, amount_fen, order.amount_fen, "用户申请", order.notify_url)


@pytest.fixture(scope="session")
def enrolment() -> Enrolment:
    return enrol()


@pytest.fixture(scope="session")
def merchant_keys(enrolment: Enrolment) -> WechatKeys:
    return keys_of(enrolment.merchant)


@pytest.fixture
async def sim(enrolment: Enrolment) -> AsyncIterator[Simulator]:
    async with Simulator(enrolment=enrolment) as running:
        yield running


@pytest.fixture
def exchanges() -> list[Exchange]:
    return []


Make = Callable[..., WechatPay]


@pytest.fixture
async def make(sim: Simulator, exchanges: list[Exchange], merchant_keys: WechatKeys) -> AsyncIterator[Make]:
    """Makes adapters for the simulator's merchant; `hosts`, `keys` and `total_s` may differ."""
    made: list[WechatPay] = []

    def build(
        keys: list[WechatKeys] | None = None, hosts: tuple[str, ...] = (), total_s: float = MOST_S, **row: object
    ) -> WechatPay:
        base = ChannelRow(
            id=7,
            shop_id=1,
            kind="wechatpay",
            name="微信支付",
            merchant=sim.merchant.mchid,
            app=sim.merchant.appid,
            methods=("native", "h5", "jsapi"),
            hosts=hosts or (sim.url,),
            enabled=True,
            version=1,
        )
        changed = replace(base, **row)
        transport = Patient(changed.hosts, recorder=exchanges.append, total_s=total_s)
        made.append(WechatPay(changed, keys or [merchant_keys], transport))
        return made[-1]

    yield build
    for channel in made:
        await channel.close_connections()


@pytest.fixture
async def channel(make: Make) -> WechatPay:
    return make()


@pytest.fixture
async def door(channel: WechatPay) -> AsyncIterator[Door]:
    """A merchant's callback door over real HTTP on this machine."""
    async with open_door(channel) as opened:
        yield opened
