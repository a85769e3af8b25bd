"""Paid and not credited: by the number in the wallet's bill, by ours, or by picking the order; a case when nothing else is left."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang.cases import shown as case_shown
from daozhang.reasons import Refusal
from daozhang.web import forms, sessions
from daozhang.web.front import path
from daozhang.web.front.finding import shown as told_finding
from daozhang.web.front.order import find
from daozhang.web.pages import house_of, locale_of, page, told_of

if TYPE_CHECKING:
    from daozhang.diagnosis.claim import Claimed
    from daozhang.reasons import Told
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]


@get("/claim")
async def ask(request: AnyRequest) -> Response[bytes]:
    """The form; `?order=RC-...` has that one picked."""
    session = await sessions.require(request)
    return await _page(request, session, picked=request.query_params.get("order", "")[:32])


@post("/claim", status_code=200)
async def look(request: AnyRequest) -> Response[Any]:
    """Look now: the channel is asked, and what it says is booked. Credited, or exactly why not."""
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    await house.limiter.demand("claim.user", session.user_id)
    number, picked = form.get("number", "").strip(), form.get("order", "")
    view = await find(request, session, picked) if picked and not number else None
    try:
        if view is not None:
            claimed = await house.claims.of_order(session.shop_id, view)
        else:
            claimed = await house.claims.by_number(session.shop_id, session.user_id, number)
    except Refusal as refusal:
        if not refusal.reason.startswith("claim."):
            raise
        return await _page(request, session, number=number, wrong=told_of(request, refusal), status=422)
    if claimed.found in ("credited", "known") and claimed.order is not None:
        return Redirect(f"/orders/{claimed.order.shown}", status_code=303)
    return await _page(request, session, number=number, picked=picked, claimed=claimed)


@post("/claim/case", status_code=303)
async def case(request: AnyRequest) -> Redirect:
    """Nothing was found: a person looks, with the number and what is known already in the case."""
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    await house.limiter.demand("why.person", session.user_id)
    number, picked = form.get("number", "")[:64], form.get("order", "")
    if picked:
        view = await find(request, session, picked)
        thread, finding = await house.diagnoses.of_order(view, session.shop_id)
        case_id = await house.diagnoses.ask_person(thread, view.shown, finding, version=house.desk.page_version, claim=True)
    else:
        case_id = await house.diagnoses.claim_case(session.shop_id, session.user_id, number, house.desk.page_version)
    return Redirect(f"/cases/{case_shown(case_id)}", status_code=303)


async def _page(
    request: AnyRequest, session: "Session", *, number: str = "", picked: str = "", wrong: "Told | None" = None,
    claimed: "Claimed | None" = None, status: int = 200,
) -> Response[bytes]:  # fmt: skip
    house, reader = house_of(request), locale_of(request)
    context: dict[str, Any] = {"shown": None, "path": None, "path_state": ""}
    not_found = claimed is not None and claimed.found == "not_found"
    if claimed is not None and claimed.order is not None:
        view = claimed.order
        _, finding = await house.diagnoses.of_order(view, session.shop_id)
        context["shown"] = told_finding(finding, reader.either(f"kind.{view.kind}", "kind.other"), reader)
        context["path"] = path.steps(view, reader, await house.diagnoses.reader.clocks(view))
        context["path_state"] = f"/orders/{view.shown}/state?next=1"
    said = [
        (reader.t(f"claim.{each.what}", kind=reader.either(f"kind.{each.kind}", "kind.other")), reader.time(each.at))
        for each in (claimed.said if claimed and claimed.order else ())
    ]
    return await page(
        request,
        "front/claim.html",
        status=404 if not_found else status,
        here="orders",
        session=session,
        number=number,
        picked=picked,
        wrong=wrong,
        found=claimed.found if claimed else "",
        order=claimed.order if claimed else None,
        nothing=told_of(request, Refusal("claim.not_found")) if not_found else None,
        said=said,
        orders=await house.claims.open_orders(session.shop_id, session.user_id),
        **context,
    )


handlers = [ask, look, case]
