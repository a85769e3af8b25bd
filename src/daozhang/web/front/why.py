"""Why: for one order, and for a person's recharges in general; what the phone showed; a failure code; "tell me when it works"."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from msgspec.structs import replace

from daozhang.cases import shown as case_shown
from daozhang.diagnosis.service import mark_of
from daozhang.money import MalformedAmount, parse_yuan
from daozhang.recharge.view import shown as order_shown
from daozhang.web import forms, sessions
from daozhang.web.front import finding as told
from daozhang.web.front import path
from daozhang.web.front.device import offered
from daozhang.web.front.order import face_of, find
from daozhang.web.front.order import mark_of as order_mark
from daozhang.web.pages import house_of, locale_of, page, title_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daozhang.diagnosis import Finding, Thread
    from daozhang.recharge.model import OrderView
    from daozhang.web.front.device import Choice
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]


@get("/orders/{shown:str}/why")
async def of_order(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """Why this recharge did not arrive, or has not yet: every layer, the cause with its witness, and what cures it."""
    session = await sessions.require(request)
    view = await find(request, session, shown)
    return await _order_page(request, session, view)


@get("/orders/{shown:str}/why/beside")
async def beside(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """The same in short, for the cashier to show beside the code that stays where it is."""
    session = await sessions.require(request)
    view = await find(request, session, shown)
    thread, finding = await house_of(request).diagnoses.of_order(view, session.shop_id)
    suiting = fitted(finding, await _choices(request, view, finding))
    return await page(request, "front/why/beside.html", session=session, **_context(request, view, thread, suiting))


@get("/orders/{shown:str}/why/state")
async def order_state(request: AnyRequest, shown: FromPath[str]) -> dict[str, Any]:
    """What an open page asks now and then: does a finding say something else by now?"""
    session, house = await sessions.require(request), house_of(request)
    view = await find(request, session, shown)
    await house.limiter.demand("why.look", session.user_id)
    _, finding = await house.diagnoses.of_order(view, session.shop_id)
    return {"mark": mark_of(finding).hex()}


@get("/why/state")
async def general_state(request: AnyRequest) -> dict[str, Any]:
    """The same for recharges in general."""
    session, house = await sessions.require(request), house_of(request)
    await house.limiter.demand("why.look", session.user_id)
    _, finding = await house.diagnoses.in_general(session.user_id, session.shop_id, _amount(request))
    return {"mark": mark_of(finding).hex()}


@post("/orders/{shown:str}/why/phone", status_code=303)
async def phone(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Keep what the user says that the phone showed, picked from the list or pasted, and show the diagnosis with it."""
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    view = await find(request, session, shown)
    if not form.get("pick") and not form.get("words", "").strip():
        return Redirect(f"/orders/{view.shown}/why?empty=1#phone", status_code=303)
    await house.limiter.demand("why.phone", session.user_id)
    await house.diagnoses.hear(view, session.shop_id, form.get("pick", "")[:32], form.get("words", ""))
    return Redirect(f"/orders/{view.shown}/why", status_code=303)


