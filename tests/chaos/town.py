"""A town of random payers at one shop whose channels fail in every way the dial knows, until everything has ended.

Waves of orders come over all channels and methods while the dial is turned at random. Payers pay, decline, walk away, give up, try
another way, pay late, pay twice; staff refund and decide what waits for them. Then the clock moves on.
"""

import asyncio
import contextlib
import random
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import get_args

from tests.flows.payer import open_payment
from tests.flows.shop import Shop

from daozhang import __version__, clock
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.recharge.release import reject, release
from daozhang.simulators.faults import ApiFault, Fault, NoticeFault, Point
from daozhang.simulators.station import NotPayable

WAVE = 100
AT_ONCE = 24
HEARD_S, HANGS_S = 3.0, 4.0
"""How long the shop of this town waits for a channel's answer, and how long one keeps silent that hangs: a wave waits for both."""
AGES_S = (5, 10, 45, 60, 180, 300, 300, 360, 600, 1_200, 1_800)
"""What passes after the last wave, in steps that meet the schedules of both sides; then hours, then days."""
HOURS, DAYS = 26, 32
HABITS = {
    "pay": 40, "trick": 25, "decline": 3, "leave": 5, "refuse": 3, "cancel": 4, "race": 4, "elsewhere": 6, "late": 6, "twice": 4,
}  # fmt: skip
"""What a payer does, of a hundred."""
TRANSIENT = {
    "wechatpay": ("SYSTEM_ERROR", "BANK_ERROR", "FREQUENCY_LIMITED", "SERVICE_UNAVAILABLE"),
    "alipay": ("ACQ.SYSTEM_ERROR", "isp.unknow-error", "aop.unknow-error"),
    "unionpay": ("03", "04", "05", "06"),
    "epay": ("SYSTEM_ERROR",),
}
"""Codes with which each kind says that it did nothing and may be asked again."""


@dataclass
class Toll:
    """What happened, for the reader of the run."""

    orders: int = 0
    did: Counter[str] = field(default_factory=Counter)


