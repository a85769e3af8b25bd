"""The second step of a login: the code of the authenticator, a recovery code, or, with both gone, a request to people."""

from typing import Any

from litestar import Request, Response, post
from litestar.response import Redirect

from daozhang.cases import factor as lost_factor
from daozhang.cases.evidence import remade
from daozhang.policy.places import note_login
from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.front.cases import MOST_UPLOAD, read_pictures
from daozhang.web.pages import house_of, page, told_of

AnyRequest = Request[Any, Any, Any]
_ON_FORM = ("account.factor_wrong", "account.locked", "operation.too_many", "operation.form_stale", "cases.")


async def ask(request: AnyRequest, ticket: str, target: str, refusal: Refusal | None = None, text: str = "") -> Response[bytes]:
    """The page that asks for the code. The ticket stands in its form, sealed; the browser holds nothing else."""
    house, shop_id = house_of(request), await sessions.shop_of(request)
    user_id = house.second_step.ticket(shop_id, ticket).user_id
    status = 200 if refusal is None else catalogue().get(refusal.reason).http
    return await page(
        request, "front/factor.html", here="login", status=status, ticket=ticket, next="" if target == "/" else target, text=text,
        wrong=None if refusal is None else told_of(request, refusal),
        case=await house.cases.open_about(shop_id, lost_factor.KIND, f"user:{user_id}"),
        factor=await house.enrolment.of_user(user_id),
    )  # fmt: skip


@post("/login/factor", status_code=303)
async def answer(request: AnyRequest) -> Response[Any]:
    """Open the session with a code; a wrong one counts as a wrong password does."""
    sessions.demand_safe_cookies(request)
    form, house, visitor = await forms.read(request), house_of(request), sessions.visitor(request)
    target, ticket = sessions.after_login(form.get("next")), form.get("ticket", "")
    try:
        await sessions.check_csrf(request, form, anonymous=True)
        opened = await house.second_step.finish(await sessions.shop_of(request), ticket, form.get("factor", ""), visitor)
        await note_login(house.database, opened.user_id, visitor.ip)
    except Refusal as refusal:
        if not refusal.reason.startswith(_ON_FORM):
            raise
        return await ask(request, ticket, target, refusal)
    back = Redirect(target, status_code=303)
    sessions.keep_login(request, back, opened)
    return back


@post("/login/factor/lost", request_max_body_size=MOST_UPLOAD, status_code=200)
async def lost(request: AnyRequest) -> Response[Any]:
    """Both are gone: a case with what was said and shown. The right password, or the code that was sent, is what lets it open."""
    sessions.demand_safe_cookies(request)
    form, pictures = await read_pictures(request)
    house, shop_id, text = house_of(request), await sessions.shop_of(request), form.get("text", "")
    target, ticket = sessions.after_login(form.get("next")), form.get("ticket", "")
    try:
        await sessions.check_csrf(request, form, anonymous=True)
        user_id = house.second_step.ticket(shop_id, ticket).user_id
        await house.limiter.demand("case.answer", user_id)
        made = await remade(pictures)
        await lost_factor.report(house.database, house.cases, shop_id, user_id, text, made)
    except Refusal as refusal:
        if not refusal.reason.startswith(_ON_FORM):
            raise
        return await ask(request, ticket, target, refusal, text)
    return await ask(request, ticket, target)


handlers = [answer, lost]
