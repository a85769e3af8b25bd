"""One user at the desk: standing, orders, cases; freezing with an end, unfreezing by two, a number unmasked on record."""

from datetime import timedelta
from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import ids
from daozhang.cases import region
from daozhang.cases import shown as case_shown
from daozhang.cases.unfreeze import KIND as UNFREEZE
from daozhang.events.audit import doing
from daozhang.identity.service import BY_LAW
from daozhang.identity.views import note_view
from daozhang.policy import regulation
from daozhang.policy.regions import name_of, names
from daozhang.postgres import statements
from daozhang.reasons import Refusal
from daozhang.recharge.view import shown
from daozhang.web.console import access, told
from daozhang.web.console.days import LONGEST_DAYS, end_of_day, tomorrow
from daozhang.web.pages import house_of, locale_of, title_of

sql = statements("daozhang.web.console")

AnyRequest = Request[Any, Any, Any]
WHYS = ("risk_review", "owner_request", "court_order", "other")
OFFICES = ("risk", "support", "finance", "law")


@get("/users/{user_id:int}", may="user.read")
async def user(request: AnyRequest, user_id: FromPath[int]) -> Response[bytes]:
    """The user."""
    return await _page(request, user_id)


@post("/users/{user_id:int}/unmask", may="user.unmask", status_code=200)
async def unmask(request: AnyRequest, user_id: FromPath[int]) -> Response[bytes]:
    """Show the telephone number in clear, this once. The look stands on record before it is shown."""
    session, given = await access.staff(request), await access.form(request)
    person, why, house = await told.person(request, user_id), access.why(given), house_of(request)
    async with doing(house.database, access.doer(session), "user.unmask", f"user:{user_id}", reason=why):
        await house.database.transact(lambda tx: note_view(tx, session.shop_id, person.user_id, "phone", session.actor, why))
        phone = await house.identity.phone(user_id)
    return await _page(request, user_id, phone=phone)


@post("/users/{user_id:int}/freeze", may="user.freeze", status_code=303)
async def freeze(request: AnyRequest, user_id: FromPath[int]) -> Redirect:
    """Freeze: a reason, an office, and an end or a day of review; never without either."""
    session, given = await access.staff(request), await access.form(request)
    person, note, house = await told.person(request, user_id), access.why(given), house_of(request)
    reason, office = given.get("reason", ""), given.get("office", "")
    if reason not in WHYS or office not in OFFICES:
        raise Refusal("staff.malformed", field="office" if reason in WHYS else "reason")
    until, review_at = end_of_day(given.get("until", "")), end_of_day(given.get("review", ""))
    if until is None and review_at is None:
        raise Refusal("staff.freeze_endless")
    async with doing(
        house.database, access.doer(session), "user.freeze", f"user:{user_id}", reason=note, before=person.standing
    ) as deed:
        await house.identity.freeze(
            user_id,
            actor=session.actor,
            reason=reason,
            note=note,
            until=until,
            review_at=review_at,
            office=office,  # type: ignore[arg-type]
        )
        deed.after = f"frozen: {reason} by {office}, until {until}, review {review_at}"
    return Redirect(f"/desk/users/{user_id}", status_code=303)


@post("/users/{user_id:int}/unfreeze", may="user.freeze", status_code=303)
async def unfreeze(request: AnyRequest, user_id: FromPath[int]) -> Redirect:
    """Propose that the account works again; a second person confirms in its case. One by law is not ours to end."""
    session, given = await access.staff(request), await access.form(request)
    person, why, house = await told.person(request, user_id), access.why(given), house_of(request)
    if person.standing != "frozen":
        raise Refusal("operation.not_waiting")
    if person.standing_why in BY_LAW:
        raise Refusal("account.frozen_by_law")
    facts = {"why": person.standing_why or "other"}
    async with doing(house.database, access.doer(session), "user.unfreeze", f"user:{user_id}", reason=why, before="frozen") as deed:
        case_id = await house.database.transact(
            lambda tx: house.cases.open(
                tx, session.shop_id, user_id, UNFREEZE, f"user:{user_id}", "explain", facts, first="staff"
            )
        )  # fmt: skip
        await house.cases.propose(case_id, session.actor, "approved", why)
        deed.after = f"proposed in {case_shown(case_id)}"
    return Redirect(f"/desk/cases/{case_shown(case_id)}", status_code=303)


@post("/users/{user_id:int}/region", may="user.region", status_code=303)
async def put_right(request: AnyRequest, user_id: FromPath[int]) -> Redirect:
    """Propose another region than the one that the user chose; a second person confirms it in its case."""
    session, given = await access.staff(request), await access.form(request)
    person, why, house = await told.person(request, user_id), access.why(given), house_of(request)
    wanted, before = given.get("region", ""), await regulation.declared(house.database, person.user_id)
    regulation.check_region(wanted)
    if wanted == before:
        raise Refusal("regulation.region_same")
    # Whoever confirms reads what would change, whatever the first one wrote.
    change = f"{name_of(before, 'zh') if before else '–'} → {name_of(wanted, 'zh')}"
    async with doing(house.database, access.doer(session), "user.region", f"user:{user_id}", reason=why, before=before) as deed:
        case_id = await region.propose(
            house.database, house.cases, session.shop_id, user_id, wanted, session.actor, f"{change}: {why}"
        )  # fmt: skip
        deed.after = f"{wanted}: proposed in {case_shown(case_id)}"
    return Redirect(f"/desk/cases/{case_shown(case_id)}", status_code=303)


async def _page(request: AnyRequest, user_id: int, *, phone: str = "") -> Response[bytes]:
    session, house = await access.staff(request), house_of(request)
    person = await told.person(request, user_id)
    orders = await house.database.rows(sql.person_orders, user_id, session.shop_id)
    first = tomorrow()
    return await access.page(
        request, "user.html", person=person, phone=phone, orders=orders, number=shown,
        titles={row["reason"]: title_of(request, row["reason"]) for row in orders if row["reason"]},
        standings=await house.database.rows(sql.person_standings, user_id),
        cases=await house.database.rows(sql.person_cases, user_id, session.shop_id), whys=WHYS, offices=OFFICES, text26=ids.text26,
        wallet=await house.desk.wallet(user_id), region=await regulation.declared(house.database, user_id),
        regions=names(locale_of(request).code).items(), tomorrow=first, in_a_month=first + timedelta(days=29),
        latest=first + timedelta(days=LONGEST_DAYS - 3),
    )  # fmt: skip


handlers = [user, unmask, freeze, unfreeze, put_right]
