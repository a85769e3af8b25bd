"""The buyer's cases: what is asked, whose turn it is and until when, an answer with pictures, and what became of it."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang.cases import parse_shown as parse_case
from daozhang.cases import shown as case_shown
from daozhang.cases.evidence import MOST_BYTES
from daozhang.reasons import Refusal
from daozhang.recharge import source
from daozhang.web import forms, sessions
from daozhang.web.front.known import filled_in
from daozhang.web.pages import house_of, locale_of, page, told_of

if TYPE_CHECKING:
    from daozhang.cases import Case
    from daozhang.web.sessions import Session

AnyRequest = Request[Any, Any, Any]

MOST_PICTURES = 4
"""Pictures of one answer."""
MOST_UPLOAD = MOST_PICTURES * MOST_BYTES + 64 * 1024


@get("/cases")
async def cases(request: AnyRequest) -> Response[bytes]:
    """All of this user's cases, newest first."""
    session = await sessions.require(request)
    found = await house_of(request).cases.of_user(session.user_id)
    return await page(request, "front/cases.html", here="me", session=session, cases=found)


@get("/cases/{shown:str}")
async def case(request: AnyRequest, shown: FromPath[str]) -> Response[bytes]:
    """One case. Somebody else's does not exist."""
    session = await sessions.require(request)
    return await _page(request, session, await _find(request, session, shown))


@post("/cases/{shown:str}/answer", request_max_body_size=MOST_UPLOAD, status_code=303)
async def answer(request: AnyRequest, shown: FromPath[str]) -> Response[Any]:
    """The user's answer, with at most four pictures. What cannot be taken is said on the page, with the text kept."""
    session = await sessions.require(request)
    form, pictures = await read_pictures(request)
    await sessions.check_csrf(request, form)
    found = await _find(request, session, shown)
    await house_of(request).limiter.demand("case.answer", session.user_id)
    try:
        await house_of(request).cases.answer(session.user_id, found.id, form.get("text", ""), pictures)
    except Refusal as refusal:
        return await _page(request, session, found, wrong=told_of(request, refusal), text=form.get("text", ""), status=422)
    return Redirect(f"/cases/{found.shown}", status_code=303)


@post("/cases/{shown:str}/withdraw", status_code=303)
async def withdraw(request: AnyRequest, shown: FromPath[str]) -> Redirect:
    """Take it back."""
    session = await sessions.require(request)
    await sessions.check_csrf(request, await forms.read(request))
    found = await _find(request, session, shown)
    await house_of(request).cases.withdraw(session.user_id, found.id)
    return Redirect(f"/cases/{found.shown}", status_code=303)


@get("/cases/{shown:str}/evidence/{evidence:uuid}")
async def evidence(request: AnyRequest, shown: FromPath[str], evidence: FromPath[UUID]) -> Response[bytes]:
    """One's own picture, as it is kept."""
    session = await sessions.require(request)
    found = await _find(request, session, shown)
    content = await house_of(request).cases.picture(found.id, evidence, f"user:{session.user_id}", "own")
    if content is None:
        raise Refusal("cases.not_found")
    return Response(content, media_type="image/jpeg", headers={"cache-control": "no-store", "content-disposition": "inline"})


@post("/me/funds", status_code=303)
async def say_where_from(request: AnyRequest) -> Redirect:
    """Say where just-unfrozen money comes from: its case, opened now or before. Only while a use of it was refused for that."""
    session, house = await sessions.require(request), house_of(request)
    await sessions.check_csrf(request, await forms.read(request))
    _, finding = await house.diagnoses.in_general(session.user_id, session.shop_id)
    if source.REASON not in {each.reason for each in finding.stopped}:
        return Redirect("/why", status_code=303)
    case_id = await source.ask(house.database, house.cases, session.shop_id, session.user_id)
    return Redirect(f"/cases/{case_shown(case_id)}" if case_id else "/wallet", status_code=303)


async def _find(request: AnyRequest, session: "Session", shown: str) -> "Case":
    identifier = parse_case(shown)
    found = await house_of(request).cases.case(identifier, session.user_id) if identifier else None
    if found is None:
        raise Refusal("cases.not_found")
    return found


async def read_pictures(request: AnyRequest) -> tuple[dict[str, str], list[bytes]]:
    """The fields and pictures of a multipart form. Raises `operation.form_malformed` for anything else."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await forms.read(request), []
    fields, pictures = await forms.read_with_files(request, MOST_BYTES)
    if len(pictures) > MOST_PICTURES:
        raise Refusal("cases.evidence_count", limit_count=MOST_PICTURES)
    return fields, pictures


async def _page(request: AnyRequest, session: "Session", found: "Case", *, status: int = 200, **given: Any) -> Response[bytes]:
    house = house_of(request)
    context: dict[str, Any] = {"wrong": None, "text": "", **given}
    return await page(
        request, "front/case.html", status=status, here="me", session=session, case=found,
        lines=await house.cases.thread(found.id), pictures=await house.cases.evidence(found.id),
        known=filled_in(await house.diagnoses.known(found), locale_of(request)), **context,
    )  # fmt: skip


handlers = [cases, case, answer, withdraw, evidence, say_where_from]
