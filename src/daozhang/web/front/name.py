"""The page of one's real name: why it is asked for, what is kept, and the form that has it verified."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang.policy.name_soon import soon
from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.pages import house_of, page, told, told_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daozhang.policy.model import Verdict
    from daozhang.reasons import Told
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_FIELDS = {"identity.name_malformed": "name", "identity.number_malformed": "number"}
_ON_FORM = ("identity.", "provider.", "operation.too_many", "operation.form_stale")


def soon_told(request: AnyRequest, verdicts: "Iterable[Verdict]") -> "Told | None":
    """What is said before a verified name is needed; None while that is far."""
    near = soon(verdicts)
    return told(request, near.reason, dict(near.facts)) if near else None


@get("/me/name")
async def show(request: AnyRequest) -> Response[bytes]:
    """The verified name, masked; or the form. `?next=` is where the cure was asked for."""
    session = await sessions.require(request)
    return await _page(request, session, request.query_params.get("next", ""))


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


async def _page(
    request: AnyRequest, session: "Session", target: str, refusal: Refusal | None = None, name: str = ""
) -> Response[bytes]:
    house = house_of(request)
    return await page(
        request,
        "front/name.html",
        here="me",
        status=200 if refusal is None else catalogue().get(refusal.reason).http,
        session=session,
        verified=await house.verifications.shown(session.user_id),
        rules=(await house.books.current(house.shop_id)).eligibility,
        next=target if target and sessions.safe_next(target) == target else "",
        name=name,
        wrong=None if refusal is None else told_of(request, refusal),
        wrong_field="" if refusal is None else _FIELDS.get(refusal.reason, ""),
    )


handlers = [show, verify]
