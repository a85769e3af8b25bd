"""How a native code is brought upon a user: the dial lets the channel say it, or the payer's phone refuses; he does his part."""

import asyncio
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from daozhang import __version__, ids
from daozhang.app import SHOP
from daozhang.bench.booth import Booth
from daozhang.bench.stories import Truth
from daozhang.demo.world import HOME_IP, Person
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.simulators.alipay.station import AlipayStation
from daozhang.simulators.epay.station import Epay
from daozhang.simulators.faults import Fault
from daozhang.simulators.unionpay.station import UnionPay
from daozhang.simulators.wechatpay.errors import STATUSES
from daozhang.simulators.wechatpay.station import WeChatPay

METHODS = {"wechatpay": "native", "alipay": "qr", "unionpay": "qr", "epay": "qr"}
"""How each kind is paid at: ways for which the channel is asked while the user waits."""
AMOUNT_FEN = 1_000
PATIENCE_S, LOOK_S = 8.0, 0.02
_FATES = {"REFUND_STATUS:CLOSED": "CLOSED", "REFUND_STATUS:ABNORMAL": "ABNORMAL", "REFUND_STATUS:REFUND_FAIL": "CLOSED"}


@dataclass(slots=True)
class Met:
    """A failure that a user has just met, and where it is explained."""

    person: Person
    path: str = "/why"
    order: OrderView | None = None
    ready: bool = True
    """Whether he can still log in; else he did before."""


@dataclass(slots=True)
class Coded:
    """Brings native codes upon one user per kind, who does nothing else."""

    shop: Booth
    people: dict[str, Person] = field(default_factory=dict)

    async def meet(self, truth: Truth) -> Met:
        """Let it happen. The dial is as it was afterwards."""
        person = await self._person(truth.kind)
        try:
            order = await {
                "order": self._order, "state": self._state, "query": self._query, "wallet": self._wallet,
            }.get(truth.at, self._refund)(truth, person)  # fmt: skip
        finally:
            self.shop.simulator.dial.clear()
        return Met(person, f"/orders/{order.shown}/why", order)

    async def _person(self, kind: str) -> Person:
        if kind not in self.people:
            self.people[kind] = await self.shop.world.person()
            await self.shop.world.buy_trial(self.people[kind])
        return self.people[kind]

    async def place(self, person: Person, kind: str) -> OrderView:
        """A small recharge at a channel of that kind."""
        request = PlaceRequest(
            SHOP, person.user_id, AMOUNT_FEN, await self.shop.world.channel(kind), METHODS[kind], secrets.token_hex(16),
            __version__, HOME_IP,
        )  # fmt: skip
        return await self.shop.program.desk.place(request)

    def fault(self, truth: Truth, point: str) -> None:
        """The channel answers the next call of this sort with the story's code, and does nothing."""
        self.shop.simulator.dial.set(
            Fault(
                point=point, kind="error", channel=truth.kind, times=None, code=truth.code, message=truth.message,  # type: ignore[arg-type]
                http=STATUSES.get(truth.code, (403, ""))[0] if truth.kind == "wechatpay" else 0,
            )
        )  # fmt: skip

    async def _order(self, truth: Truth, person: Person) -> OrderView:
        self.fault(truth, "order")
        return await self.place(person, truth.kind)

    async def _wallet(self, truth: Truth, person: Person) -> OrderView:
        """The wallet itself declines: no channel tells the shop."""
        order = await self._seen(truth, person)
        self.shop.simulator.phone.refuse(await self.number(order.id), truth.code)
        return await self._ask(order)

    async def _state(self, truth: Truth, person: Person) -> OrderView:
        """The channel knows what became of the payment, and says so when it is asked."""
        order = await self._seen(truth, person)
        number, phone = await self.number(order.id), self.shop.simulator.phone
        if truth.kind == "unionpay":
            phone.refuse(number, truth.code)
        elif truth.kind == "epay" and truth.code != "status:0":
            # The operator's own state of the payment; its message would be faster.
            self.shop.simulator.dial.set(Fault(point="notice", kind="silence", channel="epay"))
            phone.pay(number)
            epay = self.shop.simulator.station(Epay)
            epay.books.set_status(epay.hand.order(number).trade_no, int(truth.code.partition(":")[2]))
        elif truth.code == "TRADE_STATE:CLOSED":
            wechat = self.shop.simulator.station(WeChatPay)
            wechat.books.close_order(wechat.merchant.mchid, number)
        return await self._ask(order)

    async def _query(self, truth: Truth, person: Person) -> OrderView:
        order = await self._seen(truth, person)
        self.fault(truth, "query")
        return await self._ask(order)

    async def _refund(self, truth: Truth, person: Person) -> OrderView:
        """Asked for his money back, and the channel does not, or does not say."""
        desk, simulator = self.shop.program.desk, self.shop.simulator
        order = await self._seen(truth, person)
        simulator.phone.pay(await self.number(order.id))
        order = await self.reach(order, "credited")
        if truth.at == "refund":
            self.fault(truth, "refund")
        if truth.code in _FATES:
            simulator.habits.refund_fates.append(_FATES[truth.code])  # type: ignore[arg-type]
        slow = truth.outcome == "pending" and truth.code not in _FATES
        before_s, simulator.habits.refund_s = simulator.habits.refund_s, 10_000.0 if slow else 0.0
        try:
            if truth.at == "refund_query":
                # The first call is not heard, so that the channel is asked about a refund that it does not know.
                simulator.dial.set(Fault(point="refund", kind="empty_503", channel=truth.kind, times=None))
            refund = await desk.refund(order.id, order.amount_fen, "no longer wanted", "staff:bench")
            if truth.at != "refund":
                if truth.at == "refund_query":
                    self.fault(truth, "refund_query")
                elif truth.kind == "unionpay":
                    books = simulator.station(UnionPay).books
                    books.doom(ids.text26(refund.id), truth.code)
                if not slow:
                    await simulator.quiet()
                await desk.refunds.look(refund.id)
        finally:
            simulator.habits.refund_s = before_s
        return await self._now(order)

    async def _seen(self, truth: Truth, person: Person) -> OrderView:
        """An order whose code the phone has seen."""
        order = await self.place(person, truth.kind)
        assert order.state == "awaiting_payment", (truth.id, order.state, order.reason)
        if truth.kind == "alipay":
            self.shop.simulator.station(AlipayStation).hand.see(await self.number(order.id))
        return order

    async def number(self, order_id: UUID) -> str:
        """The number under which the channel knows the order's newest attempt."""
        found = await self.shop.program.database.value(
            "select id from attempts where order_id = $1 order by id desc limit 1", order_id
        )  # fmt: skip
        return ids.text26(found)

    async def _ask(self, order: OrderView) -> OrderView:
        """The user says that it is paid: the channel is asked now, and that it answered is written down."""
        await self.shop.program.desk.look(order.id)
        await self.shop.program.interface_log.drain()
        return await self._now(order)

    async def _now(self, order: OrderView) -> OrderView:
        seen = await self.shop.program.desk.order(order.user_id, order.id)
        assert seen is not None, order.id
        return seen

    async def reach(self, order: OrderView, state: str) -> OrderView:
        """Wait until the order is in a state."""
        end_s = asyncio.get_running_loop().time() + PATIENCE_S
        while (seen := await self._now(order)).state != state:
            assert asyncio.get_running_loop().time() < end_s, f"{seen.state}, not {state}"
            await asyncio.sleep(LOOK_S)
        return seen
