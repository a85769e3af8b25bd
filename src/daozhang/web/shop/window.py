"""The window and the page of one good: what it is, what it costs, how it is delivered, how to pay, and the button that buys it."""

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import announcements, clock
from daozhang.goods import shelf
from daozhang.goods.model import MOST_PIECES
from daozhang.goods.targets import TARGETS
from daozhang.money import yuan
from daozhang.reasons import Refusal
from daozhang.recharge.model import Basket, PlaceRequest
from daozhang.web import forms, sessions
from daozhang.web.client import client_ip
from daozhang.web.front import checks
from daozhang.web.front.device import Choice, offered
from daozhang.web.pages import house_of, locale_of, page, told
from daozhang.web.shop import back
from daozhang.web.shop.draft import BALANCE, Draft, check_count, method_of, read_draft

if TYPE_CHECKING:
    from daozhang.goods.model import Good
    from daozhang.ledger.statement import Wallet
    from daozhang.recharge.unpaid import Open
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
CLASSES = ("game_card", "game_topup", "phone_topup", "membership", "voucher", "software")
FEW = 10
"""From here down the number of pieces left is told."""
_ON_FORM = (
    "goods.", "operation.amount.", "operation.open_orders", "operation.page_outdated", "operation.key_reused", "operation.too_many",
    "operation.form_stale", "channel.", "limits.", "eligibility.agreement", "eligibility.minor_order",
)  # fmt: skip
_FIELD = {"goods.target": "target", "goods.count": "count"}


@dataclass(frozen=True, slots=True)
class Sum:
    """What the basket comes to: the whole, what the balance pays of it, and what is left for a channel, in fen."""

    total_fen: int
    balance_fen: int
    channel_fen: int
    short_fen: int
    """What the balance lacks to pay the whole."""


@get("/shop")
async def window(request: AnyRequest) -> Response[bytes]:
    """What is on sale; `?class=` shows one class, `?q=` what has these words in its name. Open to everybody."""
    house = house_of(request)
    asked, words = request.query_params.get("class", ""), request.query_params.get("q", "")[:40]
    words = words if words.isprintable() else ""
    everything = await shelf.window(house.database, house.shop_id)
    chosen = asked if asked in CLASSES else ""
    found = await shelf.window(house.database, house.shop_id, chosen, words) if chosen or words else everything
    there = {good.goods_class for good in everything}
    return await page(
        request,
        "shop/window.html",
        here="shop",
        goods=sorted(found, key=lambda each: CLASSES.index(each.goods_class) if each.goods_class in CLASSES else len(CLASSES)),
        classes=[each for each in CLASSES if each in there],
        chosen=chosen,
        words=words,
        few=FEW,
        news=await announcements.current(house.database, house.shop_id),
    )


@get("/shop/{goods_id:int}")
async def good_page(request: AnyRequest, goods_id: FromPath[int]) -> Response[bytes]:
    """One good with its form. `?count=2` is where a shortfall comes back to."""
    good, asked = await _find(request, goods_id), request.query_params
    draft = Draft(count=asked.get("count", "1")[:3], target=asked.get("target", "")[:64])
    answer = await _form(request, good, draft)
    back.forget(request, answer, f"/shop/{goods_id}")
    return answer


@get("/shop/{goods_id:int}/recharge", status_code=303)
async def shortfall(request: AnyRequest, goods_id: FromPath[int]) -> Redirect:
    """To the recharge page with what the balance lacks, and back here when it has arrived."""
    session, good = await sessions.require(request), await _find(request, goods_id)
    draft = Draft(count=request.query_params.get("count", "1")[:3])
    wallet = await house_of(request).desk.wallet(session.user_id)
    least_fen = (await house_of(request).books.current(session.shop_id)).amount.min_fen
    short_fen = max(good.price_fen * draft.pieces - wallet.cash_fen - wallet.bonus_fen, least_fen)
    answer = Redirect(f"/recharge?amount={yuan(short_fen, grouped=False)}", status_code=303)
    back.remember(request, answer, f"/shop/{goods_id}?count={draft.pieces}")
    return answer


