"""Coming in and going out: name, password and code at once; the code again before money moves."""

import contextlib
import logging
from dataclasses import replace
from typing import Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang.events.audit import Doer, doing
from daozhang.reasons import Refusal
from daozhang.web import sessions
from daozhang.web.console import access
from daozhang.web.pages import house_of, told_of

log = logging.getLogger(__name__)

AnyRequest = Request[Any, Any, Any]


@get("/login", may=access.OPEN)
async def login_page(request: AnyRequest) -> Response[Any]:
    """The form. `?next=` is where to go afterwards."""
    sessions.demand_safe_cookies(request)
    target = access.next_of(request.query_params.get("next"))
    if await access.current(request) is not None:
        return Redirect(target, status_code=303)
    return await _form(request, target)


@post("/login", may=access.OPEN, status_code=303)
async def login(request: AnyRequest) -> Response[Any]:
    """Open a session. Whatever was wrong is said alike; the name is kept, password and code are not."""
    sessions.demand_safe_cookies(request)
    given, house = await access.form(request), house_of(request)
    target, name = access.next_of(given.get("next")), given.get("name", "")
    shop_id, staff = await sessions.shop_of(request), access.console_of(request).staff
    visitor = replace(sessions.visitor(request), session_token=sessions.read_cookie(request, "desk"))
    try:
        opened = await staff.login(shop_id, name, given.get("password", ""), given.get("code", ""), visitor)
    except Refusal as refusal:
        if refusal.reason != "operation.too_many":
            # The name is not written down: it may be a password that was typed into the wrong field.
            with contextlib.suppress(Refusal):
                async with doing(house.database, Doer(shop_id, "visitor"), "desk.login", visitor.network):
                    raise
        return await _form(request, target, name=name, wrong=told_of(request, refusal), status=422)
    async with doing(house.database, Doer(shop_id, f"staff:{opened.user_id}", opened.user_id), "desk.login", visitor.network):
        log.info("staff %d logged in", opened.user_id)
    answer = Redirect(target, status_code=303)
    answer.set_cookie(access.kept(request, opened.token))
    return answer


@post("/logout", may=access.OPEN, status_code=303)
async def logout(request: AnyRequest) -> Response[Any]:
    """End the session. Without one there is nothing to end."""
    await access.form(request)
    session, token = await access.current(request), sessions.read_cookie(request, "desk")
    if session is not None:
        async with doing(house_of(request).database, access.doer(session), "desk.logout"):
            await access.console_of(request).staff.logout(token)
    answer = Redirect("/desk/login", status_code=303)
    answer.set_cookie(access.dropped(request))
    return answer


@get("/again", may="desk.enter")
async def again_page(request: AnyRequest) -> Response[Any]:
    """Ask for the second factor once more."""
    return await access.page(request, "again.html", next=access.next_of(request.query_params.get("next")), wrong=None)


@post("/again", may="desk.enter", status_code=303)
async def again(request: AnyRequest) -> Response[Any]:
    """Take the second factor once more, and go back to where the deed is."""
    session, given = await access.staff(request), await access.form(request)
    target = access.next_of(given.get("next"))
    try:
        async with doing(house_of(request).database, access.doer(session), "desk.proved"):
            await access.console_of(request).staff.prove(session, given.get("code", ""), sessions.visitor(request))
    except Refusal as refusal:
        return await access.page(request, "again.html", status=422, next=target, wrong=told_of(request, refusal))
    return Redirect(target, status_code=303)


async def _form(request: AnyRequest, target: str, *, name: str = "", wrong: Any = None, status: int = 200) -> Response[bytes]:
    console = access.console_of(request)
    demo = [(each, await _code(console, each.name)) for each in console.demo_logins]
    return await access.page(request, "login.html", status=status, next=target, name=name, wrong=wrong, demo=demo)


async def _code(console: Any, name: str) -> str:
    return str(await console.demo_code(name)) if console.demo_code else ""


handlers = [login_page, login, logout, again_page, again]
