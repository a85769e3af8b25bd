"""The simulated operator, judged from outside by a merchant's side that is written here by hand from the published pages."""

import asyncio
import base64
import hashlib
import itertools
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from daozhang.simulators.epay.enrolment import Enrolment, enrol
from daozhang.simulators.epay.station import Epay
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import NotPayable


def text_to_sign(fields: dict[str, Any]) -> str:
    """As published: not empty, no array, without sign and sign_type, sorted, joined."""
    kept = {name: value for name, value in fields.items() if name not in ("sign", "sign_type") and not isinstance(value, list)}
    return "&".join(f"{name}={kept[name]}" for name in sorted(kept) if str(kept[name]) != "" and kept[name] is not None)


class Till:
    """A merchant: its calls, and a door that notes what comes and answers what a test wants."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession) -> None:
        self.sim, self.session, self.station = sim, session, sim.station(Epay)
        self.merchant = self.station.merchant
        self.heard: list[dict[str, str]] = []
        self.verbs: list[str] = []
        self.says: tuple[int, bytes] = (200, b"success")
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        encoded = request.query_string if request.method == "GET" else (await request.read()).decode()
        pairs = parse_qsl(encoded, keep_blank_values=True, encoding="utf-8")
        assert len({name for name, _ in pairs}) == len(pairs)
        self.heard.append(dict(pairs))
        self.verbs.append(request.method)
        return web.Response(status=self.says[0], body=self.says[1])

    def fields(self, **changes: Any) -> dict[str, Any]:
        number = secrets.token_hex(13).upper()
        return {
            "pid": self.merchant.pid, "type": "alipay", "out_trade_no": number, "notify_url": self.url, "name": "充值",
            "return_url": "https://shop.example/back", "money": "1.00", "clientip": "203.0.113.9", "device": "pc",
        } | changes  # fmt: skip

    def md5(self, fields: dict[str, Any]) -> dict[str, Any]:
        sign = hashlib.md5((text_to_sign(fields) + self.merchant.key).encode()).hexdigest()
        return fields | {"sign": sign, "sign_type": "MD5"}

    def rsa(self, fields: dict[str, Any]) -> dict[str, Any]:
        key = load_der_private_key(base64.b64decode(self.merchant.private_key), None)
        fields = {"timestamp": str(int(time.time()))} | fields
        sign = key.sign(text_to_sign(fields).encode(), PKCS1v15(), SHA256())  # type: ignore[union-attr, call-arg, arg-type]
        return fields | {"sign": base64.b64encode(sign).decode(), "sign_type": "RSA"}

    def verified(self, answer: dict[str, Any]) -> bool:
        public = load_der_public_key(base64.b64decode(self.station.card(version="v2")["keys"]["platform_public_key"]))
        try:
            public.verify(base64.b64decode(answer["sign"]), text_to_sign(answer).encode(), PKCS1v15(), SHA256())  # type: ignore[union-attr, call-arg, arg-type]
        except Exception:  # noqa: BLE001 - whatever is wrong, it does not hold.
            return False
        return True

    async def post(self, door: str, fields: dict[str, Any]) -> dict[str, Any]:
        async with self.session.post(f"{self.sim.url}/epay{door}", data=fields) as answer:
            assert answer.status == 200
            return msgspec.json.decode(await answer.read())  # type: ignore[no-any-return]

    async def get(self, **query: str) -> dict[str, Any]:
        async with self.session.get(f"{self.sim.url}/epay/api.php", params=query) as answer:
            return msgspec.json.decode(await answer.read())  # type: ignore[no-any-return]

    async def mapi(self, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        fields = self.fields(**changes)
        return fields, await self.post("/mapi.php", self.md5(fields))

    async def asked(self, number: str) -> dict[str, Any]:
        return await self.get(act="order", pid=self.merchant.pid, key=self.merchant.key, out_trade_no=number)

    async def refunded(self, number: str, money: str) -> dict[str, Any]:
        fields = {"pid": self.merchant.pid, "key": self.merchant.key, "out_trade_no": number, "money": money}
        return await self.post("/api.php?act=refund", fields)

    async def paid(self, **changes: Any) -> str:
        fields, answer = await self.mapi(**changes)
        assert answer["code"] == 1, answer
        self.sim.phone.pay(fields["out_trade_no"])
        return str(fields["out_trade_no"])


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol("1001", "1002")


@pytest.fixture
async def till(enrolment: Enrolment) -> AsyncIterator[Till]:
    maker = {"epay": lambda world: Epay(world, enrolment)}
    async with Simulator(kinds=("epay",), makers=maker) as sim, aiohttp.ClientSession() as session:  # type: ignore[arg-type]
        made = Till(sim, session)
        application = web.Application()
        application.router.add_route("*", "/notify", made.receive)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify"
        yield made
        await runner.cleanup()


async def test_v1_from_order_to_refund(till: Till) -> None:
    fields, answer = await till.mapi()
    assert answer["code"] == 1
    assert {"payurl", "qrcode", "urlscheme"} & set(answer) == {"qrcode"}
    unpaid = await till.asked(fields["out_trade_no"])
    assert (unpaid["code"], unpaid["status"], unpaid["money"], unpaid["pid"]) == (1, 0, "1.00", 1001)
    till.sim.phone.pay(fields["out_trade_no"])
    await till.sim.quiet()
    (told,) = till.heard
    assert set(told) == {"pid", "trade_no", "out_trade_no", "type", "name", "money", "trade_status", "sign", "sign_type"}
    # PHP writes a float: no needless zeros.
    assert (told["money"], told["trade_status"], till.verbs) == ("1", "TRADE_SUCCESS", ["GET"])
    assert told["sign"] == till.md5({n: v for n, v in told.items() if n not in ("sign", "sign_type")})["sign"]
    paid = await till.asked(fields["out_trade_no"])
    assert (paid["status"], paid["trade_no"], len(paid["endtime"])) == (1, told["trade_no"], 19)
    assert "refundmoney" not in paid
    given = await till.refunded(fields["out_trade_no"], "0.4")
    assert (given["code"], given["money"]) == (0, "0.40")
    assert (await till.asked(fields["out_trade_no"]))["status"] == 2
    # There is no number of the merchant's: asked again it gives again.
    assert (await till.refunded(fields["out_trade_no"], "0.40"))["code"] == 0
    assert (await till.refunded(fields["out_trade_no"], "0.40"))["msg"] == "退款金额不能超过该订单剩余可退款金额！"
    assert till.station.sums()["refunded"].sum_fen == 80
    assert till.station.sums()["balance_fen"] == 20


async def test_v2_signs_what_is_no_array_and_knows_refunds_by_number(till: Till) -> None:
    fields = till.fields(method="web")
    made = await till.post("/api/pay/create", till.rsa(fields))
    assert (made["code"], made["pay_type"]) == (0, "qrcode")
    assert till.verified(made)
    number = fields["out_trade_no"]
    till.sim.phone.pay(number)
    await till.sim.quiet()
    (told,) = till.heard
    assert till.verified(told)
    assert not till.verified(told | {"money": "2"})
    assert {"timestamp", "api_trade_no", "buyer"} <= set(told)
    asked = await till.post("/api/pay/query", till.rsa({"pid": till.merchant.pid, "out_trade_no": number}))
    assert (asked["code"], asked["status"]) == (0, 1)
    assert till.verified(asked)
    refund = {"pid": till.merchant.pid, "out_trade_no": number, "out_refund_no": "R0000001", "money": "0.30"}
    first, again = await till.post("/api/pay/refund", till.rsa(refund)), await till.post("/api/pay/refund", till.rsa(refund))
    assert (first["code"], again["code"], first["refund_no"]) == (0, 0, again["refund_no"])
    assert "已存在" in again["msg"]
    found = await till.post("/api/pay/refundquery", till.rsa({"pid": till.merchant.pid, "out_refund_no": "R0000001"}))
    assert (found["status"], found["money"]) == (1, "0.30")
    listed = await till.post("/api/merchant/orders", till.rsa({"pid": till.merchant.pid}))
    assert till.verified(listed)
    # The list itself is left out of the signature: anybody on the road could change it.
    assert till.verified(listed | {"data": []})
    refused = await till.post("/api/pay/query", till.rsa({"pid": till.merchant.pid, "out_trade_no": "nobody"}))
    assert (refused, "sign" in refused) == ({"code": -1, "msg": "订单号不存在"}, False)


async def test_v2_wants_a_fresh_time_and_a_signature(till: Till) -> None:
    fields = till.fields(method="web")
    stale = await till.post("/api/pay/create", till.rsa(fields | {"timestamp": str(int(time.time()) - 301)}))
    assert (stale["code"], stale["msg"]) == (-3, "时间戳字段不正确，请检查服务器时间")
    changed = await till.post("/api/pay/create", till.rsa(fields) | {"money": "9.00"})
    assert (changed["code"], changed["msg"]) == (-3, "RSA签名校验失败")
    assert (await till.post("/api/pay/nothing", till.rsa(fields)))["code"] == -5


async def test_v1_wants_its_signature_and_its_key(till: Till) -> None:
    fields = till.fields()
    wrong = await till.post("/mapi.php", till.md5(fields) | {"money": "9.00"})
    assert (wrong["code"], wrong["msg"]) == (-3, "MD5签名校验失败")
    assert (await till.get(act="order", pid="1001", key="x", out_trade_no="y"))["msg"] == "商户密钥错误"
    assert (await till.get(act="order", pid="9", key="x", out_trade_no="y"))["msg"] == "商户ID不存在"
    assert (await till.get(act="nothing"))["code"] == -5
    # The answer about the merchant holds the key: it must never be asked for.
    assert (await till.get(act="query", pid="1001", key=till.merchant.key))["key"] == till.merchant.key


async def test_the_same_number_is_the_same_order_for_ten_days(till: Till) -> None:
    fields, first = await till.mapi()
    _, again = await till.mapi(out_trade_no=fields["out_trade_no"])
    assert again["trade_no"] == first["trade_no"]
    for change in ({"money": "2.00"}, {"name": "别的"}, {"notify_url": f"{till.url}?x=1"}, {"return_url": "https://x.example"}):
        _, refused = await till.mapi(out_trade_no=fields["out_trade_no"], **change)
        assert "支付参数有变化" in refused["msg"]
    till.sim.phone.pay(fields["out_trade_no"])
    _, paid = await till.mapi(out_trade_no=fields["out_trade_no"])
    assert "已完成支付" in paid["msg"]
    till.sim.watch.offset_s = 10 * 86_400 + 1
    _, fresh = await till.mapi(out_trade_no=fields["out_trade_no"])
    assert fresh["code"] == 1
    assert fresh["trade_no"] != first["trade_no"]


async def test_names_are_escaped_and_cut(till: Till) -> None:
    fields, _ = await till.mapi(name="<b>" + "多" * 60)
    told = await till.asked(fields["out_trade_no"])
    assert told["name"].startswith("&lt;b&gt;多")
    assert len(told["name"].encode()) <= 127


@pytest.mark.parametrize("body", [b'{"success":false}', b"<html>Success story</html>", b"SUCCESS", b"unsuccessful"])
async def test_any_body_with_success_in_it_is_a_yes(till: Till, body: bytes) -> None:
    till.says = (500, body)
    await till.paid()
    await till.sim.quiet()
    assert till.station.books.notice_counts() == {"acknowledged": 1}


async def test_four_more_sends_and_then_never_again(till: Till) -> None:
    till.says = (200, b"ok")
    number = await till.paid()
    await till.sim.quiet()
    assert len(till.heard) == 5
    assert till.station.books.notice_counts() == {"given_up": 1}
    times = [send.at_s for send in till.station.books.sends(number)]
    gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
    # At a thousandth of the real pace: 1, 2, 16 and 36 minutes apart.
    assert all(gap >= least for gap, least in zip(gaps, (0.06, 0.12, 0.96, 2.16), strict=True))


async def test_merchants_that_never_say_success_are_switched_off(till: Till) -> None:
    till.says = (200, b"fail")
    till.station.rules.failures_off = 2
    for _ in range(2):
        await till.paid()
    await till.sim.quiet()
    _, refused = await till.mapi()
    assert refused["msg"] == "商户已被封禁，无法支付！"


async def test_the_form_leads_to_the_phone_and_back_with_the_signed_message(till: Till) -> None:
    fields = {name: value for name, value in till.fields().items() if name not in ("clientip", "device")}
    signed = till.md5(fields)
    async with till.session.post(f"{till.sim.url}/epay/submit.php", data=signed, allow_redirects=False) as answer:
        assert answer.status == 303
        phone = answer.headers["Location"]
    assert phone.startswith("/phone/pay/EP")
    async with till.session.get(f"{till.sim.url}{phone}") as page:
        assert "到账" in await page.text()
    till.sim.phone.pay(fields["out_trade_no"])
    back = dict(parse_qsl(urlsplit(phone).query))["back"]
    async with till.session.get(back, allow_redirects=False) as answer:
        home = urlsplit(answer.headers["Location"])
    await till.sim.quiet()
    assert f"{home.scheme}://{home.netloc}{home.path}" == "https://shop.example/back"
    assert dict(parse_qsl(home.query)) == till.heard[0]
    till.sim.watch.offset_s = 301
    async with till.session.get(back, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "https://shop.example/back"


async def test_a_wrong_form_is_a_page_with_a_sentence(till: Till) -> None:
    async with till.session.post(f"{till.sim.url}/epay/submit.php", data=till.fields(), allow_redirects=False) as answer:
        assert answer.status == 200
        assert "签名校验失败" in await answer.text()
    async with till.session.get(f"{till.sim.url}/epay/submit.php?pid=<script>") as answer:
        assert "<script>" not in await answer.text()


async def test_a_closed_order_of_v2_still_says_unpaid_and_cannot_be_paid(till: Till) -> None:
    fields = till.fields(method="web")
    await till.post("/api/pay/create", till.rsa(fields))
    named = {"pid": till.merchant.pid, "out_trade_no": fields["out_trade_no"]}
    closed = await till.post("/api/pay/close", till.rsa(named))
    assert (closed["code"], till.verified(closed)) == (0, True)
    assert (await till.post("/api/pay/query", till.rsa(named)))["status"] == 0
    with pytest.raises(NotPayable, match="closed"):
        till.sim.phone.pay(fields["out_trade_no"])


async def test_dialects_differ_where_operators_do(till: Till) -> None:
    till.station.speak("words")
    fields = till.fields()
    signed = till.md5(fields)
    made = await till.post("/mapi.php", signed | {"sign": signed["sign"].upper()})
    assert made["code"] == 1
    told = await till.asked(fields["out_trade_no"])
    assert (told["status"], "pid" in told) == ("unpaid", False)
    till.sim.phone.pay(fields["out_trade_no"])
    await till.sim.quiet()
    assert (till.heard[-1]["trade_status"], till.heard[-1]["sign"].isupper()) == ("TRADE_FINISHED", True)
    till.station.speak("exact")
    number = await till.paid()
    await till.sim.quiet()
    assert till.verbs[-1] == "POST"
    assert (await till.refunded(number, "0.40"))["code"] == 1
    assert (await till.asked(number))["refundmoney"] == "0.40"
    till.station.speak("classic")
    async with till.session.post(f"{till.sim.url}/epay/mapi.php", data=signed) as answer:
        assert answer.status == 404
    assert (await till.refunded(number, "0.10"))["code"] == -4


async def test_an_early_callback_is_ahead_of_the_books(till: Till) -> None:
    fields, _ = await till.mapi()
    till.sim.phone.pay(fields["out_trade_no"], trick="early")
    await till.sim.quiet()
    assert len(till.heard) == 1
    assert (await till.asked(fields["out_trade_no"]))["status"] == 0
    till.sim.watch.offset_s = 31
    assert (await till.asked(fields["out_trade_no"]))["status"] == 1


async def test_books_and_keys_outlive_the_process(tmp_path) -> None:
    async with Simulator(kinds=("epay",), folder=tmp_path) as sim:
        card, station = sim.station(Epay).card(), sim.station(Epay)
        station.books.add_order({
            "out_trade_no": "A1", "pid": "1001", "version": 0, "type": "alipay", "name": "n", "money_fen": 100, "client_ip": "",
            "notify_url": "http://127.0.0.1:9/", "return_url": "", "param": "",
        })  # fmt: skip
        sim.phone.pay("A1")
        await asyncio.sleep(0.05)
    async with Simulator(kinds=("epay",), folder=tmp_path) as sim:
        assert sim.station(Epay).card()["keys"] == card["keys"]
        assert sim.station(Epay).sums()["paid"].sum_fen == 100
        assert sim.phone.find("A1").paid_s


async def test_what_the_phone_shows_of_an_operator(till: Till) -> None:
    fields, _ = await till.mapi()
    code = till.sim.phone.find(fields["out_trade_no"]).code
    for language in ("zh", "en"):
        async with till.session.get(f"{till.sim.url}/phone/pay/{code}?lang={language}") as page:
            assert page.status == 200
            assert fields["out_trade_no"] in await page.text()
    async with till.session.get(f"{till.sim.url}/phone/dial") as page:
        assert page.status == 200
