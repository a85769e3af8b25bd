"""Logging in with a code, and setting a new password with one. Whether a number is known here is told to nobody."""

from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang.identity.by_code import Purpose
from daozhang.identity.factor import FactorNeeded
from daozhang.policy.places import note_login
from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.front import factor
from daozhang.web.pages import house_of, locale_of, page, told_of

AnyRequest = Request[Any, Any, Any]
_FIELDS = {"account.phone_": "phone", "account.password_": "password", "confirmation.wrong": "code"}
_ON_FORM = ("account.", "confirmation.", "provider.missing", "operation.too_many", "operation.form_stale", "platform.busy")


@get("/login/code")
async def login_page(request: AnyRequest) -> Response[bytes]:
    """The number first; then, once a code is on its way, the code."""
    sessions.demand_safe_cookies(request)
    return await _form(request, "login", next_=sessions.after_login(request.query_params.get("next")))


@post("/login/code", status_code=303)
async def login(request: AnyRequest) -> Response[Any]:
    """Send a code (`send`), or log in with the one that was typed."""
    return await _step(request, "login")


@get("/reset")
async def reset_page(request: AnyRequest) -> Response[bytes]:
    """The same for a forgotten password."""
    sessions.demand_safe_cookies(request)
    return await _form(request, "reset", next_="/")


@post("/reset", status_code=303)
async def reset(request: AnyRequest) -> Response[Any]:
    """Send a code, or set the new password with it: every other session ends."""
    return await _step(request, "reset")


async def _step(request: AnyRequest, purpose: Purpose) -> Response[Any]:
    sessions.demand_safe_cookies(request)
    form, house = await forms.read(request), house_of(request)
    target, phone, visitor = sessions.after_login(form.get("next")), form.get("phone", "")[:24], sessions.visitor(request)
    try:
        await sessions.check_csrf(request, form, anonymous=True)
        shop_id = await sessions.shop_of(request)
        if form.get("send"):
            await house.by_code.send(shop_id, purpose, phone, visitor, locale_of(request).code)
            return await _form(request, purpose, phone=phone, next_=target, sent=True)
        code = form.get("code", "")[:16]
        if purpose == "login":
            opened = await house.by_code.login(shop_id, phone, code, visitor)
        else:
            opened = await house.by_code.reset(shop_id, phone, code, form.get("password", ""), visitor)
        await note_login(house.database, opened.user_id, visitor.ip)
    except FactorNeeded as needed:
        return await factor.ask(request, needed.ticket, target)
    except Refusal as refusal:
        if not refusal.reason.startswith(_ON_FORM):
            raise
        still = refusal.reason.startswith(("confirmation.wrong", "account.password_"))
        return await _form(request, purpose, phone=phone, next_=target, sent=still, refusal=refusal)
    answer = Redirect(target, status_code=303)
    sessions.keep_login(request, answer, opened)
    return answer


async def _form(
    request: AnyRequest, purpose: Purpose, *, phone: str = "", next_: str = "/", sent: bool = False, refusal: Refusal | None = None
) -> Response[bytes]:
    field = "" if refusal is None else next((name for start, name in _FIELDS.items() if refusal.reason.startswith(start)), "")
    return await page(
        request,
        "front/by_code.html",
        here="login",
        status=200 if refusal is None else catalogue().get(refusal.reason).http,
        purpose=cast("str", purpose),
        phone=phone,
        next="" if next_ == "/" else next_,
        sent=sent,
        wrong=None if refusal is None else told_of(request, refusal),
        wrong_field=field,
        over=refusal is not None and refusal.reason == "confirmation.over",
    )


handlers = [login_page, login, reset_page, reset]
