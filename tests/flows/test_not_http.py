"""What is no HTTP at a channel's door is refused in the channel's form, kept with why, and changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from tests.flows.knocks import LEAKS, book, kept
from tests.flows.shop import Shop, open_shop
from tests.patience import until

from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.stations import KNOWN

FORMS = {"wechatpay": b'{"code":"FAIL","message":"malformed"}', "alipay": b"fail", "unionpay": b"fail", "epay": b"fail"}
BROKEN = {
    "header": b"{verb} {path} HTTP/1.1\r\nHost: x\r\nno header at all\r\n\r\n",
    "nul": b"{verb} {path} HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    "length": b"{verb} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"{verb} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "smuggled": b"{verb} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "chunks": b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
}


@pytest.fixture
async def street(database: Database, owner_database: Database, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop with a channel of each kind."""
    await owner_database.transact(lambda tx: tx.run("update clock_offset set test_mode = true"))
    async with open_shop(database, settings, enrolment=enrolment, kinds=tuple(KNOWN)) as opened:
        yield opened


async def say(shop: Shop, *parts: bytes) -> bytes:
    """Say it in parts and read to the end."""
    where = urlsplit(shop.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.01)
    try:
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


@pytest.mark.parametrize("kind", KNOWN)
async def test_in_11_what_is_no_http_is_refused_in_the_channels_form_and_kept(street: Shop, kind: str) -> None:
    database, path = street.program.database, f"/notify/{kind}/{street.channels[kind]}".encode()
    before = await book(database)
    for n, (name, pattern) in enumerate(BROKEN.items()):
        verb = b"GET" if kind == "epay" and not pattern.startswith(b"POST") else b"POST"
        if kind == "epay" and pattern.startswith(b"POST"):
            continue
        said = pattern.replace(b"{verb}", verb).replace(b"{path}", path)
        answer = await say(street, *([said] if n % 2 else [said[:9], said[9:]]))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert (head[:12], body) == (b"HTTP/1.1 400", FORMS[kind]), name
        assert not any(word.encode() in answer for word in LEAKS)
        await until(lambda n=n: _count(database, n + 1))
        why, raw = (await kept(database))[-1]
        assert why.startswith("malformed: HTTP: "), name
        assert raw == (b"hello" if name == "chunks" else said), name
    assert await book(database) == before


async def test_in_11_a_head_without_an_end_is_kept_as_far_as_64_kib(street: Shop) -> None:
    database = street.program.database
    head = f"POST /notify/wechatpay/{street.channel_id} HTTP/1.1\r\nHost: x\r\nA: ".encode()
    answer = await say(street, head, *[b"x" * 20_000] * 5)
    assert answer.startswith(b"HTTP/1.1 431")
    assert answer.endswith(b'{"code":"FAIL","message":"body too long"}')
    await until(lambda: _count(database, 1))
    assert await kept(database) == [("oversize: HTTP: a head above 65536 bytes", (head + b"x" * 100_000)[:65_536])]


async def test_in_11_a_door_that_is_none_keeps_nothing(street: Shop) -> None:
    for path in (b"/notify/wechatpay/999", b"/notify/nobody/1", b"/notify/", b"/notify/wechatpay/1%00"):
        answer = await say(street, b"POST %s HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n" % path)
        assert answer.startswith(b"HTTP/1.1 404"), answer
    assert await kept(street.program.database) == []


async def test_what_is_no_http_is_kept_at_a_bounded_rate(street: Shop) -> None:
    said = BROKEN["header"].replace(b"{verb}", b"POST").replace(b"{path}", f"/notify/wechatpay/{street.channel_id}".encode())
    with street.still("callback.junk", "callback.junk.network"):
        for _ in range(40):
            assert (await say(street, said)).startswith(b"HTTP/1.1 400")
    assert len(await kept(street.program.database)) == 30


async def _count(database: Database, count: int) -> bool:
    return len(await kept(database)) == count
