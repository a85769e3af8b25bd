"""The pages, open to everybody."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from daozhang import agreements, announcements
from daozhang.announcements import rows as announced
from daozhang.policy.stated import stated
from daozhang.reasons import Layer, catalogue
from daozhang.reasons.writing import FACT
from daozhang.web.pages import house_of, locale_of, page

if TYPE_CHECKING:
    from daozhang.reasons import Reason
    from daozhang.web.locale import Locale

AnyRequest = Request[Any, Any, Any]
_CODE = re.compile(r"[a-z]+(?:\.[a-z][a-z0-9_]*)+", re.ASCII)
_PAY_SAFELY = 8
"""How many pieces of advice the page about paying safely has."""
_FAMILIES = ("account", "channel", "limits", "operation", "goods", "eligibility", "bank", "risk", "refund", "wallet", "platform")


@dataclass(frozen=True, slots=True)
class Explained:
    """A reason for who met it elsewhere: its texts with the facts left open."""

    code: str
    layer: str
    title: str
    text: str
    cure: str
    cured_by: str
    retry: str


@get("/rules")
async def rules(request: AnyRequest) -> Response[bytes]:
    """The rules in force with their numbers: what the checks would say to somebody new."""
    house, reader = house_of(request), locale_of(request)
    book = await house.books.current(house.shop_id)
    present = await agreements.present(house.database, house.shop_id)
    said = stated(book, reader.code, present.version if present else 0)
    return await page(request, "truth/rules.html", here="rules", layers=said, version=book.version)


@get("/announcements")
async def announcements_page(request: AnyRequest) -> Response[bytes]:
    """What holds now, and what has ended in the last ninety days."""
    house = house_of(request)
    return await page(
        request, "truth/announcements.html", here="news", now=await announcements.current(house.database, house.shop_id),
        past=await announced.past(house.database, house.shop_id),
    )  # fmt: skip


@get("/safety")
async def safety(request: AnyRequest) -> Response[bytes]:
    """How to pay safely, on one page."""
    return await page(request, "truth/safety.html", here="safety", points=range(1, _PAY_SAFELY + 1))


@get("/help")
async def help_index(request: AnyRequest) -> Response[bytes]:
    """Every reason by layer; `?q=` finds one by its words or its code."""
    reader = locale_of(request)
    words = request.query_params.get("q", "")[:40].strip()
    words = words if words.isprintable() else ""
    found = [explained(each, reader) for each in catalogue() if _public(each)]
    if words:
        low = words.lower()
        found = [each for each in found if any(low in text.lower() for text in (each.code, each.title, each.text, each.cure))]
    layers = [(layer.value, [each for each in found if each.layer == layer.value]) for layer in Layer]
    return await page(
        request, "truth/help.html", here="help", layers=[(name, lines) for name, lines in layers if lines], words=words,
        count=len(found),
    )  # fmt: skip


@get("/help/{code:str}")
async def help_page(request: AnyRequest, code: FromPath[str]) -> Response[bytes]:
    """One reason at an address that stays the same: what it means, who can cure it, and how."""
    if not _CODE.fullmatch(code) or code not in catalogue():
        raise NotFoundException
    reader, reason = locale_of(request), catalogue().get(code)
    near = [
        explained(each, reader) for each in catalogue() if _family(each) == _family(reason) and each.code != code and _public(each)
    ]
    return await page(request, "truth/reason.html", here="help", reason=explained(reason, reader), near=near[:8])


def explained(reason: "Reason", reader: "Locale") -> Explained:
    """The reason's texts with an ellipsis for each fact that an order would fill in."""
    text = reason.en if reader.code == "en" else reason.zh
    return Explained(
        reason.code,
        reason.layer.value,
        _open(text.title),
        _open(text.text),
        _open(text.cure),
        reason.cured_by.value,
        reason.retry.value,
    )


def _open(text: str) -> str:
    return FACT.sub(lambda match: "¥…" if match[1].endswith("_fen") else "…", text)


def _public(reason: "Reason") -> bool:
    """Whether a buyer can meet this reason; those that only operators read stand in the reference."""
    return _family(reason) in _FAMILIES


def _family(reason: "Reason") -> str:
    return reason.code.partition(".")[0]


@get("/reasons/{code:str}", status_code=301, sync_to_thread=False)
def reason_page(code: FromPath[str]) -> Redirect:
    """The type of a problem document (RFC 9457) is an address, too: of what the help says about it."""
    if code not in catalogue():
        raise NotFoundException
    return Redirect(f"/help/{code}", status_code=301)


handlers = [rules, announcements_page, safety, help_index, help_page, reason_page]
