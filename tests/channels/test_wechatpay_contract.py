"""WeChat Pay keeps the contract, and what only WeChat Pay has."""

import time
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate
from tests.channels.attacks import Target, listening
from tests.channels.conftest import Make, back, keys_of, wish
from tests.channels.contract import *  # noqa: F403 - the contract's tests are collected here.
from tests.channels.pens import wechat_target
from tests.channels.rig import Door, Rig, Traits, closed_port
from tests.patience import until

from daozhang import clock
from daozhang.channels.kinds.wechatpay.adapter import WechatPay
from daozhang.channels.port import Invalid, Outcome
from daozhang.outbound import Exchange
from daozhang.simulators.merchant import Enrolment, enrol
from daozhang.simulators.simulator import Simulator

TRAITS = Traits(
    method="native",
    silences=("hang", "booked_error", "truncate", "garbage", "unsigned", "forge", "stale", "unknown_serial", "empty_503"),
    wordless=(("close", "garbage"), ("close", "truncate")),
)


class WechatRig(Rig):
    """WeChat Pay under the contract."""

    traits = TRAITS

    def __init__(self, channel: WechatPay, make: Make, sim: Simulator, door: Door, exchanges: list[Exchange]) -> None:
        self.channel, self._make, self._sim, self.door, self.exchanges = channel, make, sim, door, exchanges

    def make(self, **changes: Any) -> WechatPay:
        return self._make(**changes)

    def pay(self, number: str) -> str:
        return self._sim.phone.pay(number).txn

    def fault(self, point: str, kind: str, **settings: Any) -> None:
        self._sim.fault(point, kind, **settings)

    def calm(self) -> None:
        self._sim.dial.clear()
        self._sim.dial.release()

    async def quiet(self) -> None:
        await self._sim.quiet()

    def acknowledged(self) -> int:
        return self._sim.books.notice_counts().get("acknowledged", 0)

    def refunded_fen(self) -> int:
        return self._sim.books.refund_totals().sum_fen


@pytest.fixture(scope="module")
async def target(enrolment: Enrolment) -> AsyncIterator[Target]:
    async with listening(wechat_target(enrolment, enrol())) as opened:
        yield opened


@pytest.fixture
def rig(channel: WechatPay, make: Make, sim: Simulator, door: Door, exchanges: list[Exchange]) -> WechatRig:
    return WechatRig(channel, make, sim, door, exchanges)


async def test_each_method_gives_the_payer_what_it_needs(channel, sim) -> None:
    native = await channel.order(wish())
    assert native.action == "qr"
    assert native.payload["text"].startswith("weixin://wxpay/bizpayurl?pr=")
    h5 = await channel.order(wish(method="h5", return_url="https://shop.example/orders/1?a=b"))
    assert h5.action == "link"
    assert h5.payload["text"].endswith("redirect_url=https%3A%2F%2Fshop.example%2Forders%2F1%3Fa%3Db")
    jsapi = await channel.order(wish(method="jsapi"))
    assert jsapi.action == "jsapi"
    sheet = jsapi.payload
    assert set(sheet) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    message = f"{sheet['appId']}\n{sheet['timeStamp']}\n{sheet['nonceStr']}\n{sheet['package']}\n".encode()
    key = load_pem_x509_certificate(sim.merchant.certificate.encode()).public_key()
    key.verify(b64decode(sheet["paySign"]), message, PKCS1v15(), SHA256())


@pytest.mark.parametrize("mode", ["certificate", "public_key", "both"])
async def test_cb_27_every_key_mode_from_order_to_callback(mode, make, door, sim) -> None:
    merchant = sim.merchant

    keys = {
        "certificate": keys_of(merchant, public_key_id="", public_key=""),
        "public_key": keys_of(merchant, platform_certificates=[]),
        "both": keys_of(merchant),
    }[mode]
    channel = make([keys])
    door.channel = channel
    for share in (0.0, 1.0) if mode != "certificate" else (0.0,):
        sim.habits.public_key_share = share
        order = wish(door.url)
        assert (await channel.order(order)).outcome is Outcome.SUCCESS
        sim.phone.pay(order.out_trade_no)
        await sim.quiet()
        assert door.read[-1].report.number == order.out_trade_no
    assert door.refused == []


async def test_cb_27_certificates_are_fetched_when_none_was_given(make, door, sim, exchanges) -> None:

    channel = make([keys_of(sim.merchant, platform_certificates=[], public_key_id="", public_key="")])
    door.channel = channel
    sim.habits.public_key_share = 0.0
    for _ in range(3):
        order = wish(door.url)
        assert (await channel.order(order)).outcome is Outcome.SUCCESS
        sim.phone.pay(order.out_trade_no)
    await sim.quiet()
    assert len(door.read) == 3
    assert [exchange.subject.operation for exchange in exchanges].count("certificates") == 1


