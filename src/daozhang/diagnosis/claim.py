"""Paid and not credited: find the payment by its number or its order, ask the channel now, book what it says at the one door.

A number credits its own owner and nobody else. Whatever else it is (another person's, a wrong one, one of another shop) has one and
the same answer: the same work is done for it, and the answer comes at the same time. Only the user's own recharges are asked about.
"""

import asyncio
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from daozhang import clock, ids
from daozhang.channels.port import Answer, Channel, Outcome
from daozhang.postgres import Database, statements
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.model import OrderView
from daozhang.recharge.settle import Settle
from daozhang.recharge.settlement import Arrival
from daozhang.recharge.view import order_view, parse_shown

sql = statements("daozhang.diagnosis")

Found = Literal["credited", "known", "unpaid", "unsure", "not_found"]
"""Credited just now; booked before; the channel says that nothing was paid; it did not answer; nothing of this user's."""

_NUMBER = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)
AFTER = timedelta(days=30)
"""How old a recharge may be that is asked about."""
MOST = 12
"""Attempts that one claim asks about."""
FLOOR_S = 1.5
"""No answer of "not found" comes sooner, however soon it is known."""
CALL_S = 12.0
"""The longest that one channel is waited for; what it says later is heard by the schedule."""


class Said(NamedTuple):
    """What a channel said when it was asked: `paid`, `unpaid` or `silent`, and when."""

    kind: str
    what: Literal["paid", "unpaid", "silent"]
    at: datetime


class Claimed(NamedTuple):
    """What a claim found. `order` is the user's own; `said` what the channels answered."""

    found: Found
    order: OrderView | None
    said: tuple[Said, ...] = ()


class Claims:
    """Claims of one shop's users."""

    def __init__(self, database: Database, settle: Settle, channel: Callable[[int], Channel | None]) -> None:
        self._database, self._settle, self._channel = database, settle, channel

    async def by_number(self, shop_id: int, user_id: int, text: str) -> Claimed:
        """Look for a payment by the channel's number or one of ours. Raises `claim.number_malformed`."""
        number = unicodedata.normalize("NFKC", text[:128]).strip().replace(" ", "")
        if _NUMBER.fullmatch(number) is None:
            raise Refusal("claim.number_malformed")
        began = asyncio.get_running_loop().time()
        order = await self._own(shop_id, user_id, number)
        if order is not None:
            return await self.of_order(shop_id, order)
        rows = await self._database.rows(sql.unsettled_of, shop_id, user_id, ids.first_at(clock.now() - AFTER), MOST)
        said = await self._ask_all(shop_id, rows)
        order = await self._own(shop_id, user_id, number)
        if order is not None:
            return Claimed("credited", order, said)
        await asyncio.sleep(max(0.0, FLOOR_S - (asyncio.get_running_loop().time() - began)))
        return Claimed("not_found", None)

    async def of_order(self, shop_id: int, order: OrderView) -> Claimed:
        """Ask about one order of the user's: every attempt of it that is not booked, newest first."""
        if order.money not in ("none", "checking"):
            return Claimed("known", order)
        rows = await self._database.rows(sql.unsettled_attempts, order.id, MOST)
        said = await self._ask_all(shop_id, rows)
        now = await order_view(self._database, order.id, order.user_id)
        assert now is not None, order.id
        if now.money not in ("none", "checking"):
            return Claimed("credited" if now.money == "credited" else "known", now, said)
        silent = any(each.what != "unpaid" for each in said) or now.money == "checking"
        return Claimed("unsure" if silent else "unpaid", now, said)

    async def open_orders(self, shop_id: int, user_id: int) -> list[OrderView]:
        """The user's recharges of the last thirty days that have no money, newest first: to pick from."""
        rows = await self._database.rows(sql.unpaid_orders, shop_id, user_id, ids.first_at(clock.now() - AFTER), MOST)
        found = [await order_view(self._database, row["order_id"], user_id) for row in rows]
        return [order for order in found if order is not None]

    async def _own(self, shop_id: int, user_id: int, number: str) -> OrderView | None:
        """The user's order that a number means: ours, our number at the channel, or the channel's number of a booked payment."""
        order_id = parse_shown(number.upper())
        if order_id is None:
            attempt_id = ids.parse26(number.upper())
            if attempt_id is not None:
                order_id = await self._database.value(sql.order_of_attempt, attempt_id, user_id)
        if order_id is None:
            order_id = await self._database.value(sql.order_of_payment, number, user_id, shop_id)
        return await order_view(self._database, order_id, user_id) if order_id else None

    async def _ask_all(self, shop_id: int, rows: Sequence[Any]) -> tuple[Said, ...]:
        said = await asyncio.gather(*(self._ask(shop_id, row["attempt_id"], row["channel_id"], row["kind"]) for row in rows))
        return tuple(said)

    async def _ask(self, shop_id: int, attempt_id: UUID, channel_id: int, kind: str) -> Said:
        """Ask the channel about one attempt, whatever we think of it, and book what it says."""
        channel = self._channel(channel_id)
        asking = asyncio.ensure_future(channel.query(ids.text26(attempt_id))) if channel else None
        if asking is None:
            return Said(kind, "silent", clock.now())
        done, _ = await asyncio.wait({asking}, timeout=CALL_S)
        if not done:
            asking.cancel()
            return Said(kind, "silent", clock.now())
        answer: Answer = asking.result()
        if answer.outcome is Outcome.SUCCESS and answer.report is not None:
            await self._settle(Arrival(shop_id, answer.report))
            return Said(kind, "paid", clock.now())
        known = answer.exists is False or answer.outcome in (Outcome.PENDING, Outcome.FAILURE)
        return Said(kind, "unpaid" if known else "silent", clock.now())
