"""What an order asks before its payment: is the amount right, is it really you. Closing the page loses nothing."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import clock
from daozhang.identity import mask_phone
from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.front.order import find
from daozhang.web.pages import house_of, locale_of, page, told_of

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_ON_FORM = ("confirmation.", "provider.missing", "operation.too_many")


@get("/orders/{shown:str}/confirm")
async def show(request: AnyRequest, shown: FromPath[str]) -> Response[Any]:
    """The question that the order waits with. `?back=face`: its owner comes back from the look. Without a question: the order."""
    session = await sessions.require(request)
    view = await find(request, session, shown)
    try:
        if request.query_params.get("back") == "face" and await house_of(request).challenges.back(view):
            return Redirect(f"/orders/{view.shown}", status_code=303)
    except Refusal as refusal:
        return await _page(request, session, view, refusal)
    return await _page(request, session, view)


@post("/orders/{shown:str}/confirm", status_code=303)
async def answer(request: AnyRequest, shown: FromPath[str]) -> Response[Any]:
    """One of the buttons: `sure` the amount is right, `send` a code, `code` typed, `face` with its own consent, or a `person`."""
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    view = await find(request, session, shown)
    try:
        if form.get("sure"):
            await house.challenges.sure(view, int(form["sure"]) if form["sure"].isascii() and form["sure"].isdigit() else 0)
        elif form.get("send"):
            await house.challenges.send(view, sessions.visitor(request).network, locale_of(request).code)
            return Redirect(f"/orders/{view.shown}/confirm#code", status_code=303)
        elif form.get("person"):
            await house.challenges.ask_person(view)
        elif form.get("face"):
            back = f"{house.settings.url()}/orders/{view.shown}/confirm?back=face"
            url = await house.challenges.face(view, back, agrees=form.get("agree") == "1")
            return Redirect(url, status_code=303)
        else:
            await house.challenges.answer(view, form.get("code", "")[:16])
    except Refusal as refusal:
        if not refusal.reason.startswith(_ON_FORM):
            raise
        return await _page(request, session, view, refusal)
    return Redirect(f"/orders/{view.shown}", status_code=303)


async def _page(request: AnyRequest, session: "Session", view: "OrderView", refusal: Refusal | None = None) -> Response[Any]:
    house = house_of(request)
    asked = await house.challenges.asked(view)
    if asked is None:
        return Redirect(f"/orders/{view.shown}", status_code=303)
    return await page(
        request,
        "front/order/confirm.html",
        here="orders",
        session=session,
        status=200 if refusal is None else catalogue().get(refusal.reason).http,
        order=view,
        asked=asked,
        left_s=max(0, int((asked.ends_at - clock.now()).total_seconds())) if asked.ends_at else None,
        why=told_of(request, Refusal(view.reason or "", **view.reason_facts)),
        phone=mask_phone(await house.identity.phone(session.user_id)),
        wrong=None if refusal is None else told_of(request, refusal),
        wrong_code=refusal is not None and refusal.reason in ("confirmation.wrong", "confirmation.over"),
    )


handlers = [show, answer]
