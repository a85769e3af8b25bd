"""What only Alipay has: pages that a browser carries, answers signed inside out, two key modes, `fund_change`."""

import io
import json
import zipfile
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.channels.alipay_rig import CERTIFICATES, AlipayRig, alipay_keys, enrolled, keys_of, rig

from daozhang import clock
from daozhang.channels.kinds.alipay.adapter import LONGEST_LINK
from daozhang.channels.kinds.alipay.messages import fen_of, order_content
from daozhang.channels.kinds.alipay.signing import escaped_otherwise
from daozhang.channels.port import Outcome, Prepay
from daozhang.channels.strict import Unclear
from daozhang.outbound import ReadFault, Reply
from daozhang.simulators.alipay.enrolment import Enrolment, enrol
from daozhang.simulators.alipay.station import AlipayStation
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import NotPayable

__all__ = ["alipay_keys", "enrolled", "rig"]
NO_CERTIFICATES = dict.fromkeys(CERTIFICATES, "")


async def browse(prepay: Prepay) -> tuple[int, str, bytes]:
    """What a browser does with an order's action: status, where it is led, and what it is shown."""
    async with aiohttp.ClientSession() as session:
        if prepay.action == "link":
            call = session.get(prepay.payload["text"], allow_redirects=False)
        else:
            assert prepay.action == "form"
            call = session.post(prepay.payload["url"], data=prepay.payload["fields"], allow_redirects=False)
        async with call as answer:
            return answer.status, answer.headers.get("Location", ""), await answer.read()


async def test_a_code_is_alipays_own(rig: AlipayRig) -> None:
    prepay = await rig.channel.order(rig.wish())
    assert (prepay.action, prepay.outcome) == ("qr", Outcome.SUCCESS)
    assert prepay.payload["text"].startswith("https://qr.alipay.com/")


@pytest.mark.parametrize(("method", "action"), [("page", "form"), ("h5", "link")])
async def test_a_page_is_signed_here_and_carried_by_the_browser(rig: AlipayRig, method: str, action: str) -> None:
    order = rig.wish(method=method, return_url="https://shop.example/back/RC-1")
    prepay = await rig.channel.order(order)
    assert (prepay.outcome, prepay.action, rig.exchanges) == (Outcome.SUCCESS, action, [])
    status, led_to, _ = await browse(prepay)
    assert status == 303
    assert led_to.startswith("/phone/pay/")
    assert parse_qs(urlsplit(led_to).query)["back"] == ["https://shop.example/back/RC-1"]
    rig.pay(order.out_trade_no)
    await rig.quiet()
    report = rig.door.read[0].report
    assert report is not None
    assert (report.number, report.amount_fen, report.outcome) == (order.out_trade_no, 5000, Outcome.SUCCESS)


@pytest.mark.parametrize("method", ["page", "h5"])
async def test_asking_again_for_a_page_gives_the_same_bytes_at_any_hour(rig: AlipayRig, method: str) -> None:
    order = rig.wish(method=method)
    first = await rig.channel.order(order)
    try:
        clock.shift(600)
        assert (await rig.channel.order(order)).payload == first.payload
    finally:
        clock.shift(0)


async def test_a_link_that_would_be_too_long_becomes_a_form_that_holds_all_of_it(rig: AlipayRig) -> None:
    back = "https://shop.example/back/" + "x" * 900
    prepay = await rig.channel.order(rig.wish(method="h5", return_url=back, description="充值 😀 " * 30))
    assert prepay.action == "form"
    assert len(prepay.payload["url"]) + len(prepay.payload["fields"]["biz_content"]) > LONGEST_LINK
    status, led_to, _ = await browse(prepay)
    assert (status, led_to.startswith("/phone/pay/")) == (303, True)


