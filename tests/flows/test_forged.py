"""Messages that nobody of the channel sent, or that were changed on the way: refused in the channel's form, kept, nothing changes.

CB-19 (a leaked shared key signs a success) cannot happen at this door: WeChat Pay signs with a private key that no merchant holds,
and the APIv3 key that a merchant could lose only opens what is inside. That is tested below as well.
"""

import asyncio
import contextlib
import gzip
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import pytest
from tests.flows.knocks import Message, book, kept, knock, payment, post, sealed, signed, told
from tests.flows.shop import Shop
from tests.patience import until

from daozhang.identity.limits import BUCKETS
from daozhang.postgres import Database
from daozhang.simulators.merchant import Enrolment
from daozhang.web import wire

REFUSED = (400, 401, 413, 503)


@dataclass
class Attack:
    """An order that waits for its payment, and the shop it belongs to."""

    shop: Shop
    number: str

    def true(self) -> Message:
        """What the channel itself would send."""
        return payment(self.shop.enrolment, self.number)

    def told(self, **changes: object) -> dict[str, object]:
        """What the channel would seal, except for the `changes`."""
        return told(self.shop.enrolment, self.number, **changes)

    async def bounces(self, message: Message, *statuses: int, why: str = "") -> None:
        """The door refuses the message, keeps it with why, and nothing changes."""
        database = self.shop.program.database
        before, junk = await book(database), len(await kept(database))
        heard = await knock(self.shop, message)
        assert heard.status in (statuses or REFUSED), heard
        assert json.loads(heard.body)["code"] == "FAIL"
        assert await book(database) == before
        messages = await kept(database)
        assert len(messages) == junk + 1
        assert messages[-1][1] == message.body
        assert re.match(why, messages[-1][0]), messages[-1][0]


@pytest.fixture
async def attack(stall: Shop) -> Attack:
    """A fresh order in a shop whose bin of junk is empty."""
    stall.program.asgi._limiter = Generous()  # type: ignore[attr-defined]
    order = await stall.place(100)
    return Attack(stall, await stall.number(order.id))


class Generous:
    """A limiter that keeps everything: how much is kept is a test of its own."""

    async def take(self, *_: object) -> float:
        """Always taken."""
        return 0


@pytest.mark.parametrize("header", ["Signature", "Nonce", "Timestamp", "Serial"])
async def test_cb_01_without_a_part_of_the_signature(attack: Attack, header: str) -> None:
    message = attack.true()
    del message.headers[f"Wechatpay-{header}"]
    await attack.bounces(message, 401, why="unsigned")


async def test_cb_02_signed_by_somebody_else(attack: Attack) -> None:
    body = sealed(attack.shop.enrolment, told(attack.shop.enrolment, attack.number))
    await attack.bounces(signed(attack.shop.enrolment, body, forged=True), 401, why="signature")


async def test_cb_02_one_letter_changed_on_the_way(attack: Attack) -> None:
    true = attack.true()
    await attack.bounces(Message(true.headers, true.body.replace(b"TRANSACTION", b"TRANSACTIOM")), 401, why="signature")


async def test_cb_03_a_probe_is_refused_and_does_not_stand_in_the_way(attack: Attack) -> None:
    body = sealed(attack.shop.enrolment, told(attack.shop.enrolment, attack.number))
    await attack.bounces(signed(attack.shop.enrolment, body, probe=True), 401, why="signtest")
    for _ in range(20):
        assert (await knock(attack.shop, signed(attack.shop.enrolment, body, probe=True))).status == 401
    assert (await knock(attack.shop, payment(attack.shop.enrolment, attack.number, 100))).status == 204


@pytest.mark.parametrize(
    "signature",
    ["ü" * 344, "签名" * 100, "A" * 1_000_000, "[]", "A", "=", "null", " "],
    ids=["latin", "chinese", "megabyte", "list", "short", "padding", "null", "blank"],
)
async def test_cb_05_a_signature_of_a_strange_shape(attack: Attack, signature: str) -> None:
    message = attack.true()
    before = await book(attack.shop.program.database)
    heard = await knock(attack.shop, Message(message.headers | {"Wechatpay-Signature": signature}, message.body))
    assert 400 <= heard.status < 500
    assert await book(attack.shop.program.database) == before


