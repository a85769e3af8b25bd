"""The application: every door of the front desk, the rules they share, and the ring around them."""

from functools import cache
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ASGIApp

from daozhang.web import assets, errors, forms
from daozhang.web.api import channels as api_channels
from daozhang.web.api import preflight as api_preflight
from daozhang.web.console import doors as desk
from daozhang.web.front import (
    agreement,
    bundle,
    by_code,
    cases,
    channel,
    claim,
    confirm,
    deceived,
    devices,
    factor,
    identity,
    language,
    name,
    order,
    orders,
    recharge,
    regain,
    region,
    stream,
    tour,
    wallet,
    why,
)
from daozhang.web.guard import Guard
from daozhang.web.house import House
from daozhang.web.me import factor as me_factor
from daozhang.web.me import notices as me_notices
from daozhang.web.me import pages as me_pages
from daozhang.web.shop import purchases, window
from daozhang.web.status import page as status_page
from daozhang.web.truth import pages as truth_pages


@get("/static/{name:path}", sync_to_thread=False)
def static(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """A file of the pages, packed when the reader takes gzip."""
    return _file(request, name)


@get("/favicon.ico", sync_to_thread=False)
def favicon(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The icon that browsers request by themselves: the seal."""
    return _file(request, assets.load().url("seal.svg").removeprefix("/static/"))


@get("/healthz", media_type="text/plain", sync_to_thread=False)
def healthz() -> str:
    """The process answers."""
    return "ok"


@get("/readyz", media_type="text/plain")
async def readyz(request: Request[Any, Any, Any]) -> Response[str]:
    """The process can do its work: the database answers, and nobody asked it to stop. Raises `Unavailable` (503) otherwise."""
    house: House = request.state.house
    if house.closing.is_set():
        return Response("closing", status_code=503)
    await house.database.value("select 1")
    return Response("ready")


def _file(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
    found = assets.load().find(name)
    if found is None:
        raise NotFoundException
    asset, keep = found
    headers = {"cache-control": keep, "etag": f'"{asset.hash}"', "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(b"", status_code=304, headers=headers)
    body = asset.body
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = asset.packed, "gzip"
    return Response(body, media_type=asset.media_type, headers=headers)


def make_app(house: House) -> ASGIApp:
    """The pages of a house as one ASGI application. Channel callbacks are routed in front of it."""
    return Guard(_routes(desk_too=house.console is not None), house)


@cache
def _routes(*, desk_too: bool) -> Litestar:
    """Every door, once in a process: making them costs a quarter of a second, and whose they are is told by each request."""
    doors: list[Any] = [
        static,
        favicon,
        healthz,
        readyz,
        *language.handlers,
        *identity.handlers,
        *wallet.handlers,
        *recharge.handlers,
        *orders.handlers,
        *agreement.handlers,
        *region.handlers,
        *window.handlers,
        *purchases.handlers,
        *truth_pages.handlers,
        *me_pages.handlers,
        *tour.handlers,
        *name.handlers,
        *deceived.handlers,
        *bundle.handlers,
        *confirm.handlers,
        *by_code.handlers,
        *devices.handlers,
        *factor.handlers,
        *me_factor.handlers,
        *me_notices.handlers,
        *cases.handlers,
        *regain.handlers,
        *why.handlers,
        *claim.handlers,
        *order.handlers,
        *channel.handlers,
        *stream.handlers,
        *status_page.handlers,
        *api_channels.handlers,
        *api_preflight.handlers,
    ]
    if desk_too:
        doors.append(desk.router())
    return Litestar(
        route_handlers=doors,
        exception_handlers=errors.handlers,
        request_max_body_size=forms.LIMIT_BYTES,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
