"""Asking for a frozen account back: why it is frozen, a proof that is older than what was odd, and then its case."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang.cases import shown as case_shown
from daozhang.cases import unfreeze
from daozhang.identity import mask_phone
from daozhang.identity.service import BY_LAW
from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.pages import house_of, page, told, told_of

if TYPE_CHECKING:
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_ON_FORM = ("account.", "confirmation.", "provider.missing", "operation.too_many", "operation.form_stale", "platform.busy")


_BY_LAW = "account.frozen_by_law"


@get("/me/unfreeze")
async def show(request: AnyRequest) -> Response[Any]:
    """Why, and how to prove that it is you; the case where one is open."""
    session = await sessions.require(request)
    try:
        return await _elsewhere(request, session) or await _page(request, session)
    except Refusal as refusal:
        return await _page(request, session, refusal)


@post("/me/unfreeze", status_code=303)
async def ask(request: AnyRequest) -> Response[Any]:
    """Send a code (`send`), or open the case with the password or the code that was typed; with neither, the page that asks."""
    session, form, house = await sessions.require(request), await forms.read(request), house_of(request)
    visitor = sessions.visitor(request)
    try:
        await sessions.check_csrf(request, form)
        found = await _elsewhere(request, session)
        if found is not None:
            return found
        if form.get("send"):
            await house.regain.send(session, visitor)
        if not form.get("password") and not form.get("code"):
            return Redirect("/me/unfreeze", status_code=303)
        await house.regain.prove(
            session,
            visitor,
            password=form.get("password", "")[:128],
            code=form.get("code", "")[:16],
            factor=form.get("factor", "")[:32],
        )
    except Refusal as refusal:
        if session.standing != "frozen" or not refusal.reason.startswith(_ON_FORM) or refusal.reason == "account.login_required":
            raise
        return await _page(request, session, refusal)
    case_id = await unfreeze.ask(house.database, house.cases, session.shop_id, session.user_id, session.standing_why or "other", {})
    return Redirect(f"/cases/{case_shown(case_id)}", status_code=303)


async def _elsewhere(request: AnyRequest, session: "Session") -> Response[Any] | None:
    """Where there is nothing to prove: the account works, or the case is open. One that an authority has to end is refused."""
    if session.standing != "frozen":
        return Redirect("/me", status_code=303)
    if session.standing_why in BY_LAW:
        raise Refusal(_BY_LAW)
    known = await house_of(request).cases.open_about(session.shop_id, unfreeze.KIND, f"user:{session.user_id}")
    return Redirect(f"/cases/{known.shown}", status_code=303) if known else None


async def _page(request: AnyRequest, session: "Session", refusal: Refusal | None = None) -> Response[Any]:
    house = house_of(request)
    moments = {"until_at": session.standing_until, "review_at": session.standing_review_at, "office": session.standing_office}
    return await page(
        request, "front/regain.html", here="me", session=session,
        status=200 if refusal is None else catalogue().get(refusal.reason).http,
        frozen=told(request, "account.frozen", {"why": session.standing_why} | {k: v for k, v in moments.items() if v}),
        by_law=refusal is not None and refusal.reason == _BY_LAW,
        password_counts=await house.regain.password_counts(session.user_id), sent=await house.regain.waiting(session),
        phone=mask_phone(await house.identity.phone(session.user_id)), wrong=None if refusal is None else told_of(request, refusal),
    )  # fmt: skip


handlers = [show, ask]
