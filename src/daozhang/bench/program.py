"""The program as a process of its own, and beside its doors `/empty`: a handler that does nothing with a body.

Settings come from the environment, as ever. It says `{"ready":true}` when it is about to answer and ends with its standard input.
"""

import asyncio
import logging
import os
import signal
import sys

import uvloop
from litestar.types import ASGIApp, Receive, Scope, Send

from daozhang.app import Program
from daozhang.serve import serve, start_logging
from daozhang.settings import read_settings


def beside(doors: ASGIApp) -> ASGIApp:
    """The doors with `/empty` in front of them."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/empty":
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await doors(scope, receive, send)

    return answer


async def _ready(_: Program) -> None:
    os.set_blocking(sys.stdin.fileno(), False)
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), os.kill, os.getpid(), signal.SIGTERM)
    sys.stdout.write('{"ready":true}\n')
    sys.stdout.flush()


if __name__ == "__main__":
    start_logging(logging.WARNING)
    uvloop.run(serve(read_settings(), ready=_ready, around=beside))
