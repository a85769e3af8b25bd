"""The evidence of an order as a page to print or keep, and as JSON with its hash."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get
from litestar.params import FromPath

from daozhang.diagnosis.bundle import Bundle, bundle
from daozhang.identity import mask_phone
from daozhang.web import sessions
from daozhang.web.front import path
from daozhang.web.front.order import find
from daozhang.web.pages import house_of, locale_of, page

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView

AnyRequest = Request[Any, Any, Any]


@get("/orders/{shown:str}/evidence")
async def show(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """One page with everything that support or a channel asks for. Somebody else's order does not exist."""
    view, made = await _made(request, shown)
    return await page(
        request, "front/bundle.html", here="orders", order=view, bundle=made, steps=path.steps(view, locale_of(request))
    )


@get("/orders/{shown:str}/evidence.json")
async def document(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """The same for programs; `sha256` is over the rest in canonical form."""
    view, made = await _made(request, shown)
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{view.shown}.json"'}
    return Response(made.document(), media_type="application/json", headers=headers)


async def _made(request: AnyRequest, shown: str) -> "tuple[OrderView, Bundle]":
    session, house = await sessions.require(request), house_of(request)
    view = await find(request, session, shown)
    code = await house.diagnoses.code_of(session.shop_id, session.user_id, view.id)
    account = mask_phone(await house.identity.phone(session.user_id))
    return view, await bundle(house.database, view, code, account)


handlers = [show, document]
