"""The outermost ring around every answer: headers that keep a page ours, whoever wrote the answer, error pages included."""

from typing import TYPE_CHECKING, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from daozhang.web.house import House

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"x-frame-options", b"DENY"),
]
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class Guard:
    """Hands every request the services of its house (`request.state.house`) and adds the headers that every answer bears.

    HEAD is answered like GET; the server drops the body.
    """

    def __init__(self, inner: ASGIApp, house: "House") -> None:
        self._inner, self._house = inner, house
        self._headers = [*_ALWAYS, _HSTS] if house.settings.url().startswith("https://") else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._inner(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                names = {name.lower() for name, _ in given}
                given += [header for header in self._headers if header[0] not in names]
                if b"cache-control" not in names:
                    given.append((b"cache-control", b"no-store"))
                message["headers"] = given
            await send(message)

        if scope["method"] == "HEAD":
            scope = cast("Scope", {**scope, "method": "GET"})
        scope.setdefault("state", {})["house"] = self._house
        await self._inner(scope, receive, guarded)
