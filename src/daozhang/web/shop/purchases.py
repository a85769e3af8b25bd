"""What was bought: the list, one purchase with its codes after the password was asked again, and help afterwards."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import ids
from daozhang.cases import shown as case_shown
from daozhang.reasons import Refusal
from daozhang.recharge.view import shown as order_shown
from daozhang.web import forms, sessions
from daozhang.web.pages import house_of, locale_of, page, told, told_of

if TYPE_CHECKING:
    from daozhang.goods.buy import Delivered, Supply
    from daozhang.goods.model import Purchase
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
CASE = "aftersale"
MARKS = {"reserved": "info", "supplying": "info", "delivered": "ok", "released": "off", "returned": "warn"}
_LINES = 20


@get("/shop/purchases")
async def purchases(request: AnyRequest) -> Response[bytes]:
    """All of them, newest first, twenty a page."""
    session, house = await sessions.require(request), house_of(request)
    text = request.query_params.get("before", "")
    before = ids.parse26(text.removeprefix("PU-")) if text else None
    lines = await house.purchases.purchases(session.user_id, before, _LINES + 1)
    return await page(
        request, "shop/purchases.html", here="orders", session=session, lines=lines[:_LINES], more=len(lines) > _LINES,
        paged=before is not None, marks=MARKS,
    )  # fmt: skip


@get("/shop/purchases/{shown:str}")
async def purchase(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """One purchase. Somebody else's does not exist."""
    session = await sessions.require(request)
    return await _page(request, session, await house_of(request).purchases.find(session.user_id, shown))


@get("/shop/purchases/{shown:str}/state")
async def state(request: AnyRequest, shown: FromPath[str]) -> dict[str, Any]:
    """What a waiting page asks: did `mark` change?"""
    session = await sessions.require(request)
    found = await house_of(request).purchases.find(session.user_id, shown)
    return {"state": found.state, "mark": found.state}


@post("/shop/purchases/{shown:str}/codes", status_code=200)
async def codes(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """The codes in clear, once the password has been given again. That they were seen is on record; the page is kept nowhere.

    A wrong password is told at its field and counts as one at the login.
    """
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    found = await house.purchases.find(session.user_id, shown)
    try:
        await house.identity.prove_again(session, form.get("password", ""), sessions.visitor(request), form.get("factor", ""))
    except Refusal as refusal:
        if refusal.reason not in ("account.old_password_wrong", "account.factor_wrong"):
            raise
        return await _page(request, session, found, refusal=refusal)
    return await _page(request, session, found, await house.purchases.look(session.user_id, found.id, session.id))


@post("/shop/purchases/{shown:str}/help", status_code=303)
async def ask_for_help(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Open the purchase's after-sale case, or go to the one that is open: what we know of it stands there already."""
    session, house = await sessions.require(request), house_of(request)
    await sessions.check_csrf(request, await forms.read(request))
    found = await house.purchases.find(session.user_id, shown)
    facts = {"purchase": found.shown, "state": found.state, "total_fen": found.total_fen, "goods_id": found.goods_id}
    case_id = await house.database.transact(
        lambda tx: house.cases.open(tx, session.shop_id, session.user_id, CASE, found.shown, "goods_problem", facts)
    )
    return Redirect(f"/cases/{case_shown(case_id)}", status_code=303)


async def _page(
    request: AnyRequest,
    session: "Session",
    found: "Purchase",
    opened: "list[Delivered] | None" = None,
    refusal: Refusal | None = None,
) -> Response[bytes]:
    house, reader = house_of(request), locale_of(request)
    seen, last_at = await house.purchases.looks(session.user_id, found.id)
    supply = await house.purchases.supply(session.user_id, found.id)
    return await page(
        request, "shop/purchase.html", here="orders", session=session, status=422 if refusal else 200, purchase=found,
        mark=MARKS[found.state], codes=opened, wrong=told_of(request, refusal) if refusal else None, seen=seen, last_at=last_at,
        supply=supply, target=_masked(supply), order_shown=order_shown(found.order_id) if found.order_id else "",
        why=told(request, found.reason) if found.state == "returned" and found.reason else None,
        case=await house.cases.open_about(session.shop_id, CASE, found.shown), name=found.titled(reader.code),
    )  # fmt: skip


def _masked(supply: "Supply | None") -> str:
    """The account with its middle hidden: enough to recognise, too little to copy."""
    if supply is None:
        return ""
    text = supply.target
    kept = max(1, min(3, len(text) // 3))
    return f"{text[:kept]}{'*' * max(3, len(text) - 2 * kept)}{text[-kept:]}"


handlers = [purchases, purchase, state, codes, ask_for_help]
