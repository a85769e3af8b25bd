"""Campaigns at the desk: what they give is written by one person and let run by another; anybody may stop one at once."""

import re
from collections import defaultdict
from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import clock
from daozhang.events.audit import doing
from daozhang.money import MalformedAmount, parse_yuan
from daozhang.offers import campaigns
from daozhang.offers.campaigns import Issued
from daozhang.offers.model import Campaign, Terms, Tier
from daozhang.reasons import Refusal
from daozhang.web.console import access
from daozhang.web.console.days import end_of_day
from daozhang.web.pages import house_of, told_of

AnyRequest = Request[Any, Any, Any]
FORMS = ("bonus", "coupon")
STAIRS = 4
"""Tiers that the form has room for; the command line takes up to twelve."""
MOST_AT_ONCE = 200
"""Coupons that one page shows the codes of."""
FIELDS = frozenset(
    ("name_zh", "name_en", "begins_at", "ends_at", "tiers", "bonus_fen", "budget_fen", "user_fen", "user_count", "count",
     "expires_at")
)  # fmt: skip
"""Fields of the form that have words of their own."""
_NUMBER = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


@get("/offers", may="offer.read")
async def offers(request: AnyRequest) -> Response[bytes]:
    """Every campaign with what became of its budget, and the form for a new one."""
    return await _page(request)


@post("/offers", may="offer.propose", status_code=303)
async def propose(request: AnyRequest) -> Response[Any]:
    """Put a campaign forward; nothing is given before somebody else lets it run. What was typed stays when something is wrong."""
    session, given = await access.staff(request), await access.form(request)
    house = house_of(request)
    try:
        why = access.why(given)
        async with doing(house.database, access.doer(session), "offer.propose", reason=why) as deed:
            terms = _terms(given)
            number = await campaigns.propose(house.database, session.shop_id, terms, session.actor)
            deed.after = f"campaign {number}: {terms.form}, budget {terms.budget_fen} fen, {_stairs(terms.tiers)}"
    except Refusal as refusal:
        return await _page(request, given=given, refusal=refusal)
    return Redirect(f"/desk/offers#o-{number}", status_code=303)


@post("/offers/{row_id:int}/approve", may="offer.approve", status_code=303)
async def approve(request: AnyRequest, row_id: FromPath[int]) -> Redirect:
    """Let a campaign run in its time, as the second person. Who proposed it may only where nobody else can: see the room."""
    session, given = await access.staff(request), await access.form(request)
    house, why = house_of(request), access.why(given)
    async with doing(house.database, access.doer(session), "offer.approve", f"campaign {row_id}", reason=why) as deed:
        await campaigns.approve(house.database, session.shop_id, row_id, session.actor)
        deed.after = "running in its time"
    return Redirect(f"/desk/offers#o-{row_id}", status_code=303)


@post("/offers/{row_id:int}/stop", may="offer.stop", status_code=303)
async def stop(request: AnyRequest, row_id: FromPath[int]) -> Redirect:
    """End a campaign now, or drop one that waits. What was promised before is kept."""
    session, given = await access.staff(request), await access.form(request)
    house, why = house_of(request), access.why(given)
    async with doing(house.database, access.doer(session), "offer.stop", f"campaign {row_id}", reason=why) as deed:
        await campaigns.stop(house.database, session.shop_id, row_id, session.actor, why)
        deed.after = "stopped"
    return Redirect(f"/desk/offers#o-{row_id}", status_code=303)


@post("/offers/{row_id:int}/coupons", may="offer.issue", status_code=200)
async def issue(request: AnyRequest, row_id: FromPath[int]) -> Response[Any]:
    """Issue coupons from the budget that two people agreed to. Their codes are on this one answer and nowhere else."""
    session, given = await access.staff(request), await access.form(request)
    house, why = house_of(request), access.why(given)
    try:
        async with doing(house.database, access.doer(session), "offer.issue", f"campaign {row_id}", reason=why) as deed:
            count = _count(given.get("count", ""), MOST_AT_ONCE)
            user_id = await _user(request, given.get("phone", ""))
            until = end_of_day(given.get("until", ""))
            issued = await campaigns.issue(
                house.database, session.shop_id, row_id, count, session.actor, user_id=user_id, expires_at=until
            )
            deed.after = f"{count} coupons" + (f" for user:{user_id}" if user_id else "")
    except Refusal as refusal:
        return await _page(request, refusal=refusal, of=row_id)
    return await _page(request, issued=issued, of=row_id)


