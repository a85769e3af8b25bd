"""The wallet: what a person has here, and every movement that made it so."""

from typing import Any

from litestar import Request, Response, get

from daozhang import ids
from daozhang.web import sessions
from daozhang.web.front.paging import before_of
from daozhang.web.pages import house_of, page

_LINES = 20


@get("/wallet")
async def wallet(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Balance and statement, twenty lines a page."""
    session, house = await sessions.require(request), house_of(request)
    before = before_of(request)
    lines = await house.desk.statement(session.user_id, before, _LINES + 1)
    return await page(
        request,
        "front/wallet.html",
        here="wallet",
        session=session,
        wallet=await house.desk.wallet(session.user_id),
        lines=lines[:_LINES],
        more=len(lines) > _LINES,
        paged=before is not None,
        next_before=ids.text26(lines[_LINES - 1].id) if len(lines) > _LINES else "",
    )


handlers = [wallet]
