"""A connection is used again while it is clear which answer is whose, and nothing is sent that could be read as two requests."""

import asyncio
import ssl
from pathlib import Path

import pytest
import uvloop
from tests.outbound.servers import ABOUT, GET, OK, Counted, call, certificate, says, server
from tests.patience import MOST_S, until

from daozhang.outbound import ConnectFault, ReadFault, Request, Transport
from daozhang.outbound.hosts import PublicResolver
from daozhang.outbound.lines import MOST_CONNECTIONS, Lines

TWO = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
WHOLE_BODIES = {
    "kept": (TWO, 1),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", 1),
    "after a 1xx": (b"HTTP/1.1 102 Processing\r\n\r\n" + TWO, 1),
    "told to close": (TWO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 2),
    "one answer too many": (TWO + TWO, 2),
}


@pytest.mark.parametrize("name", WHOLE_BODIES)
async def test_a_connection_is_used_again_only_while_it_is_clear_which_answer_is_whose(name: str) -> None:
    raw, connections = WHOLE_BODIES[name]
    counted = Counted(raw, TWO)
    async with server(counted) as base:
        transport = Transport([base], loopback=True)
        for _ in range(2):
            reply = await transport.send(base, GET, ABOUT)
            assert (reply.status, reply.body) == (200, b"hi")
            await asyncio.sleep(0.05)
        await transport.close()
    assert (counted.connections, counted.requests) == (connections, 2)


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    async with server(says(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")) as base:
        reply, _ = await call(base)
    assert reply.body == b"until the end"


async def test_nf_04_what_was_closed_before_an_answer_is_asked_again_only_where_asking_changes_nothing() -> None:
    for request, answered in ((GET, True), (Request("POST", "/", {}, b""), False)):
        counted = Counted(TWO, b"", TWO)
        async with server(counted) as base:
            transport = Transport([base], loopback=True)
            await transport.send(base, request, ABOUT)
            if answered:
                assert (await transport.send(base, request, ABOUT)).body == b"hi"
            else:
                with pytest.raises(ReadFault):
                    await transport.send(base, request, ABOUT)
            await transport.close()
        assert counted.requests == (3 if answered else 2)


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/a\r\nX: y", {}),
        Request("GET", "/a b", {}),
        Request("GET", "/", {"X": "y\r\n\r\nGET /other HTTP/1.1"}),
        Request("GET", "/", {"X": "y\nZ: w"}),
        Request("POST", "/", {"Content-Length": "1"}, b"ab"),
        Request("POST", "/", {"Transfer-Encoding": "chunked"}, b"ab"),
        Request("GET", "/", {"Host": "elsewhere"}),
    ],
)
async def test_in_07_what_would_be_read_as_another_request_is_never_sent(request_: Request) -> None:
    counted = Counted(OK)
    async with server(counted) as base:
        with pytest.raises(ConnectFault):
            await call(base, request_)
    assert counted.requests == 0


async def test_who_finds_every_connection_in_use_has_sent_nothing_and_the_others_are_answered() -> None:
    free, asked = asyncio.Event(), 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while True:
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            await free.wait()
            writer.write(OK)

    async with server(answer) as base:
        transport = Transport([base], loopback=True, connect_s=MOST_S, total_s=MOST_S)
        early = [asyncio.create_task(transport.send(base, GET, ABOUT)) for _ in range(MOST_CONNECTIONS)]
        await until(lambda: asked == MOST_CONNECTIONS)
        transport._lines[base]._connect_s = 0.2
        with pytest.raises(ConnectFault):
            await transport.send(base, GET, ABOUT)
        free.set()
        assert {reply.status for reply in await asyncio.gather(*early)} == {200}
        transport._lines[base]._connect_s = MOST_S
        assert (await transport.send(base, GET, ABOUT)).status == 200
        await transport.close()


def test_it_is_the_same_on_the_loop_that_programs_run_on(tmp_path: Path) -> None:
    async def twice() -> None:
        for tls in (None, certificate(tmp_path)):
            trusted = ssl.create_default_context(cafile=str(tmp_path / "both.pem")) if tls else None
            counted = Counted(TWO, TWO)
            async with server(counted, tls) as base:
                transport = Transport([base], loopback=True, tls=trusted)
                for _ in range(2):
                    assert (await transport.send(base, GET, ABOUT)).body == b"hi"
                await transport.close()
            assert (counted.connections, counted.requests) == (1, 2)

    uvloop.run(twice())


async def test_every_address_of_a_name_is_tried_and_the_certificate_has_to_be_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "both.pem"))
    asked: list[str] = []

    async def resolve(_: PublicResolver, host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2", "127.0.0.1"]

    monkeypatch.setattr(PublicResolver, "resolve", resolve)
    async with server(Counted(TWO, TWO), tls) as base:
        port = base.rsplit(":", 1)[1]
        for name in ("pay.example", "other.example"):
            lines = Lines(f"https://{name}:{port}", 1_000, MOST_S, trusted)
            if name == "pay.example":
                assert (await lines.exchange(GET)).body == b"hi"
            else:
                with pytest.raises(ConnectFault):
                    await lines.exchange(GET)
            lines.close()
    assert asked == ["pay.example", "other.example"]
