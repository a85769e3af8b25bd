"""Money that waits for people: payouts by two persons, and odd circumstances of payments."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang.events.audit import doing
from daozhang.reasons import Refusal
from daozhang.recharge import anomalies
from daozhang.recharge.payout import ALONE_FEN, Payee, Payouts
from daozhang.recharge.view import shown
from daozhang.web.console import access, told
from daozhang.web.console.order import amount_of
from daozhang.web.pages import house_of

AnyRequest = Request[Any, Any, Any]


@get("/payouts", may="payout.read")
async def payouts(request: AnyRequest) -> Response[bytes]:
    """What waits for a second person, or to be paid; and the form for a new one."""
    return await _page(request)


@post("/payouts", may="payout.propose", status_code=303)
async def propose(request: AnyRequest) -> Redirect:
    """Set money of a credited order aside, to be paid to an account of the verified name."""
    session, given = await access.staff(request), await access.form(request)
    view, why, amount_fen = await told.order_of(request, given.get("order", "").strip()), access.why(given), amount_of(given)
    payee = Payee(given.get("name", "").strip()[:64], given.get("bank", "").strip(), given.get("number", "").strip())
    async with doing(house_of(request).database, access.doer(session), "payout.propose", view.shown, reason=why) as deed:
        made = await access.console_of(request).payouts.propose(view.id, amount_fen, payee, why, session.actor)
        deed.after = f"payout {made} of {amount_fen} fen"
    return Redirect("/desk/payouts", status_code=303)


@post("/payouts/{payout:uuid}/approve", may="payout.approve", status_code=303)
async def approve(request: AnyRequest, payout: FromPath[UUID]) -> Redirect:
    """Approve as the second person."""
    return await _decide(request, payout, "approve", lambda desk, actor, _: desk.approve(payout, actor))


@post("/payouts/{payout:uuid}/reject", may="payout.approve", status_code=303)
async def reject(request: AnyRequest, payout: FromPath[UUID]) -> Redirect:
    """Reject: the money is the user's to spend again."""
    return await _decide(request, payout, "reject", lambda desk, actor, given: desk.reject(payout, actor, access.why(given)))


@post("/payouts/{payout:uuid}/paid", may="payout.pay", status_code=303)
async def paid(request: AnyRequest, payout: FromPath[UUID]) -> Redirect:
    """Book that it was paid at the bank, with the bank's number of that payment."""
    return await _decide(
        request, payout, "paid", lambda desk, actor, given: desk.paid(payout, actor, given.get("reference", "").strip())
    )


@post("/payouts/{payout:uuid}/bounced", may="payout.pay", status_code=303)
async def bounced(request: AnyRequest, payout: FromPath[UUID]) -> Redirect:
    """Book that the bank sent it back: the money is the user's to spend again, and the bonus beside it."""
    return await _decide(request, payout, "bounced", lambda desk, actor, given: desk.bounced(payout, actor, access.why(given)))


@post("/payouts/{payout:uuid}/account", may="payout.pay", status_code=200)
async def account(request: AnyRequest, payout: FromPath[UUID]) -> Response[bytes]:
    """Show the account in clear to whoever pays it, this once. The look is on record before anything is shown."""
    session, _ = await access.staff(request), await access.form(request)
    async with doing(house_of(request).database, access.doer(session), "payout.account", f"payout {payout}"):
        payee = await access.console_of(request).payouts.payee(payout, session.actor)
    return await _page(request, open_id=payout, payee=payee)


@get("/anomalies", may="anomaly.read")
async def odd(request: AnyRequest) -> Response[bytes]:
    """Odd money that waits, oldest first."""
    session, house = await access.staff(request), house_of(request)
    rows = await anomalies.waiting(house.database, session.shop_id)
    return await access.page(request, "anomalies.html", here="anomalies", rows=rows, number=shown)


@post("/anomalies/{anomaly:uuid}/resolve", may="anomaly.resolve", status_code=303)
async def resolve(request: AnyRequest, anomaly: FromPath[UUID]) -> Redirect:
    """Resolve an anomaly with what was done about it; one of an unknown order stays until the order is found."""
    session, given = await access.staff(request), await access.form(request)
    why, house = access.why(given), house_of(request)
    async with doing(
        house.database, access.doer(session), "anomaly.resolve", f"anomaly {anomaly}", reason=why, before="open"
    ) as deed:
        if not await anomalies.resolve(house.database, anomaly, session.actor, why, session.shop_id):
            raise Refusal("operation.not_waiting")
        deed.after = "resolved"
    return Redirect("/desk/anomalies", status_code=303)


async def _decide(
    request: AnyRequest, payout: UUID, how: str, work: Callable[[Payouts, str, dict[str, str]], Awaitable[None]]
) -> Redirect:
    session, given = await access.staff(request), await access.form(request)
    reason = given.get("why", "") or given.get("reference", "")
    async with doing(house_of(request).database, access.doer(session), f"payout.{how}", f"payout {payout}", reason=reason) as deed:
        await work(access.console_of(request).payouts, session.actor, given)
        deed.after = how
    return Redirect("/desk/payouts", status_code=303)


async def _page(request: AnyRequest, *, open_id: UUID | None = None, payee: Payee | None = None) -> Response[bytes]:
    session, desk = await access.staff(request), access.console_of(request).payouts
    return await access.page(
        request, "payouts.html", here="payouts", rows=await desk.waiting(), paid=await desk.paid_lately(session.shop_id),
        number=shown, open_id=open_id, payee=payee, wanted=request.query_params.get("order", "")[:40],
        alone=await desk.alone(session.shop_id), alone_fen=ALONE_FEN,
    )  # fmt: skip


handlers = [payouts, propose, approve, reject, paid, bounced, account, odd, resolve]
