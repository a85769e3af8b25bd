"""Registering, logging in and out, and the page about oneself: the sessions, the password, the standing."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import notices
from daozhang.identity import Session, SessionLine, mask_phone
from daozhang.identity.factor import FactorNeeded
from daozhang.policy.places import note_login
from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.front import factor
from daozhang.web.front.agents import agent_name
from daozhang.web.pages import house_of, locale_of, page, told, told_of

AnyRequest = Request[Any, Any, Any]
_ON_FORM = ("account.", "operation.too_many", "operation.form_stale", "platform.busy")
_FIELDS = {"account.old_password_wrong": "old", "account.phone_": "phone", "account.password_": "password"}


@dataclass(frozen=True, slots=True)
class Line:
    """One session of the list, with the name of its device."""

    session: SessionLine
    name: str


@get("/login")
async def login_page(request: AnyRequest) -> Response[Any]:
    """The form. `?next=` is where to go afterwards; only paths of this site are followed."""
    sessions.demand_safe_cookies(request)
    target = sessions.after_login(request.query_params.get("next"))
    if await sessions.current(request) is not None:
        return Redirect(target, status_code=303)
    return await _form(request, "login", next=target)


@post("/login", status_code=303)
async def login(request: AnyRequest) -> Response[Any]:
    """Open a session and go on; or the form again with what was wrong, the number kept, the password not."""
    sessions.demand_safe_cookies(request)
    form = await forms.read(request)
    target, phone = sessions.after_login(form.get("next")), form.get("phone", "")
    try:
        await sessions.check_csrf(request, form, anonymous=True)
        shop_id = await sessions.shop_of(request)
        opened = await house_of(request).identity.login(shop_id, phone, form.get("password", ""), sessions.visitor(request))
        await note_login(house_of(request).database, opened.user_id, sessions.visitor(request).ip)
    except FactorNeeded as needed:
        return await factor.ask(request, needed.ticket, target)
    except Refusal as refusal:
        return await _again(request, "login", refusal, phone=phone, next=target)
    answer = Redirect(target, status_code=303)
    sessions.keep_login(request, answer, opened)
    return answer


@get("/register")
async def register_page(request: AnyRequest) -> Response[Any]:
    """The form."""
    sessions.demand_safe_cookies(request)
    target = sessions.after_login(request.query_params.get("next"))
    if await sessions.current(request) is not None:
        return Redirect(target, status_code=303)
    return await _form(request, "register", next=target)


@post("/register", status_code=200)
async def register(request: AnyRequest) -> Response[Any]:
    """Register, then show the login form with the number filled in. The answer is the same for a number that had an account."""
    sessions.demand_safe_cookies(request)
    form = await forms.read(request)
    target, phone = sessions.after_login(form.get("next")), form.get("phone", "")
    try:
        await sessions.check_csrf(request, form, anonymous=True)
        shop_id = await sessions.shop_of(request)
        identity, reader = house_of(request).identity, locale_of(request)
        await identity.register(shop_id, phone, form.get("password", ""), sessions.visitor(request), reader.code)
    except Refusal as refusal:
        return await _again(request, "register", refusal, phone=phone, next=target)
    return await _form(request, "login", phone=phone, next=target, registered=True)


@post("/logout", status_code=303)
async def logout(request: AnyRequest) -> Response[Any]:
    """End the session. Without one there is nothing to end, and that is fine."""
    form = await forms.read(request)
    if await sessions.current(request) is not None:
        await sessions.check_csrf(request, form)
        await house_of(request).identity.logout(sessions.session_token(request))
    answer = Redirect("/login", status_code=303)
    sessions.drop_login(request, answer)
    return answer


@get("/me")
async def me(request: AnyRequest) -> Response[Any]:
    """Who I am here, where I am logged in, and how to change the password."""
    return await _me(request, await sessions.require(request))


@post("/me/sessions/{session_id:uuid}/end", status_code=303)
async def end_session(request: AnyRequest, session_id: FromPath[UUID]) -> Response[Any]:
    """End one of my own sessions. Raises `account.session_unknown` for any other."""
    session = await sessions.require(request)
    await sessions.check_csrf(request, await forms.read(request))
    await house_of(request).identity.revoke(session.user_id, session_id)
    answer = Redirect("/login" if session_id == session.id else "/me?done=ended", status_code=303)
    if session_id == session.id:
        sessions.drop_login(request, answer)
    return answer


@post("/me/sessions/end-others", status_code=303)
async def end_others(request: AnyRequest) -> Response[Any]:
    """End every session of mine but this one."""
    session = await sessions.require(request)
    await sessions.check_csrf(request, await forms.read(request))
    await house_of(request).identity.revoke_all(session.user_id, keep=session.id)
    return Redirect("/me?done=others", status_code=303)


@post("/me/password", status_code=303)
async def change_password(request: AnyRequest) -> Response[Any]:
    """Change the password: every other session ends, and this one gets a new cookie."""
    session = await sessions.require(request)
    form = await forms.read(request)
    try:
        await sessions.check_csrf(request, form)
        identity, visitor = house_of(request).identity, sessions.visitor(request)
        old, new, code = form.get("old", ""), form.get("password", ""), form.get("factor", "")
        opened = await identity.change_password(session, old, new, visitor, code)
    except Refusal as refusal:
        if not _on_form(request, refusal):
            raise
        return await _me(request, session, refusal)
    answer = Redirect("/me?done=password", status_code=303)
    sessions.keep_login(request, answer, opened)
    return answer


async def _me(request: AnyRequest, session: Session, refusal: Refusal | None = None) -> Response[Any]:
    identity, reader = house_of(request).identity, locale_of(request)
    frozen = None
    if session.standing == "frozen":
        moments = {"until_at": session.standing_until, "review_at": session.standing_review_at, "office": session.standing_office}
        frozen = told(request, "account.frozen", {"why": session.standing_why} | {k: v for k, v in moments.items() if v})
    done = request.query_params.get("done", "")
    return await page(
        request,
        "front/me.html",
        here="me",
        status=200 if refusal is None else _status(refusal),
        session=session,
        phone=mask_phone(await identity.phone(session.user_id)),
        unread=await notices.unread_count(house_of(request).database, session.user_id),
        lines=[Line(line, agent_name(line.agent, reader)) for line in await identity.sessions(session.user_id)],
        frozen=frozen,
        wrong=None if refusal is None else told_of(request, refusal),
        wrong_field="" if refusal is None else _field(refusal),
        done=done if done in {"ended", "others", "password"} else "",
    )


async def _again(request: AnyRequest, name: str, refusal: Refusal, *, phone: str, next: str) -> Response[Any]:  # noqa: A002
    if not _on_form(request, refusal):
        raise refusal
    return await _form(request, name, phone=phone, next=next, refusal=refusal, status=_status(refusal))


async def _form(
    request: AnyRequest,
    name: str,
    *,
    next: str,  # noqa: A002
    phone: str = "",
    registered: bool = False,
    refusal: Refusal | None = None,
    status: int = 200,
) -> Response[Any]:
    response = await page(
        request,
        f"front/{name}.html",
        here=name,
        status=status,
        phone=phone[:24],
        next="" if next == "/" else next,
        registered=registered,
        wrong=None if refusal is None else told_of(request, refusal),
        wrong_field="" if refusal is None else _field(refusal),
    )
    if refusal is not None and "wait_s" in refusal.facts:
        response.headers["retry-after"] = str(refusal.facts["wait_s"])
    return response


def _on_form(request: AnyRequest, refusal: Refusal) -> bool:
    """Whether a person reads the answer and can go on from the form; programs get the problem document."""
    return "text/html" in request.headers.get("accept", "") and refusal.reason.startswith(_ON_FORM)


def _field(refusal: Refusal) -> str:
    return next((field for prefix, field in _FIELDS.items() if refusal.reason.startswith(prefix)), "")


def _status(refusal: Refusal) -> int:
    return catalogue().get(refusal.reason).http


handlers = [login_page, login, register_page, register, logout, me, end_session, end_others, change_password]
