"""One order for staff: what happened, why it was decided so, every attempt, what was said to the channel, what to do."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import ids
from daozhang.diagnosis.bundle import bundle
from daozhang.events.audit import doing
from daozhang.identity import mask_phone
from daozhang.identity.roles import may
from daozhang.identity.staff import ALONE_WAITS, alone
from daozhang.identity.views import note_view
from daozhang.money import MalformedAmount, parse_yuan
from daozhang.policy import losses, payers
from daozhang.postgres import statements
from daozhang.reasons import Refusal
from daozhang.recharge.freeze import Writ
from daozhang.web.console import access, told
from daozhang.web.console.days import end_of_day, tomorrow
from daozhang.web.front import path
from daozhang.web.front.finding import headline
from daozhang.web.front.finding import shown as told_finding
from daozhang.web.pages import house_of, locale_of, title_of
from daozhang.web.pages import told as told_of

if TYPE_CHECKING:
    from datetime import datetime

    from daozhang.diagnosis.model import Cause
    from daozhang.reasons import Told
    from daozhang.recharge.model import OrderView

sql = statements("daozhang.web.console")

AnyRequest = Request[Any, Any, Any]
_LEGAL = frozenset({"order.ordered", "order.lifted"})
"""Steps whose reason is the number of an authority's order."""


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the timeline: what, when, and who told it."""

    text: str
    at: "datetime"
    actor: str
    why: str
    mark: str


@get("/orders/{shown:str}", may="order.read")
async def order(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """The order."""
    session, house = await access.staff(request), house_of(request)
    view = await told.order_of(request, shown)
    attempts = await house.database.rows(sql.order_attempts, view.id)
    thread, finding = await house.diagnoses.of_order(view, session.shop_id)
    kind = locale_of(request).either(f"kind.{view.kind}", "kind.other")
    legal = may(session.roles, "order.freeze")
    log = await access.console_of(request).interface_log.of_order(view.id) if may(session.roles, "order.log") else []
    return await access.page(
        request, "order.html", order=view, steps=_steps(view, locale_of(request), legal=legal), attempts=attempts, log=log,
        decisions=await told.decisions(request, view.id), person=await told.person(request, view.user_id),
        odd=await house.database.rows(sql.order_odd, view.id),
        cases=await house.database.rows(sql.order_cases, session.shop_id, view.shown),
        reason=title_of(request, view.reason) if view.reason else "", number26=ids.text26,
        titles={row["reason"]: title_of(request, row["reason"]) for row in attempts if row["reason"]},
        writ=await house.database.row(sql.order_freeze, view.id) if legal else None, tomorrow=tomorrow(),
        alone=legal and await house.database.transact(lambda tx: alone(tx, session.shop_id, "order.freeze")), slept=ALONE_WAITS,
        said=await losses.of_order(house.database, view.id) if may(session.roles, "order.label") and view.money != "none" else None,
        asked=request.query_params.get("asked") == "1", code=thread.shown, cause=_cause(request, finding.cause),
        finding=finding, shown=told_finding(finding, kind, locale_of(request)),
        past=[(each.at, headline(each.finding, kind, locale_of(request)).title) for each in await house.diagnoses.past(thread)][1:],
        words=await _phone_words(request, view, session.actor) if may(session.roles, "evidence.receipt") else [],
    )  # fmt: skip


@get("/orders/{shown:str}/evidence.json", may="order.log")
async def evidence(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """The evidence of an order in one piece with its hash, masked, as its owner can have it: to hand to a channel."""
    session, house = await access.staff(request), house_of(request)
    view = await told.order_of(request, shown)
    async with doing(house.database, access.doer(session), "order.evidence", view.shown):
        code = await house.diagnoses.code_of(session.shop_id, view.user_id, view.id)
        account = mask_phone(await house.identity.phone(view.user_id))
        made = await bundle(house.database, view, code, account)
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{view.shown}.json"'}
    return Response(made.document(), media_type="application/json", headers=headers)


@post("/orders/{shown:str}/ask", may="order.ask", status_code=303)
async def ask(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Ask the channel now, whatever the schedule says. Asked too often, what is known already is shown."""
    session, _ = await access.staff(request), await access.form(request)
    view, house = await told.order_of(request, shown), house_of(request)
    async with doing(house.database, access.doer(session), "order.ask", view.shown, before=view.state) as deed:
        await house.limiter.demand("order.look", view.id.hex)
        await house.desk.look(view.id)
        deed.after = (await told.order_of(request, shown)).state
    house.hub.tell()
    return Redirect(f"/desk/orders/{view.shown}?asked=1", status_code=303)