async def test_a_complaint_about_a_page_is_shown_to_the_payer_alone_in_gbk(rig: AlipayRig) -> None:
    order = rig.wish(method="page")
    rig.fault("order", "error", code="ACQ.ACCESS_FORBIDDEN", number=order.out_trade_no)
    status, _, shown = await browse(await rig.channel.order(order))
    assert status == 200
    assert "ACQ.ACCESS_FORBIDDEN" in shown.decode("gbk")
    answer = await rig.channel.query(order.out_trade_no)
    assert (answer.outcome, answer.exists) == (Outcome.UNKNOWN, False)


async def test_a_page_changed_by_its_carrier_is_refused(rig: AlipayRig) -> None:
    prepay = await rig.channel.order(rig.wish(method="page"))
    content = prepay.payload["fields"]["biz_content"].replace("50.00", "00.01")
    status, led_to, shown = await browse(
        Prepay(prepay.outcome, "form", {"url": prepay.payload["url"], "fields": {"biz_content": content}})
    )
    assert (status, led_to) == (200, "")
    assert "isv.invalid-signature" in shown.decode("gbk")


def test_what_we_sign_holds_nothing_to_be_cut_at(rig: AlipayRig) -> None:
    order = rig.wish(description='a&b=c/d"e,f\\g\r\n<h> total')
    subject = order_content(order, clock.now(), no_credit=False)["subject"]
    assert not set('&=/"\\,<>\r\n') & set(subject)


async def test_no_credit_is_said_to_alipay_itself(rig: AlipayRig, enrolled: Enrolment) -> None:
    channel = rig.make(keys=[keys_of(enrolled.app, no_credit=True)])
    order = rig.wish()
    await channel.order(order)
    sent = parse_qs(rig.exchanges[-1].request_body.decode())["biz_content"][0]
    assert json.loads(sent)["disable_pay_channels"] == "credit_group"
    with pytest.raises(NotPayable, match="no_credit"):
        rig.station.hand.pay(order.out_trade_no, way="credit")
    assert rig.station.hand.pay(order.out_trade_no, way="debit").paid_s is not None


@pytest.mark.parametrize("mode", ["public_key", "certificate", "both"])
async def test_cb_27_every_key_mode_from_order_to_notice(rig: AlipayRig, enrolled: Enrolment, mode: str) -> None:
    changes: dict[str, dict[str, str]] = {
        "public_key": NO_CERTIFICATES,
        "certificate": {"alipay_public_key": ""},
        "both": {},
    }
    channel = rig.make(keys=[keys_of(enrolled.app, **changes[mode])])
    rig.door.channel = channel
    order = rig.wish()
    assert (await channel.order(order)).outcome is Outcome.SUCCESS
    assert ("app_cert_sn" in rig.exchanges[-1].url) == (mode != "public_key")
    rig.pay(order.out_trade_no)
    assert (await channel.query(order.out_trade_no)).outcome is Outcome.SUCCESS
    await rig.quiet()
    assert rig.door.read[0].report is not None
    assert rig.door.refused == []


async def test_an_application_in_certificate_mode_takes_no_call_without_it(enrolled: Enrolment) -> None:
    strict = enrol(enrolled.app.app_id, enrolled.app.seller_id, mode="certificate")
    async with Simulator(kinds=("alipay",), makers={"alipay": lambda world: AlipayStation(world, strict)}) as sim:
        with_certificate = AlipayRig(sim, keys_of(strict.app))
        assert (await with_certificate.channel.order(_plain_wish())).outcome is Outcome.SUCCESS
        without = keys_of(strict.app, alipay_public_key=_public_of(strict), **NO_CERTIFICATES)
        prepay = await with_certificate.make(keys=[without]).order(_plain_wish())
        assert (prepay.outcome, prepay.reason) == (Outcome.FAILURE, "channel.misconfigured")
        assert prepay.native is not None
        assert prepay.native.code == "isv.missing-app-cert-sn"
        for channel in with_certificate.made:
            await channel.close_connections()


@pytest.mark.parametrize("slashes", ["plain", "escaped", "signed_escaped"])
async def test_a_slash_escaped_either_way_verifies(rig: AlipayRig, slashes: Any) -> None:
    rig.station.quirks.slashes = slashes
    assert (await rig.channel.order(rig.wish())).outcome is Outcome.SUCCESS


