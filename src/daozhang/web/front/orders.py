"""Every recharge of a person, completed or not."""

from typing import Any

from litestar import Request, Response, get

from daozhang.web import sessions
from daozhang.web.front.paging import before_of
from daozhang.web.pages import house_of, page, title_of

_LINES = 20


@get("/orders")
async def orders(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The list, newest first, twenty a page."""
    session, before = await sessions.require(request), before_of(request)
    lines = await house_of(request).desk.orders(session.user_id, before, _LINES + 1)
    return await page(
        request,
        "front/orders.html",
        here="orders",
        session=session,
        lines=lines[:_LINES],
        whys={line.shown: title_of(request, line.reason) if line.reason and line.money == "none" else "" for line in lines},
        more=len(lines) > _LINES,
        paged=before is not None,
    )


handlers = [orders]
