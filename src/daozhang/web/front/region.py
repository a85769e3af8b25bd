"""Where a user lives: asked only while a rule of some region needs it, chosen once; and the notices of such rules."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang.policy import regulation
from daozhang.policy.regions import name_of, names
from daozhang.web import forms, sessions
from daozhang.web.pages import house_of, locale_of, page

if TYPE_CHECKING:
    from daozhang.policy.regulation import Closed
    from daozhang.web.locale import Locale

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A notice as a page shows it."""

    title: str
    text: str


def notices(closed: "Closed", reader: "Locale") -> list[Said]:
    """The notices of the rules that close something here: reference, since when, and the shop's own words with the alternatives."""
    return [
        Said(
            reader.t(
                "region.title", reference=each.reference, region=name_of(each.region, reader.code), at=reader.when(each.from_at)
            ),
            each.text_en if reader.code == "en" else each.text_zh,
        )
        for each in closed.notices
    ]


@get("/region")
async def show(request: AnyRequest) -> Response[bytes]:
    """The choice, with what was chosen last."""
    session, house = await sessions.require(request), house_of(request)
    chosen = await regulation.declared(house.database, session.user_id)
    return await page(
        request, "front/region.html", session=session, regions=names(locale_of(request).code).items(), chosen=chosen,
        done=request.query_params.get("done") == "1",
    )  # fmt: skip


@post("/region", status_code=303)
async def choose(request: AnyRequest) -> Response[Any]:
    """Keep the choice. Raises `regulation.malformed` for a region that the form does not offer, `regulation.region_settled`."""
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    await house.limiter.demand("place.user", session.user_id)
    await regulation.choose(house.database, session.shop_id, session.user_id, form.get("region", ""))
    return Redirect("/region?done=1", status_code=303)


handlers = [show, choose]
