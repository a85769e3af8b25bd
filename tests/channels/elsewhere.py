"""A server in a channel's place: it leads every caller somewhere else, or answers with nothing but a status."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def leading_elsewhere() -> AsyncIterator[tuple[str, list[str]]]:
    """Its address, and where callers came: `here`, or `elsewhere` when they followed."""
    came: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        came.append("elsewhere" if request.path == "/elsewhere" else "here")
        if came[-1] == "elsewhere":
            return web.Response(text="success")
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with _serving(answer) as url:
        yield url, came


@asynccontextmanager
async def saying_nothing_but(status: int) -> AsyncIterator[str]:
    """Its address; every answer is this status without a body."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with _serving(answer) as url:
        yield url


@asynccontextmanager
async def _serving(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
