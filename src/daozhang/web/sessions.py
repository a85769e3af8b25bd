"""Cookies, the session of a request, and proof that a form is one of ours.

Cookies carry the `__Host-` prefix: Secure, of this host alone, not to be planted by a neighbour. Browsers keep such cookies on
plain http only for loopback names, so on any other plain-http name logging in is refused (`platform.insecure_http`), unless the
operator allows it with `DAOZHANG_INSECURE_HTTP=1`: then the cookie has no prefix.
A form is ours when the browser says so (Origin, Sec-Fetch-Site) *and* it carries a token that only our page could know: an HMAC
under the session's own secret, or, before there is a session, under a cookie made for that purpose.
"""

import hmac
import re
from dataclasses import replace
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.datastructures import Cookie

from daozhang.identity import LoggedIn, Session, Visitor
from daozhang.identity.tokens import new_token, token_hash
from daozhang.reasons.refusal import Refusal
from daozhang.web.client import Client, client_of
from daozhang.web.house import House

__all__ = [
    "Session",
    "after_login",
    "check_csrf",
    "check_origin",
    "csrf_token",
    "current",
    "demand_safe_cookies",
    "drop_login",
    "keep_login",
    "require",
    "safe_next",
    "session_token",
    "shop_of",
    "visitor",
]

AnyRequest = Request[Any, Any, Any]
Name = Literal["session", "device", "form", "desk"]

_SESSION_DAYS = 30
_DEVICE_DAYS = 400
_DAY_S = 86_400
_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,511}", re.ASCII)
_NOT_AFTER_LOGIN = ("/login", "/logout", "/register", "/static/", "/lang/")


async def current(request: AnyRequest) -> Session | None:
    """The living session of the request, looked up once per request. Raises `Unavailable`."""
    state = request.scope["state"]
    if "daozhang_session" not in state:
        state["daozhang_session"] = await _look_up(request)
    session: Session | None = state["daozhang_session"]
    return session


async def require(request: AnyRequest) -> Session:
    """The living session. Raises `account.login_required`."""
    session = await current(request)
    if session is None:
        raise Refusal("account.login_required")
    return session


async def csrf_token(request: AnyRequest) -> str:
    """The token for the hidden field `csrf` of every form on a page for this request."""
    if await current(request) is not None:
        return _token_under(_cookie(request, "session"))
    if not _cookies_hold(request):
        return ""
    return _token_under(form_secret(request))


async def check_csrf(request: AnyRequest, form: dict[str, str], *, anonymous: bool = False) -> None:
    """Make sure that a form was sent by one of our pages. `anonymous` forms (logging in) also hold for the time before a session.

    Raises `operation.form_foreign` (another site sent it) or `operation.form_stale` (the token is not this session's).
    """
    check_origin(request)
    given = form.get("csrf", "")
    secrets = [_cookie(request, "session")] if await current(request) is not None else []
    if not secrets or anonymous:
        secrets.append(_cookie(request, "form"))
    good = [hmac.compare_digest(_token_under(secret).encode(), given.encode()) for secret in secrets if token_hash(secret)]
    if not any(good):
        raise Refusal("operation.form_stale")


def check_origin(request: AnyRequest) -> None:
    """Refuse what a browser sent from another site. A program that sends neither header is judged by its token alone.

    Raises `operation.form_foreign`.
    """
    origin = request.headers.get("origin")
    if origin is not None:
        house = _house(request)
        if origin.lower() not in {_client(request).origin, _origin_of(house.settings.url())}:
            raise Refusal("operation.form_foreign")
    elif request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Refusal("operation.form_foreign")


def demand_safe_cookies(request: AnyRequest) -> None:
    """Raise `platform.insecure_http` where a browser would not keep our cookies, or would show them to the network."""
    if not _cookies_hold(request):
        raise Refusal("platform.insecure_http")


def visitor(request: AnyRequest) -> Visitor:
    """Where the request comes from, for `identity`."""
    seen = _client(request)
    return Visitor(
        ip=seen.ip,
        network=seen.network,
        agent=request.headers.get("user-agent", ""),
        device_token=_cookie(request, "device"),
        session_token=_cookie(request, "session"),
        browser_token=_cookie(request, "form") or _cookie(request, "session"),
    )


