"""One order: its cashier while it waits for payment, its result afterwards; cancel it, or pay it another way."""

import re
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import clock
from daozhang.identity import mask_phone
from daozhang.money import yuan
from daozhang.policy import regulation
from daozhang.reasons import CuredBy, Layer, Reason, Refusal, Retry, Told, catalogue
from daozhang.recharge.choice import SILENCE
from daozhang.recharge.view import parse_shown
from daozhang.recharge.view import shown as order_shown
from daozhang.recharge.waiting import REVIEW
from daozhang.web import forms, sessions
from daozhang.web.client import client_ip
from daozhang.web.front import offers, path, refunds, region
from daozhang.web.front.device import Choice, in_wechat, offered, on_phone
from daozhang.web.front.finding import shown as told_finding
from daozhang.web.locale import Locale
from daozhang.web.pages import house_of, locale_of, page, title_of
from daozhang.web.qr import drawn

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView
    from daozhang.recharge.unpaid import Open
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_METHOD = re.compile(r"([0-9]{1,18}):([a-z][a-z0-9_]{0,31})", re.ASCII)
_LINK_SCHEMES = {"https", "http", "weixin"}
_WAITING = {"cashier", "preparing", "closing", "checking", "received"}
_FRESH_S = 120.0
_RETRYABLE = {"failed", "expired", "cancelled"}
MOST_OTHERS = 4
"""Other ways that a page offers with one tap each."""
DOUBLE_WHY = "同样的金额到账两笔，本人退回一笔"


@get("/orders/{shown:str}")
async def show(request: AnyRequest, shown: FromPath[str]) -> Response[Any]:
    """The order's page, whatever stage it is at. Somebody else's order does not exist."""
    session = await sessions.require(request)
    view = await find(request, session, shown)
    if view.state == "challenged":
        return Redirect(f"/orders/{view.shown}/confirm", status_code=303)
    return await _page(request, session, view)


@get("/orders/{shown:str}/state")
async def state(request: AnyRequest, shown: FromPath[str]) -> dict[str, Any]:
    """What a waiting page asks when it cannot listen: did `mark` change?

    With `next` in the address also `next_s`, the seconds until the next automatic step; None when none is to come.
    """
    session = await sessions.require(request)
    view = await find(request, session, shown)
    told = {"state": view.state, "money": view.money, "terminal": view.terminal, "mark": mark_of(view)}
    if "next" in request.query_params:
        told["next_s"] = next((line.next_s for line in reversed(await _path(request, view))), None)
    return told