@post("/orders/{shown:str}/approve", may="order.review", status_code=303)
async def let_go(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Let an order go that is asked about before its payment: a one-time pass, then every check again."""
    session, given = await access.staff(request), await access.form(request)
    view, why, house = await told.order_of(request, shown), access.why(given), house_of(request)
    async with doing(house.database, access.doer(session), "order.approve", view.shown, reason=why, before=view.state) as deed:
        await house.desk.resume.approve(view.id, session.actor, why)
        deed.after = (await told.order_of(request, shown)).state
    house.hub.tell()
    return Redirect(f"/desk/orders/{view.shown}", status_code=303)


@post("/orders/{shown:str}/refuse", may="order.review", status_code=303)
async def turn_down(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Refuse an order that is asked about before its payment; nothing was paid."""
    session, given = await access.staff(request), await access.form(request)
    view, why, house = await told.order_of(request, shown), access.why(given), house_of(request)
    async with doing(house.database, access.doer(session), "order.refuse", view.shown, reason=why, before=view.state) as deed:
        await house.desk.resume.refuse(view.id, session.actor, why)
        deed.after = "refused"
    house.hub.tell()
    return Redirect(f"/desk/orders/{view.shown}", status_code=303)


@post("/orders/{shown:str}/refund", may="order.refund", status_code=303)
async def refund(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Return money of a credited order to where it came from; it is taken from the user's balance first."""
    session, given = await access.staff(request), await access.form(request)
    view, why, house = await told.order_of(request, shown), access.why(given), house_of(request)
    amount_fen = amount_of(given)
    before = f"{view.state}, returned {view.refunded_fen} fen"
    async with doing(house.database, access.doer(session), "order.refund", view.shown, reason=why, before=before) as deed:
        checked = given.get("checked") == "yes"
        made = await house.desk.refund(view.id, amount_fen, why[:80], session.actor, checked=checked)
        deed.after = f"refund {made.id} of {amount_fen} fen: {made.state}"
    house.hub.tell()
    return Redirect(f"/desk/orders/{view.shown}", status_code=303)


@post("/orders/{shown:str}/fraud", may="order.label", status_code=303)
async def confirm_fraud(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Confirm that the money of an order was a fraud's; who paid may be flagged with it."""
    session, given = await access.staff(request), await access.form(request)
    view, why, house = await told.order_of(request, shown), access.why(given), house_of(request)
    async with doing(house.database, access.doer(session), "order.fraud", view.shown, reason=why, before=view.state) as deed:
        too = given.get("payer") == "1"
        await losses.confirm(house.database, session.shop_id, view.id, why, session.actor, payer_too=too)
        deed.after = "confirmed fraud, payer flagged" if too else "confirmed fraud"
    return Redirect(f"/desk/orders/{view.shown}", status_code=303)


@post("/orders/{shown:str}/payer", may="order.label", status_code=303)
async def flag_payer(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Flag whoever paid, so that the next payment of theirs is held, or take the flag away."""
    session, given = await access.staff(request), await access.form(request)
    view, why, house = await told.order_of(request, shown), access.why(given), house_of(request)
    flagged = given.get("flagged") == "1"
    async with doing(house.database, access.doer(session), "order.payer", view.shown, reason=why) as deed:
        await payers.flag(house.database, view.id, flagged=flagged, why=why, actor=session.actor)
        deed.after = "flagged" if flagged else "cleared"
    return Redirect(f"/desk/orders/{view.shown}", status_code=303)


@post("/orders/{shown:str}/freeze", may="order.freeze", status_code=303)
async def freeze(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Keep held money by order of an authority, at once. The trail names the order's number and nobody whom it is about."""
    session, given = await access.staff(request), await access.form(request)
    view, house = await told.order_of(request, shown), house_of(request)
    review_at = end_of_day(given.get("review", ""))
    if review_at is None:
        raise Refusal("freeze.malformed")
    writ = Writ(
        given.get("authority", "").strip(), given.get("reference", "").strip(), review_at, end_of_day(given.get("until", ""))
    )
    async with doing(house.database, access.doer(session), "order.freeze", view.shown, before=view.state) as deed:
        await house.desk.freezes.order(view.id, writ, session.actor)
        deed.after = "frozen_by_order"
    return Redirect(f"/desk/orders/{view.shown}", status_code=303)


@post("/orders/{shown:str}/lift", may="order.freeze", status_code=303)
async def lift(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Ask for a freeze to end before its time, or confirm it as the second person."""
    session, given = await access.staff(request), await access.form(request)
    view, why, house = await told.order_of(request, shown), access.why(given), house_of(request)
    async with doing(house.database, access.doer(session), "order.lift", view.shown, reason=why, before=view.state) as deed:
        deed.after = "held" if await house.desk.freezes.lift(view.id, session.actor, why) else "asked for"
    return Redirect(f"/desk/orders/{view.shown}", status_code=303)


async def _phone_words(request: AnyRequest, view: "OrderView", actor: str) -> "list[tuple[datetime, str]]":
    """What the payer pasted from the phone, in clear; that it was read is on record first."""
    house = house_of(request)
    words = await house.diagnoses.phone_texts(view.id)
    if words:
        why = f"the phone's words about {view.shown}"
        await house.database.transact(lambda tx: note_view(tx, house.shop_id, view.user_id, "evidence", actor, why))
    return words


def _cause(request: AnyRequest, cause: "Cause | None") -> "tuple[Told, str, str] | None":
    """What the diagnosis names: its texts, its reason's code, and who can cure it."""
    return (told_of(request, cause.reason, dict(cause.facts)), cause.reason, cause.cured_by) if cause else None


def amount_of(given: dict[str, str]) -> int:
    """Yuan of a form, in fen, one at least. Raises `operation.amount.malformed` and `.too_small`."""
    try:
        amount_fen = parse_yuan(given.get("amount", "").strip())
    except MalformedAmount:
        raise Refusal("operation.amount.malformed") from None
    if amount_fen == 0:
        raise Refusal("operation.amount.too_small", min_fen=1)
    return amount_fen


def _steps(view: "OrderView", reader: Any, *, legal: bool) -> list[Step]:
    kind = reader.either(f"kind.{view.kind}", "kind.other")
    made = []
    for step in view.steps:
        name = step.what.removeprefix("order.").replace(".", "_")
        amount = reader.money(step.facts.get("amount_fen", view.amount_fen))
        where = reader.either(f"kind.{step.facts['kind']}", "kind.other") if "kind" in step.facts else kind
        said = next((key for key in (f"desk_step.{name}", f"step.{name}") if reader.has(key)), "")
        text = reader.t(said, amount=amount, kind=where) if said else step.what
        why = str(step.facts.get("why", "")) if legal or step.what not in _LEGAL else ""
        made.append(Step(text, step.at, step.actor, why, "stop" if step.what in path.STOPS else "done"))
    return made


handlers = [order, evidence, ask, let_go, turn_down, refund, confirm_fraud, flag_payer, freeze, lift]
