"""What every kind of channel tells at the worst moments: before our own commit, many at once, beside queries, after refunds."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from tests.flows.conftest import proved
from tests.flows.shop import Shop, open_shop
from tests.flows.test_junk import send, the_message
from tests.patience import until

from daozhang import __version__, ids
from daozhang.channels.catalogue import KINDS
from daozhang.postgres import Database
from daozhang.recharge.model import PlaceRequest
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.stations import KNOWN

METHOD = {"wechatpay": "native"}


@pytest.fixture
async def street(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, enrolment=enrolment, kinds=tuple(KNOWN)) as opened:
        yield opened
        await proved(database)


@pytest.mark.parametrize("kind", [kind for kind in KNOWN if kind in KINDS])
async def test_cb_12_to_cb_20_whatever_moment_a_channel_chooses_the_money_comes_once(street: Shop, kind: str) -> None:
    await faster_than_our_commit(street, kind)
    assert await street.cash() == 5_000
    order_id = await many_at_once_beside_queries(street, kind)
    assert await street.cash() == 5_000 + 6_000
    true = await the_message(street, kind)
    assert set(await send(street, kind, [true] * 20)) <= {200, 204}
    assert await street.cash() == 5_000 + 6_000
    await told_again_after_a_refund(street, kind, order_id)
    assert await street.program.database.value("select count(*) from anomalies where kind <> 'late'") == 0


async def faster_than_our_commit(shop: Shop, kind: str) -> None:
    """The channel's answer to our order hangs; the payer has paid, and its message is here before we know of a code."""
    shop.sim.fault("order", "hang", channel=kind, seconds=60)
    request = PlaceRequest(
        1, shop.user_id, 5_000, shop.channels[kind], METHOD.get(kind, "qr"), secrets.token_hex(16), __version__, "203.0.113.9"
    )
    placing = asyncio.create_task(shop.program.desk.place(request))
    await until(lambda: shop.sim.dial.holds() == 1)
    row = await shop.program.database.row(
        "select a.id, o.id as order_id, o.state from attempts a join orders o on o.id = a.order_id"
    )
    assert row is not None
    assert row["state"] == "created"
    shop.sim.phone.pay(ids.text26(row["id"]))
    await shop.sim.quiet()
    shop.sim.dial.release()
    await placing
    await credited(shop, row["order_id"])
    seen = await shop.order(row["order_id"])
    assert (seen.money, seen.anomalies) == ("credited", ())


async def many_at_once_beside_queries(shop: Shop, kind: str) -> UUID:
    """Five copies of one message in the same moment, while somebody asks the channel again and again."""
    order = await shop.place_at(kind, METHOD.get(kind, "qr"), 6_000)
    shop.sim.fault("notice", "duplicate", channel=kind, copies=5)
    await shop.pay(order)
    await asyncio.gather(*(shop.program.desk.look(order.id) for _ in range(5)))
    await shop.sim.quiet()
    await credited(shop, order.id)
    return order.id


async def told_again_after_a_refund(shop: Shop, kind: str, order_id: UUID) -> None:
    """The message of a payment that went back already books nothing, and a refunded payment has not failed."""
    before_fen = await shop.cash()
    await shop.program.desk.refund(order_id, 6_000, "不想要了", "staff:1")

    async def ended() -> bool:
        await shop.sim.quiet()
        await shop.work()
        await shop.later(61)
        return await shop.program.database.value("select count(*) from refunds where state in ('reserved', 'sent')") == 0

    true = await the_message(shop, kind)
    await until(ended)
    assert await shop.cash() == before_fen - 6_000
    # Too old by now for a kind whose messages carry their moment: then it is refused, and moves nothing either.
    assert 500 not in await send(shop, kind, [true] * 5)
    await shop.program.desk.look(order_id)
    seen = await shop.order(order_id)
    assert (seen.state, seen.refunded_fen, await shop.cash()) == ("credited", 6_000, before_fen - 6_000)


async def credited(shop: Shop, order_id: UUID) -> None:
    """Wait for the credit; who is told before it can believe looks again."""

    async def there() -> bool:
        if (await shop.order(order_id)).state == "credited":
            return True
        await shop.later(61)
        await shop.work()
        return False

    await until(there)
