"""The devices that one has logged in with, and unbinding one that is not one's own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang.identity import mask_phone
from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.front.agents import agent_name
from daozhang.web.pages import house_of, locale_of, page, told_of

if TYPE_CHECKING:
    from daozhang.identity.devices import Device
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_ON_FORM = ("account.", "confirmation.", "provider.missing", "operation.too_many", "operation.form_stale", "platform.busy")


@dataclass(frozen=True, slots=True)
class Line:
    """One device of the list, with its name."""

    device: "Device"
    name: str
    here: bool


@get("/me/devices")
async def show(request: AnyRequest) -> Response[bytes]:
    """The list. `?of=` is the device that is being unbound."""
    session = await sessions.require(request)
    return await _page(request, session, request.query_params.get("of", ""))


@post("/me/devices/{device_id:uuid}/unbind", status_code=303)
async def unbind(request: AnyRequest, device_id: FromPath[UUID]) -> Response[Any]:
    """Send a code (`send`), or unbind with the password or the code that was typed."""
    session, form, house = await sessions.require(request), await forms.read(request), house_of(request)
    visitor = sessions.visitor(request)
    try:
        await sessions.check_csrf(request, form)
        if form.get("send"):
            await house.devices.send(session, device_id, visitor)
            return Redirect(f"/me/devices?of={device_id}", status_code=303)
        await house.devices.unbind(
            session, device_id, visitor, password=form.get("password", "")[:128], code=form.get("code", "")[:16],
            factor=form.get("factor", "")[:32],
        )  # fmt: skip
    except Refusal as refusal:
        if not refusal.reason.startswith(_ON_FORM) or refusal.reason == "account.login_required":
            raise
        return await _page(request, session, str(device_id), refusal)
    return Redirect("/me/devices?done=1", status_code=303)


async def _page(request: AnyRequest, session: "Session", of: str, refusal: Refusal | None = None) -> Response[bytes]:
    house, reader = house_of(request), locale_of(request)
    found = await house.devices.of_user(session.user_id)
    chosen = next((each for each in found if str(each.id) == of), None)
    return await page(
        request,
        "front/devices.html",
        here="me",
        status=200 if refusal is None else catalogue().get(refusal.reason).http,
        session=session,
        lines=[Line(each, agent_name(each.agent, reader), each.id == session.device_id) for each in found],
        chosen=chosen,
        sent=None if chosen is None else await house.devices.waiting(session, chosen.id),
        phone=mask_phone(await house.identity.phone(session.user_id)),
        done=request.query_params.get("done") == "1",
        wrong=None if refusal is None else told_of(request, refusal),
    )


handlers = [show, unbind]