async def test_cb_27_junk_serials_cause_at_most_one_call_a_minute(make, door, sim, exchanges) -> None:
    order = wish(door.url)
    await door.channel.order(order)
    exchanges.clear()
    sim.fault("notice", "unknown_serial", times=30)
    sim.phone.pay(order.out_trade_no)
    await sim.quiet()
    async with aiohttp.ClientSession() as session:
        for n in range(30):
            headers = {
                "Wechatpay-Timestamp": str(int(time.time())),
                "Wechatpay-Nonce": "n",
                "Wechatpay-Serial": f"{n:040X}",
                "Wechatpay-Signature": "eA==",
            }
            async with session.post(door.url, data=b"{}", headers=headers) as answer:
                assert answer.status in (401, 503)
    assert [exchange.subject.operation for exchange in exchanges].count("certificates") <= 1
    assert len(door.read) == 1


async def test_signtest_on_answers_is_repeated_once_and_alarms_nobody(channel, sim) -> None:
    sim.habits.probe_every = 2
    for _ in range(6):
        order = wish()
        assert (await channel.order(order)).outcome is Outcome.SUCCESS
        assert (await channel.query(order.out_trade_no)).exists is True
        assert (await channel.close(order.out_trade_no)).outcome is Outcome.SUCCESS


async def test_cb_03_signtest_at_the_door_is_refused_and_the_true_one_follows(channel, sim, door) -> None:
    order = wish(door.url)
    await channel.order(order)
    sim.fault("notice", "probe")
    sim.phone.pay(order.out_trade_no)
    await sim.quiet()
    assert [invalid.code for invalid in door.refused] == ["signtest"]
    assert [notification.report.number for notification in door.read] == [order.out_trade_no]


@pytest.mark.parametrize(
    ("kind", "code"), [("forge", "signature"), ("tamper", "signature"), ("stale", "stale"), ("unknown_serial", "unknown_serial")]
)
async def test_cb_02_cb_15_bad_callbacks_are_refused_over_http(channel, sim, door, kind: str, code: str) -> None:
    order = wish(door.url)
    await channel.order(order)
    sim.fault("notice", kind)
    sim.phone.pay(order.out_trade_no)
    await sim.quiet()
    assert {invalid.code for invalid in door.refused} == {code}
    assert [notification.report.amount_fen for notification in door.read] == [5000]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("alter", "amount_fen", 7),
        ("other_mchid", "merchant", None),
        ("other_appid", "app", None),
        ("other_currency", "currency", "USD"),
        ("unknown_order", "number", None),
    ],
)
async def test_cb_06_cb_07_cb_08_a_signed_lie_is_told_as_it_is_so_that_settle_sees_it(
    channel, sim, door, kind, field, value
) -> None:
    order = wish(door.url)
    await channel.order(order)
    sim.fault("notice", kind, amount_fen=7)
    sim.phone.pay(order.out_trade_no)
    await sim.quiet()
    truth = {"amount_fen": 5000, "merchant": channel.merchant, "app": channel.app, "currency": "CNY", "number": order.out_trade_no}
    told = getattr(door.read[0].report, field)
    assert told != truth[field]
    assert value is None or told == value


async def test_cb_25_a_v2_refund_notice_is_recognised_and_answered(channel, sim, door) -> None:
    order = wish(door.url)
    await channel.order(order)
    sim.phone.pay(order.out_trade_no)
    await sim.quiet()
    sim.habits.refund_callback_url = door.url
    sim.refund_by_hand(order.out_trade_no, "BYHAND0001", 100)
    await sim.quiet()
    assert [invalid.code for invalid in door.refused] == ["v2_notice"]
    assert (await channel.query_refund("BYHAND0001")).report.amount_fen == 100


async def test_the_reserve_host_takes_over_for_connect_faults_and_5xx_only(make, sim, exchanges) -> None:
    channel = make(hosts=(closed_port(), sim.url))
    order = wish()
    assert (await channel.order(order)).outcome is Outcome.SUCCESS
    assert [exchange.result.split(":")[0] for exchange in exchanges] == ["ConnectFault", "answered"]
    assert exchanges[0].request_body == exchanges[1].request_body
    assert exchanges[0].request_headers["Authorization"] != exchanges[1].request_headers["Authorization"]
    exchanges.clear()
    twice = make(hosts=(sim.url, sim.url.replace("127.0.0.1", "localhost")))
    sim.fault("order", "error", http=500)
    assert (await twice.order(wish())).outcome is Outcome.SUCCESS
    assert [exchange.reply.status for exchange in exchanges] == [500, 200]
    exchanges.clear()
    sim.fault("order", "error", http=403, code="RULE_LIMIT")
    assert (await twice.order(wish())).reason == "channel.rule_limit"
    assert len(exchanges) == 1


