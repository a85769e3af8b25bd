"""One's own second factor: set up with a code to scan, recovery codes shown once, given up, kept when it was not lost."""

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.response import Redirect

from daozhang.reasons import Refusal, catalogue
from daozhang.web import forms, sessions
from daozhang.web.pages import house_of, locale_of, page, told_of
from daozhang.web.qr import drawn

if TYPE_CHECKING:
    from daozhang.identity.enrolment import Wanted
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]
_ON_FORM = ("account.old_password_wrong", "account.factor_")


@get("/me/factor")
async def show(request: AnyRequest) -> Response[bytes]:
    """Whether there is one, since when, and what may be done with it."""
    return await _page(request, await sessions.require(request))


@post("/me/factor/begin", status_code=200)
async def begin(request: AnyRequest) -> Response[bytes]:
    """Show a fresh secret as a code to scan, once the password was given again."""
    session, form = await _form(request)
    try:
        wanted = await house_of(request).enrolment.begin(
            session, form.get("password", ""), sessions.visitor(request), _issuer(request)
        )
    except Refusal as refusal:
        return await _page(request, session, refusal=refusal)
    return await _page(request, session, wanted=wanted)


@post("/me/factor/confirm", status_code=200)
async def confirm(request: AnyRequest) -> Response[bytes]:
    """The first code: the factor is in force, and its recovery codes are shown, this once."""
    session, form = await _form(request)
    enrolment = house_of(request).enrolment
    try:
        codes = await enrolment.confirm(session, form.get("code", ""))
    except Refusal as refusal:
        return await _page(request, session, refusal=refusal, wanted=await enrolment.wanted(session, _issuer(request)))
    return await _page(request, session, codes=codes)


@post("/me/factor/codes", status_code=200)
async def new_codes(request: AnyRequest) -> Response[bytes]:
    """A new set of recovery codes; the one before is void."""
    session, form = await _form(request)
    try:
        codes = await house_of(request).enrolment.new_codes(
            session, form.get("password", ""), form.get("factor", ""), sessions.visitor(request)
        )
    except Refusal as refusal:
        return await _page(request, session, refusal=refusal)
    return await _page(request, session, codes=codes)


@post("/me/factor/end", status_code=303)
async def end(request: AnyRequest) -> Response[Any]:
    """Give it up."""
    session, form = await _form(request)
    try:
        await house_of(request).enrolment.end(session, form.get("password", ""), form.get("factor", ""), sessions.visitor(request))
    except Refusal as refusal:
        return await _page(request, session, refusal=refusal)
    return Redirect("/me/factor?done=off", status_code=303)


@post("/me/factor/keep", status_code=303)
async def keep(request: AnyRequest) -> Response[Any]:
    """It was not lost: it stays."""
    session, _ = await _form(request)
    try:
        await house_of(request).enrolment.keep(session)
    except Refusal as refusal:
        return await _page(request, session, refusal=refusal)
    return Redirect("/me/factor?done=kept", status_code=303)


async def _form(request: AnyRequest) -> tuple["Session", dict[str, str]]:
    session, form = await sessions.require(request), await forms.read(request)
    await sessions.check_csrf(request, form)
    return session, form


def _issuer(request: AnyRequest) -> str:
    """What the authenticator calls the shop."""
    return house_of(request).shop_name or locale_of(request).t("site.name")


async def _page(
    request: AnyRequest, session: "Session", *, wanted: "Wanted | None" = None, codes: tuple[str, ...] = (),
    refusal: Refusal | None = None,
) -> Response[bytes]:  # fmt: skip
    if refusal is not None and not refusal.reason.startswith(_ON_FORM):
        raise refusal
    done = request.query_params.get("done", "")
    return await page(
        request, "me/factor.html", here="me", session=session, wanted=wanted, codes=codes,
        status=200 if refusal is None else catalogue().get(refusal.reason).http,
        factor=await house_of(request).enrolment.of_user(session.user_id),
        qr=drawn(wanted.address) if wanted else "", done=done if done in {"off", "kept"} else "",
        wrong=None if refusal is None else told_of(request, refusal),
    )  # fmt: skip


handlers = [show, begin, confirm, new_codes, end, keep]