async def _page(
    request: AnyRequest, *, given: dict[str, str] | None = None, refusal: Refusal | None = None, issued: list[Issued] | None = None,
    of: int = 0,
) -> Response[bytes]:  # fmt: skip
    session = await access.staff(request)
    rows = await campaigns.listed(house_of(request).database, session.shop_id)
    wrong = told_of(request, refusal) if refusal else None
    field = refusal.facts.get("field", "") if refusal else ""
    return await access.page(
        request, "offers.html", status=422 if refusal else 200, here="offers", rows=rows, standing=_standing, wrong=wrong,
        field=field if field in FIELDS else "", given=defaultdict(str, given or {}),
        stairs=range(1, STAIRS + 1), forms=FORMS, issued=issued or [],
        of=of, most_at_once=MOST_AT_ONCE, alone_fen=campaigns.ALONE_FEN,
    )  # fmt: skip


def _standing(row: Campaign) -> str:
    """How a campaign stands now: proposed, ahead, running, spent, over, stopped."""
    if row.state != "running":
        return row.state
    at = clock.now()
    if at < row.begins_at:
        return "ahead"
    if at >= row.ends_at:
        return "over"
    return "spent" if row.used_fen + row.tiers[0].bonus_fen > row.budget_fen else "running"


def _terms(given: dict[str, str]) -> Terms:
    """What the form asks for. Raises `offers.malformed` with the field, `operation.amount.malformed`."""
    form = given.get("form", "")
    if form not in FORMS:
        raise Refusal("offers.malformed", field="form")
    tiers = []
    for number in range(1, STAIRS + 1):
        start, gift = given.get(f"from_{number}", "").strip(), given.get(f"gives_{number}", "").strip()
        if bool(start) != bool(gift):
            raise Refusal("offers.malformed", field="tiers")
        if start:
            tiers.append(Tier(_fen(start, "tiers"), _fen(gift, "tiers")))
    most, times = given.get("user_most", "").strip(), given.get("user_times", "").strip()
    return Terms(
        form, given.get("name_zh", ""), given.get("name_en", ""), _moment(given.get("begins", ""), "begins_at"),  # type: ignore[arg-type]
        _moment(given.get("ends", ""), "ends_at"), tuple(tiers), _fen(given.get("budget", ""), "budget_fen"),
        user_fen=_fen(most, "user_fen") if most else None, user_count=_count(times, 1_000, "user_count") if times else None,
        stacks=given.get("stacks") == "yes",
    )  # fmt: skip


def _fen(text: str, field: str) -> int:
    try:
        return parse_yuan(text.strip())
    except MalformedAmount:
        raise Refusal("offers.malformed", field=field) from None


def _count(text: str, most: int, field: str = "count") -> int:
    plain = text.strip()
    if not _NUMBER.fullmatch(plain) or int(plain) > most:
        raise Refusal("offers.malformed", field=field)
    return int(plain)


def _moment(text: str, field: str) -> datetime:
    """A moment as the form writes it, on a clock in Shanghai."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Refusal("offers.malformed", field=field) from None
    if moment.tzinfo is not None:
        raise Refusal("offers.malformed", field=field)
    return moment.replace(tzinfo=clock.SHANGHAI)


def _stairs(tiers: tuple[Tier, ...]) -> str:
    return " ".join(f"{tier.from_fen}={tier.bonus_fen}" for tier in tiers)


async def _user(request: AnyRequest, phone: str) -> int | None:
    """The user of a number, or None for nobody in particular. Raises `staff.not_found`."""
    if not phone.strip():
        return None
    session = await access.staff(request)
    found = await house_of(request).identity.find(session.shop_id, phone.strip())
    if found is None:
        raise Refusal("staff.not_found")
    return found


handlers = [offers, propose, approve, stop, issue]
