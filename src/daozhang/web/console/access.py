"""Who stands at a door of the desk: its own session and cookie, the permission that each door names, the second factor shown anew.

Every door under /desk names its permission (`may="case.read"`); one that names none opens for nobody. The guard looks before a body
is read. A try that is refused is a line of the trail.
"""

import hmac
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler
from litestar.response import Redirect

from daozhang import clock
from daozhang.events.audit import Doer, doing
from daozhang.identity.roles import PROVEN, may
from daozhang.identity.staff import StaffSession
from daozhang.identity.tokens import token_hash
from daozhang.reasons import Refusal, catalogue, problem
from daozhang.reasons.writing import duration
from daozhang.web import errors, forms, pages, sessions
from daozhang.web.console.services import Console

AnyRequest = Request[Any, Any, Any]
OPEN = "open"
"""The permission of the doors in front of the desk: logging in, and out."""
SESSION_S = 12 * 3_600


def console_of(request: AnyRequest) -> Console:
    """The services of the desk."""
    console = pages.house_of(request).console
    assert console is not None, "a house without a desk has no doors to it"
    return console


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let in who may. Raises `staff.login_required`, `staff.forbidden`, `staff.prove_again`."""
    permission = handler.opt.get("may", "")
    if permission == OPEN:
        return
    request: AnyRequest = Request(connection.scope)
    session = await current(request)
    if session is None:
        raise Refusal("staff.login_required")
    if not may(session.roles, permission):
        async with doing(pages.house_of(request).database, doer(session), "desk.entered", connection.url.path, reason=permission):
            raise Refusal("staff.forbidden", permission=permission or "-")
    if permission in PROVEN and not session.fresh:
        raise Refusal("staff.prove_again")


async def current(request: AnyRequest) -> StaffSession | None:
    """The living session of the desk, looked up once per request. Raises `Unavailable`."""
    state = request.scope["state"]
    if "daozhang_desk" not in state:
        token = sessions.read_cookie(request, "desk")
        found = await console_of(request).staff.session(token) if token else None
        state["daozhang_desk"] = found if found is None or found.shop_id == await sessions.shop_of(request) else None
    session: StaffSession | None = state["daozhang_desk"]
    return session


async def staff(request: AnyRequest) -> StaffSession:
    """The person at the desk. Raises `staff.login_required`."""
    session = await current(request)
    if session is None:
        raise Refusal("staff.login_required")
    return session


def doer(session: StaffSession) -> Doer:
    """The person, as the trail knows them."""
    return Doer(session.shop_id, session.actor, session.staff_id, session.roles)


async def csrf_token(request: AnyRequest) -> str:
    """The token of every form of the desk: bound to this session, and to the desk."""
    if await current(request) is not None:
        return _token_under(sessions.read_cookie(request, "desk"))
    return _token_under(sessions.form_secret(request))


async def form(request: AnyRequest, *, longest: int = 4_096) -> dict[str, str]:
    """The fields of a form that one of the desk's own pages sent. Raises `operation.form_*`."""
    sessions.check_origin(request)
    given = await forms.read(request, longest=longest)
    name = "desk" if await current(request) is not None else "form"
    secret = sessions.read_cookie(request, name)  # type: ignore[arg-type]
    good = token_hash(secret) is not None and hmac.compare_digest(_token_under(secret).encode(), given.get("csrf", "").encode())
    if not good:
        raise Refusal("operation.form_stale")
    return given


def why(given: dict[str, str], field: str = "why") -> str:
    """The reason that every deed at the desk has. Raises `staff.why_required`."""
    text = " ".join(given.get(field, "").split())[:400]
    if len(text) < 2:
        raise Refusal("staff.why_required")
    return text


def kept(request: AnyRequest, token: str) -> Cookie:
    """The cookie of a fresh session."""
    return sessions.made_cookie(request, "desk", token, SESSION_S)


def dropped(request: AnyRequest) -> Cookie:
    """The cookie of no session."""
    return sessions.made_cookie(request, "desk", "", 0)


async def page(request: AnyRequest, template: str, *, status: int = 200, here: str = "", **context: Any) -> Response[bytes]:
    """A page of the desk for whoever asks. `who` names an actor, `left` a time until a moment, `allowed` what may be offered."""
    session, reader = await current(request), pages.locale_of(request)
    names = {} if session is None else await _names(request, session)

    def who(actor: str | None) -> str:
        if not actor:
            return ""
        if actor in names:
            return names[actor]
        kind, _, number = actor.partition(":")
        if kind == "user":
            return reader.t("desk_who.user_number", number=number)
        if reader.has(f"desk_who.{actor}"):
            return reader.t(f"desk_who.{actor}")
        return actor if number else reader.t("desk_who.part", name=actor)

    def left(moment: datetime) -> str:
        seconds = int((moment - clock.now()).total_seconds())
        return reader.t("desk.over" if seconds < 0 else "desk.left", wait=duration(abs(seconds), reader.code))

    return pages.plain_page(
        request, f"console/{template}", status=status, here=here, staff=session, csrf=await csrf_token(request), who=who, left=left,
        now=clock.now(), allowed=(lambda permission: session is not None and may(session.roles, permission)), **context,
    )  # fmt: skip


async def _names(request: AnyRequest, session: StaffSession) -> dict[str, str]:
    """The people of the shop by how they stand in the books."""
    return {f"staff:{line.id}": line.name for line in await console_of(request).staff.listed(session.shop_id)}


def refused(request: AnyRequest, refusal: Refusal) -> Response[Any]:
    """A refusal at the desk: to the login, to the second factor, or its page in the desk's own frame."""
    if not errors.wants_page(request):
        document = problem(refusal, pages.locale_of(request).code)
        media_type = document.headers.pop("content-type")
        return Response(document.body, status_code=document.status, media_type=media_type, headers=document.headers)
    ways = {"staff.login_required": "/desk/login", "staff.prove_again": "/desk/again"}
    if refusal.reason in ways:
        back = request.url.path if request.method == "GET" else _referer(request)
        return Redirect(f"{ways[refusal.reason]}?next={quote(back, safe='/')}", status_code=303)
    reason, reader = catalogue().get(refusal.reason), pages.locale_of(request)

    async def tell() -> Response[Any]:
        said = reason.told(reader.code, refusal.facts)
        return await page(request, "refusal.html", status=reason.http, told=said, reason=reason, back=_referer(request))

    return errors.Later(request, tell)


def next_of(text: str | None) -> str:
    """Where to go on to: a page of the desk."""
    target = sessions.safe_next(text, "/desk")
    return (
        target
        if target == "/desk" or (target.startswith("/desk/") and not target.startswith(("/desk/log", "/desk/again")))
        else "/desk"
    )


def _referer(request: AnyRequest) -> str:
    """The page of the desk that the form stood on."""
    given = request.headers.get("referer", "")
    path = given.partition("//")[2].partition("/")[2]
    return next_of(f"/{path}".partition("#")[0])


def _token_under(secret: str) -> str:
    return hmac.new(secret.encode(), b"daozhang desk 1", sha256).hexdigest()
