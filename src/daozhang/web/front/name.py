"""The page of one's real name: why it is asked for, the form that has it verified, people or the face where one wants them."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang.cases import by_hand
from daozhang.cases import shown as case_shown
from daozhang.policy.name_soon import soon
from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.front.cases import MOST_UPLOAD, read_pictures
from daozhang.web.pages import house_of, page, told, told_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daozhang.policy.model import Verdict
    from daozhang.reasons import Told
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_FIELDS = {"identity.name_malformed": "name", "identity.number_malformed": "number"}
_ON_FORM = ("identity.", "provider.", "confirmation.", "cases.", "operation.too_many", "operation.form_stale")
_BY_HAND = ("identity.no_record", "identity.mismatch", "identity.picture_needed", "cases.")
"""What people can help with: the form for them is open then."""


def soon_told(request: AnyRequest, verdicts: "Iterable[Verdict]") -> "Told | None":
    """What is said before a verified name is needed; None while that is far."""
    near = soon(verdicts)
    return told(request, near.reason, dict(near.facts)) if near else None


@get("/me/name")
async def show(request: AnyRequest) -> Response[Any]:
    """The verified name, masked; or the form. `?next=` is where the cure was asked for; `?back=face`: from a look at the face."""
    session = await sessions.require(request)
    target = request.query_params.get("next", "")
    try:
        if request.query_params.get("back") == "face" and await house_of(request).faces.back(session):
            return Redirect("/me/name", status_code=303)
    except Refusal as refusal:
        return await _page(request, session, target, refusal)
    return await _page(request, session, target)


@post("/me/name", status_code=303)
async def verify(request: AnyRequest) -> Response[Any]:
    """Compare name and number with the register. The number is never shown again, and stands in no address."""
    session, form = await sessions.require(request), await forms.read(request)
    target = form.get("next", "")
    try:
        await sessions.check_csrf(request, form)
        await house_of(request).verifications.verify(session.user_id, form.get("name", "")[:64], form.get("number", "")[:32])
    except Refusal as refusal:
        if not refusal.reason.startswith(_ON_FORM):
            raise
        return await _page(request, session, target, refusal, name=form.get("name", "")[:64])
    return Redirect(sessions.safe_next(target) if target else "/me/name", status_code=303)


@post("/me/name/hand", request_max_body_size=MOST_UPLOAD, status_code=303)
async def ask_people(request: AnyRequest) -> Response[Any]:
    """Have people look at the card, because the register has no record of the name or another one."""
    session = await sessions.require(request)
    form, pictures = await read_pictures(request)
    house, name = house_of(request), form.get("name", "")[:64]
    try:
        await sessions.check_csrf(request, form)
        case_id = await by_hand.ask(
            house.database, house.cases, house.verifications, session.shop_id, session.user_id, name, form.get("number", "")[:32],
            form.get("text", ""), pictures,
        )  # fmt: skip
    except Refusal as refusal:
        if not refusal.reason.startswith(_ON_FORM):
            raise
        return await _page(request, session, "", refusal, name=name, text=form.get("text", ""), by_hand_open=True)
    return Redirect(f"/cases/{case_shown(case_id)}", status_code=303)


@post("/me/name/face", status_code=303)
async def look_at_face(request: AnyRequest) -> Response[Any]:
    """Begin a look at the face (`agree`: with consent of its own), or take the consent back (`withdraw`)."""
    session, form, house = await sessions.require(request), await forms.read(request), house_of(request)
    try:
        await sessions.check_csrf(request, form)
        if form.get("withdraw"):
            await house.faces.take_back(session.user_id)
            return Redirect("/me/name", status_code=303)
        back = f"{house.settings.url()}/me/name?back=face"
        return Redirect(await house.faces.begin(session, back, agrees=form.get("agree") == "1"), status_code=303)
    except Refusal as refusal:
        if not refusal.reason.startswith(_ON_FORM):
            raise
        return await _page(request, session, "", refusal)


async def _page(
    request: AnyRequest, session: "Session", target: str, refusal: Refusal | None = None, *, name: str = "", text: str = "",
    by_hand_open: bool = False,
) -> Response[bytes]:  # fmt: skip
    house = house_of(request)
    return await page(
        request,
        "front/name.html",
        here="me",
        status=200 if refusal is None else catalogue().get(refusal.reason).http,
        session=session,
        verified=await house.verifications.shown(session.user_id),
        agreed=await house.faces.agreed(session.user_id),
        asked=await house.cases.open_about(session.shop_id, by_hand.KIND, f"user:{session.user_id}"),
        text=text,
        by_hand_open=by_hand_open,
        people_help=refusal is not None and refusal.reason.startswith(_BY_HAND),
        rules=(await house.books.current(house.shop_id)).eligibility,
        next=target if target and sessions.safe_next(target) == target else "",
        name=name,
        wrong=None if refusal is None else told_of(request, refusal),
        wrong_field="" if refusal is None or by_hand_open else _FIELDS.get(refusal.reason, ""),
    )


handlers = [show, verify, ask_people, look_at_face]
