"""Tells a waiting page that its order changed, the moment it does: server-sent events, one stream per page.

The stream says only *that* something changed; the page reads its state from the order's own address. It ends when the program is
asked to stop, when the order rests or its reader's session has ended, or after ten minutes; the page then asks from time to time,
or connects again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Stream

from daozhang.reasons import Refusal
from daozhang.recharge.view import parse_shown
from daozhang.web import sessions
from daozhang.web.front.order import mark_of
from daozhang.web.house import House
from daozhang.web.pages import house_of

BEAT_S = 15.0
"""A comment this often keeps proxies from taking silence for death."""
LONGEST_S = 600.0
MOST_PER_USER = 8
MOST = 5_000
"""How many streams one process keeps open, for one user and for all: whoever is refused asks from time to time instead."""
_HEADERS = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}


@get("/orders/{shown:str}/stream")
async def stream(request: Request[Any, Any, Any], shown: FromPath[str]) -> Stream:
    """Events `state` with the order's mark as data, and `end` when there is nothing more to wait for."""
    session, house = await sessions.require(request), house_of(request)
    identifier = parse_shown(shown)
    if identifier is None or await house.desk.order(session.user_id, identifier) is None:
        raise Refusal("operation.not_found")
    if _open[session.user_id] >= MOST_PER_USER or open_streams() >= MOST:
        raise Refusal("operation.too_many", wait_s=int(BEAT_S))
    events = _events(house, session.user_id, identifier, sessions.session_token(request))
    return Stream(_counted(session.user_id, events), media_type="text/event-stream", headers=_HEADERS)


_open: Counter[int] = Counter()


def open_streams() -> int:
    """How many streams this process holds open now."""
    return _open.total()


async def _counted(user_id: int, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same events, counted as one open stream of the user for as long as they are sent."""
    _open[user_id] += 1
    try:
        async for event in events:
            yield event
    finally:
        await events.aclose()
        _open[user_id] -= 1
        if not _open[user_id]:
            del _open[user_id]


async def _events(house: House, user_id: int, order_id: UUID, token: str) -> AsyncGenerator[bytes, None]:
    """The first event comes at once: what changed between the page and this stream must not be lost.

    The hub wakes every few seconds, whether something changed or not: so the comment has a time of its own.
    """
    changes, now = aiter(house.hub.changes(order_id)), asyncio.get_running_loop().time
    ends_at, beat_at = now() + LONGEST_S, now() + BEAT_S
    closing = asyncio.ensure_future(house.closing.wait())
    change: asyncio.Future[Any] = asyncio.ensure_future(anext(changes))
    try:
        yield b"retry: 3000\n\n"
        seen = ""
        while True:
            view = await house.desk.order(user_id, order_id)
            if view is None:
                break
            if mark_of(view) != seen:
                seen = mark_of(view)
                yield f"event: state\ndata: {seen}\n\n".encode()
            if view.terminal:
                break
            while not change.done():
                beats = now() >= beat_at
                if now() >= ends_at or closing.done() or (beats and await house.identity.session(token) is None):
                    return
                if beats:
                    yield b": still here\n\n"
                    beat_at = now() + BEAT_S
                await asyncio.wait({change, closing}, timeout=beat_at - now(), return_when=asyncio.FIRST_COMPLETED)
            if change.exception() is not None:
                break
            change = asyncio.ensure_future(anext(changes))
        yield b"event: end\ndata: 0\n\n"
    finally:
        closing.cancel()
        change.cancel()
        await asyncio.gather(change, closing, return_exceptions=True)
        close = getattr(changes, "aclose", None)
        if close is not None:
            await close()


handlers = [stream]
