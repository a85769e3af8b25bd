"""The one way out keeps its deadlines and limits, goes only where it may, and tells never-sent from maybe-processed."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from daozhang.outbound import ConnectFault, Exchange, ForbiddenHost, ReadFault, Request, Subject, TimeoutFault, Transport
from daozhang.outbound.hosts import PublicResolver, check_base, pin
from daozhang.outbound.lines import MOST_CONNECTIONS

ABOUT = Subject(1, 7, "query")
GET = Request("GET", "/a?b=%7C", {"Accept": "application/json"}, b"", "request-id")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRequest-ID: R1\r\n\r\nhi"


@asynccontextmanager
async def server(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    yield f"http{'s' if tls else ''}://127.0.0.1:{port}"
    listening.close()


def says(raw: bytes, then_s: float = 0.0):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(then_s)

    return answer


async def call(base: str, request: Request = GET, **options: object):
    seen: list[Exchange] = []
    transport = Transport([base], loopback=True, recorder=seen.append, **options)  # type: ignore[arg-type]
    try:
        return await transport.send(base, request, ABOUT), seen
    finally:
        await transport.close()
        assert len(seen) == 1


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
    async with server(says(OK)) as base:
        pass
    with pytest.raises(ConnectFault) as fault:
        await call(base)
    assert fault.value.sent is False


async def test_no_answer_is_maybe_processed_and_within_the_deadline() -> None:
    started = time.perf_counter()
    async with server(says(b"", 3)) as base:
        with pytest.raises(TimeoutFault) as fault:
            await call(base, total_s=0.3)
    assert fault.value.sent is True
    assert time.perf_counter() - started < 3


async def test_in_08_a_drip_of_bytes_does_not_outlive_the_deadline() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with server(drip) as base:
        with pytest.raises(TimeoutFault):
            await call(base, total_s=0.3)


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


def certificate(folder: Path) -> ssl.SSLContext:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


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
    async with server(says(b"", 5)) as base:
        seen: list[Exchange] = []
        transport = Transport([base], loopback=True, recorder=seen.append)
        task = asyncio.create_task(transport.send(base, GET, ABOUT))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await transport.close()
    assert [exchange.result for exchange in seen] == ["cancelled"]


class Counted:
    """A server that says one of its answers for each request, on as many connections as come."""

    def __init__(self, *answers: bytes) -> None:
        self.answers, self.connections, self.requests = list(answers), 0, 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while self.answers:
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            answer = self.answers.pop(0)
            writer.write(answer)
            await writer.drain()
            if not answer:
                return


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
    free = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await free.wait()
            writer.write(OK)

    async with server(answer) as base:
        transport = Transport([base], loopback=True, connect_s=0.3, total_s=60)
        early = [asyncio.create_task(transport.send(base, GET, ABOUT)) for _ in range(MOST_CONNECTIONS)]
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectFault):
            await transport.send(base, GET, ABOUT)
        free.set()
        assert {reply.status for reply in await asyncio.gather(*early)} == {200}
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
