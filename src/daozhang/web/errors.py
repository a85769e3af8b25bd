"""What a reader sees when something is not done: a page or a problem document, always with a reason and a way on.

No stack trace, SQL or path leaves the server: an unknown fault is told as `platform.fault` with a number that finds it in the log.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException
from litestar.response import Redirect
from litestar.types import Receive, Scope, Send

from daozhang import ids
from daozhang.postgres import OutcomeUnknown, Unavailable
from daozhang.reasons import Refusal, catalogue, problem
from daozhang.reasons.problem import MEDIA_TYPE
from daozhang.web import pages, sessions

log = logging.getLogger(__name__)

AnyRequest = Request[Any, Any, Any]
_BY_STATUS = {404: "not_found", 405: "method", 413: "too_large"}


def wants_page(request: AnyRequest) -> bool:
    """Whether a person reads the answer: a browser names text/html before anything else it could use."""
    return "text/html" in request.headers.get("accept", "")


class Later(Response[Any]):
    """An answer that has to ask something first (who reads it), for handlers that may not wait themselves."""

    def __init__(self, request: AnyRequest, make: Callable[[], Awaitable[Response[Any]]]) -> None:
        super().__init__(None)
        self._request, self._make = request, make

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Make the answer when it is sent."""

        async def send_it(scope: Scope, receive: Receive, send: Send) -> None:
            answer = await self._make()
            await answer.to_asgi_response(app=None, request=self._request)(scope, receive, send)

        return send_it


def refused(request: AnyRequest, refusal: Refusal) -> Response[Any]:
    """Answer a refusal: the login page when logging in is all it takes, else its page or its problem document (RFC 9457)."""
    if refusal.reason == "account.login_required" and wants_page(request):
        target = request.url.path if request.method == "GET" else "/"
        return Redirect(f"/login?next={quote(target, safe='/')}", status_code=303)
    return _explain(request, refusal)


def unavailable(request: AnyRequest, error: Exception) -> Response[Any]:
    """The database cannot be reached, or cut the connection: ours, and said so."""
    log.warning("no database for %s: %s", request.url.path, type(error).__name__)
    return _explain(request, Refusal("platform.database"))


def fault(request: AnyRequest, error: Exception) -> Response[Any]:
    """Anything we did not expect. The log gets everything, the reader a number."""
    trace = ids.text26(ids.new_id())
    log.error("fault %s at %s %s", trace, request.method, request.url.path, exc_info=error)
    return _explain(request, Refusal("platform.fault"), trace=trace)


def http(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """The answer to an HTTP error of the framework, raised before any handler of ours was reached."""
    status = error.status_code
    if _hung_up(error):
        log.info("whoever asked %s %s was gone before the request was", request.method, request.url.path)
        return Response(b"", status_code=HTTPStatus.BAD_REQUEST)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return fault(request, error)
    key, headers = _BY_STATUS.get(status, "bad"), {"allow": _allowed(request)} if status == HTTPStatus.METHOD_NOT_ALLOWED else {}
    if not wants_page(request):
        reader = pages.locale_of(request)
        said = {"title": reader.t(f"error.{key}_title"), "detail": reader.t(f"error.{key}_text")}
        document = {"type": "about:blank", "status": status, **said}
        return Response(document, status_code=status, media_type=MEDIA_TYPE, headers=headers)

    async def lost() -> Response[bytes]:
        answer = await _page(request, "front/lost.html", status, key=key)
        answer.headers.update(headers)
        return answer

    return Later(request, lost)


def _allowed(request: AnyRequest) -> str:
    """What a door can be asked by (RFC 9110, 15.5.6)."""
    found: list[str] = []
    for method, shown in (("GET", ["GET", "HEAD"]), ("POST", ["POST"])):
        with contextlib.suppress(HTTPException):
            request.app.asgi_router.handle_routing(request.url.path, method)
            found += shown
    return ", ".join(found)


def _hung_up(error: HTTPException) -> bool:
    """Whether the client closed the connection within the body, which the framework reports as a server error."""
    return isinstance(error, InternalServerException) and error.detail == "client disconnected prematurely"


def _explain(request: AnyRequest, refusal: Refusal, *, trace: str = "") -> Response[Any]:
    reason, reader = catalogue().get(refusal.reason), pages.locale_of(request)
    document = problem(refusal, reader.code, trace=trace)
    if not wants_page(request):
        media_type = document.headers.pop("content-type")
        return Response(document.body, status_code=document.status, media_type=media_type, headers=document.headers)

    async def tell() -> Response[Any]:
        told = reason.told(reader.code, refusal.facts)
        answer = await _page(request, "front/refusal.html", reason.http, told=told, reason=reason, trace=trace)
        if "retry-after" in document.headers:
            answer.headers["retry-after"] = document.headers["retry-after"]
        return answer

    return Later(request, tell)


async def _page(request: AnyRequest, template: str, status: int, **context: Any) -> Response[bytes]:
    """An error page. Who reads it decides only the bar above it, so a database that is away does no harm here."""
    try:
        session = await sessions.current(request)
    except Exception:  # noqa: BLE001 -- the page must come whatever keeps us from knowing its reader
        log.warning("nobody known for an error page at %s", request.url.path)
        session = None
    return pages.plain_page(request, template, status=status, session=session, **context)


handlers: Any = {Refusal: refused, Unavailable: unavailable, OutcomeUnknown: unavailable, HTTPException: http, Exception: fault}
