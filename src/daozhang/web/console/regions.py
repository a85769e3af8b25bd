"""Regulation at the desk: which class of channels may not be used where, written by one person and confirmed by another."""

from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import clock
from daozhang.events.audit import doing
from daozhang.identity.staff import alone
from daozhang.policy import regulation
from daozhang.policy.regions import name_of, names
from daozhang.reasons import Refusal
from daozhang.web.console import access
from daozhang.web.console.days import end_of_day
from daozhang.web.pages import house_of, locale_of

AnyRequest = Request[Any, Any, Any]
CLASSES = ("*", *regulation.CLASSES_ALL)
FATES = ("finish", "refund", "hold")


@get("/regions", may="region.read")
async def regions(request: AnyRequest) -> Response[bytes]:
    """The rows, newest first, and the form for a new one."""
    session, reader = await access.staff(request), locale_of(request)
    rows = await regulation.listed(house_of(request).database, session.shop_id)
    return await access.page(
        request, "regions.html", here="regions", rows=rows, place=lambda code: name_of(code, reader.code), classes=CLASSES,
        fates=FATES, places=names(reader.code),
    )  # fmt: skip


@post("/regions", may="region.decide", status_code=303)
async def propose(request: AnyRequest) -> Redirect:
    """Write a row; it holds once somebody else confirms it, an urgent one at once for two days."""
    session, given = await access.staff(request), await access.form(request)
    why, house = access.why(given, "reference"), house_of(request)
    begins, urgent = _begins(given.get("begins", "")), given.get("urgent") == "yes"
    draft = regulation.Draft(
        given.get("region", ""), given.get("channel_class", ""), given.get("goods_class", "").strip() or "*", why,
        given.get("notice_zh", ""), given.get("notice_en", ""), given.get("in_flight", ""), begins,  # type: ignore[arg-type]
        end_of_day(given.get("until", "")), urgent=urgent,
    )  # fmt: skip
    subject = f"{draft.region}/{draft.channel_class}/{draft.goods_class}"
    async with doing(house.database, access.doer(session), "region.propose", subject, reason=why) as deed:
        number = await regulation.propose(house.database, session.shop_id, draft, session.actor)
        deed.after = f"row {number}{' urgent' if urgent else ''}"
    return Redirect("/desk/regions", status_code=303)


@post("/regions/{row_id:int}/approve", may="region.decide", status_code=303)
async def approve(request: AnyRequest, row_id: FromPath[int]) -> Redirect:
    """Confirm a row as the second person."""
    session, _ = await access.staff(request), await access.form(request)
    house = house_of(request)
    async with doing(house.database, access.doer(session), "region.approve", f"row {row_id}") as deed:
        await _somebody_else(request, row_id)
        await regulation.approve(house.database, session.shop_id, row_id, session.actor)
        deed.after = "confirmed"
    return Redirect("/desk/regions", status_code=303)


@post("/regions/{row_id:int}/end", may="region.decide", status_code=303)
async def end(request: AnyRequest, row_id: FromPath[int]) -> Redirect:
    """Ask that a row ends, or end it as the second person."""
    session, given = await access.staff(request), await access.form(request)
    why, house = access.why(given), house_of(request)
    async with doing(house.database, access.doer(session), "region.end", f"row {row_id}", reason=why) as deed:
        over = await regulation.end(house.database, session.shop_id, row_id, session.actor, why)
        deed.after = "over" if over else "asked for"
    return Redirect("/desk/regions", status_code=303)


async def _somebody_else(request: AnyRequest, row_id: int) -> None:
    """Whoever wrote a row confirms it only where nobody else can. Raises `regulation.second_person`."""
    session, database = await access.staff(request), house_of(request).database
    row = next((each for each in await regulation.listed(database, session.shop_id) if each.id == row_id), None)
    if row is None or row.proposed_by != session.actor:
        return
    if not await database.transact(lambda tx: alone(tx, session.shop_id, "region.decide")):
        raise Refusal("regulation.second_person", wait_s=86_400)


def _begins(text: str) -> datetime:
    """From when: the beginning of a day in Shanghai, or now. Raises `staff.malformed`."""
    if not text.strip():
        return clock.now()
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=clock.SHANGHAI)
    except ValueError:
        raise Refusal("staff.malformed", field="date") from None


handlers = [regions, propose, approve, end]