async def test_cb_10_key_and_door_of_another_merchant(attack: Attack, stranger: Enrolment) -> None:
    """Signed by the platform for somebody else: at our door this is a stranger's signature, whatever it names."""
    await attack.bounces(payment(stranger, attack.number), 401, 503, why="signature|unknown_serial")
    content = told(attack.shop.enrolment, attack.number)
    await attack.bounces(signed(stranger, sealed(attack.shop.enrolment, content)), 401, 503, why="signature|unknown_serial")


async def test_cb_11_signed_by_a_test_environment(attack: Attack, stranger: Enrolment) -> None:
    sandbox = sealed(stranger, told(attack.shop.enrolment, attack.number))
    await attack.bounces(signed(stranger, sandbox, serial=stranger.merchant.public_key_id), 401, why="unknown_serial")


@pytest.mark.parametrize("age_s", [301, 86_400, -360, -86_400, 10**11])
async def test_cb_15_too_old_or_from_the_future(attack: Attack, age_s: int) -> None:
    body = sealed(attack.shop.enrolment, told(attack.shop.enrolment, attack.number))
    await attack.bounces(signed(attack.shop.enrolment, body, age_s=age_s), 401, 400, why="stale|unsigned|malformed")


async def test_cb_19_a_leaked_api_key_signs_nothing(attack: Attack) -> None:
    """Whoever has the APIv3 key can seal a perfect content, and cannot sign it."""
    body = sealed(attack.shop.enrolment, told(attack.shop.enrolment, attack.number))
    await attack.bounces(signed(attack.shop.enrolment, body, forged=True), 401, why="signature")


