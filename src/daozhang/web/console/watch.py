"""What staff look at: alarms, limits with calendar and regions, why recharges fail, the people of the desk, and the trail."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import alarms, clock, ids
from daozhang.events.audit import doing, trail
from daozhang.identity.roles import PERMISSIONS, PROVEN, ROLES
from daozhang.limits import rows as limits
from daozhang.postgres import statements
from daozhang.reasons import Refusal, catalogue
from daozhang.status import calendar
from daozhang.web.console import access
from daozhang.web.pages import house_of, title_of

sql = statements("daozhang.web.console")

AnyRequest = Request[Any, Any, Any]
SPANS = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}
LOOK_BACK = timedelta(days=2)
"""How much older than the span an order may be whose failure is counted in it."""


@get("/alarms", may="alarm.read")
async def bell(request: AnyRequest) -> Response[bytes]:
    """What is to be looked at, the most urgent first."""
    grave = {"urgent": 0, "today": 1, "note": 2}
    rows = sorted(await alarms.open_alarms(house_of(request).database), key=lambda each: grave[alarms.KINDS[each.kind].severity])
    return await access.page(request, "alarms.html", here="alarms", rows=rows, kinds=alarms.KINDS)


@post("/alarms/{alarm:uuid}/close", may="alarm.close", status_code=303)
async def close(request: AnyRequest, alarm: FromPath[UUID]) -> Redirect:
    """Close an alarm with what was done about it."""
    session, given = await access.staff(request), await access.form(request)
    why, house = access.why(given), house_of(request)
    async with doing(house.database, access.doer(session), "alarm.close", f"alarm {alarm}", reason=why, before="open") as deed:
        if not await alarms.close(house.database, alarm, clock.now(), session.actor, why):
            raise Refusal("operation.not_waiting")
        deed.after = "closed"
    return Redirect("/desk/alarms", status_code=303)


@get("/limits", may="limits.read")
async def bounds(request: AnyRequest) -> Response[bytes]:
    """Every limit with where it is from, planned maintenance, and what is suspended."""
    session, house = await access.staff(request), house_of(request)
    return await access.page(
        request, "limits.html", here="limits", rows=await limits.listed(house.database, shop_id=session.shop_id),
        planned=await calendar.planned(house.database), suspended=await calendar.suspensions(house.database),
        kinds={row.id: row.kind for row in house.channels.enabled()},
    )  # fmt: skip


@get("/failures", may="failures.read")
async def failures(request: AnyRequest) -> Response[bytes]:
    """Why recharges failed: how many, whose, how much, who can cure it, and how many came through afterwards."""
    session, house = await access.staff(request), house_of(request)
    span = request.query_params.get("span", "24h")
    since = clock.now() - SPANS.get(span, SPANS["24h"])
    rows = await house.database.rows(sql.failures, session.shop_id, ids.first_at(since - LOOK_BACK), since)
    whole = await house.database.row(sql.outcomes, session.shop_id, ids.first_at(since))
    told = [(row, catalogue().get(row["reason"]), title_of(request, row["reason"])) for row in rows if row["reason"] in catalogue()]
    most = max((row["count"] for row, _, _ in told), default=1)
    return await access.page(
        request,
        "failures.html",
        here="failures",
        rows=told,
        whole=whole,
        span=span if span in SPANS else "24h",
        spans=list(SPANS),
        most=most,
    )


@get("/audit", may="audit.read")
async def audit(request: AnyRequest) -> Response[bytes]:
    """The trail, newest first; reading it is a line of it."""
    session, house, asked = await access.staff(request), house_of(request), request.query_params
    actor, action, subject = (_plain(asked.get(name, "")) for name in ("actor", "action", "subject"))
    before = ids.parse26(asked.get("before", ""))
    async with doing(house.database, access.doer(session), "audit.read", subject, reason=f"{actor} {action}".strip()):
        pass  # The line stands, with its outcome, before the trail is shown.
    lines = await trail(house.database, session.shop_id, before=before, actor=actor, action=action, subject=subject)
    return await access.page(
        request, "audit.html", here="audit", lines=lines, actor=actor, action=action, subject=subject,
        older=ids.text26(lines[-1].id) if len(lines) == 100 else "",
    )  # fmt: skip


def _plain(text: str) -> str:
    return "".join(letter for letter in text.strip()[:80] if letter.isprintable())


@get("/staff", may="staff.read")
async def people(request: AnyRequest) -> Response[bytes]:
    """Who works here, and the table of what each role may do."""
    session = await access.staff(request)
    lines = await access.console_of(request).staff.listed(session.shop_id)
    table = [(name, PERMISSIONS[name], name in PROVEN) for name in PERMISSIONS]
    return await access.page(request, "staff.html", here="staff", lines=lines, table=table, roles=ROLES)


handlers = [bell, close, bounds, failures, audit, people]
