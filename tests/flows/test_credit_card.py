"""No credit cards: told before at every channel, refused when named, held and sent back when a payment says that one paid."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.flows.conftest import proved
from tests.flows.shop import Shop, open_shop
from tests.flows.test_refunds import refunds_end
from tests.flows.test_refunds_everywhere import EVERY, METHOD, returned_fen

from daozhang import __version__
from daozhang.channels import console
from daozhang.postgres import Database
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.recharge.preflight import Asker
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment

KINDS = EVERY
SAYS = frozenset({"wechatpay", "alipay", "unionpay"})
"""Channels that report the card of a payment. Epay's protocol has no word for it."""


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, enrolment=enrolment, kinds=KINDS) as opened:
        yield opened
        await proved(database)


async def place(shop: Shop, kind: str, **card: Any) -> OrderView:
    method = METHOD.get(kind, "qr")
    return await shop.program.desk.place(
        PlaceRequest(1, shop.user_id, 5_000, shop.channels[kind], method, secrets.token_hex(16), __version__, "203.0.113.9", **card)
    )


async def pay(shop: Shop, order: OrderView, way: str, state: str) -> OrderView:
    shop.sim.phone.pay(await shop.number(order.id), way=way)
    for _ in range(3):
        await shop.sim.quiet()
        await shop.program.desk.look(order.id)
    return await shop.reach(order.id, state)


async def refused(shop: Shop, *kinds: str) -> None:
    for kind in kinds:
        await console.refuse_credit(shop.program.database, shop.channels[kind])
    await shop.program.registry.load()


async def test_before_paying_every_channel_says_it_and_a_card_that_is_named_is_refused(shop: Shop) -> None:
    await refused(shop, *KINDS)
    quote = await shop.program.desk.quote(shop.user_id, 5_000)
    assert {each.kind for each in quote.methods if each.no_credit} == set(KINDS)
    for kind in KINDS:
        asker = Asker(1, shop.user_id, __version__, client_ip="203.0.113.9", bank="icbc", instrument="credit")
        said = await shop.program.desk.preflight(asker, 5_000)
        (way,) = [each for each in said if each.kind == kind and each.method == METHOD.get(kind, "qr")]
        assert (way.go, [each.reason for each in way.because]) == ("no", ["channel.credit_card"]), kind
        order = await place(shop, kind, bank="icbc", instrument="credit")
        assert (order.state, order.reason, order.action) == ("refused", "channel.credit_card", None), kind


async def test_what_a_credit_card_paid_all_the_same_is_held_sent_back_and_a_debit_card_cures_it(shop: Shop) -> None:
    """The orders were placed before the shop said no, as WeChat Pay and Alipay let no payer get that far afterwards."""
    orders = {kind: await place(shop, kind) for kind in KINDS}
    await refused(shop, *KINDS)
    cases = shop.program.house.cases
    for kind, order in orders.items():
        if kind not in SAYS:
            assert (await pay(shop, order, "credit", "credited")).reason is None, "what the channel does not say nobody can know"
            continue
        held = await pay(shop, order, "credit", "held")
        assert held.reason == "channel.credit_card_paid", kind
        case = await cases.open_about(1, "hold", held.shown)
        assert case is not None
        assert (case.turn, case.question) == ("staff", "credit_card"), "nothing is asked of the payer"
        await cases.propose(case.id, "staff:1", "rejected", "paid by credit card")
        await cases.confirm(case.id, "staff:2")
    await refunds_end(shop)
    for kind in SAYS:
        assert ((await shop.order(orders[kind].id)).state, returned_fen(shop, kind)) == ("refunded", 5_000), kind
    before = await shop.cash()
    for kind in SAYS:
        await pay(shop, await place(shop, kind), "debit", "credited")
    assert await shop.cash() == before + len(SAYS) * 5_000


async def test_where_credit_cards_are_taken_nobody_asks(shop: Shop) -> None:
    for kind in KINDS:
        await pay(shop, await place(shop, kind), "credit", "credited")
