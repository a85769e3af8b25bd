"""What comes over the wire is bounded before any door is reached: heads, waits, trailers, and what is no HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import uvicorn
from litestar.types import HTTPScope, Receive, Scope, Send

from daozhang.simulators.prompt import PromptServer
from daozhang.web import wire
from daozhang.web.wire import Wire


class Street(NamedTuple):
    """A server and what its only door heard."""

    port: int
    heard: list[tuple[HTTPScope, bytes]]

    async def say(self, *parts: bytes, pause_s: float = 0) -> bytes:
        """Say it, in parts, and read until the server closes; empty when it closes without a word."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)
            return await asyncio.wait_for(reader.read(), 30)
        except ConnectionError:
            return b""
        finally:
            writer.close()


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    """A door that answers after the whole body."""
    heard: list[tuple[HTTPScope, bytes]] = []

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, more = body + message["body"], message["more_body"]
        heard.append((scope, body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok", "more_body": False})

    server = PromptServer(
        uvicorn.Config(door, port=0, loop="none", http=Wire, ws="none", lifespan="off", log_config=None, timeout_keep_alive=1)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it no other way
        await asyncio.sleep(0.005)
    yield Street(server.servers[0].sockets[0].getsockname()[1], heard)
    server.end()
    await serving


HEAD = b"POST /form HTTP/1.1\r\nHost: x\r\n"


async def test_in_11_a_head_without_an_end_is_cut_off_and_costs_little(street: Street) -> None:
    began = time.process_time()
    answers = [
        await street.say(HEAD, b"A: ", *[b"x" * 65_536] * 200),
        await street.say(HEAD, *[b"A: b\r\n" * 10_000] * 200),
        await street.say(b"GET /", *[b"x" * 65_536] * 200),
    ]
    assert time.process_time() - began < 5
    assert all(answer[:12] in {b"HTTP/1.1 431", b""} for answer in answers), answers
    assert street.heard == []


async def test_in_11_trailers_are_no_headers_and_have_an_end(street: Street) -> None:
    """What a proxy forbids in a head, such as another sender's address, would come in behind the body."""
    chunked = HEAD + b"X-Forwarded-For: 192.0.2.7\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"
    for parts in ((chunked + b"X-Forwarded-For: 127.0.0.1\r\n\r\n",), (chunked, b"X-Forwarded-For: 127.0.0.1\r\n", b"\r\n")):
        assert (await street.say(*parts, pause_s=0.01)).endswith(b"ok")
        scope, body = street.heard.pop()
        assert body == b"ab"
        assert [value for name, value in scope["headers"] if name == b"x-forwarded-for"] == [b"192.0.2.7"]
    assert (await street.say(chunked, *[b"A: b\r\n" * 10_000] * 200))[:12] in {b"HTTP/1.1 431", b""}
    assert street.heard == []


async def test_a_head_that_does_not_come_is_waited_for_so_long_and_no_longer(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "HEAD_WAIT_S", 0.1)
    monkeypatch.setattr(wire, "MESSAGE_WAIT_S", 0.2)
    assert (await street.say(HEAD)).startswith(b"HTTP/1.1 408")
    assert (await street.say(HEAD + b"Content-Length: 9\r\n\r\nab")).startswith(b"HTTP/1.1 408")
    assert street.heard == []


@pytest.mark.parametrize("target", [b"/notify/epay/1", b"http://shop.example/notify/epay/1", b"/%6eotify/epay/1"])
async def test_a_message_at_a_channels_door_is_waited_for_as_long_as_a_channel_waits(
    street: Street, monkeypatch: pytest.MonkeyPatch, target: bytes
) -> None:
    monkeypatch.setattr(wire, "DOOR_WAIT_S", 0.1)
    head = b"POST " + target + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    assert (await street.say(head + b"ab")).endswith(b"ok"), "the door hears what came, and that it is no message"
    ((scope, body),) = street.heard
    assert (body, scope["state"][wire.BROKEN].code) == (b"ab", "slow")


async def test_who_says_nothing_is_let_go(street: Street) -> None:
    assert await street.say() == b""
    assert await street.say(b"\r\n\r\n") == b""


async def test_a_slow_but_whole_message_is_heard_and_the_next_one_too(street: Street) -> None:
    whole = HEAD + b"Content-Length: 300000\r\n\r\n" + b"y" * 300_000
    cut = [whole[place : place + 50_000] for place in range(0, len(whole), 50_000)]
    last = HEAD + b"Content-Length: 1\r\nConnection: close\r\n\r\nz"
    answer = await street.say(HEAD[:7], HEAD[7:], whole[len(HEAD) : 60], whole[60:], *cut, last, pause_s=0.02)
    assert answer.count(b"HTTP/1.1 200") == 3
    assert [len(body) for _, body in street.heard] == [300_000, 300_000, 1]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9,
        b"GET /\xe5\x88\xb0 HTTP/1.1\r\n\r\n",
        HEAD + b"no header\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_in_11_what_is_no_http_gets_one_line_and_the_end(street: Street, nonsense: bytes) -> None:
    answer = await street.say(nonsense, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (head[:12], body) == (b"HTTP/1.1 400", b"Invalid HTTP request received.")
    assert street.heard == []


async def test_another_protocol_is_not_spoken_and_what_follows_is_not_read(street: Street) -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    answer = await street.say(upgrade + b"\x81\x05hello" * 50)
    assert (answer.count(b"HTTP/1.1"), len(street.heard)) == (1, 1)