async def test_an_order_that_the_first_host_may_have_placed_has_not_failed_because_the_second_is_not_there(make, sim) -> None:
    channel, order = make(hosts=(sim.url, closed_port())), wish()
    sim.fault("order", "booked_error", http=503)
    assert (await channel.order(order)).outcome is Outcome.UNKNOWN
    assert (await make().query(order.out_trade_no)).outcome is Outcome.PENDING, "it is there, and can be paid"


async def test_a_time_out_is_not_sent_to_the_reserve_host(make, sim, exchanges) -> None:
    channel = make(hosts=(sim.url, sim.url.replace("127.0.0.1", "localhost")), total_s=0.5)
    order = wish()
    await make().order(order)
    sim.phone.pay(order.out_trade_no)
    exchanges.clear()
    sim.fault("refund", "hang", seconds=60)
    assert (await channel.refund(back(order))).outcome is Outcome.UNKNOWN
    assert len(exchanges) == 1


@pytest.mark.parametrize(
    ("point", "code", "http", "outcome", "reason"),
    [
        ("order", "PARAM_ERROR", 400, "failure", "channel.request_rejected"),
        ("order", "SIGN_ERROR", 401, "failure", "channel.misconfigured"),
        ("order", "NO_AUTH", 403, "failure", "channel.product_not_enabled"),
        ("order", "FREQUENCY_LIMITED", 429, "failure", "channel.busy"),
        ("order", "SYSTEM_ERROR", 500, "unknown", "channel.checking"),
        ("order", "NEVER_SEEN_CODE", 403, "failure", "channel.refused_unexplained"),
        ("order", "NEVER_SEEN_CODE", 500, "unknown", "channel.checking"),
        ("query", "SIGN_ERROR", 401, "unknown", "channel.misconfigured"),
        ("query", "NEVER_SEEN_CODE", 403, "unknown", "channel.unknown_answer"),
        ("close", "FREQUENCY_LIMITED", 429, "unknown", "channel.busy"),
        ("refund", "NOT_ENOUGH", 403, "failure", "refund.merchant_funds_short"),
        ("refund", "FREQUENCY_LIMITED", 429, "unknown", "refund.in_progress"),
        ("refund", "SIGN_ERROR", 401, "unknown", "channel.misconfigured"),
        ("refund", "NEVER_SEEN_CODE", 400, "unknown", "channel.unknown_answer"),
    ],
)
async def test_nf_07_native_codes_become_outcome_and_reason(channel, sim, point, code, http, outcome, reason) -> None:
    order = wish()
    sim.fault(point, "error", code=code, http=http, times=2)
    calls = {
        "order": lambda: channel.order(order),
        "query": lambda: channel.query(order.out_trade_no),
        "close": lambda: channel.close(order.out_trade_no),
        "refund": lambda: channel.refund(back(order)),
    }
    answer = await calls[point]()
    assert (answer.outcome, answer.reason, answer.native.code, answer.native.http) == (outcome, reason, code, http)


async def test_an_altered_number_in_an_answer_is_not_believed(channel, sim, monkeypatch) -> None:
    first, second = wish(), wish()
    await channel.order(first)
    await channel.order(second)
    real = channel._caller.call

    async def crossed(operation, method, target, body, subject):
        return await real(operation, method, target.replace(first.out_trade_no, second.out_trade_no), body, subject)

    monkeypatch.setattr(channel._caller, "call", crossed)
    answer = await channel.query(first.out_trade_no)
    assert (answer.outcome, answer.report, answer.reason) == (Outcome.UNKNOWN, None, "channel.unknown_answer")


async def test_two_key_versions_hold_at_once_while_keys_change(enrolment, make, door, sim) -> None:

    newer = enrol(enrolment.merchant.mchid, enrolment.merchant.appid).merchant
    # The APIv3 key is being changed: the newest version has another one, and callbacks sealed with the old one still open.
    channel = make([keys_of(sim.merchant, api_v3_key=newer.api_v3_key), keys_of(sim.merchant)])
    door.channel = channel
    order = wish(door.url)
    await channel.order(order)
    sim.phone.pay(order.out_trade_no)
    await sim.quiet()
    assert door.read[0].report.number == order.out_trade_no


