"""The guided page of the demo: one cause of failure after the other, each to be met as a user of one's own.

A shop in earnest has no tour: then these addresses do not exist.
"""

import secrets
from itertools import groupby
from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang.web import forms, sessions
from daozhang.web.house import Tour
from daozhang.web.pages import house_of, locale_of, page

AnyRequest = Request[Any, Any, Any]
OLD_VERSION = "0.0.1"
"""The version that the old page of the tour was made for."""
OLD_AMOUNT = "50"


@get("/tour")
async def show(request: AnyRequest) -> Response[bytes]:
    """Every cause, by layer. Who is logged in stays so until a situation is entered."""
    tour, code = _tour(request), locale_of(request).code
    layers = [
        (layer, [(cause, cause.en if code == "en" else cause.zh) for cause in group])
        for layer, group in groupby(tour.causes(), key=lambda cause: str(cause.layer))
    ]
    return await page(request, "front/tour.html", layers=layers)


@post("/tour/{cause_id:str}", status_code=303)
async def enter(request: AnyRequest, cause_id: FromPath[str]) -> Redirect:
    """Become a fresh user in that situation, and go where it is met."""
    tour, form = _tour(request), await forms.read(request)
    await sessions.check_csrf(request, form, anonymous=True)
    try:
        made = await tour.stage(cause_id, sessions.visitor(request))
    except KeyError:
        raise NotFoundException from None
    answer = Redirect(made.path, status_code=303)
    sessions.keep_login(request, answer, made.login)
    return answer


@get("/tour/old-page")
async def old_page(request: AnyRequest) -> Response[bytes]:
    """A recharge form as it was before an upgrade: it tells the version that it was made for."""
    _tour(request)
    session = await sessions.require(request)
    quote = await house_of(request).desk.quote(session.user_id)
    way = next((f"{each.channel_id}:{each.method}" for each in quote.methods if each.open), "")
    return await page(
        request, "front/tour_old.html", version=OLD_VERSION, amount=OLD_AMOUNT, way=way, key=secrets.token_urlsafe(16)
    )


def _tour(request: AnyRequest) -> Tour:
    tour = house_of(request).tour
    if tour is None:
        raise NotFoundException
    return tour


handlers = [show, old_page, enter]