class Town:
    """One run. `dice` decides everything that is random in it, except what runs at the same time."""

    def __init__(self, shop: Shop, people: Sequence[int], dice: random.Random) -> None:
        self._shop, self._people, self._dice = shop, people, dice
        self._desk, self._sim = shop.program.desk, shop.sim
        self._ways = [
            (shop.channels[kind], method) for kind, station in shop.sim.stations.items() for method in station.card()["methods"]
        ]
        self._later: list[str] = []
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.toll = Toll()

    async def live(self, orders: int, *, to_the_end: bool = True) -> Toll:
        """Let so many orders be placed and, with `to_the_end`, everything end."""
        self._sim.habits.time_scale = 1.0
        for begun in range(0, orders, WAVE):
            self._turn_the_dial()
            count = min(WAVE, orders - begun)
            await asyncio.gather(*(self._guarded(self._order) for _ in range(count)))
            await self._pass(self._dice.choice((1, 5, 15, 40, 90)))
            await asyncio.gather(*(self._guarded(self._staff_refunds) for _ in range(count // 4)))
            await self._come_back()
            self.toll.orders += count
        for seconds in AGES_S:
            await self._come_back()
            await self._pass(seconds)
            await asyncio.gather(*(self._guarded(self._staff_refunds) for _ in range(WAVE // 4)))
        self._sim.dial.clear()
        if to_the_end:
            await self._end()
        return self.toll

    async def _end(self) -> None:
        """Hours and days pass, and people decide what waits for them."""
        for step in range(HOURS + DAYS):
            await self._staff_decide()
            await self._pass(3_600 if step < HOURS else 86_400)
            if step > HOURS and not await self._open():
                return

    async def _order(self) -> None:
        """One order, and what its payer makes of it."""
        dice = self._dice
        channel_id, method = dice.choice(self._ways)
        amount_fen = dice.choice((100, 1_000, 5_000, dice.randint(100, 50_000)))
        seen = await self._placed(dice.choice(self._people), amount_fen, channel_id, method)
        if seen is None or not await open_payment(self._sim, seen):
            self.toll.did["could not pay"] += 1
            return
        await self._behave(seen, await self._shop.number(seen.id))

    async def _behave(self, seen: OrderView, number: str) -> None:
        act = self._dice.choices(tuple(HABITS), tuple(HABITS.values()))[0]
        self.toll.did[act] += 1
        match act:
            case "pay" | "twice" | "trick":
                for _ in range(2 if act == "twice" else 1):
                    self._pay(number, trick=act == "trick")
            case "decline" | "leave" | "refuse":
                self._shrug(number, act)
            case "cancel":
                await self._cancel(seen)
            case "race":
                await asyncio.gather(self._cancel(seen), self._pay_soon(number))
            case "elsewhere":
                await self._try_elsewhere(seen, number)
            case "late":
                self._later.append(number)

    def _shrug(self, number: str, act: str) -> None:
        """Nothing is paid, and only the phone knows why."""
        phone = self._sim.phone
        with contextlib.suppress(NotPayable):
            if act == "refuse":
                phone.refuse(number, self._dice.choice(list(phone.at(phone.find(number)).refusals)))
            else:
                getattr(phone, act)(number)

    async def _placed(self, user_id: int, amount_fen: int, channel_id: int, method: str) -> OrderView | None:
        request = PlaceRequest(1, user_id, amount_fen, channel_id, method, secrets.token_hex(16), __version__, "203.0.113.9")
        seen = await self._desk.place(request)
        return seen if seen.state in ("awaiting_payment", "created") else None

    def _pay(self, number: str, *, trick: bool = False) -> None:
        dice = self._dice
        try:
            payment = self._sim.phone.find(number)
            station = self._sim.phone.at(payment)
            chosen = dice.choice([each for each in station.tricks if each != "hang" or dice.random() < 0.1]) if trick else ""
            amount_fen = max(1, payment.amount_fen + dice.choice((-50, -1, 1, 100)))
            way = dice.choice(list(station.ways))
            voucher_fen = 50 if dice.random() < 0.05 else 0
            self._sim.phone.pay(number, way=way, trick=chosen, amount_fen=amount_fen, voucher_fen=voucher_fen)
            self.toll.did[f"paid {payment.kind}"] += 1
        except NotPayable as refusal:
            self.toll.did[f"not payable: {refusal.word}"] += 1

    async def _pay_soon(self, number: str) -> None:
        await asyncio.sleep(self._dice.random() * 0.03)
        self._pay(number)

    async def _cancel(self, seen: OrderView) -> None:
        with contextlib.suppress(Refusal):
            await self._desk.cancel(seen.user_id, seen.id)

    async def _try_elsewhere(self, seen: OrderView, number: str) -> None:
        """Another attempt of the same order; whichever codes can be paid may be paid, both too."""
        channel_id, method = self._dice.choice(self._ways)
        with contextlib.suppress(Refusal):
            await self._desk.retry(seen.user_id, seen.id, channel_id, method, "203.0.113.9")
        again = await self._desk.order(seen.user_id, seen.id)
        assert again is not None
        opened = await open_payment(self._sim, again)
        second = await self._shop.number(seen.id)
        for each in self._dice.sample([number, second], 2 if opened and self._dice.random() < 0.5 else 1):
            self._pay(each)

    async def _come_back(self) -> None:
        """Some of those who walked away pay now, perhaps too late."""
        late, self._later = self._later, []
        for number in late:
            if self._dice.random() < 0.3:
                self._pay(number)
            else:
                self._later.append(number)

    async def _staff_refunds(self) -> None:
        """All or a part of an order that was credited goes back."""
        rows = await self._shop.program.database.rows(
            "select id, amount_fen, refunded_fen from orders where state = 'credited' and refunded_fen < amount_fen"
        )
        if not rows:
            return
        row = self._dice.choice(rows)
        left_fen = row["amount_fen"] - row["refunded_fen"]
        amount_fen = left_fen if self._dice.random() < 0.4 else self._dice.randint(1, left_fen)
        self._sim.habits.refund_fates += self._dice.choices(("SUCCESS", "CLOSED", "ABNORMAL"), (90, 7, 3))
        try:
            await self._desk.refund(row["id"], amount_fen, "退款", "staff")
            self.toll.did["refund"] += 1
        except Refusal as refusal:
            self.toll.did[f"no refund: {refusal}"] += 1

    async def _staff_decide(self) -> None:
        """Most of what is held or of another amount is decided; the rest goes on waiting for a person."""
        rows = await self._shop.program.database.rows("select id, state from orders where state in ('held', 'misfit') order by id")
        for row in rows:
            verdict = self._dice.random()
            if verdict < 0.6:
                work: Callable[..., Awaitable[None]] = release if verdict < 0.4 else reject
                with contextlib.suppress(Refusal):
                    await work(self._shop.program.database, self._shop.program.accounts, row["id"], "staff", "")
                self.toll.did["decided"] += 1

    def _turn_the_dial(self) -> None:
        """Anew for each wave: some calls and messages go wrong, in some ways. What was arranged for a payment goes with it."""
        self._sim.dial.clear()
        for point in get_args(Point):
            kinds = get_args(NoticeFault if point == "notice" else ApiFault)
            for kind in kinds if point != "api" else ():
                probability = 0.002 if kind in ("hang", "slow") else self._dice.choice((0.0, 0.0, 0.01, 0.02, 0.05))
                if not probability or (point == "certificates" and kind == "hang"):
                    continue
                for channel, codes in self._codes().items():
                    self._sim.dial.set(
                        Fault(
                            point=point, kind=kind, channel=channel, times=None, probability=probability,
                            code=self._dice.choice(codes), seconds=HANGS_S if kind == "hang" else 0.2, copies=4,
                            amount_fen=self._dice.choice((1, 100, 4_999)),
                        )
                    )  # fmt: skip

    def _codes(self) -> dict[str, Sequence[str]]:
        return {kind: TRANSIENT[kind] for kind in self._sim.stations}

    async def _guarded(self, act: Callable[[], Awaitable[None]]) -> None:
        async with self._slots:
            await act()

    async def _pass(self, seconds: float) -> None:
        """Let time pass for everybody, and let both sides do what has come due."""
        await self._settled()
        await self._shop.later(seconds)
        self._sim.look()
        await self._settled()

    async def _settled(self) -> None:
        """Wait until nothing is due on either side; a few that hang at a silent channel need not be waited for."""
        loop = asyncio.get_running_loop()
        patience = loop.time() + 20.0
        while loop.time() < patience:
            for due in self._shop.program.dues:
                due.wake()
            await asyncio.sleep(0.03)
            if await self._due() + self._sending() <= 2:
                return

    async def _due(self) -> int:
        at = clock.now()
        found = await self._shop.program.database.value(
            """select (select count(*) from attempts where next_query_at <= $1)
               + (select count(*) from refunds where next_query_at <= $1)
               + (select count(*) from notifications where next_try_at <= $1)""",
            at,
        )
        return int(found)

    def _sending(self) -> int:
        return sum(station.sums()["notices"].get("sending", 0) for station in self._sim.stations.values())

    async def _open(self) -> int:
        """Orders that are on their way."""
        found = await self._shop.program.database.value(
            """select (select count(*) from orders where state in ('created', 'awaiting_payment', 'closing', 'paid', 'refunding'))
               + (select count(*) from attempts where state not in ('paid', 'closed'))
               + (select count(*) from refunds where state in ('reserved', 'sent'))"""
        )
        return int(found)