@pytest.mark.parametrize(
    ("fate", "outcome", "reason"),
    # After ABNORMAL the money has left the merchant and waits for work by hand, so it must not be given back here as well.
    [("CLOSED", Outcome.FAILURE, "refund.closed_by_channel"), ("ABNORMAL", Outcome.PENDING, "refund.needs_hand")],
)
async def test_nf_05_a_refund_that_the_channel_could_not_finish(channel, sim, door, fate, outcome, reason) -> None:
    order = wish(door.url)
    await channel.order(order)
    sim.phone.pay(order.out_trade_no)
    sim.habits.refund_fates[:] = [fate]
    refund = back(order, amount_fen=1)
    await channel.refund(refund)
    await sim.quiet()
    answer = await channel.query_refund(refund.out_refund_no)
    assert (answer.outcome, answer.reason) == (outcome, reason)
    told = [notification.report for notification in door.read if notification.kind == f"REFUND.{fate}"]
    assert [(report.outcome, report.reason) for report in told] == [(outcome, reason)]


async def test_another_merchants_key_is_refused_by_the_channel(enrolment, make) -> None:

    stranger = enrol(enrolment.merchant.mchid, enrolment.merchant.appid).merchant
    prepay = await make([keys_of(stranger)]).order(wish())
    assert prepay.outcome is Outcome.FAILURE
    assert prepay.native.code == "SIGN_ERROR"


async def test_a_simulator_with_its_clock_ahead_is_told_as_clock_skew(enrolment, make, exchanges) -> None:
    async with Simulator(enrolment=enrolment, offset_s=900) as ahead:
        prepay = await make(hosts=(ahead.url,)).order(wish())
    assert (prepay.outcome, prepay.reason) == (Outcome.FAILURE, "channel.clock_skew")


def only_api_key(merchant):
    """A merchant in certificate mode that entered no certificate: they are all fetched."""
    return keys_of(merchant, platform_certificates=[], public_key_id="", public_key="")


async def test_cb_27_fetched_certificates_are_renewed_within_12_hours_beside_the_work(make, sim, exchanges) -> None:
    channel = make([only_api_key(sim.merchant)])

    def fetched() -> int:
        return [exchange.subject.operation for exchange in exchanges].count("certificates")

    try:
        for hours, fetches in ((0, 1), (10, 1), (11.5, 2), (11.6, 2), (23.5, 3)):
            clock.shift(hours * 3600)
            assert (await channel.order(wish())).outcome is Outcome.SUCCESS, hours
            await until(lambda: fetched() >= fetches)  # noqa: B023 - it is waited for here.
            assert fetched() == fetches, hours
    finally:
        clock.shift(0)


@pytest.mark.parametrize("kind", ["forge", "garbage", "stale", "unsigned", "empty_503", "truncate", "unknown_serial"])
async def test_cb_27_a_certificate_list_that_does_not_hold_is_not_taken(make, sim, kind: str) -> None:
    channel = make([only_api_key(sim.merchant)])
    sim.fault("certificates", kind)
    assert (await channel.order(wish())).outcome is Outcome.UNKNOWN
    # Within the minute nothing is fetched again, so nothing verifies; after it everything does.
    assert (await channel.order(wish())).outcome is Outcome.UNKNOWN
    try:
        clock.shift(61)
        assert (await channel.order(wish())).outcome is Outcome.SUCCESS
    finally:
        clock.shift(0)


async def test_cb_03_signtest_on_the_certificate_list_is_asked_again(make, sim) -> None:
    channel = make([only_api_key(sim.merchant)])
    sim.fault("certificates", "probe")
    assert (await channel.order(wish())).outcome is Outcome.SUCCESS


async def test_a_public_key_merchant_without_certificates_is_asked_once_an_hour(make, door, sim, exchanges) -> None:
    async with Simulator(enrolment=enrol(mode="public_key")) as modern:
        channel = make([keys_of(modern.merchant)], hosts=(modern.url,), merchant=modern.merchant.mchid, app=modern.merchant.appid)
        assert (await channel.order(wish())).outcome is Outcome.SUCCESS
        for n in range(5):
            headers = {"wechatpay-timestamp": str(int(clock.now_s())), "wechatpay-nonce": "n", "wechatpay-signature": "eA=="}
            with pytest.raises(Invalid, match="unknown_serial"):
                await channel.read(headers | {"wechatpay-serial": f"{n:040X}"}, b"{}")
            clock.shift(61.0 * n)
    clock.shift(0)
    assert [exchange.subject.operation for exchange in exchanges].count("certificates") == 1
