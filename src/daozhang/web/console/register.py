"""The registers of the law against money laundering, for the role `aml` alone. The trail says who was here, not about whom."""

import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang.aml import large, suspicions
from daozhang.events.audit import doing
from daozhang.reasons import Refusal
from daozhang.web.console import access
from daozhang.web.pages import house_of

if TYPE_CHECKING:
    from daozhang.identity.staff import StaffSession

AnyRequest = Request[Any, Any, Any]
_USER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_ORDER = re.compile(r"RC-[0-9A-Z]{26}", re.ASCII)


def _reader(session: "StaffSession") -> suspicions.Reader:
    return suspicions.Reader(session.shop_id, session.actor, session.roles)


@get("/register", may="suspicion.read")
async def show(request: AnyRequest) -> Response[bytes]:
    """Both registers, newest first."""
    session, house = await access.staff(request), house_of(request)
    async with doing(house.database, access.doer(session), "suspicion.read"):
        entries = await suspicions.listed(house.database, access.console_of(request).vault, _reader(session))
    book = await house.books.current(session.shop_id)
    return await access.page(
        request, "register.html", here="register", entries=entries, licensed=book.eligibility.mode == "licensed_psp",
        large=await large.listed(house.database, _reader(session)),
    )  # fmt: skip


@post("/register", may="suspicion.write", status_code=303)
async def draft(request: AnyRequest) -> Redirect:
    """Write a draft."""
    session, given = await access.staff(request), await access.form(request, longest=32_768)
    house = house_of(request)
    who = given.get("user", "").strip()
    if not _USER.fullmatch(who):
        raise Refusal("aml.malformed", field="user_id")
    content = suspicions.Content(
        int(who), tuple(_ORDER.findall(given.get("orders", "")))[:100], given.get("pattern", "").strip(),
        given.get("facts", "").strip(), given.get("measures", "").strip(),
    )  # fmt: skip
    async with doing(house.database, access.doer(session), "suspicion.write"):
        await suspicions.open_draft(house.database, access.console_of(request).vault, _reader(session), content)
    return Redirect("/desk/register", status_code=303)


@post("/register/{suspicion:uuid}/end", may="suspicion.write", status_code=303)
async def end(request: AnyRequest, suspicion: FromPath[UUID]) -> Redirect:
    """Filed under the authority's reference, or dropped with why."""
    session, given, house = await access.staff(request), await access.form(request), house_of(request)
    async with doing(house.database, access.doer(session), "suspicion.end"):
        await suspicions.end(
            house.database, _reader(session), suspicion, reference=given.get("reference", ""), why=given.get("why", "")
        )
    return Redirect("/desk/register", status_code=303)


@get("/register/export", may="suspicion.export")
async def export(request: AnyRequest) -> Response[bytes]:
    """The register as a file. The second factor was shown a moment ago."""
    session, house = await access.staff(request), house_of(request)
    async with doing(house.database, access.doer(session), "suspicion.export"):
        content = await suspicions.exported(house.database, access.console_of(request).vault, _reader(session))
    headers = {"content-disposition": 'attachment; filename="register.json"', "cache-control": "no-store"}
    return Response(content, media_type="application/json", headers=headers)


handlers = [show, draft, end, export]
