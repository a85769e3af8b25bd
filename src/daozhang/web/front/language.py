"""The switch between languages, and the first address."""

from typing import Any

from litestar import Request, get
from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang.web import locale, sessions
from daozhang.web.client import client_of
from daozhang.web.pages import house_of
from daozhang.web.sessions import safe_next

_YEAR_S = 365 * 24 * 3600


@get("/lang/{code:str}", sync_to_thread=False)
def switch(request: Request[Any, Any, Any], code: FromPath[str]) -> Redirect:
    """Remember the language and go back to where the reader was; only addresses of this site are followed."""
    if code not in {"zh", "en"}:
        raise NotFoundException
    cookie = Cookie(
        locale.COOKIE,
        value=code,
        max_age=_YEAR_S,
        path="/",
        samesite="lax",
        httponly=True,
        secure=client_of(request, house_of(request).settings).scheme == "https",
    )
    return Redirect(safe_next(request.query_params.get("next", "/")), status_code=303, cookies=[cookie])


@get("/")
async def start(request: Request[Any, Any, Any]) -> Redirect:
    """Land where there is something to do."""
    return Redirect("/recharge" if await sessions.current(request) else "/login", status_code=303)


handlers = [switch, start]