@post("/orders/{shown:str}/check", status_code=303)
async def check(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Ask the channel now ("I have paid") and show what it says. Asking too often shows what is known already."""
    session, house = await sessions.require(request), house_of(request)
    await sessions.check_csrf(request, await forms.read(request))
    view = await find(request, session, shown)
    if not view.terminal and await house.limiter.take("order.look", view.id.hex) == 0:
        await house.desk.look(view.id)
    # He says that he paid: when a minute of silence follows, the page opens the diagnosis beside the code.
    return Redirect(f"/orders/{view.shown}?asked=1", status_code=303)


@post("/orders/{shown:str}/cancel", status_code=303)
async def cancel(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Ask for the payment to be closed at its channel; the order is cancelled once the channel says so.

    An order that was paid or ended meanwhile answers for itself: its page says what became of it.
    """
    session = await sessions.require(request)
    await sessions.check_csrf(request, await forms.read(request))
    view = await find(request, session, shown)
    try:
        await house_of(request).desk.cancel(session.user_id, view.id)
    except Refusal as refusal:
        if refusal.reason != "operation.not_cancellable":
            raise
    return Redirect(f"/orders/{view.shown}", status_code=303)


@post("/orders/{shown:str}/retry", status_code=303)
async def retry(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Pay the same order another way: a new attempt. An order that moved on meanwhile answers for itself."""
    session = await sessions.require(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    view = await find(request, session, shown)
    match = _METHOD.fullmatch(form.get("method", ""))
    if match is None:
        raise Refusal("channel.not_configured")
    try:
        await house_of(request).desk.retry(
            session.user_id,
            view.id,
            int(match.group(1)),
            match.group(2),
            client_ip(request),
            device_id=str(session.device_id or ""),
        )
    except Refusal as refusal:
        if refusal.reason != "operation.not_retryable":
            raise
    return Redirect(f"/orders/{view.shown}", status_code=303)


@post("/orders/{shown:str}/choice", status_code=303)
async def choice(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Money of another amount: keep it or send it back. What was decided meanwhile answers for itself."""
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    view = await find(request, session, shown)
    try:
        if form.get("choice") == "keep":
            await house.choice.keep(session.user_id, view.id)
        elif form.get("choice") == "back":
            await house.choice.send_back(session.user_id, view.id)
    except Refusal as refusal:
        if refusal.reason != "operation.not_waiting":
            raise
    return Redirect(f"/orders/{view.shown}", status_code=303)


@post("/orders/{shown:str}/back", status_code=303)
async def send_back(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Of two recharges of one sum that both arrived, send this one back, whole. Without a second one nothing is done.

    Raises `refund.*`, or what the policy says of refunds.
    """
    session, desk = await sessions.require(request), house_of(request).desk
    await sessions.check_csrf(request, await forms.read(request))
    view = await find(request, session, shown)
    if await desk.twins(session.user_id, view.id):
        await desk.refund(view.id, view.paid_fen or view.amount_fen, DOUBLE_WHY, f"user:{session.user_id}")
    return Redirect(f"/orders/{view.shown}", status_code=303)


async def find(request: AnyRequest, session: "Session", shown: str) -> "OrderView":
    """An order of this user by its shown number. Raises `operation.not_found` for anything else."""
    identifier = parse_shown(shown)
    view = await house_of(request).desk.order(session.user_id, identifier) if identifier else None
    if view is None:
        raise Refusal("operation.not_found")
    return view


async def _page(request: AnyRequest, session: "Session", view: "OrderView") -> Response[bytes]:
    reader, face = locale_of(request), face_of(view)
    reason = catalogue().get(view.reason) if view.reason else None
    context: dict[str, Any] = {
        "order": view,
        "face": face,
        "waits": face in _WAITING,
        "mark": mark_of(view),
        "kind": reader.either(f"kind.{view.kind}", "kind.other" if view.kind else "order.title"),
        "reason": reason,
        "told": reason.told(reader.code, view.reason_facts) if reason else None,
        # Money of another amount is told while its owner may choose; afterwards the page itself says what became of it.
        "anomalies": [_anomaly(kind, view, reader) for kind in view.anomalies if kind != "amount" or view.state == "misfit"],
        "path": await _path(request, view),
        "gift_lines": await offers.lines(request, view.id),
        "backs_lines": refunds.lines(view, reader),
        "bought": await house_of(request).purchases.of_order(view.user_id, view.id) if view.purpose == "purchase" else None,
        "again": await _again(request, view) if request.query_params.get("open") == "1" else None,
        **await _FACTS.get(face, _nothing)(request, view),
        **await _tries(request, view),
    }
    template = "waiting" if face in {"preparing", "closing", "checking"} else face
    return await page(request, f"front/order/{template}.html", here="orders", session=session, **context)


async def _path(request: AnyRequest, view: "OrderView") -> list[path.Line]:
    clocks = None if view.terminal else await house_of(request).diagnoses.reader.clocks(view)
    return path.steps(view, locale_of(request), clocks)


async def _again(request: AnyRequest, view: "OrderView") -> "Open | None":
    """The order as one that stood in the way of a second one of its sum; None when it is open no more."""
    return next((each for each in await house_of(request).desk.open_orders(view.user_id) if each.id == view.id), None)


def _anomaly(kind: str, view: "OrderView", reader: Locale) -> Told:
    """What was odd, told with what is still going back because of it."""
    going_fen = sum(each.amount_fen for each in view.refunds if each.origin == "suspense" and each.state in ("reserved", "sent"))
    paid_fen = going_fen or (view.paid_fen if kind == "amount" else None)
    facts = {"amount_fen": view.amount_fen} | ({"paid_fen": paid_fen} if paid_fen else {})
    return catalogue().get(f"anomaly.{kind}").told(reader.code, facts)


def mark_of(view: "OrderView") -> str:
    """Changes whenever the page would look different: the order's version, and what became of the money meanwhile."""
    return f"{view.version}-{view.money}"


def face_of(view: "OrderView") -> str:
    """Which page an order wears. What we do not know is never shown as failed."""
    if view.state == "awaiting_payment" and view.action and view.money != "checking":
        return "cashier"
    if view.state == "closing":
        return "closing"
    if view.money == "checking":
        return "checking"
    if view.state in {"created", "awaiting_payment", "challenged", "reviewing"}:
        return "preparing"
    return {"credited": "credited", "received": "received", "returning": "received", "returned": "received"}.get(
        view.money, "ended"
    )


async def _cashier(request: AnyRequest, view: "OrderView") -> dict[str, Any]:
    """What the payer needs now: a code to scan, a link to follow, or the signed parameters for WeChat's own bridge."""
    house, text = house_of(request), str(view.payload.get("text", ""))
    shut, phone_url = await regulation.closed(house.database, house.shop_id, view.user_id), house.phone_url
    # Money that would only go back, or wait for a person, is not asked for any more: the code of an order from before is not shown.
    halted = shut.in_flight(view.kind) if view.kind else "finish"
    if halted != "finish":
        view, phone_url = replace(view, action=None), None
    over, opens_until = False, view.payload_until if view.action == "link" else None
    if opens_until is not None and clock.now() >= opens_until:
        over, view, opens_until = True, replace(view, action=None), None
    ends_at = opens_until or view.expires_at
    return {
        "over": f"{view.channel_id}:{view.method}" if over else "",
        "opens_until": opens_until,
        "halted": halted if halted != "finish" else "",
        "regulation": region.notices(shut, locale_of(request)) if halted != "finish" else [],
        "qr": _drawn(text) if view.action == "qr" else "",
        "link_url": text if view.action == "link" and urlsplit(text).scheme in _LINK_SCHEMES else "",
        "form_url": f"/orders/{view.shown}/pay" if view.action == "form" else "",
        "bridge": view.payload if view.action == "jsapi" else None,
        "demo_phone": phone_url(text) if phone_url and view.action == "qr" else "",
        # A page that renews itself at the end has to find that it is over.
        "left_s": max(0, int((ends_at - clock.now()).total_seconds()) + (opens_until is not None)) if ends_at else None,
        "asked": request.query_params.get("asked") == "1",
        "account": mask_phone(await house.identity.phone(view.user_id)),
        "phone": on_phone(request),
        "wechat": in_wechat(request),
        "others": await _others(request, view),
    }


async def _preparing(request: AnyRequest, view: "OrderView") -> dict[str, Any]:
    """The case that asks about an order before its payment, while it is open."""
    asked = view.state == "reviewing"
    return {"case": await house_of(request).cases.open_about(house_of(request).shop_id, REVIEW, view.shown) if asked else None}


async def _waiting(request: AnyRequest, view: "OrderView") -> dict[str, Any]:
    """While a channel has not answered at all, nobody has seen a code of it: the order may be paid another way meanwhile."""
    unanswered = view.state == "created" and view.money == "checking"
    return {"others": [each for each in await _others(request, view) if each.channel_id != view.channel_id] if unanswered else []}


async def _others(request: AnyRequest, view: "OrderView") -> list[Choice]:
    """The other ways that take this order's amount here and now, best first."""
    quote = await house_of(request).desk.quote(view.user_id, view.amount_fen, besides=(view.id,))
    usable = [choice for choice in offered(request, quote.methods) if choice.open and choice.fits]
    return [each for each in usable if (each.channel_id, each.method) != (view.channel_id, view.method)][:MOST_OTHERS]


async def _credited(request: AnyRequest, view: "OrderView") -> dict[str, Any]:
    """The seal is pressed only for who sees it happen: a page opened later shows it pressed already."""
    at = view.credited_at or view.created_at
    return {
        "wallet": await house_of(request).desk.wallet(view.user_id),
        "twin": next((order_shown(each) for each in await house_of(request).desk.twins(view.user_id, view.id)), ""),
        "took_s": max(0.0, (at - view.created_at).total_seconds()),
        "fresh": (clock.now() - at).total_seconds() < _FRESH_S,
    }


async def _ended(request: AnyRequest, view: "OrderView") -> dict[str, Any]:
    """Why, which checks were made, and the one way on: pay another way, correct the form, or look at the wallet."""
    reason = catalogue().get(view.reason) if view.reason else None
    retry_with, others = None, []
    if view.state in _RETRYABLE and (reason is None or reason.retry in {Retry.NOW, Retry.OTHER_CHANNEL}):
        quote = await house_of(request).desk.quote(view.user_id, view.amount_fen, besides=(view.id,))
        usable = [choice for choice in offered(request, quote.methods) if choice.open and choice.fits]
        same = next((choice for choice in usable if (choice.channel_id, choice.method) == (view.channel_id, view.method)), None)
        others = [choice for choice in usable if choice is not same]
        prefer_other = reason is not None and reason.retry is Retry.OTHER_CHANNEL
        hopeless = reason is not None and reason.cured_by is CuredBy.PLATFORM
        order = ([*others] if hopeless else [*others, same]) if prefer_other else [same, *others]
        retry_with = next((choice for choice in order if choice is not None), None)
        others = [choice for choice in order if choice is not None and choice is not retry_with][:MOST_OTHERS]
    thread, found = await house_of(request).diagnoses.of_order(view, house_of(request).shop_id)
    reader = locale_of(request)
    amount_text = yuan(view.amount_fen, grouped=False)
    return {
        "retry_with": retry_with,
        "others": others,
        "code": thread.shown,
        "shown": told_finding(found, reader.either(f"kind.{view.kind}", "kind.other"), reader),
        # Whoever cancelled it himself is not asked what his phone showed.
        "asks": bool(found.ask) and view.state != "cancelled",
        "amount_text": amount_text,
        **(_way_on(reason, amount_text) if view.purpose != "purchase" else await _to_goods(request, view)),
    }


def _way_on(reason: Reason | None, amount_text: str) -> dict[str, str]:
    """Where the one button leads when the order itself cannot be paid any more."""
    if reason is not None and reason.layer is Layer.ACCOUNT:
        return {"way_on": "/me", "way_on_text": "order.account"}
    if reason is not None and reason.retry is Retry.NEVER:
        return {"way_on": "/wallet", "way_on_text": "result.wallet"}
    return {"way_on": f"/recharge?amount={amount_text}", "way_on_text": "order.back"}


async def _to_goods(request: AnyRequest, view: "OrderView") -> dict[str, str]:
    """Back to what was to be bought, with as many pieces."""
    bought = await house_of(request).purchases.of_order(view.user_id, view.id)
    back = f"/shop/{bought.goods_id}?count={bought.count}" if bought else "/shop"
    return {"way_on": back, "way_on_text": "order.back_goods"}


async def _tries(request: AnyRequest, view: "OrderView") -> dict[str, Any]:
    """Every attempt of the order with why it came to nothing; one is told by the page itself."""
    tries = await house_of(request).desk.tries(view.id)
    return {"tries": tries, "tries_said": {each.id: title_of(request, each.reason) if each.reason else "" for each in tries}}


async def _nothing(_request: AnyRequest, _view: "OrderView") -> dict[str, Any]:
    return {}


async def _received(request: AnyRequest, view: "OrderView") -> dict[str, Any]:
    """The case that asks about held money, while it is open."""
    return {
        "case": await house_of(request).cases.open_about(house_of(request).shop_id, "hold", view.shown)
        if view.state == "held"
        else None,
        "choose_by": _choose_by(view) if view.state == "misfit" and view.paid_fen is not None else None,
    }


def _choose_by(view: "OrderView") -> datetime:
    came = next((step.at for step in reversed(view.steps) if step.what in ("order.misfit", "order.unfit")), view.created_at)
    return came + SILENCE


_FACTS = {
    "received": _received,
    "preparing": _preparing,
    "cashier": _cashier,
    "credited": _credited,
    "ended": _ended,
    "checking": _waiting,
}


_drawn = lru_cache(maxsize=512)(drawn)


handlers = [show, state, check, cancel, retry, choice, send_back]