@post("/orders/{shown:str}/why/watch", status_code=303)
async def watch(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Tell me when it works again."""
    session, house = await sessions.require(request), house_of(request)
    await sessions.check_csrf(request, await forms.read(request))
    view = await find(request, session, shown)
    thread, _ = await house.diagnoses.of_order(view, session.shop_id)
    await house.diagnoses.watch(thread)
    return Redirect(f"/orders/{view.shown}/why", status_code=303)


@post("/orders/{shown:str}/why/person", status_code=303)
async def person(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Ask a person to look: the case has everything in it that we know."""
    session, house = await sessions.require(request), house_of(request)
    await sessions.check_csrf(request, await forms.read(request))
    view = await find(request, session, shown)
    await house.limiter.demand("why.person", session.user_id)
    thread, finding = await house.diagnoses.of_order(view, session.shop_id)
    case_id = await house.diagnoses.ask_person(thread, view.shown, finding, version=house.desk.page_version)
    return Redirect(f"/cases/{case_shown(case_id)}", status_code=303)


@get("/why")
async def in_general(request: AnyRequest) -> Response[bytes] | Redirect:
    """Would a recharge go now, and if not, why; what failed lately; past freezes; and a failure code to open."""
    session = await sessions.require(request)
    code = request.query_params.get("code", "")
    if code:
        found = await house_of(request).diagnoses.by_code(session.shop_id, code, session.user_id)
        if found is not None:
            return Redirect(f"/orders/{order_shown(found.order_id)}/why" if found.order_id else "/why", status_code=303)
    return await _general_page(request, session, unknown=code[:24])


@post("/why/watch", status_code=303)
async def watch_in_general(request: AnyRequest) -> Redirect:
    """Tell me when recharging works again."""
    session, house = await sessions.require(request), house_of(request)
    await sessions.check_csrf(request, await forms.read(request))
    thread, _ = await house.diagnoses.in_general(session.user_id, session.shop_id)
    await house.diagnoses.watch(thread)
    return Redirect("/why", status_code=303)


@post("/why/person", status_code=303)
async def person_in_general(request: AnyRequest) -> Redirect:
    """Ask a person about recharges in general."""
    session, house = await sessions.require(request), house_of(request)
    await sessions.check_csrf(request, await forms.read(request))
    await house.limiter.demand("why.person", session.user_id)
    thread, finding = await house.diagnoses.in_general(session.user_id, session.shop_id)
    case_id = await house.diagnoses.ask_person(thread, f"user:{session.user_id}", finding, version=house.desk.page_version)
    return Redirect(f"/cases/{case_shown(case_id)}", status_code=303)


async def _order_page(request: AnyRequest, session: "Session", view: "OrderView") -> Response[bytes]:
    house, reader = house_of(request), locale_of(request)
    thread, finding = await house.diagnoses.of_order(view, session.shop_id)
    past, choices = await house.diagnoses.past(thread), await _choices(request, view, finding)
    kind = reader.either(f"kind.{view.kind}", "kind.other")
    return await page(
        request,
        "front/why/order.html",
        here="orders",
        session=session,
        live=not view.terminal,
        order_mark=order_mark(view),
        face=face_of(view),
        path=path.steps(view, reader, await house.diagnoses.reader.clocks(view)),
        past=[(each.at, told.headline(each.finding, kind, reader).title) for each in past[1:]],
        empty=request.query_params.get("empty") == "1",
        choices=choices,
        **_context(request, view, thread, fitted(finding, choices)),
    )


async def _general_page(request: AnyRequest, session: "Session", *, unknown: str = "") -> Response[bytes]:
    house, reader = house_of(request), locale_of(request)
    amount_fen = _amount(request)
    thread, finding = await house.diagnoses.in_general(session.user_id, session.shop_id, amount_fen)
    kind = finding.cause.kind if finding.cause else ""
    return await page(
        request,
        "front/why/general.html",
        status=404 if unknown else 200,
        here="orders",
        session=session,
        finding=finding,
        thread=thread,
        watching=thread.watch_since is not None,
        shown=told.shown(finding, reader.either(f"kind.{kind}", "kind.other"), reader, watching=thread.watch_since is not None),
        mark=mark_of(finding).hex(),
        unknown=unknown,
        failures=[(each, title_of(request, each.reason) if each.reason else "") for each in finding.failures],
    )


def _context(request: AnyRequest, view: "OrderView", thread: "Thread", finding: "Finding") -> dict[str, Any]:
    reader = locale_of(request)
    kind = reader.either(f"kind.{view.kind}", "kind.other")
    return {
        "order": view,
        "kind": kind,
        "thread": thread,
        "finding": finding,
        "watching": thread.watch_since is not None,
        "shown": told.shown(finding, kind, reader, watching=thread.watch_since is not None),
        "mark": mark_of(finding).hex(),
    }


async def _choices(request: AnyRequest, view: "OrderView", finding: "Finding") -> list[Any]:
    """The ways that would go now, in the order that suits this device; only for an order that can be paid another way."""
    if not finding.ways or not any(cure.step in ("retry", "same", "phone", "check") for cure in finding.cures):
        return []
    quote = await house_of(request).desk.quote(view.user_id, view.amount_fen, besides=(view.id,))
    go = {(way.channel_id, way.method) for way in finding.ways}
    return [each for each in offered(request, quote.methods) if (each.channel_id, each.method) in go][:4]


def fitted(finding: "Finding", choices: "Sequence[Choice]") -> "Finding":
    """The same finding, its button leading to the way that suits this device best: nobody opens a phone's wallet at a desk."""
    if not choices:
        return finding
    best = choices[0]
    cures = tuple(
        replace(cure, post={"method": best.value}, facts={**cure.facts, "kind": best.kind, "method": best.method})
        if cure.step == "retry"
        else cure
        for cure in finding.cures
    )
    return replace(finding, cures=cures)


def _amount(request: AnyRequest) -> int | None:
    """The amount that is asked about; None when none was named, or it is none."""
    try:
        return parse_yuan(request.query_params.get("amount", ""))
    except MalformedAmount:
        return None


handlers = [
    of_order, beside, order_state, general_state, phone, watch, person, in_general, watch_in_general, person_in_general,
]  # fmt: skip
