"""The simulated Alipay keeps the real one's habits. The merchant's side is written once more by hand, trusting nobody's code."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from daozhang import clock
from daozhang.simulators.alipay.enrolment import Enrolment, enrol
from daozhang.simulators.alipay.notices import LADDER_S
from daozhang.simulators.alipay.station import AlipayStation
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import NotPayable


@pytest.fixture(scope="module")
def enrolled() -> Enrolment:
    return enrol(mode="public_key")


class Till:
    """Calls the gateway as one merchant, and hears its notices."""

    def __init__(self, sim: Simulator, enrolled: Enrolment, session: aiohttp.ClientSession) -> None:
        key = serialization.load_pem_private_key(enrolled.app.private_key.encode(), None)
        theirs = serialization.load_pem_public_key(enrolled.app.alipay_public_key.encode())
        assert isinstance(key, RSAPrivateKey)
        assert isinstance(theirs, RSAPublicKey)
        self.sim, self.app, self.key, self.theirs, self.session = sim, enrolled.app, key, theirs, session
        self.station = sim.station(AlipayStation)
        self.answers: list[bytes] = [b"success"]
        self.heard: list[dict[str, str]] = []
        self.notify_url = ""
        self.count = 0

    def parameters(self, method: str, content: Any, /, **changes: str | None) -> dict[str, str]:
        """Signed parameters; None leaves one away."""
        given: dict[str, str | None] = {
            "app_id": self.app.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": datetime.fromtimestamp(clock.now_s(), clock.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S"),
            "version": "1.0",
            "notify_url": self.notify_url or None,
            "biz_content": content if isinstance(content, str) else json.dumps(content, ensure_ascii=False),
        } | changes
        told = {name: value for name, value in given.items() if value is not None}
        message = "&".join(f"{name}={told[name]}" for name in sorted(told) if told[name] and name != "sign").encode()
        signature = base64.b64encode(self.key.sign(message, PKCS1v15(), hashes.SHA256())).decode()
        return {"sign": signature} | told

    async def send(self, told: dict[str, str]) -> tuple[dict[str, str], bytes]:
        """Headers and body of an answer, whose status is always 200."""
        content = {name: told.pop(name) for name in ("biz_content",) if name in told}
        async with self.session.post(f"{self.sim.url}/gateway.do?{urlencode(told)}", data=content) as answer:
            assert answer.status == 200
            return dict(answer.headers), await answer.read()

    async def call(self, method: str, content: Any, /, **changes: str | None) -> dict[str, Any]:
        """The inner object of an answer; a signed one is verified over its text."""
        headers, body = await self.send(self.parameters(method, content, **changes))
        assert headers["Content-Type"].startswith("text/html")
        outer = json.loads(body)
        name = next(name for name in outer if name.endswith("_response"))
        if "sign" in outer:
            raw = body[body.index(b":") + 1 : body.rindex(b',"sign"')]
            self.theirs.verify(base64.b64decode(outer["sign"]), raw, PKCS1v15(), hashes.SHA256())
        inner: dict[str, Any] = outer[name]
        return inner | {"signed": "sign" in outer}

    def wish(self, **changes: Any) -> dict[str, Any]:
        self.count += 1
        return {"out_trade_no": f"T{self.count:08d}", "total_amount": "50.00", "subject": "充值"} | changes

    async def precreated(self, **changes: Any) -> str:
        wish = self.wish(**changes)
        told = await self.call("alipay.trade.precreate", wish)
        assert told["code"] == "10000", told
        number: str = wish["out_trade_no"]
        return number

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append(dict(parse_qsl((await request.read()).decode(), keep_blank_values=True, strict_parsing=True)))
        return web.Response(body=self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def holds(self, notice: dict[str, str]) -> bool:
        """Whether a notice verifies by the published rule."""
        names = sorted(notice.keys() - {"sign", "sign_type"})
        try:
            message = "&".join(f"{name}={notice[name]}" for name in names).encode()
            self.theirs.verify(base64.b64decode(notice["sign"]), message, PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


@pytest.fixture
async def till(enrolled: Enrolment) -> AsyncIterator[Till]:
    makers = {"alipay": lambda world: AlipayStation(world, enrolled)}
    async with Simulator(kinds=("alipay",), makers=makers) as sim, aiohttp.ClientSession() as session:
        opened = Till(sim, enrolled, session)
        application = web.Application()
        application.router.add_post("/n", opened.hear)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        opened.notify_url = f"http://127.0.0.1:{runner.addresses[0][1]}/n"
        yield opened
        await runner.cleanup()


QUERY = "alipay.trade.query"


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"method": None}, "isv.missing-method"),
        ({"app_id": None}, "isv.missing-app-id"),
        ({"sign": ""}, "isv.missing-signature"),
        ({"sign_type": None}, "isv.missing-signature-type"),
        ({"timestamp": None}, "isv.missing-timestamp"),
        ({"version": None}, "isv.missing-version"),
        ({"method": "alipay.no.such"}, "isv.invalid-method"),
        ({"app_id": "2021"}, "isv.invalid-app-id"),
        ({"sign_type": "RSA"}, "isv.invalid-signature-type"),
        ({"format": "XML"}, "isv.invalid-format"),
        ({"charset": "latin-1"}, "isv.invalid-charset"),
        ({"timestamp": "2026-01-01T00:00:00"}, "isv.invalid-timestamp"),
        ({"sign": "eA=="}, "isv.invalid-signature"),
        ({"biz_content": "{"}, "isv.illegal-json"),
        ({"biz_content": "[]"}, "isv.illegal-json"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_the_gateways_own_complaints_are_not_signed(till: Till, changes: dict[str, Any], sub_code: str) -> None:
    told = await till.call(QUERY, {"out_trade_no": "X"}, **changes)
    assert (told["sub_code"], told["signed"]) == (sub_code, False)


async def test_business_refusals_are_signed(till: Till) -> None:
    told = await till.call(QUERY, {"out_trade_no": "NOBODYS1"})
    assert (told["code"], told["sub_code"], told["signed"]) == ("40004", "ACQ.TRADE_NOT_EXIST", True)


async def test_no_trade_exists_before_somebody_scans(till: Till) -> None:
    number = await till.precreated()
    for method in (QUERY, "alipay.trade.close"):
        assert (await till.call(method, {"out_trade_no": number}))["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    till.station.hand.see(number)
    told = await till.call(QUERY, {"out_trade_no": number})
    assert (told["trade_status"], "send_pay_date" in told) == ("WAIT_BUYER_PAY", False)
    by_its_number = await till.call(QUERY, {"trade_no": told["trade_no"]})
    assert by_its_number["out_trade_no"] == number


@pytest.mark.parametrize(
    ("change", "sub_code"),
    [
        ({"total_amount": "0.00"}, "ACQ.TOTAL_FEE_EXCEED"),
        ({"total_amount": "100000000.01"}, "ACQ.TOTAL_FEE_EXCEED"),
        ({"total_amount": 50}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "5e1"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": "a&b"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": "total_fee"}, "isv.suspected-attack"),
        ({"subject": "违禁品"}, "ACQ.EXIST_FORBIDDEN_WORD"),
        ({"out_trade_no": "a-b"}, "ACQ.INVALID_PARAMETER"),
        ({"no_such_key": "1"}, "ACQ.INVALID_PARAMETER"),
        ({"timeout_express": "16d"}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": "2020-01-01 00:00:00"}, "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"),
        ({"seller_id": "2088000000000009"}, "ACQ.INVALID_RECEIVE_ACCOUNT"),
        ({"product_code": "QUICK_WAP_WAY"}, "ACQ.ACCESS_FORBIDDEN"),
    ],
    ids=str,
)
async def test_what_a_wish_may_not_say(till: Till, change: dict[str, Any], sub_code: str) -> None:
    assert (await till.call("alipay.trade.precreate", till.wish(**change)))["sub_code"] == sub_code


async def test_the_same_number_again(till: Till) -> None:
    wish = till.wish()
    first = await till.call("alipay.trade.precreate", wish)
    assert (await till.call("alipay.trade.precreate", wish))["qr_code"] == first["qr_code"]
    other = await till.call("alipay.trade.precreate", wish | {"total_amount": "51.00"})
    assert other["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
    till.station.hand.pay(wish["out_trade_no"])
    assert (await till.call("alipay.trade.precreate", wish))["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
    closed = till.wish()
    await till.call("alipay.trade.precreate", closed)
    till.station.hand.see(closed["out_trade_no"])
    await till.call("alipay.trade.close", {"out_trade_no": closed["out_trade_no"]})
    assert (await till.call("alipay.trade.precreate", closed))["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


async def test_a_trade_that_waits_lapses_by_itself(till: Till) -> None:
    number = await till.precreated(timeout_express="5m")
    till.station.hand.see(number)
    try:
        clock.shift(301)
        assert (await till.call(QUERY, {"out_trade_no": number}))["trade_status"] == "TRADE_CLOSED"
        with pytest.raises(NotPayable, match="expired"):
            till.station.hand.pay(number)
    finally:
        clock.shift(0)


async def test_refunds_are_done_once_per_number(till: Till) -> None:
    number = await till.precreated()
    refund = {"out_trade_no": number, "refund_amount": "20.00", "out_request_no": "R1"}
    assert (await till.call("alipay.trade.refund", refund))["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    till.station.hand.see(number)
    assert (await till.call("alipay.trade.refund", refund))["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    till.station.hand.pay(number)
    first = await till.call("alipay.trade.refund", refund)
    again = await till.call("alipay.trade.refund", refund)
    assert [(told["fund_change"], told["refund_fee"]) for told in (first, again)] == [("Y", "20.00"), ("N", "20.00")]
    other = await till.call("alipay.trade.refund", refund | {"refund_amount": "21.00"})
    assert other["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    second = await till.call("alipay.trade.refund", refund | {"refund_amount": "30.00", "out_request_no": "R2"})
    assert (second["fund_change"], second["refund_fee"]) == ("Y", "50.00")
    assert (await till.call(QUERY, {"out_trade_no": number}))["trade_status"] == "TRADE_CLOSED"
    over = await till.call("alipay.trade.refund", refund | {"refund_amount": "0.01", "out_request_no": "R3"})
    assert over["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    asked = "alipay.trade.fastpay.refund.query"
    found = await till.call(asked, {"out_trade_no": number, "out_request_no": "R1"})
    assert (found["refund_status"], found["refund_amount"], "gmt_refund_pay" in found) == ("REFUND_SUCCESS", "20.00", False)
    # Of a number it does not know it says nothing at all, in a success.
    nothing = await till.call(asked, {"out_trade_no": number, "out_request_no": "R9"})
    assert nothing == {"code": "10000", "msg": "Success", "signed": True}
    sums = till.station.sums()
    assert (sums["paid"].sum_fen, sums["refunded"].sum_fen, sums["balance_fen"]) == (5000, 5000, 0)


async def test_a_year_later_nothing_is_refunded(till: Till) -> None:
    number = await till.precreated()
    till.station.hand.pay(number)
    await till.sim.quiet()
    try:
        clock.shift(366 * 86_400)
        assert (await till.call(QUERY, {"out_trade_no": number}))["trade_status"] == "TRADE_FINISHED"
        told = await till.call("alipay.trade.refund", {"out_trade_no": number, "refund_amount": "1.00", "out_request_no": "R1"})
        assert told["sub_code"] == "ACQ.TRADE_HAS_FINISHED"
    finally:
        clock.shift(0)


def test_the_ladder_is_the_published_one() -> None:
    assert [step // 60 for step in LADDER_S] == [4, 10, 10, 60, 120, 360, 900]


@pytest.mark.parametrize("answer", [b"fail", b"SUCCESS", b"success ", b'{"success":true}', b"<html>success</html>", b""])
async def test_only_seven_bytes_acknowledge(till: Till, answer: bytes) -> None:
    till.answers = [answer, answer, b"success"]
    number = await till.precreated()
    till.sim.habits.time_scale = 0.00001
    till.station.hand.pay(number)
    await till.sim.quiet()
    sends = till.station.books.sends(number)
    assert [send.acknowledged for send in sends] == [0, 0, 1]
    assert len({notice["notify_id"] for notice in till.heard}) == 1
    assert all(till.holds(notice) for notice in till.heard)


async def test_a_notice_is_given_up_after_eight_sends(till: Till) -> None:
    till.answers = [b"fail"]
    till.sim.habits.time_scale = 0.00001
    number = await till.precreated()
    till.station.hand.pay(number)
    await till.sim.quiet()
    assert len(till.heard) == 8
    assert till.station.hand.told(number).state == "given_up"


async def test_a_refund_is_told_at_the_payments_address_with_the_sum_of_all(till: Till) -> None:
    number = await till.precreated()
    till.station.hand.pay(number, voucher_fen=100)
    for count, amount in enumerate(("20.00", "30.00"), 1):
        refund = {"out_trade_no": number, "refund_amount": amount, "out_request_no": f"R{count}"}
        await till.call("alipay.trade.refund", refund)
        await till.sim.quiet()
    paid, *returned = till.heard
    assert (paid["trade_status"], paid["total_amount"], paid["buyer_pay_amount"]) == ("TRADE_SUCCESS", "50.00", "49.00")
    assert [(each["out_biz_no"], each["refund_fee"], each["trade_status"]) for each in returned] == [
        ("R1", "20.00", "TRADE_SUCCESS"),
        ("R2", "50.00", "TRADE_CLOSED"),
    ]
    assert all("gmt_refund" in each and till.holds(each) for each in returned)


async def test_declining_inside_the_wallet_is_told_to_nobody(till: Till) -> None:
    number = await till.precreated()
    for act in (till.station.hand.decline, till.station.hand.leave):
        act(number)
    till.station.hand.refuse(number, "risk")
    await till.sim.quiet()
    assert till.heard == []
    assert (await till.call(QUERY, {"out_trade_no": number}))["trade_status"] == "WAIT_BUYER_PAY"


async def test_a_page_with_a_fault_is_an_error_page_in_gbk(till: Till) -> None:
    told = till.parameters("alipay.trade.page.pay", till.wish(product_code="FAST_INSTANT_TRADE_PAY"))
    async with till.session.get(f"{till.sim.url}/gateway.do?{urlencode(told | {'sign': 'eA=='})}") as answer:
        assert answer.status == 200
        assert "GBK" in answer.headers["Content-Type"]
        assert "isv.invalid-signature" in (await answer.read()).decode("gbk")
    async with till.session.get(f"{till.sim.url}/gateway.do?{urlencode(told)}") as answer:
        assert "50.00" in await answer.text()
        assert answer.url.path.startswith("/phone/pay/")


async def test_books_and_keys_outlive_a_restart(tmp_path: Path) -> None:
    cards = []
    for _ in range(2):
        async with Simulator(kinds=("alipay",), folder=tmp_path) as sim:
            station = sim.station(AlipayStation)
            cards.append(station.card()["keys"])
            if len(cards) == 1:
                wish = {
                    "out_trade_no": "T1",
                    "product": "qr",
                    "subject": "充值",
                    "total_fen": 100,
                    "notify_url": "",
                    "return_url": "",
                }
                more = {"app_id": station.app.app_id, "no_credit": 0, "fingerprint": "x", "expires_s": clock.now_s() + 60}
                assert station.books.add_trade(wish | more) is not None
            assert station.hand.find("T1").amount_fen == 100
    assert cards[0] == cards[1]
