"""Libraries that others wrote from the same documents judge our Alipay: what we sign and accept, and what the simulator does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import msgspec
import pytest
from tests.oracles.oracle import Oracle, Refused

from daozhang import clock, ids
from daozhang.channels.kinds.alipay.adapter import Alipay
from daozhang.channels.kinds.alipay.keys import read_keys
from daozhang.channels.port import Invalid, OrderRequest, Outcome, RefundRequest
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Exchange, Transport
from daozhang.simulators.alipay.enrolment import Enrolment, enrol
from daozhang.simulators.alipay.signing import Keyring
from daozhang.simulators.alipay.station import AlipayStation, card_of
from daozhang.simulators.alipay.trades import beijing
from daozhang.simulators.simulator import Simulator

MODES = ["public_key", "certificate"]
NASTY = "充值 😀 100% +"


@pytest.fixture(scope="session")
def enrolled() -> Enrolment:
    return enrol()


@pytest.fixture
async def sim(enrolled: Enrolment) -> AsyncIterator[Simulator]:
    async with Simulator(kinds=("alipay",), makers={"alipay": lambda world: AlipayStation(world, enrolled)}) as running:
        yield running


@pytest.fixture(params=["alipay_python", "alipay_node"])
def oracle(request: pytest.FixtureRequest) -> Oracle:
    """Each of them in turn."""
    found: Oracle = request.getfixturevalue(request.param)
    return found


def about(enrolled: Enrolment, mode: str, url: str = "") -> dict[str, Any]:
    return {"app": msgspec.to_builtins(enrolled.app), "mode": mode, **({"url": url} if url else {})}


def content(number: str = "", **changes: Any) -> dict[str, Any]:
    return {"out_trade_no": number or ids.text26(ids.new_id()), "total_amount": "50.00", "subject": NASTY} | changes


@pytest.mark.parametrize("mode", MODES)
async def test_a_library_goes_the_whole_way(oracle: Oracle, sim: Simulator, enrolled: Enrolment, mode: str) -> None:
    """Code, query, refund, refund query, close: signed by the library, answered by the simulator, verified by the library."""
    known, hand = about(enrolled, mode, sim.url), sim.station(AlipayStation).hand
    wish = content()
    number = wish["out_trade_no"]
    placed = await oracle.ask("call", **known, method="alipay.trade.precreate", content=wish)
    assert placed["qr_code"].startswith("https://qr.alipay.com/")
    hand.see(number)
    asked = await oracle.ask("call", **known, method="alipay.trade.query", content={"out_trade_no": number})
    assert asked["trade_status"] == "WAIT_BUYER_PAY"
    hand.pay(number)
    asked = await oracle.ask("call", **known, method="alipay.trade.query", content={"out_trade_no": number})
    assert (asked["trade_status"], asked["total_amount"]) == ("TRADE_SUCCESS", "50.00")
    back = {"out_trade_no": number, "refund_amount": "20.00", "out_request_no": "R1"}
    assert (await oracle.ask("call", **known, method="alipay.trade.refund", content=back))["fund_change"] == "Y"
    back = {"out_trade_no": number, "out_request_no": "R1"}
    asked = await oracle.ask("call", **known, method="alipay.trade.fastpay.refund.query", content=back)
    assert asked["refund_amount"] == "20.00"
    other = content()
    await oracle.ask("call", **known, method="alipay.trade.precreate", content=other)
    hand.see(other["out_trade_no"])
    closed = await oracle.ask("call", **known, method="alipay.trade.close", content={"out_trade_no": other["out_trade_no"]})
    assert closed["out_trade_no"] == other["out_trade_no"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["alipay.trade.page.pay", "alipay.trade.wap.pay"])
async def test_a_page_that_a_library_signed_leads_to_the_phone(
    oracle: Oracle, sim: Simulator, enrolled: Enrolment, mode: str, method: str
) -> None:
    code = "FAST_INSTANT_TRADE_PAY" if "page" in method else "QUICK_WAP_WAY"
    known = about(enrolled, mode, sim.url)
    address = await oracle.ask(
        "page", **known, method=method, content=content(product_code=code), return_url="https://shop.example/b"
    )
    async with aiohttp.ClientSession() as session, session.get(address, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/phone/pay/")


@pytest.mark.parametrize("kind", ["forge", "unsigned"])
async def test_a_library_refuses_false_answers(oracle: Oracle, sim: Simulator, enrolled: Enrolment, kind: str) -> None:
    known = about(enrolled, "public_key", sim.url)
    sim.fault("order", kind)
    with pytest.raises(Refused):
        await oracle.ask("call", **known, method="alipay.trade.precreate", content=content())
    assert await oracle.ask("call", **known, method="alipay.trade.precreate", content=content())


async def test_both_libraries_number_certificates_as_we_do(oracle: Oracle, enrolled: Enrolment) -> None:
    signer = read_keys(card_of(enrolled.app, "http://127.0.0.1:9")["keys"]).signer()
    assert await oracle.ask("serials", **about(enrolled, "certificate")) == [signer.app_cert_sn, signer.root_cert_sn]
    ring = Keyring(enrolled)
    assert (ring.app_cert_sn, ring.root_cert_sn) == (signer.app_cert_sn, signer.root_cert_sn)


@pytest.mark.parametrize("mode", MODES)
async def test_a_library_takes_the_simulators_notices_and_no_changed_one(
    oracle: Oracle, sim: Simulator, enrolled: Enrolment, mode: str
) -> None:
    station = sim.station(AlipayStation)
    wish = content()
    known = about(enrolled, mode, sim.url)
    await oracle.ask("call", **known, method="alipay.trade.precreate", content=wish, notify_url="http://127.0.0.1:9/notify")
    station.hand.pay(wish["out_trade_no"])
    notice = station.notices.message(station.books.notices(wish["out_trade_no"])[0])
    assert notice["trade_status"] == "TRADE_SUCCESS"
    assert await oracle.ask("notice", **known, parameters=notice) is True
    for name, value in (("total_amount", "0.01"), ("out_trade_no", "X"), ("subject", NASTY + " ")):
        try:
            assert not await oracle.ask("notice", **known, parameters=notice | {name: value})
        except Refused:
            continue


def adapter(enrolled: Enrolment, url: str, mode: str, heard: list[Exchange] | None = None) -> Alipay:
    raw = card_of(enrolled.app, url)["keys"]
    if mode == "public_key":
        raw = {name: raw[name] for name in ("private_key", "alipay_public_key")}
    app = enrolled.app
    row = ChannelRow(7, 1, "alipay", "支付宝", app.seller_id, app.app_id, ("qr", "page", "h5"), (url,), enabled=True, version=1)
    recorder = heard.append if heard is not None else None
    return Alipay(row, [read_keys(raw)], Transport((url,), loopback=True, recorder=recorder))


def wish(method: str) -> OrderRequest:
    number = ids.text26(ids.new_id())
    until = clock.now() + timedelta(minutes=15)
    return OrderRequest(
        number, method, 5_000, NASTY, until, "http://127.0.0.1:9/n", "203.0.113.7", "", "https://shop.example/b?a=b"
    )


@pytest.mark.parametrize("mode", MODES)
async def test_every_call_of_the_adapter_verifies(alipay_python: Oracle, sim: Simulator, enrolled: Enrolment, mode: str) -> None:
    heard: list[Exchange] = []
    channel = adapter(enrolled, sim.url, mode, heard)
    order = wish("qr")
    await channel.order(order)
    await channel.query(order.out_trade_no)
    await channel.close(order.out_trade_no)
    await channel.refund(RefundRequest(order.out_trade_no, "R1", "", 100, 5_000, "用户申请", order.notify_url))
    await channel.query_refund("R1", order.out_trade_no)
    await channel.bill_address(clock.now().date())
    sent = [(each.url, each.request_body.decode()) for each in heard]
    for method in ("page", "h5"):
        prepay = await channel.order(wish(method))
        form = prepay.payload.get("fields", {})
        sent.append((prepay.payload.get("url") or prepay.payload["text"], urlencode(form)))
    await channel.close_connections()
    assert len(sent) == 8
    for url, body in sent:
        given = dict(parse_qsl(urlsplit(url).query, strict_parsing=True) + parse_qsl(body))
        signature = given.pop("sign")
        message = "&".join(f"{name}={given[name]}" for name in sorted(given))
        assert await alipay_python.ask("verify", **about(enrolled, mode), message=message, signature=signature) is True
        changed = message.replace("50.00", "00.01").replace("timestamp", "timestamq")
        assert await alipay_python.ask("verify", **about(enrolled, mode), message=changed, signature=signature) is False


@pytest.mark.parametrize("mode", MODES)
async def test_the_adapter_takes_a_notice_that_a_library_signed(alipay_python: Oracle, enrolled: Enrolment, mode: str) -> None:
    now = beijing(clock.now_s())
    told = {
        "app_id": enrolled.app.app_id, "seller_id": enrolled.app.seller_id, "out_trade_no": ids.text26(ids.new_id()),
        "trade_no": "2026112822001400001234567890", "trade_status": "TRADE_SUCCESS", "total_amount": "50.00", "subject": NASTY,
        "notify_id": "1", "notify_time": now, "notify_type": "trade_status_sync", "gmt_payment": now, "charset": "utf-8",
        "version": "1.0", "buyer_id": "2088622147948061",
    }  # fmt: skip
    sign = await alipay_python.ask("sign_notice", **about(enrolled, "public_key"), key=enrolled.signing_key, parameters=told)
    channel = adapter(enrolled, "http://127.0.0.1:9", mode)
    report = (await channel.read({}, urlencode(told | {"sign": sign, "sign_type": "RSA2"}).encode())).report
    assert report is not None
    assert (report.number, report.amount_fen, report.outcome) == (told["out_trade_no"], 5_000, Outcome.SUCCESS)
    for name, value in (("total_amount", "0.01"), ("out_trade_no", "X"), ("app_id", "2021")):
        with pytest.raises(Invalid):
            await channel.read({}, urlencode(told | {name: value, "sign": sign, "sign_type": "RSA2"}).encode())
    await asyncio.gather(channel.close_connections())
