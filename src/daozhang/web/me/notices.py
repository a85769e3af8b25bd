"""Where messages go besides this site: text messages, and an e-mail address that was proved."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang.identity import mask_phone
from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.pages import house_of, page, told_of

if TYPE_CHECKING:
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_ON_FORM = ("notices.", "provider.missing", "confirmation.unsent", "operation.too_many")


@get("/me/notices")
async def show(request: AnyRequest) -> Response[bytes]:
    """The page: which messages go to which address."""
    return await _page(request, await sessions.require(request))


@post("/me/notices", status_code=303)
async def choose(request: AnyRequest) -> Response[Any]:
    """Choose."""
    session, form = await _form(request)
    try:
        await house_of(request).outward.choose(session, by_sms=form.get("sms") == "1", by_email=form.get("email") == "1")
    except Refusal as refusal:
        return await _page(request, session, refusal)
    return Redirect("/me/notices?done=kept", status_code=303)


@post("/me/notices/email/ask", status_code=303)
async def ask_email(request: AnyRequest) -> Response[Any]:
    """Send the letter that proves an address."""
    session, form = await _form(request)
    try:
        await house_of(request).outward.ask_email(session, form.get("address", "")[:160])
    except Refusal as refusal:
        return await _page(request, session, refusal, form.get("address", "")[:120])
    return Redirect("/me/notices?done=asked", status_code=303)


@get("/me/notices/email")
async def letter(request: AnyRequest) -> Response[bytes]:
    """What the letter leads to: a button, because programs that look at letters open their addresses, too."""
    session = await sessions.require(request)
    return await page(request, "me/email.html", here="me", session=session, ticket=request.query_params.get("t", "")[:1_000])


@post("/me/notices/email", status_code=303)
async def prove_email(request: AnyRequest) -> Response[Any]:
    """The letter arrived."""
    session, form = await _form(request)
    try:
        await house_of(request).outward.prove_email(session, form.get("t", ""))
    except Refusal as refusal:
        return await _page(request, session, refusal)
    return Redirect("/me/notices?done=proved", status_code=303)


@post("/me/notices/email/forget", status_code=303)
async def forget_email(request: AnyRequest) -> Response[Any]:
    """Delete the address."""
    session, _ = await _form(request)
    await house_of(request).outward.forget_email(session)
    return Redirect("/me/notices?done=kept", status_code=303)


async def _form(request: AnyRequest) -> tuple["Session", dict[str, str]]:
    session, form = await sessions.require(request), await forms.read(request)
    await sessions.check_csrf(request, form)
    return session, form


async def _page(request: AnyRequest, session: "Session", refusal: Refusal | None = None, address: str = "") -> Response[bytes]:
    if refusal is not None and not refusal.reason.startswith(_ON_FORM):
        raise refusal
    house, done = house_of(request), request.query_params.get("done", "")
    return await page(
        request, "me/notices.html", here="me", session=session, choice=await house.outward.choice(session.user_id),
        phone=mask_phone(await house.identity.phone(session.user_id)), address=address,
        status=200 if refusal is None else catalogue().get(refusal.reason).http,
        done=done if done in {"kept", "asked", "proved"} else "", wrong=None if refusal is None else told_of(request, refusal),
    )  # fmt: skip


handlers = [show, choose, ask_email, letter, prove_email, forget_email]
