"""Every recharge of a person, completed or not: all of them, or those that are looked for."""

from typing import Any

from litestar import Request, Response, get
from litestar.response import Redirect

from daozhang import ids
from daozhang.money import MalformedAmount, parse_yuan
from daozhang.recharge.model import Sought
from daozhang.recharge.view import shown
from daozhang.web import sessions
from daozhang.web.front.paging import before_of
from daozhang.web.pages import house_of, page, title_of

_LINES = 20
GROUPS = {
    "waiting": ("created", "challenged", "reviewing", "awaiting_payment", "closing"),
    "arrived": ("paid", "credited", "held", "misfit", "frozen_by_order"),
    "ended": ("refused", "failed", "expired", "cancelled", "abandoned"),
    "returned": ("refunding", "refunded"),
}
"""What the tabs above the list gather. `ended` is every try that came to nothing, with why."""


@get("/orders")
async def orders(request: Request[Any, Any, Any]) -> Response[Any]:
    """The list, newest first, twenty a page. `?group=` shows one group, `?q=` an order by its number, or orders of an amount."""
    session, before = await sessions.require(request), before_of(request)
    asked = request.query_params.get("group", "")
    group, words = asked if asked in GROUPS else "", request.query_params.get("q", "").strip()[:40]
    words = words if words.isprintable() else ""
    number = ids.parse26(words.upper().removeprefix("RC-"))
    if number is not None and await house_of(request).desk.order(session.user_id, number):
        return Redirect(f"/orders/{shown(number)}", status_code=303)
    amount_fen = _amount(words)
    sought = Sought(GROUPS.get(group, ()), amount_fen)
    nothing = bool(words) and amount_fen is None
    lines = [] if nothing else await house_of(request).desk.orders(session.user_id, before, _LINES + 1, sought)
    return await page(
        request,
        "front/orders.html",
        here="orders",
        session=session,
        lines=lines[:_LINES],
        whys={line.shown: title_of(request, line.reason) if line.reason and line.money == "none" else "" for line in lines},
        more=len(lines) > _LINES,
        paged=before is not None,
        group=group,
        groups=list(GROUPS),
        words=words,
        kept={name: value for name, value in (("group", group), ("q", words)) if value},
    )


def _amount(text: str) -> int | None:
    try:
        return parse_yuan(text.removeprefix("¥").replace(",", "")) if text else None
    except MalformedAmount:
        return None


handlers = [orders]
