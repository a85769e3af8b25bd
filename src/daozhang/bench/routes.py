"""Every page that a program answers with: its GET routes, each with a real subject that a person finds by following links."""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urldefrag

from litestar import Litestar
from litestar.routes import HTTPRoute
from playwright.async_api import APIResponse, BrowserContext
from playwright.async_api import Error as BrowserError

MOST_LINKS = 400
"""Addresses that are followed for one person."""
_ANSWER_MS = 3_000
_LINK = re.compile(r'\bhref="(/[^"]*)"')
_DEEP = 6


class Route(NamedTuple):
    """An address of the program: its pattern as written, and what a path has to be to fit."""

    pattern: str
    fits: re.Pattern[str]
    fixed: bool


class Found(NamedTuple):
    """A page: the pattern of its route, the path of a real subject, and the name of the person who sees it."""

    pattern: str
    path: str
    who: str


def routes(program: object) -> list[Route]:
    """Every GET route of the Litestar applications that an ASGI program is wrapped around, by pattern."""
    found = {
        route.path: _route(route)
        for app in _apps(program, _DEEP)
        for route in app.routes
        if isinstance(route, HTTPRoute) and "GET" in route.methods
    }
    return [found[pattern] for pattern in sorted(found)]


def _apps(thing: object, depth: int) -> Iterable[Litestar]:
    if isinstance(thing, Litestar):
        yield thing
    elif depth and type(thing).__module__.startswith("daozhang.web"):
        for inner in vars(thing).values():
            yield from _apps(inner, depth - 1)


def _route(route: HTTPRoute) -> Route:
    pieces = [re.escape(part) if isinstance(part, str) else ".+" if part.type.__name__ == "Path" else "[^/]+"
              for part in route.path_components]  # fmt: skip
    return Route(route.path, re.compile("/" + "/".join(pieces)), all(isinstance(part, str) for part in route.path_components))


class Search:
    """Looks for a page of each route as one person after the other; what answers otherwise is kept with what it is."""

    def __init__(self, wanted: list[Route], base: str, *, once: bool = False) -> None:
        """`once`: links to many subjects of one route (the help about each reason) are followed until one of them is a page."""
        self._wanted, self._base, self._once = wanted, base, once
        self.pages: dict[str, Found] = {}
        self.other: dict[str, str] = {}
        """By pattern: what a route answers that has no page of its own."""

    async def follow(self, who: str, context: BrowserContext, starts: Mapping[str, str]) -> None:
        """Follow links as a person, from every fixed address and from `starts` (address by what it shows)."""
        first = [*(route.pattern for route in self._wanted if route.fixed), *starts.values()]
        todo, seen = deque(first), set(first)
        opened: set[str] = set()
        for _ in range(MOST_LINKS):
            if not todo:
                todo.extend(path for path in self._deeper() if path not in seen)
            if not todo:
                return
            path = todo.popleft()
            seen.add(path)
            pattern = route.pattern if (route := self._of(path)) else ""
            if self._once and pattern in opened and path not in first:
                continue
            links = await self._look(who, context, path)
            if links:
                opened.add(pattern)
            for link in links:
                if link not in seen and (route := self._of(link)) and route.pattern not in self.pages:
                    seen.add(link)
                    todo.append(link)

    def _deeper(self) -> list[str]:
        """Addresses below pages that were found, which nothing links to: a stream, a state, a form that posts itself."""
        return [
            page.path.partition("?")[0] + pattern.removeprefix(page.pattern)
            for pattern in self.unreached()
            for page in self.pages.values()
            if pattern.startswith(f"{page.pattern}/") and "{" in page.pattern and "{" not in pattern.removeprefix(page.pattern)
        ]

    def _of(self, path: str) -> Route | None:
        """The route of a path: a fixed one before one with a parameter."""
        plain = path.partition("?")[0]
        fitting = [route for route in self._wanted if route.fits.fullmatch(plain)]
        return next((route for route in fitting if route.fixed), fitting[0] if fitting else None)

    async def _look(self, who: str, context: BrowserContext, path: str) -> list[str]:
        """The links of the page at a path, which is kept as its route's page if that has none yet."""
        route = self._of(path)
        try:
            answer = await context.request.get(self._base + path, max_redirects=0, timeout=_ANSWER_MS)
        except BrowserError:
            if route:
                self.other.setdefault(route.pattern, "a stream")
            return []
        kind, text = _kind(answer), ""
        if kind == "page":
            text = await answer.text()
            kind = "page" if "<html" in text else "a part of a page"
        if route and kind == "page" and route.pattern not in self.pages:
            self.pages[route.pattern] = Found(route.pattern, path, who)
            self.other.pop(route.pattern, None)
        elif route and route.pattern not in self.pages and self.other.get(route.pattern, "answers").startswith("answers"):
            self.other[route.pattern] = kind
        return [urldefrag(link.replace("&amp;", "&")).url for link in _LINK.findall(text)]

    def broken(self) -> list[str]:
        """Routes that answer with a fault of ours."""
        return [pattern for pattern, kind in self.other.items() if kind.startswith("answers 5")]

    def unreached(self) -> list[str]:
        """Routes that no link led to."""
        return [route.pattern for route in self._wanted if route.pattern not in self.pages and route.pattern not in self.other]


def _kind(answer: APIResponse) -> str:
    """What an answer is, in words; a page is HTML that came with 200."""
    headers: dict[str, Any] = answer.headers
    kind = str(headers.get("content-type", "")).partition(";")[0]
    if answer.status in (301, 302, 303, 307, 308):
        return "leads elsewhere"
    if answer.status != 200:
        return f"answers {answer.status}"
    return "page" if kind == "text/html" else kind or "nothing"