NONSENSE: dict[str, Callable[[Attack], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"success",
    "list": lambda _: b"[]",
    "nan": lambda a: sealed(a.shop.enrolment, a.told()).replace(b'{"id"', b'{"x": NaN, "id"', 1),
    "twice": lambda a: sealed(a.shop.enrolment, a.told()).replace(b'{"id"', b'{"id": "1", "id"', 1),
    "twice_inside": lambda a: sealed(a.shop.enrolment, b'{"x": 1, "x": 1,' + json.dumps(a.told()).encode()[1:]),
    "deep": lambda _: b"[" * 10_000 + b"]" * 10_000,
    "deep_inside": lambda a: sealed(a.shop.enrolment, b"[" * 10_000 + b"]" * 10_000),
    "zipped": lambda _: gzip.compress(b"0" * 10_000_000),
    "utf16": lambda a: json.dumps(a.told()).encode("utf-16"),
    "float": lambda a: sealed(a.shop.enrolment, a.told(amount={"total": 100.0, "currency": "CNY"})),
    "text_amount": lambda a: sealed(a.shop.enrolment, a.told(amount={"total": "100", "currency": "CNY"})),
    "huge_amount": lambda a: sealed(a.shop.enrolment, a.told(amount={"total": 2**63, "currency": "CNY"})),
    "no_number": lambda a: sealed(a.shop.enrolment, a.told(out_trade_no=None)),
    "zero_byte": lambda a: sealed(a.shop.enrolment, told(a.shop.enrolment, "A\0B")),
}  # fmt: skip


@pytest.mark.parametrize("name", NONSENSE)
async def test_cb_24_the_channel_itself_signs_nonsense(attack: Attack, name: str) -> None:
    message = signed(attack.shop.enrolment, NONSENSE[name](attack))
    await attack.bounces(message, 400, 401, why="malformed|undecipherable")


@pytest.mark.parametrize("length", [65_536, 65_537, 10_000_000])
async def test_cb_24_no_more_than_64_kib_are_read_and_kept(attack: Attack, length: int) -> None:
    """Up to the limit a message is refused for what it is, beyond for its length; its first 64 KiB are kept with why either way."""
    too_long = length > 65_536
    database, body = attack.shop.program.database, b"{" + b" " * (length - 2) + b"}"
    before, junk = await book(database), len(await kept(database))
    try:
        heard = await knock(attack.shop, Message({"Content-Type": "application/json"}, body))
    except aiohttp.ClientError:
        assert too_long  # The door closed while we were still talking.
    else:
        assert (heard.status, json.loads(heard.body)["message"]) == (
            (413, "body too long") if too_long else (401, "signature missing")
        )
    await until(lambda: _grown(database, junk))
    why, stored = (await kept(database))[-1]
    assert (stored, why.partition(":")[0]) == (body[:65_536], "oversize" if too_long else "unsigned")
    assert await book(database) == before


async def test_cb_24_a_long_body_in_pieces_tells_no_length_and_is_kept_as_far_as_it_was_read(attack: Attack) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"y" * 16_384

    database = attack.shop.program.database
    before, junk = await book(database), len(await kept(database))
    url = f"{attack.shop.url}/notify/wechatpay/{attack.shop.channel_id}"
    with contextlib.suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.post(url, data=pieces()) as answer:
            assert answer.status == 413
    await until(lambda: _grown(database, junk))
    assert (await kept(database))[-1] == ("oversize: over 65536 bytes", b"y" * 65_536)
    assert await book(database) == before


async def test_cb_33_what_came_of_a_slow_body_is_kept_with_why(attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "DOOR_WAIT_S", 0.2)
    database, parts = attack.shop.program.database, urlsplit(attack.shop.url)
    junk = len(await kept(database))
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST /notify/wechatpay/{attack.shop.channel_id} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 99\r\n\r\n"
    writer.write(head.encode() + b'{"id":')
    assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()
    await until(lambda: _grown(database, junk))
    assert (await kept(database))[-1] == ("slow: HTTP: no whole message in 0 s", b'{"id":')


async def _grown(database: Database, junk: int) -> bool:
    return len(await kept(database)) > junk


async def test_cb_25_xml_with_a_declaration(attack: Attack) -> None:
    xml = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><mch_id>&e;</mch_id><req_info>x</req_info></xml>'
    await attack.bounces(Message({"Content-Type": "text/xml"}, xml), 400, why="malformed")


async def test_cb_26_a_seal_that_does_not_open(attack: Attack, stranger: Enrolment) -> None:
    ours = attack.shop.enrolment
    content = told(ours, attack.number)
    for changed in (
        sealed(ours, content, nonce="0123456789ab"),
        sealed(ours, content, associated_data="refund"),
        sealed(ours, content, ciphertext="AAAA" * 40),
        sealed(ours, content, ciphertext="not base64!"),
        sealed(ours, content, algorithm="NONE"),
        sealed(stranger, content),
    ):
        await attack.bounces(signed(ours, changed), 400, why="malformed|undecipherable")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
async def test_cb_29_another_method(attack: Attack, method: str) -> None:
    before = await book(attack.shop.program.database)
    heard = await knock(attack.shop, attack.true(), method=method)
    assert (heard.status, heard.headers["allow"], heard.body) == (405, "POST", b"")
    assert await book(attack.shop.program.database) == before


@pytest.mark.parametrize(
    "path", ["wechatpay/999", "alipay/1", "wechatpay/0", "wechatpay/1/", "wechatpay/1e0", "wechatpay/%31x", ""]
)
async def test_cb_04_a_door_that_is_not_there(attack: Attack, path: str) -> None:
    before = await book(attack.shop.program.database)
    heard = await post(f"{attack.shop.url}/notify/{path}", attack.true())
    assert heard.status == 404
    assert await book(attack.shop.program.database) == before


async def test_junk_is_kept_at_a_bounded_rate(stall: Shop) -> None:
    stall.program.asgi._limiter = stall.program.house.limiter  # type: ignore[attr-defined]
    before = len(await kept(stall.program.database))
    message = Message({"Content-Type": "application/json"}, b"x" * 60_000)
    began = asyncio.get_running_loop().time()
    async with aiohttp.ClientSession() as session:
        heard = await asyncio.gather(*(knock(stall, message, session=session) for _ in range(200)))
    took_s = asyncio.get_running_loop().time() - began
    assert {each.status for each in heard} == {401}
    room = BUCKETS["callback.junk.network"]
    assert 1 <= len(await kept(stall.program.database)) - before <= room.capacity + (1 + took_s) * room.per_s
