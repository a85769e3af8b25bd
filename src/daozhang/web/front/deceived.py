"""For somebody who was talked into paying: a report without an account, and a page that says where it stands."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang.money import MalformedAmount, parse_yuan
from daozhang.reasons import Refusal, catalogue
from daozhang.recharge.deceived import Statement
from daozhang.web import sessions
from daozhang.web.front.cases import MOST_UPLOAD, read_pictures
from daozhang.web.pages import house_of, page, told_of

AnyRequest = Request[Any, Any, Any]
_ON_FORM = ("deceived.", "cases.", "operation.too_many", "operation.form_stale", "operation.amount.")


@get("/deceived")
async def show(request: AnyRequest) -> Response[bytes]:
    """The form, and what to do besides: the police's number, the channel's own complaint."""
    return await _form(request, {})


@post("/deceived", request_max_body_size=MOST_UPLOAD, status_code=303)
async def report(request: AnyRequest) -> Response[Any]:
    """Take the report in. Whether we know the payment is told to nobody: the answer is the same."""
    form, pictures = await read_pictures(request)
    try:
        await sessions.check_csrf(request, form, anonymous=True)
        await house_of(request).limiter.demand("deceived.network", sessions.visitor(request).network)
        amount_fen = _amount(form.get("amount", ""))
        said = Statement(form.get("number", "")[:80], amount_fen, form.get("text", ""), pictures)
        number = await house_of(request).deceived.report(said)
    except Refusal as refusal:
        if not refusal.reason.startswith(_ON_FORM):
            raise
        return await _form(request, form, refusal)
    return Redirect(f"/deceived/{number}", status_code=303)


@get("/deceived/{number:str}")
async def standing(request: AnyRequest, number: FromPath[str]) -> Response[bytes]:
    """Where a report stands, for whoever holds its number. It says nothing of the account that the money went to."""
    case = await house_of(request).deceived.standing(number)
    if case is None:
        raise Refusal("cases.not_found")
    return await page(request, "front/deceived_standing.html", case=case)


def _amount(text: str) -> int:
    try:
        return parse_yuan(text.strip())
    except MalformedAmount as fault:
        raise Refusal("operation.amount.malformed") from fault


async def _form(request: AnyRequest, form: dict[str, str], refusal: Refusal | None = None) -> Response[bytes]:
    return await page(
        request,
        "front/deceived.html",
        status=200 if refusal is None else catalogue().get(refusal.reason).http,
        form={name: form.get(name, "")[:2_000] for name in ("number", "amount", "text")},
        wrong=None if refusal is None else told_of(request, refusal),
    )


handlers = [show, report, standing]