def session_token(request: AnyRequest) -> str:
    """The value of the session cookie, unverified."""
    return _cookie(request, "session")


def keep_login(request: AnyRequest, response: Response[Any], login: LoggedIn) -> None:
    """Put the cookies of a fresh session on a response."""
    response.set_cookie(_set(request, "session", login.token, _SESSION_DAYS * _DAY_S))
    response.set_cookie(_set(request, "device", login.device_token, _DEVICE_DAYS * _DAY_S))
    response.set_cookie(_set(request, "form", "", 0))


def drop_login(request: AnyRequest, response: Response[Any]) -> None:
    """Take the session cookie away. The device stays known."""
    response.set_cookie(_set(request, "session", "", 0))


async def shop_of(request: AnyRequest) -> int:
    """The shop that the request's host name belongs to."""
    return await _house(request).identity.shop(_client(request).host_name)


def read_cookie(request: AnyRequest, name: Name) -> str:
    """The value of one of our cookies, unverified; empty where a browser would not keep it."""
    return _cookie(request, name)


def made_cookie(request: AnyRequest, name: Name, value: str, max_age_s: int | None) -> Cookie:
    """One of our cookies. The desk's is sent to no page that was reached from another site."""
    made = _set(request, name, value, max_age_s)
    return replace(made, samesite="strict") if name == "desk" else made


def form_secret(request: AnyRequest) -> str:
    """The secret of a browser without a session, made and set when there is none."""
    secret = _cookie(request, "form")
    if token_hash(secret) is None:
        state = request.scope["state"]
        secret = state.setdefault("daozhang_form", new_token())
        cookies = state.setdefault("set_cookies", [])
        if not any(cookie.key.endswith("dz_form") for cookie in cookies):
            cookies.append(_set(request, "form", secret, None))
    return secret


def safe_next(text: str | None, otherwise: str = "/") -> str:
    """A path on this site to go on to, or `otherwise` for anything that a browser could read as another place."""
    if text is None or not _PATH.fullmatch(text):
        return otherwise
    parts = urlsplit(text)
    return otherwise if parts.scheme or parts.netloc else text


def after_login(text: str | None) -> str:
    """Where to go once logged in: a path on this site, but never round in a circle."""
    target = safe_next(text)
    return "/" if target.startswith(_NOT_AFTER_LOGIN) else target


async def _look_up(request: AnyRequest) -> Session | None:
    token = _cookie(request, "session")
    if not token:
        return None
    session = await _house(request).identity.session(token)
    if session is None or session.shop_id != await shop_of(request):
        return None
    return session


def _token_under(secret: str) -> str:
    return hmac.new(secret.encode(), b"daozhang form 1", sha256).hexdigest()


def _house(request: AnyRequest) -> House:
    house: House = request.state.house
    return house


def _client(request: AnyRequest) -> Client:
    state = request.scope["state"]
    if "daozhang_client" not in state:
        state["daozhang_client"] = client_of(request, _house(request).settings)
    seen: Client = state["daozhang_client"]
    return seen


def _cookies_hold(request: AnyRequest) -> bool:
    return _prefixed(request) or _house(request).settings.insecure_http


def _prefixed(request: AnyRequest) -> bool:
    seen = _client(request)
    return seen.scheme == "https" or seen.is_loopback


def _key(request: AnyRequest, name: Name) -> str:
    return f"__Host-dz_{name}" if _prefixed(request) else f"dz_{name}"


def _cookie(request: AnyRequest, name: Name) -> str:
    return request.cookies.get(_key(request, name), "") if _cookies_hold(request) else ""


def _set(request: AnyRequest, name: Name, value: str, max_age_s: int | None) -> Cookie:
    return Cookie(
        _key(request, name),
        value=value,
        max_age=max_age_s,
        path="/",
        secure=_prefixed(request),
        httponly=True,
        samesite="lax",
    )


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
