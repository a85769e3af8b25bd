"""The rule book at the desk: versions with their differences, an editor held by the registry, back-test, second person."""

import difflib
import hashlib
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang.events.audit import doing
from daozhang.identity.staff import alone
from daozhang.policy.backtest import Backtest, backtest, days_ago, statistics
from daozhang.policy.book import BadBook, Parameters, canonical, checked, make_book, renewed
from daozhang.policy.books import sql as books_sql
from daozhang.policy.proposals import Proposal, approve, proposals, propose
from daozhang.policy.rules.features import FEATURES
from daozhang.policy.rules.words import described
from daozhang.reasons import Refusal
from daozhang.web.console import access
from daozhang.web.pages import house_of

AnyRequest = Request[Any, Any, Any]
DAYS = 30
LONGEST = 60_000
"""Characters of a version in the editor."""


@get("/rules", may="rules.read")
async def rules(request: AnyRequest) -> Response[bytes]:
    """The version in force, what is proposed, every version, and how each rule did."""
    session, house = await access.staff(request), house_of(request)
    book = await house_of(request).books.current(session.shop_id)
    rows = await house.database.rows(books_sql.all_books, session.shop_id)
    return await access.page(
        request, "rules.html", here="rules", book=book, versions=rows, proposals=await proposals(house.database, session.shop_id),
        rules=[*book.rules.rules], shadows=[*book.shadows.rules], days=DAYS, described=described,
        differs=renewed(held := _read(await _text(request, book.version))) != held,
        statistics=await statistics(house.database, session.shop_id, days_ago(DAYS)),
    )  # fmt: skip


@get("/rules/versions/{number:int}", may="rules.read")
async def version(request: AnyRequest, number: FromPath[int]) -> Response[bytes]:
    """One version, and how it differs from the one before it."""
    text = await _text(request, number)
    older = await _text(request, number - 1) if number > 1 else ""
    return await access.page(
        request, "version.html", here="rules", number=number, text=text, diff=_diff(older, text) if older else []
    )


@get("/rules/edit", may="rules.propose")
async def editor(request: AnyRequest) -> Response[bytes]:
    """The editor, with the version in force. `?release=1`: with the rules of this release in place of its older ones."""
    session = await access.staff(request)
    book = await house_of(request).books.current(session.shop_id)
    text = await _text(request, book.version)
    if request.query_params.get("release") == "1":
        newer = pretty(renewed(_read(text)))
        return await _editor(request, newer, diff=_diff(text, newer))
    return await _editor(request, text)


@post("/rules/try", may="rules.propose", status_code=200)
async def attempt(request: AnyRequest) -> Response[bytes]:
    """Hold a version to the registry, show how it differs, and judge the last thirty days by it. Nothing is saved."""
    session, given = await access.staff(request), await access.form(request, longest=LONGEST)
    text, house = given.get("text", ""), house_of(request)
    try:
        parameters = _read(text)
    except BadBook as fault:
        return await _editor(request, text, wrong=str(fault), note=given.get("note", ""), status=422)
    present = await house_of(request).books.current(session.shop_id)
    async with doing(house.database, access.doer(session), "rules.try", f"version {present.version}"):
        found = await backtest(house.database, make_book(session.shop_id, 0, parameters), days_ago(DAYS))
    diff = _diff(await _text(request, present.version), pretty(parameters))
    return await _editor(request, pretty(parameters), note=given.get("note", ""), diff=diff, found=found, tried=True)


@post("/rules/propose", may="rules.propose", status_code=303)
async def put_forward(request: AnyRequest) -> Response[Any]:
    """Put a version forward; nothing changes until a second person approves it."""
    session, given = await access.staff(request), await access.form(request, longest=LONGEST)
    house, note = house_of(request), access.why(given, "note")
    try:
        parameters = _read(given.get("text", ""))
    except BadBook as fault:
        return await _editor(request, given.get("text", ""), wrong=str(fault), note=note, status=422)
    books = house_of(request).books
    present = await books.current(session.shop_id)
    before = f"version {present.version}"
    async with doing(house.database, access.doer(session), "rules.propose", before, reason=note, before=before) as deed:
        made = await propose(house.database, books, session.shop_id, parameters, session.actor, note)
        deed.after = f"proposal {made.id} sha256 {made.sha256}"
    return Redirect(f"/desk/rules/proposals/{made.id}", status_code=303)


