"""Messages that nobody of the channel sent, or that were changed on the way: refused in the channel's form, kept, nothing changes.

CB-19 (a leaked shared key signs a success) cannot happen at this door: WeChat Pay signs with a private key that no merchant holds,
and the APIv3 key that a merchant could lose only opens what is inside. That is tested below as well.
"""

import asyncio
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import pytest
from tests.flows.knocks import Message, book, kept, knock, payment, post, sealed, signed, told
from tests.flows.shop import Shop

from daozhang.identity.limits import BUCKETS
from daozhang.simulators.merchant import Enrolment

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


async def test_cb_24_ten_megabytes_are_not_even_read(attack: Attack) -> None:
    before = await book(attack.shop.program.database)
    try:
        heard = await knock(attack.shop, Message({"Content-Type": "application/json"}, b"{" + b" " * 10_000_000 + b"}"))
    except aiohttp.ClientError:
        return  # The door closed while we were still talking.
    assert heard.status == 413
    assert await book(attack.shop.program.database) == before


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
