"""One box at the top of every page: whatever number somebody has leads to the page that tells its story."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from litestar import Request, Response, get
from litestar.response import Redirect

from daozhang import ids
from daozhang.events.audit import doing
from daozhang.identity.roles import may
from daozhang.postgres import statements
from daozhang.reasons import Refusal
from daozhang.recharge.view import shown
from daozhang.web.console import access
from daozhang.web.pages import house_of

sql = statements("daozhang.web.console")

AnyRequest = Request[Any, Any, Any]
LONGEST = 80


@get("/find", may="order.read")
async def find(request: AnyRequest) -> Response[Any]:
    """A failure code, an order's number, a case's, a channel's number of a payment, ours at a channel, or a telephone number."""
    session, house = await access.staff(request), house_of(request)
    wanted = "".join(letter for letter in request.query_params.get("q", "")[:LONGEST] if letter.isprintable() and letter != " ")
    if not wanted:
        return await access.page(request, "nothing.html", wanted="")
    target = await _by_number(request, wanted) or await _by_phone(request, wanted)
    # What was looked for may be somebody's telephone number: then the trail says only whom it led to.
    named = "phone" if wanted.isdecimal() and len(wanted) == 11 else wanted
    async with doing(house.database, access.doer(session), "desk.find", named) as deed:
        deed.after = target
    if not target:
        return await access.page(request, "nothing.html", status=404, wanted=wanted)
    return Redirect(target, status_code=303)


async def _by_number(request: AnyRequest, wanted: str) -> str:
    """The page that a failure code or a number of an order or a case leads to; empty when it is none."""
    plain, session = wanted.upper(), await access.staff(request)
    if plain.startswith(("RC-", "CA-")):
        if ids.parse26(plain[3:]) is None:
            return ""
        if plain.startswith("CA-"):
            return f"/desk/cases/{quote(plain)}" if may(session.roles, "case.read") else ""
        return f"/desk/orders/{quote(plain)}"
    thread = await house_of(request).diagnoses.by_code(session.shop_id, wanted)
    order_id = thread.order_id if thread else await _order_of(request, wanted)
    if thread and order_id is None and may(session.roles, "user.read"):
        return f"/desk/users/{thread.user_id}"
    return f"/desk/orders/{shown(order_id)}" if order_id else ""


async def _order_of(request: AnyRequest, wanted: str) -> UUID | None:
    """The order behind our number at a channel, an order's number without its mark, or a channel's own number."""
    session, database = await access.staff(request), house_of(request).database
    bare = ids.parse26(wanted.upper())
    found: UUID | None = None
    if bare is not None:
        found = await database.value(sql.order_of_attempt, bare, session.shop_id)
        found = found or await database.value(sql.order_there, bare, session.shop_id)
    return found or await database.value(sql.order_of_transaction, wanted, session.shop_id)


async def _by_phone(request: AnyRequest, wanted: str) -> str:
    session, house = await access.staff(request), house_of(request)
    if not may(session.roles, "user.read"):
        return ""
    try:
        user_id = await house.identity.find(session.shop_id, wanted)
    except Refusal:
        return ""
    return f"/desk/users/{user_id}" if user_id else ""


handlers = [find]
