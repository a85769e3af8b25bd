"""Cancelling, paying, expiring and asking, all at once: one end, and the money is where the end says."""

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from tests.flows.knocks import book
from tests.flows.shop import Shop, refuses
from tests.patience import until

from daozhang.reasons.refusal import Refusal
from daozhang.recharge.ending import end_unpaid
from daozhang.simulators.station import NotPayable

ROUNDS = 240 if os.environ.get("DAOZHANG_LONG") else 24


async def attempts(shop: Shop, order_id: UUID) -> list[UUID]:
    """The attempts of an order."""
    return [row["id"] for row in await shop.program.database.rows("select id from attempts where order_id = $1", order_id)]


class Round:
    """One order, and the four things that may happen to it at once."""

    def __init__(self, shop: Shop, amount_fen: int) -> None:
        self.shop, self.amount_fen, self.paid_fen = shop, amount_fen, 0

    async def play(self, dice: random.Random) -> int:
        """Start some of them at random moments; what the payer was charged."""
        self.order_id = (await self.shop.place(self.amount_fen)).id
        self.number = await self.shop.number(self.order_id)
        acts = dice.sample([self.cancel, self.pay, self.expire, self.ask], k=dice.randint(2, 4))
        await asyncio.gather(*(self.at(dice.random() * 0.02, act) for act in acts))
        return self.paid_fen

    async def at(self, moment_s: float, act: Callable[[], Awaitable[None]]) -> None:
        """Do it a moment later."""
        await asyncio.sleep(moment_s)
        await act()

    async def cancel(self) -> None:
        """The buyer gives up; when it is too late for that they are told so."""
        with contextlib.suppress(Refusal):
            await self.shop.program.desk.cancel(self.shop.user_id, self.order_id)

    async def pay(self) -> None:
        """The payer pays, unless the channel has closed the order."""
        with contextlib.suppress(NotPayable):
            self.shop.sim.phone.pay(self.number)
            self.paid_fen = self.amount_fen

    async def expire(self) -> None:
        """The time is over."""
        for attempt_id in await attempts(self.shop, self.order_id):
            await self.shop.program.desk.chase.close(attempt_id)

    async def ask(self) -> None:
        """Somebody asks the channel."""
        await self.shop.program.desk.look(self.order_id)


async def test_rc_05_cancel_payment_expiry_and_query_end_in_one_state(shop: Shop, seed: int) -> None:
    """Who pays gets the money credited; who does not finds the order ended."""
    dice = random.Random(seed)
    paid_fen = 0
    for begin in range(100, 100 + ROUNDS, 6):
        paid_fen += sum(await asyncio.gather(*(Round(shop, begin + n).play(dice) for n in range(6))))
    await shop.sim.quiet()
    await shop.later(16 * 60)
    while await shop.work():
        pass
    rows = await shop.program.database.rows("select state, sum(amount_fen)::bigint as fen from orders group by state")
    ends = {row["state"]: row["fen"] for row in rows}
    assert set(ends) <= {"credited", "cancelled", "expired"}, ends
    assert ends.get("credited", 0) == await shop.cash() == paid_fen == shop.sim.books.paid_totals().sum_fen


async def test_rc_05_a_payment_between_asking_to_cancel_and_closing_is_credited(shop: Shop) -> None:
    """The channel answers our close with "already paid": the money is settled instead, and nothing is cancelled."""
    shop.sim.fault("notice", "silence")
    shop.sim.fault("close", "delay", seconds=60)
    order = await shop.place()
    cancelling = asyncio.create_task(shop.program.desk.cancel(shop.user_id, order.id))
    assert (await shop.reach(order.id, "closing")).money == "checking"
    await until(lambda: shop.sim.dial.holds() == 1)
    await shop.pay(order)
    shop.sim.dial.release()
    seen = await cancelling
    assert (seen.state, seen.money) == ("credited", "credited")
    assert await shop.cash() == 5_000


async def test_rc_04_twenty_cancels_at_once_end_it_once(shop: Shop) -> None:
    order = await shop.place()
    done = await asyncio.gather(*(shop.program.desk.cancel(shop.user_id, order.id) for _ in range(20)), return_exceptions=True)
    told = [each for each in done if not isinstance(each, BaseException)]
    assert told
    assert {str(each) for each in done if isinstance(each, BaseException)} <= {"operation.not_cancellable"}
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.reason) == ("cancelled", "none", "operation.cancelled")
    moves = await shop.program.database.rows("select move from order_moves where order_id = $1 order by version", order.id)
    assert [row["move"] for row in moves] == ["submitted", "cancel_asked", "closed"]


async def test_cancel_of_an_order_the_channel_never_heard_of(shop: Shop) -> None:
    shop.sim.fault("order", "error", http=500)
    order = await shop.place()
    assert order.money == "checking"
    seen = await shop.program.desk.cancel(shop.user_id, order.id)
    assert (seen.state, seen.money) == ("cancelled", "none")
    assert await shop.work() == 0


async def test_cancel_while_the_channel_is_away_waits_and_is_finished_by_the_chase(shop: Shop) -> None:
    order = await shop.place()
    shop.sim.fault("api", "error", http=500, times=None)
    seen = await shop.program.desk.cancel(shop.user_id, order.id)
    assert (seen.state, seen.money, seen.reason) == ("closing", "checking", "channel.checking")
    shop.sim.dial.clear()
    await shop.later(6)
    await shop.work()
    seen = await shop.order(order.id)
    assert (seen.state, seen.money) == ("cancelled", "none")


@pytest.mark.parametrize("how", ["credited", "cancelled", "expired"])
async def test_what_has_ended_cannot_be_cancelled(shop: Shop, how: str) -> None:
    order = await shop.place()
    if how == "credited":
        await shop.pay(order)
    elif how == "cancelled":
        await shop.program.desk.cancel(shop.user_id, order.id)
    else:
        for attempt_id in await attempts(shop, order.id):
            await end_unpaid(shop.program.database, attempt_id)
    await shop.reach(order.id, how)
    before = await book(shop.program.database)
    with refuses("operation.not_cancellable"):
        await shop.program.desk.cancel(shop.user_id, order.id)
    assert await book(shop.program.database) == before
