"""The way to the channel's own page and back: what the browser takes there, and where it returns to.

What a browser brings back proves nothing: it only makes us look.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from litestar import HttpMethod, Request, Response, get, route
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang.recharge.view import parse_shown
from daozhang.web import sessions
from daozhang.web.front.order import face_of, find
from daozhang.web.guard import POLICY
from daozhang.web.pages import house_of, locale_of, page

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView

AnyRequest = Request[Any, Any, Any]


@get("/orders/{shown:str}/pay")
async def pay(request: AnyRequest, shown: FromPath[str]) -> Response[bytes] | Redirect:
    """A form that the payer's browser posts to the channel; by itself where scripts run, by a tap elsewhere."""
    session = await sessions.require(request)
    view = await find(request, session, shown)
    if face_of(view) != "cashier" or view.action != "form":
        return Redirect(f"/orders/{view.shown}", status_code=303)
    reader = locale_of(request)
    answer = await page(request, "front/order/pay.html", here="orders", session=session, order=view,
                        kind=reader.either(f"kind.{view.kind}", "kind.other"))  # fmt: skip
    policy = answer.headers.get("content-security-policy", POLICY)
    answer.headers["content-security-policy"] = policy.replace("form-action 'self'", f"form-action 'self' {_places(view)}")
    return answer


@route("/back/{shown:str}", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=303)
async def returned(shown: FromPath[str]) -> Redirect:
    """Where a channel sends the payer's browser, by GET or by a POST of its own page: led on, because a foreign POST has no cookie.

    Nothing it brings is read. A number that is none is led to the orders.
    """
    known = parse_shown(shown) is not None
    return Redirect(f"/orders/{shown}/back" if known else "/orders", status_code=303)


@get("/orders/{shown:str}/back", status_code=303)
async def back(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """The payer is back: what the channel says is looked at now, if it was not a moment ago."""
    session, house = await sessions.require(request), house_of(request)
    view = await find(request, session, shown)
    if not view.terminal and await house.limiter.take("order.look", view.id.hex) == 0:
        await house.desk.look(view.id)
    return Redirect(f"/orders/{view.shown}?asked=1", status_code=303)


def _places(view: "OrderView") -> str:
    """Where the form may lead: the channel's address, and over https wherever the channel leads on from there."""
    parts = urlsplit(str(view.payload.get("url", "")))
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme == "http" else "https:"


handlers = [pay, returned, back]
