"""UnionPay under test: a simulated UnionPay, our adapter pointed at it over real HTTP, and a door that receives its notices."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.channels.rig import Door, Patient, Rig, Traits
from tests.patience import MOST_S

from daozhang.channels.kinds.unionpay.adapter import UnionPay
from daozhang.channels.kinds.unionpay.keys import UnionKeys, read_keys
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Exchange
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.unionpay.enrolment import Enrolment, Merchant
from daozhang.simulators.unionpay.station import UnionPay as Station
from daozhang.simulators.unionpay.station import card_of

TRAITS = Traits(
    method="qr",
    closes=False,
    closes_unseen=False,
    shows_refunds=False,
    silences=("hang", "booked_error", "truncate", "garbage", "unsigned", "forge", "stale", "unknown_serial", "empty_503"),
)

Make = Callable[..., UnionPay]


def keys_of(enrolment: Enrolment, merchant: Merchant | None = None, **changes: object) -> UnionKeys:
    """A merchant's keys as its shop would enter them."""
    card: dict[str, Any] = card_of(enrolment, merchant or enrolment.merchants[0], "")["keys"]
    return read_keys(card | changes)


def row_of(whose: Merchant, *hosts: str, **changes: Any) -> ChannelRow:
    """A channel's row for a merchant."""
    base = ChannelRow(
        id=8,
        shop_id=1,
        kind="unionpay",
        name="云闪付",
        merchant=whose.mer_id,
        app=whose.mer_id,
        methods=("page", "h5", "qr"),
        hosts=hosts,
        enabled=True,
        version=1,
    )
    return replace(base, **changes)


def maker(sim: Simulator, exchanges: list[Exchange], keys: UnionKeys, made: list[UnionPay]) -> Make:
    """Makes adapters for the simulator's merchant; `hosts`, `keys`, `total_s` and fields of the row may differ."""

    def build(given: Sequence[UnionKeys] = (), hosts: tuple[str, ...] = (), total_s: float = MOST_S, **row: Any) -> UnionPay:
        changed = row_of(sim.station(Station).merchant, *(hosts or (sim.url,)), **row)
        transport = Patient(changed.hosts, recorder=exchanges.append, total_s=total_s)
        made.append(UnionPay(changed, list(given) or [keys], transport))
        return made[-1]

    return build


class UnionRig(Rig):
    """UnionPay under the contract."""

    traits = TRAITS

    def __init__(self, channel: UnionPay, make: Make, sim: Simulator, door: Door, exchanges: list[Exchange]) -> None:
        self.channel, self._make, self.sim, self.door, self.exchanges = channel, make, sim, door, exchanges
        self.station = sim.station(Station)

    def make(self, **changes: Any) -> UnionPay:
        return self._make(**changes)

    def pay(self, number: str) -> str:
        return self.sim.phone.pay(number).txn

    def see(self, number: str) -> None:
        self.sim.phone.see(number)

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
