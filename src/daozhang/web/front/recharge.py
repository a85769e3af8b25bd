"""The recharge page: how much, how to pay, which rules apply; and the form that places the order."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang import announcements, clock
from daozhang.diagnosis.cures import AT_HOME
from daozhang.diagnosis.think import find
from daozhang.money import guess_yuan
from daozhang.reasons import Refusal
from daozhang.recharge.model import PlaceRequest
from daozhang.recharge.turn import turn
from daozhang.web import forms, sessions
from daozhang.web.client import client_ip
from daozhang.web.front import ahead, checks, name, offers, region, unpaid
from daozhang.web.front.device import Choice, left_out, offered
from daozhang.web.front.draft import Draft, new_key, proposed, read_draft
from daozhang.web.front.finding import shown as told_finding
from daozhang.web.pages import house_of, locale_of, page, plain_page, told

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView
    from daozhang.recharge.quote import Quote
    from daozhang.recharge.unpaid import Open
    from daozhang.web.front.finding import Shown
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_HABIT_OF = 5
"""How many of the latest orders are looked at for the way that worked last."""
_FIELD_REASONS = ("operation.amount.", "limits.", "channel.limit.")
"""Refusals that one changed field cures: they are told at that field, on the form, with everything kept."""
_NOTICE_REASONS = {
    "eligibility.cross_border",
    "eligibility.no_stack",
    "eligibility.offer_over",
    "eligibility.offer_gone",
    "eligibility.offer_capped",
    "eligibility.coupon_unknown",
    "eligibility.coupon_used",
    "eligibility.coupon_reserved",
    "eligibility.coupon_expired",
    "eligibility.coupon_minimum",
    "eligibility.coupon_capped",
    "operation.page_outdated",
    "operation.key_reused",
    "operation.too_many",
    "operation.form_stale",
    "channel.not_configured",
    "channel.method_unsupported",
    "channel.credit_card",
    "channel.down",
    "channel.maintenance",
    "channel.recovering",
    "channel.suspended",
    "eligibility.agreement",
    "eligibility.ceiling_unnamed",
    "eligibility.ceiling_named",
    "eligibility.minor_order",
}
"""Refusals that the form itself cures once it is sent again: told above it, with everything kept."""


@get("/recharge")
async def show(request: AnyRequest) -> Response[bytes]:
    """The form. `?amount=50` proposes an amount (from a failure page: the same sum once more); anything else is ignored."""
    session, desk = await sessions.require(request), house_of(request).desk
    draft = proposed(await desk.quote(session.user_id), request.query_params.get("amount", ""))
    return await _form(request, session, draft)


@post("/recharge", status_code=303)
async def place(request: AnyRequest) -> Response[Any]:
    """Place the order and go to its page; or show the form again with what to change, everything typed kept.

    The button `look` only asks what this amount can be paid with: the same form, judged for it.
    """
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    draft = read_draft(form)
    try:
        await sessions.check_csrf(request, form)
        only_asked = _only_asked(form, draft)
        if only_asked is not None:
            return await _form(request, session, only_asked)
        wish = _wish(request, session, draft)
        # One form after the other: of two sent at the same instant the second finds the order of the first.
        async with turn(house.database, session.user_id):
            held = await unpaid.same(request, session, wish.amount_fen, wish.key)
            if held is None or form.get("anew", "") == held.shown:
                held = None
                await house.limiter.demand("place.user", session.user_id)
                view = await house.desk.place(wish)
    except Refusal as refusal:
        if refusal.reason == "operation.key_busy" and "order" in refusal.facts:
            return Redirect(f"/orders/{refusal.facts['order']}", status_code=303)
        if not _on_form(refusal.reason):
            raise
        return await _again(request, session, draft, refusal.reason, refusal.facts)
    if held is not None:
        return await _held(request, session, draft, held)
    if _field_refusal(view):
        return await _again(request, session, draft, str(view.reason), view.reason_facts)
    return Redirect(f"/orders/{view.shown}", status_code=303)


def _only_asked(form: dict[str, str], draft: Draft) -> Draft | None:
    """The draft to show when nothing is to be ordered yet; None when it is. Raises `operation.amount.malformed`."""
    if form.get("meant"):
        # What the page asked back was meant: it is filled in.
        return replace(draft, choice="other", typed=form["meant"][:24])
    draft.demand_amount()
    return draft if form.get("look") else None


def _wish(request: AnyRequest, session: "Session", draft: Draft) -> PlaceRequest:
    """What is wished for. Raises `Refusal` for an amount, or a way to pay, that is none."""
    channel_id, method = draft.demand_method()
    bank, instrument = draft.card_of()
    return PlaceRequest(
        shop_id=session.shop_id,
        user_id=session.user_id,
        amount_fen=draft.demand_amount(),
        channel_id=channel_id,
        method=method,
        key=draft.sent_key,
        page_version=draft.page_version[:64],
        client_ip=client_ip(request),
        device_id=str(session.device_id or ""),
        locale=locale_of(request).code,
        bank=bank,
        instrument=instrument,
        agreement=draft.agreed,
        offer=offers.campaign(draft.offer),
        coupon=draft.any_coupon,
    )


@post("/recharge/ways", status_code=200)
async def ways(request: AnyRequest) -> Response[bytes]:
    """What the checks say of the form as it is now: the parts of the page that tell it. The form's script asks this while he types.

    Posted, because a coupon's code has no place in an address; nothing is changed by asking.
    """
    session = await sessions.require(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    draft = read_draft(form)
    quote = await _quote(request, session, draft)
    gifts = await offers.shown(request, session, draft.amount_fen, draft.offer)
    methods, answer = await _judged(request, session, replace(draft, offer=gifts.marked), quote)
    chosen = _chosen(methods, draft, await _habit(request, session))
    return plain_page(request, "front/ways.html", methods=methods, ahead=answer, chosen=chosen, gifts=gifts)


@get("/recharge/echo")
async def echo(request: AnyRequest) -> dict[str, str]:
    """A typed amount read back in digits and words, or why it is none. The form's script asks this while a person types."""
    text = request.query_params.get("amount", "")[:64]
    try:
        amount_fen = Draft(typed=text).demand_amount()
    except Refusal as refusal:
        title, meant_fen = told(request, refusal.reason, refusal.facts).title, guess_yuan(text)
        asked = locale_of(request).t("recharge.meant", amount=locale_of(request).money(meant_fen)) if meant_fen else ""
        return {"error": locale_of(request).joined(title, asked)}
    reader = locale_of(request)
    return {"shown": reader.money(amount_fen), "words": reader.words(amount_fen)}


