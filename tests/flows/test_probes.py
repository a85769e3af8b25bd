"""What probes ask: every kind answers a question about a number that nobody used, and that answer speaks for the channel."""

import pytest
from tests.flows.shop import Shop, open_shop

from daozhang import ids
from daozhang.channels.catalogue import KINDS
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.faults import Fault
from daozhang.simulators.merchant import Enrolment
from daozhang.status.counts import Word
from daozhang.status.observe import call_word


@pytest.fixture
async def shop(database: Database, settings: Settings, enrolment: Enrolment):  # type: ignore[no-untyped-def]
    async with open_shop(database, settings, enrolment=enrolment, kinds=tuple(KINDS)) as opened:
        yield opened


async def test_every_kind_answers_a_probe(shop: Shop) -> None:
    for kind, channel_id in shop.channels.items():
        channel = shop.program.registry.get(channel_id)
        assert channel is not None
        answer = await channel.query(ids.text26(ids.new_id()))
        assert call_word(kind, "query", answer) is Word.GOOD, (kind, answer)
        shop.sim.dial.set(Fault(point="query", kind="empty_503", times=3))
        answer = await channel.query(ids.text26(ids.new_id()))
        assert call_word(kind, "query", answer) is Word.BAD, (kind, answer)
        shop.sim.dial.clear()
    assert await shop.program.database.value("select count(*) from orders") == 0


async def test_answered_probes_leave_no_record(shop: Shop) -> None:
    sampler, log = shop.program.watch._sampler, shop.program.interface_log
    channel = shop.program.registry.get(shop.channel_id)
    assert channel is not None
    probe, other = ids.new_id(), ids.new_id()
    sampler.probing.add(probe)
    await channel.query(ids.text26(probe))
    await channel.query(ids.text26(other))
    await log.drain()
    kept = await shop.program.database.rows("select attempt_id from interface_log where attempt_id in ($1, $2)", probe, other)
    assert [row["attempt_id"] for row in kept] == [other]
