"""Turns a template and its facts into a response."""

import gzip
from collections.abc import Callable, Iterable
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response

from daozhang.money import yuan
from daozhang.reasons import Refusal, catalogue
from daozhang.web import assets, locale, sessions
from daozhang.web.dress import comes_from_elsewhere, dress
from daozhang.web.house import House

if TYPE_CHECKING:
    from litestar.datastructures import Cookie

    from daozhang.reasons import Told

AnyRequest = Request[Any, Any, Any]
_WORTH_PACKING_BYTES = 600
BACK = "dz_back"
"""The cookie that holds where to go on once money has arrived (`shop/back.py`)."""


def house_of(request: AnyRequest) -> House:
    """The services, as the ring around all doors (`guard.py`) handed them to the request."""
    house = request.state.house
    assert isinstance(house, House)
    return house


def locale_of(request: AnyRequest) -> locale.Locale:
    """The reader's language."""
    return locale.choose(request.cookies.get(locale.COOKIE), request.headers.get("accept-language", ""))


def told(request: AnyRequest, reason: str, facts: dict[str, Any] | None = None) -> "Told":
    """What the catalogue says about a reason, in the reader's language."""
    return catalogue().get(reason).told(locale_of(request).code, facts or {})


def told_of(request: AnyRequest, refusal: Refusal) -> "Told":
    """What the catalogue says about a refusal, in the reader's language."""
    return told(request, refusal.reason, refusal.facts)


def title_of(request: AnyRequest, code: str) -> str:
    """The headline of a reason for a list, where its facts are not at hand."""
    return catalogue().get(code).headline(locale_of(request).code)


async def page(request: AnyRequest, template: str, *, status: int = 200, here: str = "", **context: Any) -> Response[bytes]:
    """Render a page for whoever asks: signed in or not, in their language, never kept by a cache.

    `here` names the entry of the bar that is the present page.
    """
    context.setdefault("session", await sessions.current(request))
    context["csrf"] = await sessions.csrf_token(request)
    return plain_page(request, template, status=status, here=here, **context)


def plain_page(request: AnyRequest, template: str, *, status: int = 200, here: str = "", **context: Any) -> Response[bytes]:
    """Render a page without asking who reads it: what is left when the database cannot be reached."""
    reader, house = locale_of(request), house_of(request)
    context.setdefault("session", None)
    context.setdefault("csrf", "")
    worn = dress(environment(), template) if comes_from_elsewhere(request.headers.get("sec-fetch-site")) else None
    text = (
        environment()
        .get_template(template)
        .render(
            t=reader.t,
            locale=reader,
            lang_tag=reader.tag,
            asset=assets.load().url,
            style=worn.text if worn else "",
            here=here,
            house=house,
            shop_name=house.shop_name or reader.t("site.name"),
            request_path=request.url.path,
            back_to=sessions.safe_next(request.cookies.get(BACK), ""),
            other_lang_url=f"/lang/{reader.t('site.other_code')}?next={quote(_address(request), safe='')}",
            **context,
        )
    )
    answer = _packed(request, text.encode(), status)
    if worn:
        answer.headers["content-security-policy"] = worn.policy
    return answer


def _address(request: AnyRequest) -> str:
    """Where the reader is, as a path on this site; a page that answered a form is reached again at its own address."""
    query = request.url.query
    return f"{request.url.path}?{query}" if query and request.method == "GET" else request.url.path


def _packed(request: AnyRequest, body: bytes, status: int) -> Response[bytes]:
    headers = {"cache-control": "no-store", "vary": "accept-encoding, accept-language, cookie, sec-fetch-site"}
    if len(body) > _WORTH_PACKING_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = gzip.compress(body, 5, mtime=0), "gzip"
    cookies: list[Cookie] = list(request.scope["state"].get("set_cookies", ()))
    return Response(body, status_code=status, media_type="text/html", headers=headers, cookies=cookies)


def _runs(lines: Iterable[Any], moment: str, name: Callable[[Any], str]) -> list[tuple[str, list[Any]]]:
    """Lines in the order in which they come, parted where the name of their moment changes: a statement by its months."""
    return [(head, list(run)) for head, run in groupby(lines, key=lambda line: name(getattr(line, moment)))]


@cache
def environment() -> Environment:
    """The templates. A name that a template uses and nobody gave is our own bug and raises."""
    made = Environment(
        loader=PackageLoader("daozhang.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["yuan"] = yuan
    made.filters["groupby_run"] = _runs
    return made
