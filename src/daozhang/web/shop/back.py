"""Back to the purchase: who went to recharge for something is led back to it once the money is there."""

from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie

from daozhang.web.client import client_of
from daozhang.web.pages import BACK, house_of

AnyRequest = Request[Any, Any, Any]
_HOUR_S = 3_600


def remember(request: AnyRequest, response: Response[Any], path: str) -> None:
    """Where to go on after recharging, for an hour, in this browser."""
    response.set_cookie(_cookie(request, path, _HOUR_S))


def forget(request: AnyRequest, response: Response[Any], path: str) -> None:
    """The person is there again."""
    if request.cookies.get(BACK, "").startswith(path):
        response.set_cookie(_cookie(request, "", 0))


def _cookie(request: AnyRequest, value: str, max_age_s: int) -> Cookie:
    secure = client_of(request, house_of(request).settings).scheme == "https"
    return Cookie(BACK, value=value, max_age=max_age_s, path="/", httponly=True, samesite="lax", secure=secure)
