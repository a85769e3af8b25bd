"""Two merchants of one channel, each with keys and a door of its own: what is valid for one moves nothing of the other."""

from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace
from tests.channels.attacks import Message, Pen
from tests.channels.pens import AlipayPen, EpayPen, UnionPen, WechatPen
from tests.flows.conftest import proved
from tests.flows.shop import Shop, open_shop
from tests.flows.test_told_everywhere import credited
from yarl import URL

from daozhang.channels import console
from daozhang.channels.catalogue import KINDS
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.alipay.enrolment import enrol as enrol_alipay
from daozhang.simulators.alipay.station import AlipayStation
from daozhang.simulators.alipay.station import card_of as alipay_card
from daozhang.simulators.epay.enrolment import enrol as enrol_epay
from daozhang.simulators.epay.station import Epay
from daozhang.simulators.epay.station import card_of as epay_card
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.unionpay.enrolment import enrol as enrol_union
from daozhang.simulators.unionpay.station import UnionPay
from daozhang.simulators.unionpay.station import card_of as union_card
from daozhang.simulators.wechatpay.station import card_of as wechat_card


class Twin(NamedTuple):
    """The second merchant of a kind: what it copies into the shop, and what the channel signs for it."""

    card: Callable[[str], dict[str, Any]]
    pen: Pen


class Twins(NamedTuple):
    """A shop in which every kind has two channels; `second` are the ids and `pens` the channel's hand of the second ones."""

    shop: Shop
    second: dict[str, int]
    pens: dict[str, Pen]


@pytest.fixture
async def twins(
    database: Database, free_clock: None, settings: Settings, enrolment: Enrolment, stranger: Enrolment
) -> AsyncIterator[Twins]:
    ali, ali_too = enrol_alipay(), enrol_alipay("2021003128600002", "2088102147948061", "青竹二店")
    union = enrol_union(("777290058100001", "青竹点卡"), ("777290058100002", "青竹二店"))
    epay = enrol_epay("1001", "1002")
    union_too, epay_too = (replace(each, merchants=each.merchants[1:]) for each in (union, epay))
    seconds = {
        "wechatpay": Twin(lambda url: wechat_card(stranger.merchant, url), WechatPen(stranger)),
        "alipay": Twin(lambda url: alipay_card(ali_too.app, url), AlipayPen(ali_too)),
        "unionpay": Twin(lambda url: union_card(union, union.merchants[1], url), UnionPen(union_too)),
        "epay": Twin(lambda url: epay_card(epay, epay.merchants[1], url), EpayPen(epay_too, "v1")),
    }
    makers = {
        "alipay": lambda world: AlipayStation(world, ali, ali_too),
        "unionpay": lambda world: UnionPay(world, union),
        "epay": lambda world: Epay(world, epay),
    }
    assert set(seconds) == set(KINDS), "every kind has a second merchant here"
    async with open_shop(database, settings, enrolment=enrolment, others=(stranger,), kinds=tuple(KINDS), makers=makers) as shop:
        ids = {}
        for kind, twin in seconds.items():
            wanted = msgspec.convert(twin.card(shop.sim.url), console.ChannelSettings)
            ids[kind] = await console.add(database, shop.program.vault, settings, wanted)
            await console.enable(database, shop.program.vault, settings, ids[kind])
        await shop.program.registry.load()
        yield Twins(shop, ids, {kind: twin.pen for kind, twin in seconds.items()})
        await proved(database)


async def test_cb_08_cb_10_what_one_merchants_channel_signs_moves_no_order_of_another(twins: Twins) -> None:
    """At either door, under the second merchant's own names or those of the first, both merchants enabled."""
    shop = twins.shop
    for kind, pen in twins.pens.items():
        first, second = shop.channels[kind], twins.second[kind]
        order = await shop.place_at(kind, "native" if kind == "wechatpay" else "qr")
        number, before = await shop.number(order.id), await book(shop)
        asked = await shop.program.database.row("select merchant, app from channels where id = $1", first)
        assert asked is not None
        names = {"merchant": asked["merchant"], "app": asked["app"]}
        lies = {fact: name for fact, name in names.items() if fact in pen.lies}
        for message in (pen.message(number=number), pen.message(number=number, **lies)):
            for door in (first, second):
                assert await knock(shop, kind, door, message) in {200, 204, 400, 401, 503}
                assert await book(shop) == before, (kind, door)
        assert (await shop.order(order.id)).state == "awaiting_payment", kind
        # The first one's own message is what moves it.
        cash_fen = await shop.cash()
        await shop.pay(order)
        await credited(shop, order.id)
        assert await shop.cash() == cash_fen + 5_000


async def book(shop: Shop) -> tuple[Any, ...]:
    """All that a message could have moved."""
    row = await shop.program.database.row(
        """select (select count(*) from transfers) as transfers, (select count(*) from order_moves) as moves,
        (select array_agg(o.state order by o.id) from orders o) as orders,
        (select array_agg(a.state order by a.id) from attempts a) as attempts"""
    )
    assert row is not None
    return tuple(row.values())


async def knock(shop: Shop, kind: str, channel_id: int, message: Message) -> int:
    """The status of a door's answer."""
    headers, body = message
    url, by_get = f"{shop.url}/notify/{kind}/{channel_id}", KINDS[kind].notified_by != "POST"
    target = URL(f"{url}?{body.decode()}" if by_get else url, encoded=True)
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.request("GET" if by_get else "POST", target, headers=headers, data=None if by_get else body) as answer,
    ):
        return answer.status
