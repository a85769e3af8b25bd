"""Refunds at every channel: in full, in parts, many at once; never twice, never more than was paid, and the books say the same."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.flows.conftest import proved
from tests.flows.shop import Shop, open_shop, refuses
from tests.flows.test_refunds import refunds_end, spend, wallet

from daozhang import __version__, ids
from daozhang.channels.catalogue import KINDS
from daozhang.ledger import accounts
from daozhang.ledger.reserve import Hold
from daozhang.postgres import Database
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.stations import KNOWN

EVERY = tuple(kind for kind in KNOWN if kind in KINDS)
METHOD = {"wechatpay": "native"}


@pytest.fixture(params=EVERY)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment, kind: str) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, enrolment=enrolment, kinds=(kind,)) as opened:
        yield opened
        await proved(database)


async def paid(shop: Shop, kind: str, amount_fen: int = 5_000) -> OrderView:
    """A credited order, through whatever steps its channel takes."""
    order = await shop.program.desk.place(
        PlaceRequest(1, shop.user_id, amount_fen, shop.channels[kind], METHOD.get(kind, "qr"), secrets.token_hex(16), __version__,
                     "203.0.113.9")
    )  # fmt: skip
    await shop.pay(order)
    for _ in range(3):
        await shop.sim.quiet()
        await shop.program.desk.look(order.id)
    return await shop.reach(order.id, "credited")


async def back(shop: Shop, order: OrderView, amount_fen: int) -> str:
    """Ask for a refund; its state, or why there is none."""
    try:
        return (await shop.program.desk.refund(order.id, amount_fen, "不想要了", "staff:1")).state
    except Refusal as refusal:
        return refusal.reason


def returned_fen(shop: Shop, kind: str) -> int:
    """What the channel's own books say reached payers."""
    return int(shop.sim.stations[kind].sums()["refunded"].sum_fen)


async def test_in_full(shop: Shop, kind: str) -> None:
    order = await paid(shop, kind)
    await back(shop, order, 5_000)
    await refunds_end(shop)
    seen = await shop.order(order.id)
    assert [(refund.state, refund.kind) for refund in seen.refunds] == [("done", kind)]
    assert (await wallet(shop), seen.refunded_fen, returned_fen(shop, kind)) == ((0, 0), 5_000, 5_000)
    assert await back(shop, order, 1) == "refund.not_paid"


async def test_in_parts_to_the_last_fen(shop: Shop, kind: str) -> None:
    order = await paid(shop, kind)
    for amount_fen in (1, 1_999, 3_000):
        assert await back(shop, order, amount_fen) in ("reserved", "sent", "done")
        await refunds_end(shop)
        await shop.later(61)
    seen = await shop.order(order.id)
    assert ([refund.state for refund in seen.refunds], seen.refunded_fen) == (["done"] * 3, 5_000)
    assert (await wallet(shop), returned_fen(shop, kind)) == ((0, 0), 5_000)


async def test_twenty_at_once_return_no_more_than_was_paid(shop: Shop, kind: str) -> None:
    """The wallet holds more than this order, so it is the order's own bound that stops them."""
    order = await paid(shop, kind)
    await paid(shop, kind, 20_000)
    said = await asyncio.gather(*(back(shop, order, 2_000) for _ in range(20)))
    begun = [each for each in said if not each.startswith("refund.")]
    assert 1 <= len(begun) <= 2, said
    assert {each for each in said if each.startswith("refund.")} <= {"refund.apart", "refund.exceeds"}
    for _ in range(3):
        await shop.later(61)
        await back(shop, order, 2_000)
    await refunds_end(shop)
    seen = await shop.order(order.id)
    assert seen.refunded_fen == returned_fen(shop, kind) == 4_000
    assert await shop.cash() == 25_000 - 4_000


async def test_nf_05_an_answer_that_is_lost_returns_the_money_once(shop: Shop, kind: str) -> None:
    order = await paid(shop, kind)
    shop.sim.fault("refund", "booked_error", http=500, channel=kind)
    await back(shop, order, 2_000)
    await refunds_end(shop)
    seen = await shop.order(order.id)
    assert [refund.state for refund in seen.refunds] == ["done"]
    assert (await wallet(shop), seen.refunded_fen, returned_fen(shop, kind)) == ((3_000, 0), 2_000, 2_000)


async def test_what_is_spent_cannot_go_back_and_how_much_can_is_told(shop: Shop, kind: str) -> None:
    order = await paid(shop, kind)
    other = await paid(shop, kind, 1_000)
    await back(shop, other, 1_000)
    await refunds_end(shop)
    spending = Hold(ids.new_id(), 1, accounts.cash(shop.user_id), accounts.SALES, 4_000)
    await shop.program.database.transact(lambda tx: spend(tx, spending))
    with pytest.raises(Refusal) as caught:
        await shop.program.desk.refund(order.id, 2_000, "x", "staff:1")
    assert (caught.value.reason, caught.value.facts) == ("refund.spent", {"left_fen": 1_000})
    assert await back(shop, order, 1_000) in ("reserved", "sent", "done")
    await refunds_end(shop)
    assert await wallet(shop) == (0, 0)


async def test_what_is_older_than_the_channel_takes_is_refused_before_it_is_asked(shop: Shop, kind: str) -> None:
    order = await paid(shop, kind)
    rules = KINDS[kind].refunds
    await shop.later((rules.oldest_for(METHOD.get(kind, "qr")) + timedelta(days=1)).total_seconds())
    with refuses("refund.too_old"):
        await shop.program.desk.refund(order.id, 1_000, "x", "staff:1")
    assert await wallet(shop) == (5_000, 0)
