"""Stories at UnionPay: a shop with such a channel, an order there, and messages as UnionPay or somebody else writes them."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlencode

from tests.copies import Copies
from tests.flows.conftest import fresh_database, proved
from tests.flows.knocks import Heard, Message, post
from tests.flows.shop import Shop, open_shop

from daozhang import __version__
from daozhang.channels.kinds.unionpay.adapter import UnionPay
from daozhang.postgres.supervisor import Supervisor
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.settings import Settings
from daozhang.simulators.unionpay import told
from daozhang.simulators.unionpay.station import UnionPay as Station

FORM = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}


@asynccontextmanager
async def union_stall(server: Supervisor, copies: Copies, settings: Settings) -> AsyncIterator[Shop]:
    """One shop with a UnionPay for a whole file; its clock may be shifted, and its books are proved at the end."""
    async with fresh_database(server, copies) as database, open_shop(database, settings, kinds=("unionpay",)) as shop:
        yield shop
        await proved(database)


def station(shop: Shop) -> Station:
    """The simulated UnionPay."""
    return shop.sim.station(Station)


def adapter(shop: Shop) -> UnionPay:
    """The shop's channel there."""
    channel = shop.program.registry.get(shop.channels["unionpay"])
    assert channel is not None
    assert channel.kind == "unionpay"
    return cast("UnionPay", channel)


async def place(shop: Shop, method: str = "qr", amount_fen: int = 5_000) -> OrderView:
    """Place an order as a door would."""
    return await shop.program.desk.place(
        PlaceRequest(
            1, shop.user_id, amount_fen, shop.channels["unionpay"], method, secrets.token_hex(16), __version__, "203.0.113.9"
        )
    )


def notice(shop: Shop, number: str, how: str = "", **changes: str) -> Message:
    """A true notice about a paid order (`how` is what is wrong with its signature; `changes` what is changed before signing)."""
    order = station(shop).hand.order(number)
    fields = told.notice(told.of_order(order)) | changes
    return Message(FORM, urlencode(station(shop).keyring.sign(fields, how)).encode())


def claim(shop: Shop, number: str, **changes: str) -> Message:
    """A rightly signed notice that says an unpaid order was paid, as only UnionPay itself could write it."""
    order = station(shop).hand.order(number)
    fields = told.of_order(order) | {"queryId": f"20260521103456{secrets.randbelow(10**7):07d}", "respCode": "00"}
    return Message(FORM, urlencode(station(shop).keyring.sign(fields | changes)).encode())


async def knock(shop: Shop, message: Message) -> Heard:
    """Send one message to the door of the shop's UnionPay channel."""
    return await post(f"{shop.url}/notify/unionpay/{shop.channels['unionpay']}", message)


def calls(shop: Shop) -> int:
    """How many requests came to the simulated UnionPay."""
    return shop.sim.calls["unionpay"]
