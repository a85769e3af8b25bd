"""The recharge page: how much, how to pay, which rules apply; and the form that places the order."""

import re
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang import announcements
from daozhang.limits.model import card_fits
from daozhang.money import Fen, MalformedAmount, guess_yuan, parse_yuan, yuan
from daozhang.reasons import Refusal
from daozhang.recharge.model import PlaceRequest
from daozhang.web import forms, sessions
from daozhang.web.client import client_ip
from daozhang.web.front import checks, name, offers, region
from daozhang.web.front.device import Choice, left_out, offered
from daozhang.web.pages import house_of, locale_of, page, plain_page, told

if TYPE_CHECKING:
    from daozhang.recharge.model import OrderView
    from daozhang.recharge.quote import Quote
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_METHOD = re.compile(r"([0-9]{1,18}):([a-z][a-z0-9_]{0,31})", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
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


@dataclass(frozen=True)
class Draft:
    """What the form holds. `choice` is a preset in yuan or `other`; `typed` is the free amount exactly as it was typed.

    `card` is `bank:class` of the card that the payer means to use, or empty.
    """

    choice: str = ""
    typed: str = ""
    method: str = ""
    key: str = ""
    page_version: str = ""
    card: str = ""
    agreement: str = ""
    offer: str = ""
    coupon: str = ""
    own_coupon: str = ""

    @property
    def amount_text(self) -> str:
        """The amount as text, from whichever field speaks."""
        return self.typed if self.choice in {"", "other"} else self.choice


@get("/recharge")
async def show(request: AnyRequest) -> Response[bytes]:
    """The form. `?amount=50` proposes an amount (from a failure page: the same sum once more); anything else is ignored."""
    session, desk = await sessions.require(request), house_of(request).desk
    draft = _proposed(await desk.quote(session.user_id), request.query_params.get("amount", ""))
    return await _form(request, session, draft)


@post("/recharge", status_code=303)
async def place(request: AnyRequest) -> Response[Any]:
    """Place the order and go to its page; or show the form again with what to change, everything typed kept.

    The button `look` only asks what this amount can be paid with: the same form, judged for it.
    """
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    draft = Draft(
        *(
            form.get(name, "")
            for name in ("amount", "other_amount", "method", "key", "page_version", "card", "agreement", *offers.FIELDS)
        )
    )
    try:
        await sessions.check_csrf(request, form)
        if form.get("meant"):
            # What the page asked back was meant: it is filled in, and nothing is ordered yet.
            return await _form(request, session, replace(draft, choice="other", typed=form["meant"][:24]))
        amount_fen = _amount(draft.amount_text)
        if form.get("look"):
            return await _form(request, session, draft)
        channel_id, method = _method(draft.method)
        bank, instrument = _card(draft.card)
        wish = PlaceRequest(
            shop_id=session.shop_id,
            user_id=session.user_id,
            amount_fen=amount_fen,
            channel_id=channel_id,
            method=method,
            key=draft.key if _KEY.fullmatch(draft.key) else _new_key(),
            page_version=draft.page_version[:64],
            client_ip=client_ip(request),
            device_id=str(session.device_id or ""),
            locale=locale_of(request).code,
            bank=bank,
            instrument=instrument,
            agreement=int(draft.agreement) if _VERSION.fullmatch(draft.agreement) else None,
            offer=offers.campaign(draft.offer),
            coupon=draft.coupon.strip()[:64] or draft.own_coupon[:64],
        )
        await house.limiter.demand("place.user", session.user_id)
        view = await house.desk.place(wish)
    except Refusal as refusal:
        if refusal.reason == "operation.key_busy" and "order" in refusal.facts:
            return Redirect(f"/orders/{refusal.facts['order']}", status_code=303)
        if not _on_form(refusal.reason):
            raise
        return await _again(request, session, draft, refusal.reason, refusal.facts)
    if _field_refusal(view):
        return await _again(request, session, draft, str(view.reason), view.reason_facts)
    return Redirect(f"/orders/{view.shown}", status_code=303)


@get("/recharge/ways")
async def ways(request: AnyRequest) -> Response[bytes]:
    """The ways to pay an amount, as the part of the form that shows them. The form's script asks this when the amount changes."""
    session = await sessions.require(request)
    asked = request.query_params
    draft = Draft("other", asked.get("amount", "")[:64], asked.get("method", "")[:64], card=asked.get("card", "")[:64])
    quote = await _quote(request, session, draft)
    methods = offered(request, quote.methods)
    return plain_page(request, "front/ways.html", methods=methods, chosen=_chosen(methods, draft))


@get("/recharge/echo")
async def echo(request: AnyRequest) -> dict[str, str]:
    """A typed amount read back in digits and words, or why it is none. The form's script asks this while a person types."""
    text = request.query_params.get("amount", "")[:64]
    try:
        amount_fen = _amount(text)
    except Refusal as refusal:
        title, meant_fen = told(request, refusal.reason, refusal.facts).title, guess_yuan(text)
        asked = locale_of(request).t("recharge.meant", amount=locale_of(request).money(meant_fen)) if meant_fen else ""
        return {"error": f"{title} {asked}".strip()}
    reader = locale_of(request)
    return {"shown": reader.money(amount_fen), "words": reader.words(amount_fen)}


async def _quote(request: AnyRequest, session: "Session", draft: Draft) -> "Quote":
    """What can be told of the draft's amount and card; without an amount, of any."""
    return await house_of(request).desk.quote(session.user_id, _initial(draft), _card(draft.card))


async def _form(
    request: AnyRequest,
    session: "Session",
    draft: Draft,
    *,
    status: int = 200,
    field_error: str = "",
    field_cure: str = "",
    notice: tuple[str, str] | None = None,
) -> Response[bytes]:
    quote = await _quote(request, session, draft)
    methods = offered(request, quote.methods)
    rules = [rule for rule in checks.rules(quote.verdicts, locale_of(request)) if (rule.layer, rule.mark) != ("channel", "dash")]
    return await page(
        request,
        "front/recharge.html",
        status=status,
        here="recharge",
        session=session,
        quote=quote,
        wallet=await house_of(request).desk.wallet(session.user_id),
        draft=replace(draft, key=_new_key(), page_version=quote.page_version),
        presets=[(str(fen // 100), fen) for fen in quote.presets_fen],
        initial_fen=_initial(draft),
        methods=methods,
        regulation=region.notices(quote.closed, locale_of(request)),
        gifts=await offers.shown(request, session, _initial(draft), draft.offer),
        chosen=_chosen(methods, draft),
        left_out=left_out(request, quote.methods),
        field_error=field_error,
        field_cure=field_cure,
        meant_fen=guess_yuan(draft.amount_text) if field_error else None,
        notice_text=notice,
        checks=rules,
        soon=name.soon_told(request, quote.verdicts),
        news=await announcements.current(house_of(request).database, session.shop_id),
        blocked=next((rule for rule in rules if rule.mark == "cross"), None),
    )


def _chosen(methods: list[Choice], draft: Draft) -> Choice | None:
    """What is marked: what the person chose, else the best that takes the amount, else the best that is open."""
    usable = [method for method in methods if method.open]
    kept = next((choice for choice in usable if choice.value == draft.method), None)
    return kept or next((choice for choice in usable if choice.fits), usable[0] if usable else None)


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
        cure = f"{why.text} {why.cure}".strip() if reason.startswith("channel.") else why.cure
        return await _form(request, session, kept, status=422, field_error=why.title, field_cure=cure, notice=said)
    return await _form(request, session, draft, status=422, notice=(why.title, f"{why.text} {why.cure}".strip()))


def _on_form(reason: str) -> bool:
    return _at_amount(reason) or reason in _NOTICE_REASONS


def _at_amount(reason: str) -> bool:
    return reason.startswith(_FIELD_REASONS)


def _field_refusal(view: "OrderView") -> bool:
    return view.state == "refused" and view.reason is not None and _on_form(view.reason)


def _amount(text: str) -> Fen:
    try:
        return parse_yuan(text)
    except MalformedAmount:
        raise Refusal("operation.amount.malformed") from None


def _method(text: str) -> tuple[int, str]:
    match = _METHOD.fullmatch(text)
    if match is None:
        raise Refusal("channel.not_configured")
    return int(match.group(1)), match.group(2)


def _card(text: str) -> tuple[str | None, str | None]:
    """The bank and class of a card as the form sends them; anything else is no card."""
    bank, _, instrument = text.partition(":")
    card = (bank or None, instrument or None)
    return card if card_fits(*card) else (None, None)


def _proposed(quote: "Quote", text: str) -> Draft:
    """Start with the amount that was proposed, else with the middle preset."""
    if text:
        try:
            amount_fen = parse_yuan(text)
        except MalformedAmount:
            return _proposed(quote, "")
        preset = amount_fen in quote.presets_fen
        plain = yuan(amount_fen, grouped=False)
        return Draft(choice=str(amount_fen // 100)) if preset else Draft(choice="other", typed=plain)
    presets = [fen for fen in quote.presets_fen if fen <= quote.day_left_fen] or list(quote.presets_fen)
    return Draft(choice=str(presets[len(presets) // 2 - (len(presets) > 4)] // 100)) if presets else Draft(choice="other")


def _initial(draft: Draft) -> int | None:
    try:
        return parse_yuan(draft.amount_text)
    except MalformedAmount:
        return None


def _new_key() -> str:
    return secrets.token_urlsafe(18)


handlers = [show, place, ways, echo]
