"""Alipay under test: its station, our adapter pointed at it over real HTTP, and its door."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.channels.rig import Patient, Rig, Traits, open_door
from tests.patience import MOST_S

from daozhang.channels.kinds.alipay.adapter import Alipay
from daozhang.channels.kinds.alipay.keys import AlipayKeys, read_keys
from daozhang.channels.port import Outcome
from daozhang.channels.rows import ChannelRow
from daozhang.simulators.alipay.enrolment import App, Enrolment, enrol
from daozhang.simulators.alipay.station import AlipayStation, card_of
from daozhang.simulators.faults import Fault
from daozhang.simulators.simulator import Simulator

if TYPE_CHECKING:
    from daozhang.outbound import Exchange

TRAITS = Traits(
    method="qr",
    unseen_is_known=False,
    closes_unseen=False,
    refund_first=Outcome.SUCCESS,
    tells_refund_amount=False,
    shows_part_refund=False,
    silences=("hang", "booked_error", "truncate", "garbage", "unsigned", "forge", "unknown_serial", "empty_503"),
)
CERTIFICATES = ("app_certificate", "alipay_certificate", "root_certificate")


def keys_of(app: App, **changes: Any) -> AlipayKeys:
    """An application's keys as its shop would enter them."""
    return read_keys(card_of(app, "http://127.0.0.1:9")["keys"] | changes)


class AlipayRig(Rig):
    """Alipay under the contract."""

    traits = TRAITS

    def __init__(self, sim: Simulator, keys: AlipayKeys) -> None:
        self.sim, self.keys = sim, keys
        self.station = sim.station(AlipayStation)
        self.exchanges: list[Exchange] = []
        self.made: list[Alipay] = []
        self.channel = self.make()

    def make(self, **changes: Any) -> Alipay:
        keys, total_s = changes.pop("keys", [self.keys]), changes.pop("total_s", MOST_S)
        app = self.station.app
        row = ChannelRow(
            7, 1, "alipay", "支付宝", app.seller_id, app.app_id, ("qr", "page", "h5"), (self.sim.url,), enabled=True, version=1
        )
        row = replace(row, **changes)
        transport = Patient(row.hosts, recorder=self.exchanges.append, total_s=total_s)
        self.made.append(Alipay(row, keys, transport))
        return self.made[-1]

    def pay(self, number: str) -> str:
        return self.station.hand.pay(number).txn

    def see(self, number: str) -> None:
        self.station.hand.see(number)

    def fault(self, point: str, kind: str, **settings: Any) -> None:
        self.sim.dial.set(Fault(point=point, kind=kind, **settings))  # type: ignore[arg-type]

    def calm(self) -> None:
        self.sim.dial.clear()
        self.sim.dial.release()

    async def quiet(self) -> None:
        await self.sim.quiet()

    def acknowledged(self) -> int:
        return self.station.books.notice_counts().get("acknowledged", 0)

    def refunded_fen(self) -> int:
        return self.station.books.refund_totals().sum_fen


@pytest.fixture(scope="session")
def enrolled() -> Enrolment:
    return enrol()


@pytest.fixture(scope="session")
def alipay_keys(enrolled: Enrolment) -> AlipayKeys:
    return keys_of(enrolled.app)


@pytest.fixture
async def rig(enrolled: Enrolment, alipay_keys: AlipayKeys) -> AsyncIterator[AlipayRig]:
    async with Simulator(kinds=("alipay",), makers={"alipay": lambda world: AlipayStation(world, enrolled)}) as sim:
        standing = AlipayRig(sim, alipay_keys)
        async with open_door(standing.channel) as door:
            standing.door = door
            yield standing
        for channel in standing.made:
            await channel.close_connections()