@pytest.mark.parametrize("empty", ["none", "kept", "dropped"])
async def test_notices_with_and_without_empty_parameters(rig: AlipayRig, empty: Any) -> None:
    rig.station.quirks.empty = empty
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    await rig.quiet()
    assert len(rig.door.read) == 1
    assert rig.door.refused == []


@pytest.mark.parametrize(("kind", "code"), [("forge", "signature"), ("tamper", "signature"), ("stale", "stale")])
async def test_cb_02_cb_15_bad_notices_are_refused_over_http_and_the_true_one_follows(rig: AlipayRig, kind: str, code: str) -> None:
    order = await rig.placed()
    rig.fault("notice", kind)
    rig.pay(order.out_trade_no)
    await rig.quiet()
    assert {invalid.code for invalid in rig.door.refused} == {code}
    assert [each.report.amount_fen for each in rig.door.read if each.report] == [5000]


async def test_notices_of_waiting_and_closing_book_nothing(rig: AlipayRig) -> None:
    rig.station.quirks.tells |= {"waiting", "closed"}
    order = await rig.seen()
    await rig.channel.close(order.out_trade_no)
    await rig.quiet()
    assert sorted(each.report.outcome for each in rig.door.read if each.report) == ["failure", "pending"]


async def test_a_partial_refund_is_told_and_both_refunds_add_up_at_the_door(rig: AlipayRig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    await rig.quiet()
    for amount_fen in (2000, 3000):
        refund = rig.back(order, amount_fen=amount_fen)
        assert (await rig.channel.refund(refund)).outcome is Outcome.SUCCESS
    await rig.quiet()
    told = [each.report for each in rig.door.read if each.report and each.report.subject == "refund"]
    assert [report.outcome for report in told] == [Outcome.SUCCESS, Outcome.SUCCESS]
    last = dict(parse_qs(rig.door.raw[-1][1].decode()))
    assert (last["refund_fee"], last["trade_status"]) == (["50.00"], ["TRADE_CLOSED"])


async def test_a_refund_that_is_repeated_moves_nothing_and_is_asked_after(rig: AlipayRig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    refund = rig.back(order, amount_fen=100)
    assert (await rig.channel.refund(refund)).outcome is Outcome.SUCCESS
    again = await rig.channel.refund(refund)
    assert (again.outcome, again.reason) == (Outcome.PENDING, "refund.in_progress")
    assert rig.refunded_fen() == 100


@pytest.mark.parametrize(
    ("fate", "outcome", "reason"),
    [("CLOSED", Outcome.FAILURE, "refund.closed_by_channel"), ("ABNORMAL", Outcome.PENDING, "refund.in_progress")],
)
async def test_nf_05_a_refund_without_fund_change_is_not_done(rig: AlipayRig, fate: Any, outcome: Outcome, reason: str) -> None:
    rig.sim.habits.refund_fates[:] = [fate]
    rig.sim.habits.refund_s = 3_000_000
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    refund = rig.back(order, amount_fen=100)
    assert (await rig.channel.refund(refund)).outcome is Outcome.PENDING
    answer = await rig.channel.query_refund(refund.out_refund_no, order.out_trade_no)
    assert (answer.outcome, answer.reason) == (outcome, reason)


async def test_nf_05_a_refund_that_timed_out_is_found_by_its_number(rig: AlipayRig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    refund = rig.back(order)
    rig.fault("refund", "hang", seconds=60)
    assert (await rig.make(total_s=1.0).refund(refund)).outcome is Outcome.UNKNOWN
    rig.calm()
    answer = await rig.channel.query_refund(refund.out_refund_no, order.out_trade_no)
    assert answer.outcome is Outcome.SUCCESS


async def test_wrong_state_at_closing_is_cleared_up_by_asking(rig: AlipayRig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    rig.fault("query", "hang", seconds=60)
    answer = await rig.make(total_s=1.0).close(order.out_trade_no)
    rig.calm()
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "channel.checking")
    assert (await rig.channel.close(order.out_trade_no)).reason == "operation.already_paid"


async def test_what_nobody_scanned_lapses_at_its_expiry(rig: AlipayRig) -> None:
    order = rig.wish(expires_at=clock.now() + timedelta(minutes=15))
    await rig.channel.order(order)
    try:
        clock.shift(15 * 60 + 1)
        with pytest.raises(NotPayable, match="expired"):
            rig.pay(order.out_trade_no)
    finally:
        clock.shift(0)


async def test_a_voucher_is_alipays_and_the_shop_gets_all(rig: AlipayRig) -> None:
    order = await rig.placed()
    rig.station.hand.pay(order.out_trade_no, voucher_fen=100)
    report = (await rig.channel.query(order.out_trade_no)).report
    assert report is not None
    assert report.amount_fen == 5000


async def test_an_altered_amount_in_a_signed_answer_is_told_as_it_is(rig: AlipayRig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    rig.fault("query", "alter", amount_fen=7)
    report = (await rig.channel.query(order.out_trade_no)).report
    assert report is not None
    assert report.amount_fen == 7


async def test_a_bill_is_found_for_thirty_seconds(rig: AlipayRig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    await rig.channel.refund(rig.back(order, amount_fen=2000))
    today = clock.now().astimezone(clock.SHANGHAI).date()
    early = await rig.channel.bill_address(today)
    assert (early.outcome, early.reason) == (Outcome.PENDING, "platform.bill_not_ready")
    try:
        clock.shift(2 * 86_400)
        found = await rig.channel.bill_address(today)
        assert found.outcome is Outcome.SUCCESS
        packed = await fetch(found.url)
        clock.shift(2 * 86_400 + 31)
        assert await fetch(found.url) is None
    finally:
        clock.shift(0)
    assert packed is not None
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = [name.encode("cp437").decode("gbk") for name in archive.namelist()]
        lines = archive.read(archive.namelist()[0]).decode("gbk").splitlines()
    assert names[0].endswith("业务明细.csv")
    rows = [line.split(",") for line in lines if line and not line.startswith("#")][1:]
    assert [(row[2].strip(), row[11].strip()) for row in rows] == [("交易", "50.00"), ("退款", "-20.00")]
    assert all(cell.endswith("\t") for row in rows for cell in row)


async def fetch(url: str) -> bytes | None:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.read() if answer.status == 200 else None


async def test_a_bill_address_elsewhere_is_not_followed(rig: AlipayRig, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("https://alipay.com.evil.example/x", "http://169.254.169.254/", "https://a@evil.example", "file:///etc/passwd"):
        monkeypatch.setattr(rig.station.bills, "address", lambda _app, _content, url=url: {"bill_download_url": url})
        answer = await rig.channel.bill_address(date(2026, 1, 1))
        assert (answer.outcome, answer.url) == (Outcome.UNKNOWN, ""), url


ANSWERS: dict[str, bytes] = {
    "unsigned success": b'{"alipay_trade_query_response":{"code":"10000","msg":"Success","trade_status":"TRADE_SUCCESS"}}',
    "unsigned business": b'{"alipay_trade_query_response":{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}}',
    "another answer": b'{"alipay_trade_close_response":{"code":"10000"},"sign":"eA=="}',
    "two nodes": b'{"alipay_trade_query_response":{"code":"10000"},"alipay_trade_query_response":{"code":"40004"},"sign":"eA=="}',
    "twice inside": b'{"alipay_trade_query_response":{"code":"40001","code":"10000"}}',
    "open": b'{"alipay_trade_query_response":{"code":"10000"',
    "crossed": b'{"alipay_trade_query_response":{"a":[}],"code":"10000"},"sign":"eA=="}',
    "deep": b'{"alipay_trade_query_response":' + b"[" * 10_000 + b"]" * 10_000 + b',"sign":"eA=="}',
    "list": b'[{"code":"10000"}]',
    "sign is a number": b'{"alipay_trade_query_response":{"code":"10000"},"sign":1}',
    "two objects": b'{"alipay_trade_query_response":{"code":"10000"},"sign":"eA=="}{"x":1}',
    "empty": b"",
    "null": b"null",
    "html": b"<html>502 Bad Gateway</html>",
    "error_response success": b'{"error_response":{"code":"10000","trade_status":"TRADE_SUCCESS"},"sign":"eA=="}',
    "gbk": '{"alipay_trade_query_response":{"code":"40001","msg":"支付"}}'.encode("gbk"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_nf_04_an_answer_that_proves_nothing_says_nothing(rig: AlipayRig, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async def send(*_: object) -> Reply:
        return Reply(200, {}, ANSWERS[name])

    monkeypatch.setattr(rig.channel._transport, "send", send)
    for answer in (await rig.channel.query("A1"), await rig.channel.close("A1"), await rig.channel.refund(rig.back(rig.wish()))):
        assert (answer.outcome, answer.report, answer.exists) == (Outcome.UNKNOWN, None, None)
    assert (await rig.channel.order(rig.wish())).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [301, 302, 403, 404, 500, 502, 503])
async def test_any_other_status_than_200_is_no_answer_about_money(
    rig: AlipayRig, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async def send(*_: object) -> Reply:
        return Reply(status, {"location": "https://evil.example"}, b'{"alipay_trade_query_response":{"code":"10000"}}')

    monkeypatch.setattr(rig.channel._transport, "send", send)
    assert (await rig.channel.query("A1")).outcome is Outcome.UNKNOWN


async def test_an_answer_about_another_number_is_not_believed(rig: AlipayRig, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await rig.placed(), await rig.placed()
    rig.pay(second.out_trade_no)
    real = rig.channel._caller.call

    async def crossed(operation: str, method: str, content: dict[str, Any], *rest: Any) -> Any:
        return await real(operation, method, content | {"out_trade_no": second.out_trade_no}, *rest)

    monkeypatch.setattr(rig.channel._caller, "call", crossed)
    answer = await rig.channel.query(first.out_trade_no)
    assert (answer.outcome, answer.report, answer.reason) == (Outcome.UNKNOWN, None, "channel.unknown_answer")


async def test_a_code_that_leads_elsewhere_is_not_drawn(rig: AlipayRig, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in ("https://qr.alipay.com.evil.example/x", "http://qr.alipay.com/x", "javascript:alert(1)", "weixin://x"):
        told = {"out_trade_no": "", "qr_code": code}
        monkeypatch.setattr(
            rig.station._gateway._trades,
            "precreate",
            lambda _a, content, _n, told=told: told | {"out_trade_no": json.loads(content)["out_trade_no"]},
        )
        assert (await rig.channel.order(rig.wish())).outcome is Outcome.UNKNOWN, code


async def test_an_oversize_answer_breaks_off(rig: AlipayRig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def send(*_: object) -> Reply:
        raise ReadFault("body above 262144 bytes")

    monkeypatch.setattr(rig.channel._transport, "send", send)
    assert (await rig.channel.query("A1")).outcome is Outcome.UNKNOWN


def test_slashes_are_turned_one_way_only() -> None:
    assert escaped_otherwise(b'{"u":"a/b"}') == b'{"u":"a\\/b"}'
    assert escaped_otherwise(b'{"u":"a\\/b"}') == b'{"u":"a/b"}'
    assert escaped_otherwise(b"{}") is None


@pytest.mark.parametrize("text", ["1e2", "01.00", "-1", "1.234", "", "1,0", "１"])
def test_am_amounts_are_read_strictly(text: str) -> None:
    with pytest.raises(Unclear):
        fen_of({"x": text}, "x")


def _private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _public_of(enrolment: Enrolment) -> str:
    return _public(keys_of(enrol().app, private_key=enrolment.signing_key, **NO_CERTIFICATES).signer().key)


def _plain_wish() -> Any:
    from tests.channels.conftest import wish  # noqa: PLC0415

    return wish(method="qr")
