"""Epay under test: an operator that really answers and calls back, and adapters in both versions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from tests.channels.rig import Patient, Rig, Traits, open_door
from tests.patience import MOST_S

from daozhang.channels.kinds.epay import make
from daozhang.channels.kinds.epay.keys import read_keys
from daozhang.channels.port import Channel
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Exchange
from daozhang.simulators.epay.enrolment import Enrolment
from daozhang.simulators.epay.station import Epay
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import World


def row_of(card: dict[str, Any], channel_id: int = 7) -> ChannelRow:
    """A merchant's card as the row of a channel."""
    return ChannelRow(
        id=channel_id,
        shop_id=1,
        kind="epay",
        name=card["name"],
        merchant=card["merchant"],
        app=card["app"],
        methods=tuple(card["methods"]),
        hosts=tuple(card["hosts"]),
        enabled=True,
        version=1,
    )


class EpayRig(Rig):
    """One version in one dialect under the contract."""

    def __init__(self, traits: Traits, sim: Simulator, **settings: Any) -> None:
        self.traits, self.sim, self.exchanges = traits, sim, []
        self.station = sim.station(Epay)
        self._settings = settings
        self._made: list[Channel] = []
        self.channel = self.make()

    def make(self, *, total_s: float = MOST_S, card: dict[str, Any] | None = None, **changes: Any) -> Channel:
        card = card or self.station.card(**self._settings)
        keys = [read_keys(raw) for raw in changes.pop("keys", [card["keys"]])]
        row = replace(row_of(card), **changes)
        transport = Patient(row.hosts, recorder=self.exchanges.append, total_s=total_s)
        self._made.append(make(row, keys, transport))
        return self._made[-1]

    def pay(self, number: str, **how: Any) -> str:
        return self.sim.phone.pay(number, **how).txn

    def fault(self, point: str, kind: str, **settings: Any) -> None:
        self.sim.fault(point, kind, **settings)

    def calm(self) -> None:
        self.sim.dial.clear()
        self.sim.dial.release()

    async def quiet(self) -> None:
        await self.sim.quiet()

    def acknowledged(self) -> int:
        return self.station.books.notice_counts().get("acknowledged", 0)

    def refunded_fen(self) -> int:
        return self.station.books.refund_totals().sum_fen

    def called(self) -> list[str]:
        """What our side asked of the operator since the last time, by operation."""
        operations = [exchange.subject.operation for exchange in self.exchanges]
        self.exchanges.clear()
        return operations

    async def close(self) -> None:
        for channel in self._made:
            await channel.close_connections()


@asynccontextmanager
async def open_rig(enrolment: Enrolment, traits: Traits, tongue: str = "rainbow", **settings: Any) -> AsyncIterator[EpayRig]:
    """An operator that speaks `tongue`, an adapter for its first merchant, and a door."""

    def station(world: World) -> Epay:
        return Epay(world, enrolment, tongue)

    async with Simulator(kinds=("epay",), makers={"epay": station}) as sim:
        rig = EpayRig(traits, sim, dialect=tongue, **settings)
        async with open_door(rig.channel) as door:
            rig.door = door
            yield rig
        await rig.close()


__all__ = ["EpayRig", "Exchange", "open_rig", "row_of"]
