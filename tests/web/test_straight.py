"""The straight way of a channel's message: taken in whole, answered in turn, and everything else goes the way of ASGI."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from daozhang.channels.port import Acknowledgement
from daozhang.web.straight import straight

pytestmark = pytest.mark.asyncio(loop_scope="function")


class _Server(uvicorn.Server):
    @property
    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])


class Desk:
    """Takes messages in as a door would, and remembers which way each came."""

    def __init__(self) -> None:
        self.straight: list[bytes] = []
        self.asgi: list[bytes] = []

    def take(self, scope: Any, body: bytes, answered: Callable[[Acknowledgement], None], otherwise: Callable[[], None]) -> bool:
        if scope["path"].endswith("/nobody"):
            return False
        if scope["path"].endswith("/slow"):
            asyncio.get_running_loop().call_later(0.02, otherwise)
            return True
        self.straight.append(body)
        full = Acknowledgement(204) if body != b"no" else Acknowledgement(503, b"{}", "application/json")
        asyncio.get_running_loop().call_soon(answered, full)
        return True

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        parts = []
        while (message := await receive())["type"] == "http.request":
            parts.append(message["body"])
            if not message["more_body"]:
                break
        self.asgi.append(b"".join(parts))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"asgi"})


@asynccontextmanager
async def talking(desk: Desk) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server whose desk it is."""
    config = uvicorn.Config(desk, host="127.0.0.1", port=0, http=straight(desk.take), ws="none", lifespan="off", log_config=None)  # type: ignore[arg-type]
    server = _Server(config)
    server.capture_signals = suppress  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn tells it no other way
        await asyncio.sleep(0.005)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await serving


def _message(body: bytes, path: str = "/notify/wechatpay/1", extra: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{extra}content-length: {len(body)}\r\n\r\n".encode() + body


async def _heard(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next answer: its status, and what it says."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    lengths = [line for line in head.split(b"\r\n") if line.startswith(b"content-length: ")]
    return int(head.split()[1]), await reader.readexactly(int(lengths[0].split()[1])) if lengths else b""


async def test_a_whole_message_goes_straight_and_everything_else_goes_the_way_of_asgi() -> None:
    """Nothing is lost or answered twice on either way, and answers come in the order of their requests."""
    desk = Desk()
    async with talking(desk) as (reader, writer):
        writer.write(_message(b"one"))
        assert await _heard(reader) == (204, b"")
        writer.write(_message(b"no"))
        assert await _heard(reader) == (503, b"{}")
        assert desk.asgi == []

        writer.write(_message(b"divided")[:-4])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"ided")
        assert await _heard(reader) == (200, b"asgi")

        # A door that has to wait for something hands the same bytes on; what is no door's is none of ours.
        for path in ("/notify/wechatpay/slow", "/notify/nobody", "/elsewhere"):
            writer.write(_message(path.encode(), path))
            assert await _heard(reader) == (200, b"asgi")
        assert desk.asgi == [b"divided", b"/notify/wechatpay/slow", b"/notify/nobody", b"/elsewhere"]

        writer.write(_message(b"first") + _message(b"second") + _message(b"third", "/elsewhere"))
        answers = [await _heard(reader) for _ in range(3)]
        assert answers[0] == (204, b"")
        assert answers[2] == (200, b"asgi")
        assert desk.straight[:3] == [b"one", b"no", b"first"]
        assert sorted(desk.straight[3:] + desk.asgi[4:]) == [b"second", b"third"]


async def test_a_sender_that_wants_to_leave_is_let_go_after_its_answer() -> None:
    """`Connection: close` is kept, as on the way of ASGI."""
    desk = Desk()
    async with talking(desk) as (reader, writer):
        writer.write(_message(b"last", extra="connection: close\r\n"))
        said = await asyncio.wait_for(reader.read(), 20)
        assert said.startswith(b"HTTP/1.1 204 ")
        assert b"\r\nconnection: close\r\n" in said
        assert b"content-length" not in said
        assert desk.straight == [b"last"]
