"""How a waiting page hears of a change: what its stream says, and everything that ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.patience import until
from tests.web.stage import Stage
from tests.web.test_order import place
from tests.web.test_sessions import Browser

from daozhang.events import hub
from daozhang.web.front import stream
from daozhang.web.front.stream import MOST_PER_USER


async def nothing() -> None:
    """Nothing is done meanwhile."""


ENDS_WITHIN_S = 20.0
"""A stream that has to end does so at once, or within a beat that the test made short."""


async def streamed(app: Any, buyer: Browser, path: str, then: Callable[[], Awaitable[None]]) -> list[Any]:
    """Listen to an order's stream until it ends; its headers and what it said. `then` is done once the first state was told."""
    first, over, lines = asyncio.Event(), asyncio.Event(), list[Any]()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            lines.append(dict(message["headers"]))
        elif not message.get("more_body"):
            over.set()
        elif message.get("body"):
            lines.append(message["body"].decode())
            if "event: state" in lines[-1]:
                first.set()

    async def receive() -> Any:
        await over.wait()
        return {"type": "http.disconnect"}

    headers = [(b"cookie", buyer.cookies().encode()), (b"host", b"127.0.0.1:8420"), (b"accept", b"text/event-stream")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": f"{path}/stream",
        "raw_path": f"{path}/stream".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "server": ("127.0.0.1", 8420),
        "client": ("203.0.113.9", 5000),
    }
    listening = asyncio.create_task(app(scope, receive, send))
    try:
        await until(lambda: first.is_set() or listening.done())
        await then()
        await until(listening.done, ENDS_WITHIN_S)
    finally:
        # A stream that does not end is left alone by its reader: then the test fails, and does not hang.
        over.set()
        listening.cancel()
    await listening
    return lines


async def test_the_stream_tells_a_change_and_ends_when_the_order_rests(buyer: Browser, stage: Stage, shop_app: Any) -> None:
    path, order_id = await place(buyer)
    start, *bodies = await streamed(shop_app, buyer, path, lambda: stage.pay(order_id))
    assert start[b"x-accel-buffering"] == b"no"
    assert start[b"cache-control"] == b"no-store, no-transform"
    assert start[b"content-type"].startswith(b"text/event-stream")
    text = "".join(bodies)
    assert "-none\n" in text
    assert "-credited\n" in text
    assert text.endswith("event: end\ndata: 0\n\n")


async def test_a_stream_ends_when_the_program_is_asked_to_stop(buyer: Browser, stage: Stage, shop_app: Any) -> None:
    path, _ = await place(buyer)

    async def stop() -> None:
        stage.house.closing.set()

    _, *bodies = await streamed(shop_app, buyer, path, stop)
    assert "event: state" in "".join(bodies)
    assert "event: end" not in "".join(bodies)


async def test_a_stream_says_every_fifteen_seconds_that_it_is_there_however_often_the_hub_wakes(
    buyer: Browser, stage: Stage, shop_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies take silence for death; the hub's own looks are no sign of life for them."""
    assert stream.BEAT_S == 15
    monkeypatch.setattr(stream, "BEAT_S", 0.3)
    monkeypatch.setattr(hub, "LOOK_S", 0.02)
    path, order_id = await place(buyer)

    async def wait() -> None:
        await asyncio.sleep(1.5)
        await stage.pay(order_id)

    _, *bodies = await streamed(shop_app, buyer, path, wait)
    assert "".join(bodies).count(": still here\n\n") >= 2


async def test_az_08_a_stream_ends_with_its_session(
    buyer: Browser, stage: Stage, shop_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BEAT_S", 0.2)
    path, _ = await place(buyer)

    async def leave() -> None:
        await stage.house.identity.revoke_all(stage.shop.user_id)

    _, *bodies = await streamed(shop_app, buyer, path, leave)
    assert "event: end" not in "".join(bodies)


async def test_a_stream_ends_after_ten_minutes_and_says_that_the_page_has_to_ask_again(
    buyer: Browser, stage: Stage, shop_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever forgets a page holds no connection for ever; the browser connects again by itself, so nothing is said to be over."""
    assert stream.LONGEST_S == 600
    monkeypatch.setattr(stream, "LONGEST_S", 0.5)
    monkeypatch.setattr(stream, "BEAT_S", 0.2)
    path, order_id = await place(buyer)
    _, *bodies = await streamed(shop_app, buyer, path, nothing)
    text = "".join(bodies)
    assert "retry: 3000\n" in text
    assert "event: end" not in text
    assert stream.open_streams() == 0
    await stage.pay(order_id)
    _, *bodies = await streamed(shop_app, buyer, path, nothing)
    assert "-credited\n" in "".join(bodies), "what changed meanwhile is told first"


async def test_a_user_holds_only_so_many_streams(buyer: Browser, stage: Stage) -> None:
    path, _ = await place(buyer)
    held = [asyncio.create_task(buyer.get(f"{path}/stream")) for _ in range(MOST_PER_USER)]
    await until(lambda: stream.open_streams() == MOST_PER_USER)
    assert (await buyer.get(f"{path}/stream", accept="text/event-stream")).status_code == 429
    stage.house.closing.set()
    try:
        await until(lambda: all(each.done() for each in held), ENDS_WITHIN_S)
    finally:
        for each in held:
            each.cancel()
    assert {answer.status_code for answer in await asyncio.gather(*held)} == {200}
    assert stream.open_streams() == 0
