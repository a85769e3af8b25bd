"""One case at the desk: facts, verdicts, thread and proof; ask, note, propose, and the second person's word."""

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import clock
from daozhang.cases import by_hand
from daozhang.cases import parse_shown as parse_case
from daozhang.cases.evidence import marked
from daozhang.cases.kinds import KINDS
from daozhang.events.audit import doing
from daozhang.identity.roles import may
from daozhang.identity.verify import mask_name, mask_number
from daozhang.identity.views import note_view
from daozhang.reasons import Refusal
from daozhang.recharge.view import parse_shown
from daozhang.web.console import access, told
from daozhang.web.front.known import SAID, filled_in
from daozhang.web.pages import house_of, locale_of, title_of

if TYPE_CHECKING:
    from daozhang.cases import Case
    from daozhang.identity.verify import Person

AnyRequest = Request[Any, Any, Any]
RECEIPTS = frozenset({"claim", "complaint", "deceived", "aftersale"})
"""Kinds whose proof is a receipt; the proof of all others says who somebody is."""


@get("/cases/{shown:str}", may="case.read")
async def case(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """The case."""
    return await _page(request, await find(request, shown))


@post("/cases/{shown:str}/ask", may="case.talk", status_code=303)
async def ask(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Ask the user for something: the user's clock begins."""
    session, given = await access.staff(request), await access.form(request)
    found, text = await find(request, shown), access.why(given, "text")
    house, question = house_of(request), given.get("question", "")
    if found.user_id is None:
        raise Refusal("cases.not_waiting")
    async with doing(house.database, access.doer(session), "case.ask", found.shown, before=found.state, reason=question) as deed:
        await house.cases.ask(found.id, session.actor, question, given.get("text", text))
        deed.after = "need_user"
    return Redirect(f"/desk/cases/{found.shown}", status_code=303)


@post("/cases/{shown:str}/note", may="case.talk", status_code=303)
async def note(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Say something to the user without passing the turn."""
    session, given = await access.staff(request), await access.form(request)
    found, house = await find(request, shown), house_of(request)
    async with doing(house.database, access.doer(session), "case.note", found.shown, before=found.state):
        await house.cases.note(found.id, session.actor, given.get("text", ""))
    return Redirect(f"/desk/cases/{found.shown}", status_code=303)


@post("/cases/{shown:str}/propose", may="case.propose", status_code=303)
async def propose(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Propose a verdict, or decide where one person may."""
    session, given = await access.staff(request), await access.form(request)
    found, why = await find(request, shown), access.why(given)
    verdict = given.get("verdict", "")
    if verdict not in ("approved", "rejected"):
        raise Refusal("staff.malformed", field="verdict")
    house, permission = house_of(request), verdict_permission(found)
    async with doing(house.database, access.doer(session), "case.propose", found.shown, reason=why, before=found.state) as deed:
        if not may(session.roles, permission):
            raise Refusal("staff.forbidden", permission=permission)
        await house.cases.propose(found.id, session.actor, verdict, why)  # type: ignore[arg-type]
        deed.after = verdict
    house.hub.tell()
    return Redirect(f"/desk/cases/{found.shown}", status_code=303)


@post("/cases/{shown:str}/confirm", may="case.confirm", status_code=303)
async def confirm(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """The second person confirms: it takes effect in the same commit."""
    session, given = await access.staff(request), await access.form(request)
    found, house = await find(request, shown), house_of(request)
    why, before = given.get("why", "").strip(), f"{found.state}: {found.verdict} by {found.proposed_by}"
    async with doing(house.database, access.doer(session), "case.confirm", found.shown, reason=why, before=before) as deed:
        if found.verdict != given.get("verdict", ""):
            # Somebody objected and proposed the other verdict while this page was open.
            raise Refusal("cases.not_waiting")
        await house.cases.confirm(found.id, session.actor, why)
        deed.after = f"closed: {found.verdict}"
    house.hub.tell()
    return Redirect(f"/desk/cases/{found.shown}", status_code=303)


@post("/cases/{shown:str}/object", may="case.confirm", status_code=303)
async def object_to(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """The second person does not agree: it is looked at anew."""
    session, given = await access.staff(request), await access.form(request)
    found, why, house = await find(request, shown), access.why(given), house_of(request)
    async with doing(house.database, access.doer(session), "case.object", found.shown, reason=why, before=found.state) as deed:
        await house.cases.object(found.id, session.actor, why)
        deed.after = "need_staff"
    return Redirect(f"/desk/cases/{found.shown}", status_code=303)


@get("/cases/{shown:str}/evidence/{evidence:uuid}", may="case.read")
async def evidence(request: AnyRequest, shown: FromPath[str], evidence: FromPath[UUID]) -> Response[bytes]:
    """A picture in clear, to the roles that may; every look is a line of the trail and of its user's record."""
    session, found = await access.staff(request), await find(request, shown)
    house, permission = house_of(request), evidence_permission(found)
    async with doing(house.database, access.doer(session), "evidence.view", found.shown, reason=str(evidence)):
        if not may(session.roles, permission):
            raise Refusal("staff.forbidden", permission=permission)
        content = await house.cases.picture(found.id, evidence, session.actor, f"case {found.shown}")
        if content is None:
            raise Refusal("cases.not_found")
    words = f"{session.name} {found.shown[-8:]} {clock.now().astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M}"
    content = await asyncio.to_thread(marked, content, words)
    return Response(content, media_type="image/jpeg", headers={"cache-control": "no-store", "content-disposition": "inline"})


@post("/cases/{shown:str}/claimed", may="evidence.identity", status_code=200)
async def claimed(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """Show in clear, this once, whom somebody claims to be, to hold it against the card. The look stands on record first."""
    session, _ = await access.staff(request), await access.form(request)
    found, house = await find(request, shown), house_of(request)
    async with doing(house.database, access.doer(session), "identity.view", found.shown):
        person = await by_hand.wanted(house.database, house.verifications, found.id)
        if person is None or found.user_id is None:
            raise Refusal("cases.not_waiting")
        user_id = found.user_id
        why = f"case {found.shown}"
        await house.database.transact(lambda tx: note_view(tx, session.shop_id, user_id, "identity", session.actor, why))
    return await _page(request, found, person=person)


def verdict_permission(found: "Case") -> str:
    """What it takes to give a verdict: one that takes effect by one person's word and lets money in is not for everybody."""
    return "order.review" if found.kind == "review" else "case.propose"


def evidence_permission(found: "Case") -> str:
    """What it takes to see the pictures of a case."""
    return "evidence.receipt" if found.kind in RECEIPTS else "evidence.identity"


async def find(request: AnyRequest, shown: str) -> "Case":
    """A case of this shop. Raises `cases.not_found`."""
    session = await access.staff(request)
    identifier = parse_case(shown)
    found = await house_of(request).cases.case(identifier) if identifier else None
    if found is None or found.shop_id != session.shop_id:
        raise Refusal("cases.not_found")
    return found


async def _page(request: AnyRequest, found: "Case", *, person: "Person | None" = None) -> Response[bytes]:
    house, session = house_of(request), await access.staff(request)
    said = person or (await by_hand.wanted(house.database, house.verifications, found.id) if found.kind == by_hand.KIND else None)
    if said is not None and person is None:
        said = type(said)(mask_name(said.name), mask_number(said.number))
    order_id = parse_shown(found.about)
    reason, known = found.facts.get("reason"), await house.diagnoses.known(found)
    return await access.page(
        request, "case.html", here="queue", case=found, kinds=KINDS[found.kind], mine=found.proposed_by == session.actor,
        lines=await house.cases.thread(found.id), pictures=await house.cases.evidence(found.id),
        decides=may(session.roles, verdict_permission(found)),
        turns=await house.cases.history(found.id), sees=may(session.roles, evidence_permission(found)),
        reason=title_of(request, reason) if isinstance(reason, str) else "",
        known=filled_in(known, locale_of(request), staff=True),
        facts={name: told.plain(name, value) for name, value in known.items() if name not in SAID | {"hold"}},
        order=await told.order_line(request, order_id) if order_id else None,
        decisions=await told.decisions(request, order_id) if order_id else [],
        person=await told.person(request, found.user_id) if found.user_id else None,
        alone_until=await house.cases.alone_until(found) if found.state == "second" else None, said=said, clear=person is not None,
    )  # fmt: skip


handlers = [case, ask, note, propose, confirm, object_to, evidence, claimed]