@post("/shop/{goods_id:int}/buy", status_code=303)
async def buy(request: AnyRequest, goods_id: FromPath[int]) -> Response[Any]:
    """Buy: from the balance, at a channel, or both; or the form again with what to change, everything kept.

    The button `look` only works out the sum for another number of pieces.
    """
    session, form = await sessions.require(request), await forms.read(request)
    draft, stale = read_draft(form), None
    try:
        await sessions.check_csrf(request, form)
    except Refusal as refusal:
        stale = refusal
    good = await shelf.good(house_of(request).database, session.shop_id, goods_id)
    if stale is not None and (good is None or stale.reason != "operation.form_stale"):
        raise stale
    if good is None:
        raise Refusal("goods.not_found")
    return await (_bought(request, session, good, draft, form) if stale is None else _form(request, good, draft, stale))


async def _bought(request: AnyRequest, session: "Session", good: "Good", draft: Draft, form: dict[str, str]) -> Response[Any]:
    """Buy with a form that is ours."""
    try:
        if form.get("look"):
            return await _form(request, good, draft)
        check_count(draft)
        await house_of(request).limiter.demand("place.user", session.user_id)
        if draft.pay == BALANCE:
            return await _from_balance(request, session, good, draft)
        return await _at_channel(request, session, good, draft)
    except Refusal as refusal:
        if refusal.reason == "operation.key_busy" and "order" in refusal.facts:
            return Redirect(f"/orders/{refusal.facts['order']}", status_code=303)
        if not refusal.reason.startswith(_ON_FORM):
            raise
        return await _form(request, good, draft, refusal)


async def _from_balance(request: AnyRequest, session: "Session", good: "Good", draft: Draft) -> Response[Any]:
    basket = Basket(good.id, draft.pieces, draft.price_fen(good), target=draft.target)
    bought = await house_of(request).purchases.buy(session.user_id, basket, draft.key, session.device_id, client_ip(request))
    return Redirect(f"/shop/purchases/{bought.shown}", status_code=303)


async def _at_channel(request: AnyRequest, session: "Session", good: "Good", draft: Draft) -> Response[Any]:
    house = house_of(request)
    channel_id, method = method_of(draft.pay)
    comes_to = await _sum(request, session, good, draft)
    basket = Basket(good.id, draft.pieces, draft.price_fen(good), comes_to.balance_fen if draft.mixed else 0, draft.target)
    wish = PlaceRequest(
        shop_id=session.shop_id,
        user_id=session.user_id,
        amount_fen=basket.price_fen * basket.count - basket.balance_fen,
        channel_id=channel_id,
        method=method,
        key=draft.key,
        page_version=draft.page_version,
        client_ip=client_ip(request),
        device_id=str(session.device_id or ""),
        locale=locale_of(request).code,
        agreement=draft.agreed,
        basket=basket,
    )
    held = await _held(request, session, good, draft)
    if held is not None:
        return Redirect(f"/orders/{held.shown}?open=1", status_code=303)
    view = await house.desk.place(wish)
    if view.state == "refused" and view.reason is not None and view.reason.startswith(_ON_FORM):
        return await _form(request, good, draft, Refusal(view.reason, **view.reason_facts))
    return Redirect(f"/orders/{view.shown}", status_code=303)


async def _held(request: AnyRequest, session: "Session", good: "Good", draft: Draft) -> "Open | None":
    """The open order that pays for the very same already: as many pieces of the good for the same account. It is gone on with."""
    house, at = house_of(request), clock.now()
    for each in await house.desk.open_orders(session.user_id):
        if not each.purchase or each.another(at) or await house.desk.knows_key(session.user_id, draft.key):
            continue
        bought = await house.purchases.of_order(session.user_id, each.id)
        if bought is None or bought.state != "reserved" or (bought.goods_id, bought.count) != (good.id, draft.pieces):
            continue
        supply = await house.purchases.supply(session.user_id, bought.id)
        if (supply.target if supply else "") == draft.target:
            return each
    return None