async def _quote(request: AnyRequest, session: "Session", draft: Draft) -> "Quote":
    """What can be told of the draft's amount and card; without an amount, of any."""
    return await house_of(request).desk.quote(session.user_id, draft.amount_fen, draft.card_of())


async def _offered(request: AnyRequest, quote: "Quote") -> tuple[list[Choice], None]:
    """The ways to pay for somebody who cannot use any of them now: judged for no amount."""
    return offered(request, quote.methods), None


async def _judged(request: AnyRequest, session: "Session", draft: Draft, quote: "Quote") -> tuple[list[Choice], ahead.Ahead | None]:
    """The ways to pay as the checks judge them for the draft, and the answer for its amount."""
    choices, amount_fen = offered(request, quote.methods), draft.amount_fen
    if amount_fen is None:
        return choices, None
    offer, coupon = offers.campaign(draft.offer), draft.any_coupon
    wanted = ahead.Wanted(amount_fen, draft.card_of(), offer, coupon, quote.agreement)
    judged, answer = ahead.said(request, choices, await ahead.look(request, session, wanted), amount_fen)
    return judged, await unpaid.told(request, session, amount_fen) or answer


async def _form(
    request: AnyRequest,
    session: "Session",
    draft: Draft,
    *,
    status: int = 200,
    field_error: str = "",
    field_cure: str = "",
    notice: tuple[str, str] | None = None,
    cure: tuple[str, str] | None = None,
    anew: str = "",
) -> Response[bytes]:
    """The page. `cure`: where what the notice tells is cured, as a step and its address.

    `anew`: the number of the open order that the next press may double, because the page warns of it.
    """
    quote = await _quote(request, session, draft)
    rules = [rule for rule in checks.rules(quote.verdicts, locale_of(request)) if (rule.layer, rule.mark) != ("channel", "dash")]
    blocked = next((rule for rule in rules if rule.mark == "cross"), None)
    if blocked and draft.card:
        # Another card is chosen on this very page: only what stands in the way without one closes it.
        bare = checks.rules((await _quote(request, session, replace(draft, card=""))).verdicts, locale_of(request))
        blocked = next((rule for rule in bare if rule.mark == "cross"), None)
    house = house_of(request)
    gifts = await offers.shown(request, session, draft.amount_fen, draft.offer)
    # Judged as the button would send it: with the campaign that the page itself has marked.
    sent = replace(draft, offer=gifts.marked)
    (methods, answer), lead, wallet, news, habit = await asyncio.gather(
        _offered(request, quote) if blocked else _judged(request, session, sent, quote),
        unpaid.lead(request, session),
        house.desk.wallet(session.user_id),
        announcements.current(house.database, session.shop_id),
        _habit(request, session),
    )
    return await page(
        request,
        "front/recharge.html",
        status=status,
        here="recharge",
        session=session,
        quote=quote,
        wallet=wallet,
        draft=replace(draft, key=new_key(), page_version=quote.page_version),
        presets=[(str(fen // 100), fen) for fen in quote.presets_fen],
        initial_fen=draft.amount_fen,
        methods=methods,
        # What was just refused is said once: above the form, or at its field.
        ahead=None if field_error or (notice and answer and answer.kind == "warn") else answer,
        regulation=region.notices(quote.closed, locale_of(request)),
        gifts=gifts,
        chosen=_chosen(methods, draft, habit),
        left_out=left_out(request, quote.methods),
        field_error=field_error,
        field_cure=field_cure,
        meant_fen=guess_yuan(draft.amount_text) if field_error else None,
        notice_text=notice,
        notice_cure=cure,
        checks=rules,
        soon=None if notice else name.soon_told(request, quote.verdicts),
        news=news,
        blocked=blocked,
        why=await _why(request, session, quote.single_min_fen) if blocked else None,
        unpaid=lead,
        anew=anew or (lead.order.shown if lead and lead.another else ""),
    )


async def _why(request: AnyRequest, session: "Session", least_fen: int) -> "Shown | None":
    """What stands in the way of even the least recharge, with the buttons that cure it; None when the diagnosis sees nothing.

    Looked at without keeping it: this page is read also while nothing can be written.
    """
    finding = find(await house_of(request).diagnoses.reader.in_general(session.user_id, session.shop_id, least_fen))
    reader = locale_of(request)
    return told_finding(finding, reader.t("kind.other"), reader) if finding.told == "cause" else None


async def _held(request: AnyRequest, session: "Session", draft: Draft, held: "Open") -> Response[Any]:
    """An open order of the same sum: go on with it, or, when nobody has known for a while what became of it, be warned first."""
    if not held.another(clock.now()):
        return Redirect(f"/orders/{held.shown}?open=1", status_code=303)
    reader = locale_of(request)
    said = (reader.t("unpaid.warn_title"), reader.t("unpaid.warn_text", amount=reader.money(held.amount_fen)))
    return await _form(request, session, draft, status=409, notice=said, anew=held.shown)


async def _habit(request: AnyRequest, session: "Session") -> str:
    """The kind of channel of the last recharge that arrived; empty when none of the latest did."""
    latest = await house_of(request).desk.orders(session.user_id, limit=_HABIT_OF)
    return next((line.kind for line in latest if line.state == "credited"), "")


def _chosen(methods: list[Choice], draft: Draft, habit: str) -> Choice | None:
    """What is marked: what the person chose, else what arrived last time and runs well, else the best that takes the amount."""
    usable = [method for method in methods if method.open]
    kept = next((choice for choice in usable if choice.value == draft.method), None)
    used = next((choice for choice in usable if choice.fits and choice.mark == "ok" and choice.kind == habit), None)
    return kept or used or next((choice for choice in usable if choice.fits), usable[0] if usable else None)


async def _again(request: AnyRequest, session: "Session", draft: Draft, reason: str, facts: dict[str, Any]) -> Response[bytes]:
    """The form once more: nothing was ordered, nothing is lost. A fresh key, since the old one may be bound to what was refused."""
    reader = locale_of(request)
    if reason == "operation.page_outdated":
        said = (reader.t("recharge.renewed_title"), reader.t("recharge.renewed_text"))
        return await _form(request, session, draft, status=409, notice=said)
    why = told(request, reason, facts)
    if _at_amount(reason):
        kept = draft if draft.choice == "other" or not draft.choice else replace(draft, choice="other", typed=draft.choice)
        said = (reader.t("recharge.fix_title"), reader.t("recharge.fix_text"))
        cure = reader.joined(why.text, why.cure) if reason.startswith("channel.") else why.cure
        return await _form(request, session, kept, status=422, field_error=why.title, field_cure=cure, notice=said)
    said = (why.title, reader.joined(why.text, why.cure))
    return await _form(request, session, draft, status=422, notice=said, cure=AT_HOME.get(reason))


def _on_form(reason: str) -> bool:
    return _at_amount(reason) or reason in _NOTICE_REASONS


def _at_amount(reason: str) -> bool:
    return reason.startswith(_FIELD_REASONS)


def _field_refusal(view: "OrderView") -> bool:
    return view.state == "refused" and view.reason is not None and _on_form(view.reason)


handlers = [show, place, ways, echo]
