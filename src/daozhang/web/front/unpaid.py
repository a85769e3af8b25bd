"""Recharges that are open: resumed instead of doubled. After some doubt a second one is possible, with a plain warning.

A wallet order that can still be paid is gone on with. One of which nobody knows whether it was paid is not doubled at once either:
its answer is usually seconds away. When it stays away, whoever needs the money decides; if both arrive, both are credited, and one
goes back with a tap (`POST /orders/<number>/back`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from litestar import Request

from daozhang import clock
from daozhang.web.front.ahead import Ahead
from daozhang.web.pages import house_of, locale_of

if TYPE_CHECKING:
    from daozhang.recharge.unpaid import Open
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Lead:
    """An open order as the recharge page leads with it. `another`: a second one of its sum is possible, from `from_at` on."""

    order: "Open"
    doubtful: bool
    another: bool
    from_at: datetime | None
    more: int
    """How many other orders are open."""


async def lead(request: AnyRequest, session: "Session") -> Lead | None:
    """The order to lead with: what can be paid comes before what is being checked."""
    found = await house_of(request).desk.open_orders(session.user_id)
    if not found:
        return None
    at = clock.now()
    first = next((each for each in found if each.payable(at)), found[0])
    return Lead(first, first.doubtful(at), first.another(at), first.another_from(), len(found) - 1)


async def told(request: AnyRequest, session: "Session", amount_fen: int) -> Ahead | None:
    """The answer for an amount of which one is open already; None when the checks alone answer."""
    reader, at = locale_of(request), clock.now()
    found = [each for each in await house_of(request).desk.open_orders(session.user_id) if _same_sum(each, amount_fen)]
    held = next((each for each in found if not each.another(at)), None)
    if held is None:
        return None
    from_at = held.another_from()
    if not held.doubtful(at) or from_at is None:
        return Ahead("info", reader.t("unpaid.same_title", amount=reader.money(amount_fen)), reader.t("unpaid.same_text"))
    title = reader.t("unpaid.checking_title", amount=reader.money(amount_fen))
    return Ahead("info", title, reader.t("unpaid.same_checking", when=reader.time(from_at, seconds=False)))


def _same_sum(each: "Open", amount_fen: int) -> bool:
    return each.amount_fen == amount_fen and not each.purchase


async def same(request: AnyRequest, session: "Session", amount_fen: int, key: str) -> "Open | None":
    """The open order that this wish would double: for the wallet, of the same sum. None for a repeat of the same press."""
    desk = house_of(request).desk
    found = [each for each in await desk.open_orders(session.user_id) if _same_sum(each, amount_fen)]
    if not found or await desk.knows_key(session.user_id, key):
        return None
    at = clock.now()
    return next((each for each in found if not each.another(at)), found[0])