async def _find(request: AnyRequest, goods_id: int) -> "Good":
    house = house_of(request)
    found = await shelf.good(house.database, house.shop_id, goods_id)
    if found is None:
        raise Refusal("goods.not_found")
    return found


async def _sum(request: AnyRequest, session: "Session", good: "Good", draft: Draft) -> Sum:
    """The parts at the price of now. A channel takes no less than its least amount, so the balance then pays a little less."""
    house = house_of(request)
    wallet, book = await house.desk.wallet(session.user_id), await house.books.current(session.shop_id)
    return parts(good.price_fen * draft.pieces, wallet, book.amount.min_fen)


def parts(total_fen: int, wallet: "Wallet", least_fen: int) -> Sum:
    """How a sum is shared between the balance, cash and bonus together, and a channel, which takes no less than its least."""
    there_fen = wallet.cash_fen + wallet.bonus_fen
    rest_fen = max(total_fen - there_fen, min(least_fen, total_fen))
    return Sum(total_fen, total_fen - rest_fen, rest_fen, max(0, total_fen - there_fen))


async def _form(request: AnyRequest, good: "Good", draft: Draft, refusal: Refusal | None = None) -> Response[bytes]:
    """The page of a good, for whoever looks; the form only for who is logged in."""
    session = await sessions.current(request)
    why = told(request, refusal.reason, refusal.facts) if refusal else None
    field = _FIELD.get(refusal.reason, "") if refusal else ""
    context: dict[str, Any] = {
        "good": good, "draft": draft, "few": FEW, "most": MOST_PIECES, "why": why, "field": field, "session": session,
        "short": refusal is not None and refusal.reason == "goods.balance_short",
        "target": TARGETS.get(good.target), "login": f"/login?next={quote(f'/shop/{good.id}')}",
    }  # fmt: skip
    if session is not None:
        context |= await _to_pay(request, session, good, draft)
    return await page(request, "shop/good.html", here="shop", status=422 if refusal else 200, **context)


async def _to_pay(request: AnyRequest, session: "Session", good: "Good", draft: Draft) -> dict[str, Any]:
    """How it can be paid by this user, here and now."""
    house, reader = house_of(request), locale_of(request)
    wallet = await house.desk.wallet(session.user_id)
    comes_to = await _sum(request, session, good, draft)
    mixed = draft.mixed or (not draft.pay and comes_to.balance_fen > 0 and comes_to.short_fen > 0)
    wanted_fen = comes_to.channel_fen if mixed and comes_to.short_fen else comes_to.total_fen
    quoted = await house.desk.quote(session.user_id, wanted_fen, purchase=True)
    methods = [each for each in offered(request, quoted.methods) if each.open] or offered(request, quoted.methods)
    rules = [rule for rule in checks.rules(quoted.verdicts, reader) if (rule.layer, rule.mark) != ("channel", "dash")]
    return {
        "wallet": wallet,
        "sum": comes_to,
        "mixed": mixed,
        "enough": comes_to.short_fen == 0,
        "methods": methods,
        "chosen": _chosen(draft, methods, enough=comes_to.short_fen == 0),
        "blocked": _blocked(rules),
        "rules": rules,
        "quote": quoted,
        "form": replace(draft, key=secrets.token_urlsafe(18), page_version=quoted.page_version),
    }


def _blocked(rules: list[checks.Rule]) -> checks.Rule | None:
    return next((rule for rule in rules if rule.mark == "cross"), None)


def _chosen(draft: Draft, methods: list[Choice], *, enough: bool) -> str:
    """What is marked: what the person chose and still can, else the balance when it is enough, else the best way to pay."""
    usable = [each for each in methods if each.open]
    if any(each.value == draft.pay for each in usable) or (draft.pay == BALANCE and enough):
        return draft.pay
    if enough:
        return BALANCE
    return next((each.value for each in usable if each.fits), usable[0].value if usable else "")


handlers = [window, good_page, shortfall, buy]
