"""A server in a channel's place that answers every call by leading somewhere else."""

from collections.abc import AsyncIterator
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

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", came
    finally:
        await runner.cleanup()