@get("/rules/proposals/{proposal:uuid}", may="rules.read")
async def proposal(request: AnyRequest, proposal: FromPath[UUID]) -> Response[bytes]:
    """What is proposed: its differences, and, when asked, what it would have decided about the last thirty days."""
    session, house = await access.staff(request), house_of(request)
    found = await _proposal(request, proposal)
    book = await house_of(request).books.current(session.shop_id)
    asked = request.query_params.get("test") == "1"
    tested = await backtest(house.database, make_book(session.shop_id, 0, found.parameters), days_ago(DAYS)) if asked else None
    return await access.page(
        request, "proposal.html", here="rules", proposal=found, found=tested,
        diff=_diff(await _text(request, found.base), pretty(found.parameters)),
        overtaken=found.base != book.version, mine=found.author == session.actor, days=DAYS,
    )  # fmt: skip


@post("/rules/proposals/{proposal:uuid}/approve", may="rules.approve", status_code=303)
async def put_in_force(request: AnyRequest, proposal: FromPath[UUID]) -> Redirect:
    """A second person puts it in force. Who proposed it may only where nobody else can, after a day, and within bounds."""
    session, given = await access.staff(request), await access.form(request)
    house, found, why = house_of(request), await _proposal(request, proposal), access.why(given)
    before = f"version {found.base}"
    async with doing(
        house.database, access.doer(session), "rules.approve", f"proposal {found.id}", reason=why, before=before
    ) as deed:
        if found.author == session.actor and not await house.database.transact(
            lambda tx: alone(tx, session.shop_id, "rules.approve")
        ):
            raise Refusal("policy.second_person", wait_s=86_400)
        number = await approve(house.database, house_of(request).books, session.shop_id, found.id, session.actor)
        deed.after = f"version {number} sha256 {found.sha256}"
    return Redirect(f"/desk/rules/versions/{number}", status_code=303)


def pretty(parameters: Parameters) -> str:
    """Parameters as people edit them."""
    return msgspec.json.format(canonical(parameters), indent=2).decode()


def _read(text: str) -> Parameters:
    """Checked parameters. Raises `BadBook` with what the registry has against them."""
    try:
        return checked(msgspec.json.decode(text.encode(), type=Parameters))
    except msgspec.MsgspecError as fault:
        raise BadBook(str(fault)) from None


def _diff(older: str, newer: str) -> list[tuple[str, str]]:
    """The lines that differ, with two around them: a mark (`+`, `-`, `@` or blank) and the text."""
    lines = list(difflib.unified_diff(older.splitlines(), newer.splitlines(), n=2, lineterm=""))[2:]
    return [(line[0], line[1:] if line[0] != "@" else "") for line in lines]


async def _text(request: AnyRequest, number: int) -> str:
    session = await access.staff(request)
    row = await house_of(request).database.row(books_sql.one_book, session.shop_id, number) if 0 < number < 1 << 31 else None
    if row is None:
        raise Refusal("operation.not_found")
    if hashlib.sha256(row["parameters"].encode()).digest() != row["sha256"]:
        raise BadBook(f"version {number} is not what its hash says")
    return pretty(msgspec.json.decode(row["parameters"], type=Parameters))


async def _proposal(request: AnyRequest, wanted: UUID) -> Proposal:
    session = await access.staff(request)
    for each in await proposals(house_of(request).database, session.shop_id):
        if each.id == wanted:
            return each
    raise Refusal("operation.not_found")


async def _editor(
    request: AnyRequest, text: str, *, wrong: str = "", note: str = "", diff: Any = (), found: Backtest | None = None,
    tried: bool = False, status: int = 200,
) -> Response[bytes]:  # fmt: skip
    return await access.page(
        request, "editor.html", status=status, here="rules", text=text, wrong=wrong, note=note, diff=diff, found=found, tried=tried,
        days=DAYS, features=sorted(FEATURES.values(), key=lambda each: each.name), longest=LONGEST,
    )  # fmt: skip


handlers = [rules, version, editor, attempt, put_forward, proposal, put_in_force]
