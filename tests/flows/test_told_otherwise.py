"""A channel's answer and its message tell two amounts of one payment: the first that is settled stands, and a person sees it."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from tests.flows.conftest import proved
from tests.flows.shop import Shop, open_shop

from daozhang.channels.catalogue import KINDS
from daozhang.postgres import Database
from daozhang.recharge.settlement import Arrival
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, enrolment=enrolment, kinds=tuple(KINDS)) as opened:
        yield opened
        await proved(database)


async def test_am_a_false_answer_that_tells_just_what_was_asked_is_seen_when_the_truth_is_told(shop: Shop) -> None:
    """Charged twice as much; asked, the channel says what was ordered. Its message says what it took, before or after."""
    for kind in KINDS:
        order = await shop.place_at(kind, "native" if kind == "wechatpay" else "qr")
        number = await shop.number(order.id)
        if KINDS[kind].asks_first:
            # The message makes us ask, and the answer is false.
            shop.sim.fault("query", "alter", channel=kind, number=number, amount_fen=5_000)
            shop.sim.phone.pay(number, trick="charged_otherwise", amount_fen=10_000)
            await shop.reach(order.id, "credited")
            await shop.sim.quiet()
        else:
            # The false answer comes first, and the message, several times, after it.
            shop.sim.fault("notice", "silence", channel=kind, number=number)
            shop.sim.phone.pay(number, trick="charged_otherwise", amount_fen=10_000)
            channel = shop.program.registry.get(shop.channels[kind])
            assert channel is not None
            true = (await channel.query(number)).report
            assert true is not None
            assert true.amount_fen == 10_000
            for report in (replace(true, amount_fen=5_000), true, true):
                await shop.program.settle(Arrival(1, report))
        left = "select count(*) from anomalies where kind = 'amount' and order_id = $1"
        assert await shop.program.database.value(left, order.id) == 1, kind
        seen = await shop.order(order.id)
        assert (seen.state, seen.anomalies) == ("credited", ("amount",)), kind
