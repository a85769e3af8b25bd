"""Messages, limits, a copy of one's data, the unused balance back, closing the account."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang import clock, mine, notices
from daozhang.mine.copy import copy
from daozhang.reasons import Refusal
from daozhang.reasons.writing import FACT as _FACT
from daozhang.reasons.writing import write
from daozhang.recharge.view import shown
from daozhang.web import forms, sessions
from daozhang.web.front import checks
from daozhang.web.front.device import offered
from daozhang.web.pages import house_of, locale_of, page, told, told_of

if TYPE_CHECKING:
    from daozhang.mine.unused import Done
    from daozhang.web.locale import Locale
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_WRONG = ("account.old_password_wrong", "account.factor_wrong")


@get("/me/messages")
async def messages(request: AnyRequest) -> Response[bytes]:
    """The shop's messages to this user. Opening the page marks them as read."""
    session, house = await sessions.require(request), house_of(request)
    lines = await notices.recent(house.database, session.user_id)
    if any(line.read_at is None for line in lines):
        await notices.read(house.database, session.user_id, clock.now())
    reader = locale_of(request)
    return await page(request, "me/messages.html", here="me", session=session, lines=lines, said=lambda line: _said(line, reader))


@get("/me/limits")
async def limits(request: AnyRequest) -> Response[bytes]:
    """What this user may still do today, per way to pay, and every rule as it stands for them."""
    session, house = await sessions.require(request), house_of(request)
    quote = await house.desk.quote(session.user_id)
    return await page(
        request, "me/limits.html", here="me", session=session, quote=quote, methods=offered(request, quote.methods),
        rules=[r for r in checks.rules(quote.verdicts, locale_of(request)) if (r.layer, r.mark) != ("channel", "dash")],
    )  # fmt: skip


@get("/me/data")
async def data(request: AnyRequest) -> Response[bytes]:
    """What a copy of one's data holds, and the form that asks for it."""
    return await page(request, "me/data.html", here="me", session=await sessions.require(request), wrong=None)


@post("/me/data", status_code=200)
async def take_copy(request: AnyRequest) -> Response[bytes]:
    """The copy as a file, once the password was given again."""
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    wrong = await _prove(request, session, form)
    if wrong is not None:
        return await page(request, "me/data.html", here="me", session=session, wrong=wrong, status=422)
    body, digest = await copy(house.database, house.identity, house.desk, house.purchases, house.cases, session)
    name = f"daozhang-{clock.business_day(clock.now()):%Y%m%d}.json"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store", "x-content-sha256": digest}
    return Response(body, media_type="application/json; charset=utf-8", headers=headers)


@get("/me/refund")
async def refund(request: AnyRequest) -> Response[bytes]:
    """The quote: what goes back, from which payment, with how much of the bonus; and what cannot by itself."""
    return await _refund(request, await sessions.require(request))


@post("/me/refund", status_code=200)
async def give_back(request: AnyRequest) -> Response[bytes]:
    """Begin the refunds that were quoted, once the password was given again. A quote that has changed is shown anew."""
    session = await sessions.require(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    wrong = await _prove(request, session, form)
    if wrong is not None:
        return await _refund(request, session, wrong=wrong)
    try:
        done = await _unused(request).give_back(session.user_id, _fen(form.get("agreed", "")))
    except Refusal as refusal:
        if refusal.reason != "wallet.quote_changed":
            raise
        return await _refund(request, session, notice=told_of(request, refusal))
    return await _refund(request, session, done=done)


@get("/me/close")
async def close(request: AnyRequest) -> Response[bytes]:
    """The page of closing the account: what it does, what is kept and why, and what must be settled first."""
    return await _close(request, await sessions.require(request))


@post("/me/close", status_code=303)
async def leave(request: AnyRequest) -> Response[Any]:
    """Give the unused money back, and close the account as soon as nothing is here any more."""
    session, house = await sessions.require(request), house_of(request)
    form = await forms.read(request)
    await sessions.check_csrf(request, form)
    if form.get("sure") != "1":
        return await _close(request, session, notice=told(request, "operation.form_malformed"))
    wrong = await _prove(request, session, form)
    if wrong is not None:
        return await _close(request, session, wrong=wrong)
    leaving = _leaving(request)
    await leaving.ask(session.user_id)
    way = await _unused(request).quote(session.user_id)
    if way.total_fen:
        await _unused(request).give_back(session.user_id, way.total_fen)
    row = await house.database.row(_OPEN, session.user_id)
    if row is not None and await leaving.look(row):
        answer = Redirect("/login", status_code=303)
        sessions.drop_login(request, answer)
        return answer
    return Redirect("/me/close", status_code=303)


@post("/me/stay", status_code=303)
async def stay(request: AnyRequest) -> Redirect:
    """Take the wish to leave back."""
    session = await sessions.require(request)
    await sessions.check_csrf(request, await forms.read(request))
    await _leaving(request).stay(session.user_id)
    return Redirect("/me", status_code=303)


_OPEN = mine.leaving.sql.open_closing


def _said(line: "notices.Notice", reader: "Locale") -> tuple[str, str]:
    """A message's headline and text, its facts as the reasons write them."""
    facts = {name.rpartition("_")[0] or name: write(name, value, reader.code, {}) or "" for name, value in line.facts.items()}
    text = reader.texts.get(f"notice_text.{line.kind}", reader.t("notice_text.other"))
    return reader.either(f"notice.{line.kind}", "notice.other"), _FACT.sub(lambda match: str(facts.get(match[1], "")), text)


async def _prove(request: AnyRequest, session: "Session", form: dict[str, str]) -> Any:
    """None when the password is right, else what to say at its field."""
    try:
        await house_of(request).identity.prove_again(
            session, form.get("password", ""), sessions.visitor(request), form.get("factor", "")
        )
    except Refusal as refusal:
        if refusal.reason not in _WRONG:
            raise
        return told_of(request, refusal)
    return None


async def _refund(
    request: AnyRequest, session: "Session", *, wrong: Any = None, notice: Any = None, done: "list[Done] | None" = None
) -> Response[bytes]:
    way = await _unused(request).quote(session.user_id)
    lines = [
        (each.part, shown(each.part.order_id), told_of(request, each.refused) if each.refused else None) for each in done or []
    ]
    status = 422 if wrong else 409 if notice else 200
    return await page(
        request, "me/refund.html", here="me", session=session, status=status, way=way, wrong=wrong, notice_told=notice, done=lines,
        wallet=await house_of(request).desk.wallet(session.user_id), shown=shown,
    )  # fmt: skip


async def _close(request: AnyRequest, session: "Session", *, wrong: Any = None, notice: Any = None) -> Response[bytes]:
    leaving = _leaving(request)
    return await page(
        request, "me/close.html", here="me", session=session, status=422 if wrong or notice else 200, wrong=wrong,
        notice_told=notice,
        way=await _unused(request).quote(session.user_id), obstacles=await leaving.obstacles(session.user_id),
        asked=await leaving.asked(session.user_id), wallet=await house_of(request).desk.wallet(session.user_id),
    )  # fmt: skip


def _unused(request: AnyRequest) -> mine.Unused:
    house = house_of(request)
    return mine.Unused(house.database, house.desk)


def _leaving(request: AnyRequest) -> mine.Leaving:
    return house_of(request).leaving


def _fen(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


handlers = [messages, limits, data, take_copy, refund, give_back, close, leave, stay]
