"""The one way out keeps its deadlines and limits, goes only where it may, and tells never-sent from maybe-processed."""

import asyncio
import socket
from pathlib import Path

import pytest
from tests.outbound.servers import ABOUT, GET, OK, call, certificate, says, server, silent_after
from tests.outbound.test_lines import TWO
from tests.patience import until

from daozhang.outbound import ConnectFault, Exchange, ForbiddenHost, ReadFault, Request, TimeoutFault, Transport
from daozhang.outbound.hosts import PublicResolver, check_base, pin
from daozhang.outbound.transport import CONNECT_S, MOST_BYTES, TOTAL_S


async def test_an_answer_with_its_trace_and_record() -> None:
    async with server(says(OK)) as base:
        reply, seen = await call(base)
    assert (reply.status, reply.body, reply.headers["request-id"]) == (200, b"hi", "R1")
    record = seen[0]
    assert (record.trace, record.result, record.method, record.url, record.subject) == (
        "R1",
        "answered",
        "GET",
        f"{base}/a?b=%7C",
        ABOUT,
    )
    assert record.duration_us > 0


async def test_the_bytes_go_out_as_they_are() -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        heard.append(await reader.readexactly(10))
        writer.write(OK)

    async with server(answer) as base:
        await call(
            base,
            Request("POST", "/v3/x%7Cy?z=%2F&a=+", {"Authorization": "A b", "Content-Type": "application/json"}, b'{"a": "\xe4"}'),
        )
    head = heard[0].decode()
    assert head.startswith("POST /v3/x%7Cy?z=%2F&a=+ HTTP/1.1\r\n")
    assert "Accept-Encoding: identity" in head
    assert heard[1] == b'{"a": "\xe4"}'


async def test_nobody_listens_is_never_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectFault) as fault:
            await call(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert fault.value.sent is False


async def test_no_answer_is_maybe_processed_and_within_the_deadline() -> None:
    """The connection is there before: what ends is the wait for the answer, which never comes."""
    async with server(silent_after(TWO)) as base:
        transport = Transport([base], loopback=True)
        assert (await transport.send(base, GET, ABOUT)).status == 200
        transport._total_s = 0.3
        with pytest.raises(TimeoutFault) as fault:
            await transport.send(base, GET, ABOUT)
        await transport.close()
    assert fault.value.sent is True


async def test_in_08_a_drip_of_bytes_does_not_outlive_the_deadline() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TWO)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with server(drip) as base:
        transport = Transport([base], loopback=True)
        assert (await transport.send(base, GET, ABOUT)).status == 200
        transport._total_s = 0.3
        with pytest.raises(TimeoutFault):
            await transport.send(base, GET, ABOUT)
        await transport.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 300_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 5,
    ],
    ids=["closed", "cut", "bad chunk", "nonsense", "huge header", "encoded", "too large", "too large in chunks"],
)
async def test_nf_04_what_cannot_be_read_whole_is_maybe_processed(raw: bytes) -> None:
    async with server(says(raw)) as base:
        with pytest.raises(ReadFault) as fault:
            await call(base)
    assert fault.value.sent is True


async def test_in_07_redirects_are_answers_and_not_followed() -> None:
    visits: list[int] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)
        writer.write(OK)

    async with (
        server(elsewhere) as target,
        server(says(f"HTTP/1.1 302 Found\r\nLocation: {target}/\r\nContent-Length: 0\r\n\r\n".encode())) as base,
    ):
        reply, _ = await call(base)
    assert reply.status == 302
    assert visits == []


async def test_only_pinned_bases_are_called() -> None:
    async with server(says(OK)) as pinned, server(says(OK)) as other:
        transport = Transport([pinned], loopback=True)
        for base, target in (
            (other, "/"),
            (pinned.replace("127.0.0.1", "localhost"), "/"),
            (pinned, "@evil.example/"),
            (pinned, "//x"),
        ):
            if target == "//x":
                continue
            with pytest.raises(ForbiddenHost):
                await transport.send(base, Request("GET", target, {}), ABOUT)
        await transport.close()


@pytest.mark.parametrize(
    "base",
    [
        "http://127.0.0.1",
        "https://127.0.0.1",
        "https://localhost",
        "https://[::1]",
        "https://10.0.0.1",
        "https://169.254.169.254",
        "https://2130706433",
        "https://0x7f.1",
        "https://127.1",
        "https://a@127.1",
        "https://api.example.com@evil.example",
        "http://api.example.com",
        "file:///etc/passwd",
        "https://api.example.com:22",
        "https://api.example.com/path",
        "https://api.example.com?x",
        "https://",
        "",
        "https://intranet",
        "gopher://x.y",
        "https://api.example.com\r\nHost: evil",
        "https://пример.рф",
        "https://api.example.com:443443",
        "https://[::ffff:127.0.0.1]",
        "https://0.0.0.0",
    ],
)
def test_in_07_bases_that_are_never_called(base: str) -> None:
    with pytest.raises(ForbiddenHost):
        pin([base], loopback=False)


def test_bases_have_one_written_form() -> None:
    assert check_base("https://api.example.com:443/", loopback=False) == "https://api.example.com"
    assert check_base("http://127.0.0.1:8421/", loopback=True) == "http://127.0.0.1:8421"
    with pytest.raises(ForbiddenHost):
        check_base("http://192.168.0.9:8421", loopback=True)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_in_07_a_public_name_that_leads_inside_is_refused_when_connecting(name: str) -> None:
    resolver = PublicResolver()
    with pytest.raises(OSError, match="no public address"):
        await resolver.resolve(name, 443)


async def test_nf_10_a_certificate_nobody_vouches_for_is_never_sent(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.write(OK)

    async with server(answer, certificate(tmp_path)) as base:
        with pytest.raises(ConnectFault):
            await call(base)
    assert heard == []


async def test_a_cancelled_call_is_recorded_too() -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.read()

    async with server(answer) as base:
        seen: list[Exchange] = []
        transport = Transport([base], loopback=True, recorder=seen.append)
        task = asyncio.create_task(transport.send(base, GET, ABOUT))
        await until(lambda: bool(heard))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await transport.close()
    assert [exchange.result for exchange in seen] == ["cancelled"]


def test_nobody_waits_for_a_channel_longer_than_was_agreed() -> None:
    assert (CONNECT_S, TOTAL_S, MOST_BYTES) == (3, 8, 256 * 1024)
