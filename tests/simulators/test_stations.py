"""Every known kind of channel stands at the one port with all that the phone and the merchant need of it."""

from collections.abc import AsyncIterator
from typing import Literal, get_args

import aiohttp
import msgspec
import pytest

from daozhang.channels.console import ChannelSettings
from daozhang.simulators.faults import BadFault, Dial, Fault, Point
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import NotPayable
from daozhang.simulators.stations import KNOWN
from daozhang.simulators.words import words

RESERVED = ("/static/", "/dial", "/books", "/healthz", "/phone/pay/", "/phone/scan", "/phone/dial")


@pytest.fixture(scope="module")
async def everything() -> AsyncIterator[Simulator]:
    """All of them, made once because keys take time."""
    async with Simulator(kinds=tuple(KNOWN)) as simulator:
        yield simulator


async def test_no_two_stations_want_the_same_path(everything: Simulator) -> None:
    prefixes = [prefix for station in everything.stations.values() for prefix in station.prefixes]
    for one in prefixes:
        assert not any(one.startswith(taken) or taken.startswith(one) for taken in RESERVED), one
        assert sum(one.startswith(other) or other.startswith(one) for other in prefixes) == 1, one


@pytest.mark.parametrize("kind", KNOWN)
async def test_a_card_is_what_the_shop_reads(everything: Simulator, kind: str) -> None:
    wanted = msgspec.convert(everything.stations[kind].card(), ChannelSettings)
    assert wanted.kind == kind
    assert wanted.hosts
    assert wanted.methods


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_phone_has_a_word_for_everything(everything: Simulator, kind: str, language: Literal["zh", "en"]) -> None:
    texts, station = words(language, kind), everything.stations[kind]
    wanted = ["name", "glyph", "title", "transaction", "e_expired", "e_closed"]
    wanted += [f"way_{way}" for way in station.ways] + [f"way_{way}_note" for way in station.ways]
    wanted += [f"k_{word}" for word in station.refusals] + [f"r_{word}" for word in station.refusals]
    wanted += [f"t_{trick}" for trick in station.tricks]
    assert [name for name in wanted if not texts.get(name)] == []
    assert station.ways
    assert station.codes
    assert set(station.sums()) >= {"paid", "refunded", "balance_fen", "orders", "notices"}


@pytest.mark.parametrize("kind", KNOWN)
async def test_nobody_knows_a_foreign_payment(everything: Simulator, kind: str) -> None:
    hand = everything.stations[kind].hand
    assert hand.scan("https://example.com/?pr=x") is None
    for verb in (hand.find, hand.see, hand.pay, hand.decline, hand.leave, hand.told):
        with pytest.raises(NotPayable, match="unknown"):
            verb("NOBODYS1")
    assert hand.waiting(5) == []
    assert hand.paid(5) == []


def test_a_fault_strikes_where_it_is_meant() -> None:
    dial = Dial()
    here, there = dial.at("wechatpay"), dial.at("alipay")
    there.set(Fault(point="query", kind="hang"))
    dial.set(Fault(point="query", kind="error", times=2))
    assert [fault.kind for fault in (here.take("query"),) if fault] == ["error"]
    assert [fault.kind for fault in (there.take("query"), there.take("query")) if fault] == ["hang", "error"]
    assert dial.waiting() == []
    with pytest.raises(BadFault):
        here.set(Fault(point="notice", kind="garbage"))
    assert "notice" in get_args(Point)


async def test_calls_are_counted_by_kind() -> None:
    async with Simulator() as sim, aiohttp.ClientSession() as session:
        for path in ("/v3/certificates", "/phone", "/books", "/v3/nothing"):
            async with session.get(sim.url + path):
                pass
        assert sim.calls == {"wechatpay": 2}
