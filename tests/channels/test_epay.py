"""What only Epay has: pages, dialects, answers of any shape, refunds without numbers, two operators with the same number."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from tests.channels.epay_rig import EpayRig, open_rig, row_of
from tests.channels.rig import closed_port
from tests.channels.test_epay_v1_contract import TRAITS
from tests.channels.test_epay_v2_contract import TRAITS as V2_TRAITS

from daozhang import clock
from daozhang.channels.kinds.epay import make
from daozhang.channels.kinds.epay.dialects import Dialect, dialects
from daozhang.channels.kinds.epay.keys import read_keys
from daozhang.channels.kinds.epay.messages import fen_of, safe_name, strict_fen
from daozhang.channels.port import Channel, Outcome
from daozhang.channels.strict import Unclear
from daozhang.events import redact
from daozhang.money import MalformedAmount
from daozhang.outbound import Transport
from daozhang.simulators.epay.enrolment import Enrolment, enrol


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol("1001", "1002")


@pytest.fixture
async def rig(enrolment: Enrolment) -> AsyncIterator[EpayRig]:
    async with open_rig(enrolment, TRAITS) as opened:
        yield opened


@pytest.fixture
async def rig2(enrolment: Enrolment) -> AsyncIterator[EpayRig]:
    async with open_rig(enrolment, V2_TRAITS, version="v2") as opened:
        yield opened


async def test_a_code_and_a_page(rig: EpayRig, rig2: EpayRig) -> None:
    for each in (rig, rig2):
        code = await each.channel.order(each.wish())
        assert code.action == "qr"
        assert each.sim.phone.scan(code.payload["text"])
        page = await each.channel.order(each.wish(method="page"))
        assert (page.action, page.payload["text"].startswith(f"{each.sim.url}/epay/pay/submit/")) == ("link", True)


async def test_the_signed_form_is_for_operators_that_have_no_other_page(enrolment: Enrolment) -> None:
    async with open_rig(enrolment, TRAITS, "classic") as rig:
        refused = await rig.channel.order(rig.wish())
        assert (refused.outcome, refused.reason) == (Outcome.FAILURE, "channel.method_unsupported")
        order = rig.wish(method="page")
        form = await rig.channel.order(order)
        assert form.action == "form"
        assert form.payload["url"] == f"{rig.sim.url}/epay/submit.php"
        fields = form.payload["fields"]
        assert fields["money"] == "50.00"
        assert fields["sign_type"] == "MD5"
        assert rig.exchanges == []
        # Until the browser has brought it the operator knows nothing of it, and nobody says that it is closed.
        assert (await rig.channel.query(order.out_trade_no)).exists is False
        closed = await rig.channel.close(order.out_trade_no)
        assert (closed.outcome, closed.exists) == (Outcome.UNKNOWN, False)
        assert (await rig.channel.refund(rig.back(order))).reason == "refund.not_accepted"


async def test_a_form_holds_nothing_that_could_be_cut_into_other_fields(enrolment: Enrolment) -> None:
    async with open_rig(enrolment, TRAITS, "classic") as rig:
        form = await rig.channel.order(rig.wish(method="page", description="a&trade_status=TRADE_SUCCESS&<b>'\"\r\n"))
        for name, value in form.payload["fields"].items():
            assert not set(value) & set("&=<>\"'\r\n"), name
        for change in ({"return_url": "https://shop.example/back?a=1"}, {"notify_url": "https://shop.example/n?a=1&trade_no=1"}):
            refused = await rig.channel.order(rig.wish(method="page", **change))
            assert (refused.outcome, refused.reason) == (Outcome.FAILURE, "channel.request_rejected")


async def test_a_dialect_is_spoken_from_order_to_refund(enrolment: Enrolment) -> None:
    for tongue in ("exact", "words"):
        async with open_rig(enrolment, TRAITS, tongue) as rig:
            order = await rig.placed(amount_fen=5010)
            unpaid = await rig.channel.query(order.out_trade_no)
            assert unpaid.outcome is Outcome.PENDING, tongue
            txn = rig.pay(order.out_trade_no)
            await rig.quiet()
            assert rig.acknowledged() == 1
            assert rig.door.read[0].report is not None
            paid = await rig.channel.query(order.out_trade_no)
            assert paid.report is not None
            assert (paid.outcome, paid.report.amount_fen, paid.report.merchant) == (Outcome.SUCCESS, 5010, "1001")
            refund = await rig.channel.refund(rig.back(order, txn, amount_fen=10))
            assert refund.outcome is Outcome.SUCCESS, (tongue, refund)


def test_every_dialect_reads_its_own_states_and_writes_amounts_as_wanted() -> None:
    for name, dialect in dialects().items():
        assert set(dialect.states.values()) <= set("01234"), name
    assert [Dialect().written(fen) for fen in (100, 110, 111, 1)] == ["1.00", "1.10", "1.11", "0.01"]
    assert [Dialect(money="short").written(fen) for fen in (100, 110, 111, 1, 10_000)] == ["1", "1.1", "1.11", "0.01", "100"]


@pytest.mark.parametrize(("told", "fen"), [("1", 100), ("1.0", 100), ("1.00", 100), (1, 100), (1.5, 150), (0.1, 10), (19.99, 1999)])
def test_amounts_in_answers(told: object, fen: int) -> None:
    assert fen_of({"money": told}, "money") == fen


@pytest.mark.parametrize(
    "told", [True, False, None, "", "1e3", "01", "-1", -1, 1e9, 1.001, "1,00", "１", [1], {"fen": 1}, "1元", "0x1", float("inf")]
)
def test_cb_07_amounts_of_a_strange_shape_in_answers_are_unclear(told: object) -> None:
    with pytest.raises(Unclear):
        fen_of({"money": told}, "money")


def test_strict_amounts_have_no_zero_in_front() -> None:
    assert strict_fen("0.50") == 50
    for text in ("00.5", "007", "0050"):
        with pytest.raises(MalformedAmount):
            strict_fen(text)


@pytest.mark.parametrize(
    ("text", "safe"),
    [("余额充值", "余额充值"), ("a&b=c", "a＆b＝c"), ("<b>", "＜b＞"), ("\r\n\0", "充值"), ("多" * 100, "多" * 42), ("", "充值")],
)
def test_what_the_payer_reads_is_one_safe_line(text: str, safe: str) -> None:
    assert safe_name(text) == safe


class Liar:
    """An operator that answers whatever a test likes."""

    def __init__(self) -> None:
        self.body: bytes = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        self.asked.append((request.path_qs, {name: str(value) for name, value in form.items()}))
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@pytest.fixture
async def liar() -> AsyncIterator[tuple[Liar, Channel, str]]:
    """An adapter in front of it, and the number that it asks about."""
    made = Liar()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    card = {"name": "易支付", "merchant": "1001", "app": "alipay", "methods": ["qr", "page"], "hosts": [url]}
    keys = read_keys({"version": "v1", "type": "alipay", "key": "k3yQ7wErTy9uIoP1aSdF5gHjKl2zXcVb"})
    channel = make(row_of(card), [keys], Transport((url,), loopback=True))
    yield made, channel, "06DZ4X8N3W7K2QF5T9B1C6M0YR"
    await channel.close_connections()
    await runner.cleanup()


def paid(number: str, **changes: Any) -> dict[str, Any]:
    """A true answer about a paid order."""
    return {
        "code": 1, "msg": "succ", "trade_no": "2026112700000012345", "out_trade_no": number, "type": "alipay", "pid": 1001,
        "addtime": "2026-11-27 20:00:00", "endtime": "2026-11-27 20:01:00", "name": "余额充值", "money": "50.00", "status": 1,
    } | changes  # fmt: skip


async def test_a_true_answer_is_believed(liar) -> None:
    operator, channel, number = liar
    operator.body = b"\xef\xbb\xbf " + json.dumps(paid(number)).encode() + b"\n"
    answer = await channel.query(number)
    assert (answer.outcome, answer.report.amount_fen, answer.report.channel_txn) == (Outcome.SUCCESS, 5000, "2026112700000012345")
    assert answer.report.happened_at.isoformat() == "2026-11-27T12:01:00+00:00"
    assert operator.asked[0][0].startswith("/api.php?act=order&pid=1001&key=")


@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": "06DZ4X8N3W7K2QF5T9B1C6M0YS"}, {"out_trade_no": ""}, {"out_trade_no": ["x"]}, {"trade_no": ""},
        {"trade_no": "1' or 1=1"}, {"trade_no": None}, {"pid": None}, {"pid": True}, {"pid": 1001.0}, {"status": True},
        {"status": "已支付"}, {"status": 5}, {"status": "1 "}, {"status": 1.0}, {"status": [1]}, {"money": None},
        {"money": "1e3"}, {"money": True}, {"money": "50.001"}, {"code": True}, {"code": "1abc"}, {"code": 1.0}, {"code": None},
        {"code": [1]},
    ],
    ids=str,
)  # fmt: skip
async def test_cb_24_nf_04_an_answer_of_a_strange_shape_is_unknown(liar, changes: dict[str, Any]) -> None:
    operator, channel, number = liar
    operator.body = json.dumps(paid(number, **changes)).encode()
    answer = await channel.query(number)
    assert (answer.outcome, answer.report) == (Outcome.UNKNOWN, None), answer


@pytest.mark.parametrize(
    "body",
    [
        b"", b"success", b"<html>502</html>", b"[]", b"null", b"1", b'{"code":1}', b'{"code":1,"code":1}', b'{"code":NaN}',
        b'{"code":1' + b',"a":{"b":' * 300, b"\xff\xfe", b'{"code":1,"status":1,"status":0}', b'{"code":1,"msg":"\\u0000"}',
    ],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
async def test_cb_24_nf_04_what_is_no_answer_is_unknown_for_every_call(liar, body: bytes) -> None:
    operator, channel, number = liar
    operator.body = body
    assert (await channel.query(number)).outcome is Outcome.UNKNOWN
    assert (await channel.close(number)).outcome is Outcome.UNKNOWN
    prepay = await channel.order(EpayRig.wish(_Wisher("qr")))  # type: ignore[arg-type]
    assert (prepay.outcome, prepay.action) == (Outcome.UNKNOWN, None)


class _Wisher:
    """Enough of a rig to make a wish."""

    def __init__(self, method: str) -> None:
        self.traits = replace(TRAITS, method=method)
        self.door = type("Door", (), {"url": "https://shop.example/notify/epay/7"})()


@pytest.mark.parametrize(
    ("status", "headers"),
    [(302, {"Location": "http://169.254.169.254/"}), (500, {}), (503, {}), (200, {"Content-Encoding": "gzip"})],
)
async def test_in_07_redirects_faults_and_encodings_are_followed_nowhere(liar, status: int, headers: dict[str, str]) -> None:
    operator, channel, number = liar
    operator.body, operator.status, operator.headers = json.dumps(paid(number)).encode(), status, headers
    assert (await channel.query(number)).outcome is Outcome.UNKNOWN
    assert len(operator.asked) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"payurl": "javascript:alert(1)"}, {"payurl": "http://pay.example/x"}, {"payurl": "https://u:p@pay.example/"},
        {"payurl": "//pay.example"}, {"payurl": "https://pay.example/ x"}, {"payurl": 'https://pay.example/"onclick="'},
        {"payurl": ""}, {"payurl": ["https://pay.example"]}, {"qrcode": "a b"}, {"qrcode": "x" * 2_000}, {"qrcode": 5},
        {"qrcode": "weixin://a", "payurl": "https://pay.example"}, {},
    ],
    ids=str,
)  # fmt: skip
async def test_in_01_only_plain_codes_and_https_pages_reach_a_page(liar, given: dict[str, Any]) -> None:
    operator, channel, _ = liar
    operator.body = json.dumps({"code": 1, "trade_no": "2026112700000012345", **given}).encode()
    prepay = await channel.order(EpayRig.wish(_Wisher("qr")))  # type: ignore[arg-type]
    assert (prepay.outcome, prepay.action) == (Outcome.UNKNOWN, None)


@pytest.mark.parametrize("gives", ["urlscheme", "html"])
async def test_a_way_to_pay_that_a_page_cannot_carry_is_none(rig: EpayRig, gives: str) -> None:
    rig.station.rules.gives = gives  # type: ignore[assignment]
    prepay = await rig.channel.order(rig.wish())
    assert (prepay.outcome, prepay.reason) == (Outcome.FAILURE, "channel.method_unsupported")


async def test_an_operator_may_lead_to_its_page_where_a_code_was_asked_for(rig: EpayRig) -> None:
    rig.station.rules.gives = "payurl"
    assert (await rig.channel.order(rig.wish())).action == "link"


async def test_the_next_host_is_tried_only_when_nothing_was_sent(rig: EpayRig) -> None:
    channel = rig.make(hosts=(closed_port(), rig.sim.url))
    assert (await channel.order(rig.wish())).outcome is Outcome.SUCCESS
    twice = rig.make(hosts=(rig.sim.url, rig.sim.url.replace("127.0.0.1", "localhost")))
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    rig.called()
    rig.fault("refund", "error")
    assert (await twice.refund(rig.back(order))).outcome is Outcome.UNKNOWN
    assert rig.called() == ["query", "refund"]


async def test_in_12_neither_key_nor_payer_is_in_what_is_kept(rig: EpayRig) -> None:
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    await rig.channel.query(order.out_trade_no)
    await rig.channel.refund(rig.back(order, txn))
    buyer = rig.station.hand.order(order.out_trade_no).buyer
    assert any(rig.station.merchant.key in exchange.url for exchange in rig.exchanges)
    for exchange in rig.exchanges:
        assert exchange.reply is not None
        kept = redact.url(exchange.url) + redact.body(exchange.request_body) + redact.body(exchange.reply.body)
        assert rig.station.merchant.key not in kept
        assert buyer not in kept


async def test_nf_05_a_refund_without_a_number_is_never_sent_on_a_guess(rig: EpayRig) -> None:
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    refund = rig.back(order, txn, amount_fen=2_000)
    rig.called()
    # The operator cannot be asked first: so nothing is sent.
    rig.fault("query", "garbage")
    assert (await rig.channel.refund(refund)).reason == "refund.not_sent"
    # Another one has no end yet: nobody could tell the two apart.
    assert (await rig.channel.refund(replace(refund, others_open=True))).reason == "refund.in_progress"
    # We may have sent it before: then it is only asked about.
    assert (await rig.channel.refund(replace(refund, again=True))).reason == "refund.needs_hand"
    assert "refund" not in rig.called()
    assert rig.refunded_fen() == 0
    assert (await rig.channel.refund(refund)).outcome is Outcome.SUCCESS
    # Something went back that no refund of ours gave: a person looks first.
    elsewhere = await rig.channel.refund(rig.back(order, txn, amount_fen=1_000))
    assert (elsewhere.outcome, elsewhere.reason) == (Outcome.FAILURE, "refund.returned_elsewhere")
    assert rig.refunded_fen() == 2_000


async def test_nf_05_where_the_sum_is_told_every_refund_is_settled_by_it(enrolment: Enrolment) -> None:
    async with open_rig(enrolment, TRAITS, "exact") as rig:
        order = await rig.placed()
        txn = rig.pay(order.out_trade_no)
        assert (await rig.channel.refund(rig.back(order, txn, amount_fen=1_000))).outcome is Outcome.SUCCESS
        rig.fault("refund", "booked_error")
        second = rig.back(order, txn, amount_fen=1_500, refunded_fen=1_000)
        assert (await rig.channel.refund(second)).outcome is Outcome.UNKNOWN
        found = await rig.channel.refund(replace(second, again=True))
        assert (found.outcome, found.report.amount_fen) == (Outcome.SUCCESS, 1_500)
        third = replace(second, refunded_fen=2_500, again=True)
        assert (await rig.channel.refund(third)).outcome is Outcome.UNKNOWN
        assert (await rig.channel.refund(replace(second, refunded_fen=9))).reason == "refund.returned_elsewhere"
        assert rig.refunded_fen() == 2_500


async def test_an_unpaid_order_of_v1_ends_when_nothing_can_be_paid_any_more(rig: EpayRig) -> None:
    order = await rig.placed()
    try:
        clock.shift(124 * 60)
        assert (await rig.channel.query(order.out_trade_no)).outcome is Outcome.PENDING
        assert (await rig.channel.close(order.out_trade_no)).reason == "channel.cannot_close"
        clock.shift(126 * 60)
        assert (await rig.channel.query(order.out_trade_no)).outcome is Outcome.FAILURE
        assert (await rig.channel.close(order.out_trade_no)).outcome is Outcome.SUCCESS
    finally:
        clock.shift(0)


async def test_money_counts_whatever_the_type_that_was_paid_with(rig: EpayRig) -> None:
    """Where a type is out of order the operator offers the payer another one on its own page."""
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    channel = rig.make(card=rig.station.card(kind_of_payment="wxpay"))
    report = (await channel.query(order.out_trade_no)).report
    assert report is not None
    assert (report.outcome, report.app) == (Outcome.SUCCESS, "wxpay")


async def test_new_keys_of_v1_overlap_with_the_old(rig: EpayRig) -> None:
    old = rig.station.card()["keys"]
    new = old | {"key": "n3wQ7wErTy9uIoP1aSdF5gHjKl2zXcVb"}
    rig.door.channel = rig.make(keys=[new, old])
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    await rig.quiet()
    assert rig.acknowledged() == 1
    # A set of the other version beside the newest one opens nothing: a message does not choose.
    pair = rig.station.card(version="v2")["keys"]
    rig.door.channel = rig.make(keys=[pair, old])
    order = await rig.placed()
    rig.fault("notice", "silence", times=None)
    rig.pay(order.out_trade_no)
    with pytest.raises(Exception, match="sign_type"):
        await rig.door.channel.read({}, rig.door.raw[-1][1])


async def test_cb_10_the_same_number_at_two_operators_is_two_merchants(enrolment: Enrolment) -> None:
    other = enrol("1001")
    async with open_rig(enrolment, TRAITS) as here, open_rig(other, TRAITS) as there:
        order = await here.placed()
        here.pay(order.out_trade_no)
        await here.quiet()
        message = here.door.raw[0][1]
        assert (await here.channel.read({}, message)).report
        with pytest.raises(Exception, match="signature"):
            await there.channel.read({}, message)
        assert (await there.channel.query(order.out_trade_no)).exists is False


async def test_v2_believes_no_success_that_is_not_signed_now(rig2: EpayRig) -> None:
    order = await rig2.placed()
    txn = rig2.pay(order.out_trade_no)
    for kind in ("unsigned", "forge", "stale"):
        rig2.fault("query", kind)
        answer = await rig2.channel.query(order.out_trade_no)
        assert (answer.outcome, answer.native.code) == (Outcome.UNKNOWN, "ANSWER_NOT_VERIFIED"), kind
    refund = rig2.back(order, txn, amount_fen=1_000)
    assert (await rig2.channel.refund(refund)).outcome is Outcome.SUCCESS
    # The same number with whatever amount is the same refund.
    repeated = await rig2.channel.refund(replace(refund, amount_fen=2_000))
    assert (repeated.outcome, repeated.report.amount_fen) == (Outcome.SUCCESS, 1_000)
    assert rig2.refunded_fen() == 1_000


@pytest.mark.parametrize("kind", ["odd_amount", "words", "page", "garbage"])
async def test_nf_04_answers_as_operators_sometimes_write_them_are_unknown(rig: EpayRig, rig2: EpayRig, kind: str) -> None:
    for each in (rig, rig2):
        order = await each.placed()
        each.pay(order.out_trade_no)
        each.fault("query", kind)
        assert (await each.channel.query(order.out_trade_no)).outcome is Outcome.UNKNOWN
        assert (await each.channel.query(order.out_trade_no)).outcome is Outcome.SUCCESS


@pytest.mark.parametrize(
    ("trick", "code"),
    [("forge", "signature"), ("tamper", "signature"), ("extra", "malformed"), ("polluted", "malformed"), ("other_key", "signature"),
     ("other_mchid", "foreign"), ("odd_amount", "malformed")],
)  # fmt: skip
async def test_cb_02_bad_callbacks_are_refused_over_http(rig: EpayRig, trick: str, code: str) -> None:
    order = await rig.placed()
    rig.fault("notice", trick)
    rig.pay(order.out_trade_no)
    await rig.quiet()
    assert {invalid.code for invalid in rig.door.refused} == {code}
    assert [each.report.number for each in rig.door.read if each.report] == [order.out_trade_no]
