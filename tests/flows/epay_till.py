"""A shop with channels at one operator of Epay, and everybody's hand in it."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest
from tests.flows.conftest import proved
from tests.flows.knocks import LEAKS
from tests.flows.shop import Shop, open_shop

from daozhang.channels import console
from daozhang.postgres import Database
from daozhang.recharge.model import OrderView
from daozhang.settings import Settings
from daozhang.simulators.epay.enrolment import Enrolment, Merchant, enrol
from daozhang.simulators.epay.station import Epay
from daozhang.simulators.merchant import Enrolment as WechatEnrolment


@pytest.fixture(scope="session")
def operator() -> Enrolment:
    """An operator with two merchants: making their keys takes a moment."""
    return enrol("1001", "1002")


class Till:
    """A shop with channels at one operator: `v1` (alipay), `v2` (wxpay) of merchant 1001, and `other`, merchant 1002."""

    def __init__(self, shop: Shop, settings: Settings) -> None:
        self.shop, self._settings = shop, settings
        self.station = shop.sim.station(Epay)
        self.v1, self.v2, self.other = shop.channels["epay"], 0, 0

    async def open(self) -> None:
        self.v2 = await self.add(version="v2", kind_of_payment="wxpay")
        self.other = await self.add(self.station.enrolment.merchants[1])

    async def add(self, merchant: Merchant | None = None, **settings: Any) -> int:
        """Another enabled channel at the operator."""
        wanted = msgspec.convert(self.station.card(merchant, **settings), console.ChannelSettings)
        database, vault = self.shop.program.database, self.shop.program.vault
        channel_id = await console.add(database, vault, self._settings, wanted)
        await console.enable(database, vault, self._settings, channel_id)
        await self.shop.program.registry.load()
        return channel_id

    async def place(self, channel_id: int, amount_fen: int = 5_000, method: str = "qr") -> OrderView:
        return await replace(self.shop, channel_id=channel_id).place(amount_fen, method=method)

    async def paid(self, channel_id: int, amount_fen: int = 5_000) -> OrderView:
        """A credited order."""
        order = await self.place(channel_id, amount_fen)
        await self.shop.pay(order)
        return await self.shop.reach(order.id, "credited")

    async def message(self, order: OrderView, key: str = "", **changes: str) -> str:
        """A message of V1 that says paid, signed with a key (the first merchant's unless another is given)."""
        row = self.station.hand.order(await self.shop.number(order.id))
        fields = {"pid": row.pid, "trade_no": row.trade_no, "out_trade_no": row.out_trade_no, "type": row.type, "name": row.name}
        fields |= {"money": "50", "trade_status": "TRADE_SUCCESS"} | changes
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name])
        sign = hashlib.md5((text + (key or self.station.merchant.key)).encode()).hexdigest()
        return urlencode(fields | {"sign": sign, "sign_type": "MD5"})

    async def knock(self, channel_id: int, query: str, method: str = "GET") -> tuple[int, bytes]:
        url = f"{self.shop.url}/notify/epay/{channel_id}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, f"{url}?{query}" if method == "GET" else url, data=None if method == "GET" else query
            ) as answer,
        ):
            body = await answer.read()
            assert not [leak for leak in LEAKS if leak in body.decode("utf-8", "replace")]
            return answer.status, body

    async def refund_state(self, refund_id: Any) -> tuple[str, str | None]:
        seen = await self.shop.program.desk.refunds.view(refund_id)
        return seen.state, seen.reason


@pytest.fixture
async def till(
    database: Database, free_clock: None, settings: Settings, enrolment: WechatEnrolment, operator: Enrolment
) -> AsyncIterator[Till]:
    async with open_shop(
        database, settings, enrolment=enrolment, kinds=("epay",), makers={"epay": lambda world: Epay(world, operator)}
    ) as shop:
        opened = Till(shop, settings)
        await opened.open()
        yield opened
        await proved(database)


async def asked(till: Till, order: OrderView) -> list[str]:
    """What we asked the operator about an order's attempt, in order."""
    await till.shop.program.interface_log.drain()
    rows = await till.shop.program.database.rows(
        """select operation, request from interface_log
        where attempt_id in (select id from attempts where order_id = $1) order by at""",
        order.id,
    )
    keys = [merchant.key for merchant in till.station.enrolment.merchants]
    assert not [row for row in rows if any(key in row["request"] for key in keys)], "a key stands in the interface log"
    return [row["operation"] for row in rows]
