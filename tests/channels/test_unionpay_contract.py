"""UnionPay keeps the contract, and what only UnionPay has."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import aiohttp
import pytest
from tests.channels.attacks import Target, listening
from tests.channels.contract import *  # noqa: F403 - the contract's tests are collected here.
from tests.channels.pens import union_target
from tests.channels.rig import Door, open_door
from tests.channels.unionpay_rig import TRAITS, Make, UnionRig, keys_of, maker

from daozhang import clock, ids
from daozhang.channels.kinds.unionpay.adapter import UnionPay
from daozhang.channels.kinds.unionpay.fields import encode
from daozhang.channels.kinds.unionpay.files import clearing_day
from daozhang.channels.kinds.unionpay.messages import txn_time
from daozhang.channels.port import Native, Outcome
from daozhang.clock import SHANGHAI
from daozhang.outbound import Exchange
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.unionpay.enrolment import Enrolment, enrol
from daozhang.simulators.unionpay.files import ZM_WIDTHS
from daozhang.simulators.unionpay.station import UnionPay as Station

__all__ = ["TRAITS"]


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol(("777290058100001", "青竹点卡"), ("777290058100002", "别家"))


@pytest.fixture(scope="module")
def merchant_keys(enrolment: Enrolment):
    return keys_of(enrolment)


@pytest.fixture(scope="module")
async def target(enrolment: Enrolment) -> AsyncIterator[Target]:
    async with listening(union_target(enrolment, enrol(("777290058100001", "青竹点卡")))) as opened:
        yield opened


@pytest.fixture
async def sim(enrolment: Enrolment) -> AsyncIterator[Simulator]:
    async with Simulator(kinds=("unionpay",), makers={"unionpay": lambda world: Station(world, enrolment)}) as running:
        yield running


@pytest.fixture
def exchanges() -> list[Exchange]:
    return []


@pytest.fixture
async def make(sim: Simulator, exchanges: list[Exchange], merchant_keys) -> AsyncIterator[Make]:
    made: list[UnionPay] = []
    yield maker(sim, exchanges, merchant_keys, made)
    for channel in made:
        await channel.close_connections()


@pytest.fixture
async def channel(make: Make) -> UnionPay:
    return make()


@pytest.fixture
async def door(channel: UnionPay) -> AsyncIterator[Door]:
    async with open_door(channel) as opened:
        yield opened


@pytest.fixture
def rig(channel: UnionPay, make: Make, sim: Simulator, door: Door, exchanges: list[Exchange]) -> UnionRig:
    return UnionRig(channel, make, sim, door, exchanges)


async def browse(form: dict[str, object]) -> tuple[int, str, str]:
    """Post a form as a browser does; (status, where it leads, what it shows)."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(str(form["url"]), data=form["fields"], allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers.get("Location", ""), await answer.text()


async def test_each_method_gives_the_payer_what_it_needs(rig: UnionRig) -> None:
    code = await rig.channel.order(rig.wish(method="qr"))
    assert code.action == "qr"
    assert code.payload["text"].startswith("https://qr.95516.com/00010000/")
    for method, channel_type in (("page", "07"), ("h5", "08")):
        order = rig.wish(method=method)
        rig.exchanges.clear()
        form = await rig.channel.order(order)
        assert (form.action, rig.exchanges) == ("form", [])
        assert form.payload["fields"]["channelType"] == channel_type
        assert form.payload["fields"]["frontUrl"] == order.return_url
        status, leads, _ = await browse(form.payload)
        assert status == 303
        assert re.match(r"/phone/pay/[0-9]{18}\?back=", leads)
        assert rig.sim.phone.find(order.out_trade_no).product == method
    # The same form may be brought again while nobody has paid, and not any more when somebody has.
    assert (await browse(form.payload))[0] == 303
    rig.pay(order.out_trade_no)
    status, _, page = await browse(form.payload)
    assert (status, "respCode=12" in page) == (200, True)


async def test_the_same_request_is_the_same_bytes_and_another_number_another_form(rig: UnionRig) -> None:
    order = rig.wish(method="page")
    first, again = await rig.channel.order(order), await rig.channel.order(order)
    assert first == again
    assert (await rig.channel.order(rig.wish(method="page"))).payload != first.payload


async def test_the_browser_comes_back_with_a_signed_form_that_is_only_shown(rig: UnionRig, channel) -> None:
    order = rig.wish(method="page", return_url="https://shop.example/back/1")
    form = await channel.order(order)
    _, leads, _ = await browse(form.payload)
    back = dict(parse_qsl(leads.partition("?")[2]))["back"]
    async with aiohttp.ClientSession() as session:
        async with session.get(back, allow_redirects=False) as answer:
            # Nothing was paid, so the browser is only led back.
            assert (answer.status, answer.headers["Location"]) == (303, order.return_url)
        rig.pay(order.out_trade_no)
        async with session.get(back) as answer:
            page = await answer.text()
    assert 'action="https://shop.example/back/1"' in page
    fields = dict(re.findall(r'name="([A-Za-z]+)" value="([^"]*)"', page))
    assert fields["orderId"] == order.out_trade_no
    channel._caller.verify(fields)


def test_txn_time_is_read_out_of_the_number_and_never_changes() -> None:
    made = datetime(2026, 5, 20, 16, 59, 59, 999_000, tzinfo=UTC)
    milliseconds = int(made.timestamp() * 1000)
    number = ids.text26(ids.FastUUID(((milliseconds << 80) | (7 << 76) | (0b10 << 62) | 5).to_bytes(16, "big")))
    assert txn_time(number) == "20260521005959"
    for other in ("", "x", "0" * 26, "Z" * 26, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "20260520165959000001"):
        assert txn_time(other) is None


async def test_nf_01_a_query_after_a_crash_finds_the_order_by_a_fresh_adapter(rig: UnionRig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    clock.shift(3600)
    try:
        answer = await rig.make().query(order.out_trade_no)
    finally:
        clock.shift(0)
    assert (answer.outcome, answer.report.amount_fen) == (Outcome.SUCCESS, 5000)


async def test_a_number_that_is_not_ours_is_not_asked_for(rig: UnionRig) -> None:
    rig.exchanges.clear()
    for ask in (rig.channel.query, rig.channel.query_refund):
        answer = await ask("20260520165959000001")
        assert (answer.outcome, answer.exists) == (Outcome.UNKNOWN, False)
    assert (await rig.channel.order(rig.wish(out_trade_no="20260520165959000001"))).outcome is Outcome.FAILURE
    assert rig.exchanges == []


async def test_a_code_that_was_lost_is_not_given_twice_and_nobody_is_told_to_pay(rig: UnionRig) -> None:
    order = rig.wish()
    rig.fault("order", "hang", seconds=60)
    assert (await rig.make(total_s=1.0).order(order)).outcome is Outcome.UNKNOWN
    rig.calm()
    again = await rig.channel.order(order)
    assert (again.outcome, again.action, again.reason, again.native.code) == (Outcome.UNKNOWN, None, "operation.code_lost", "12")


async def test_an_order_that_expires_before_unionpay_could_take_it_is_not_sent(rig: UnionRig) -> None:
    rig.exchanges.clear()
    for method in ("qr", "page"):
        prepay = await rig.channel.order(rig.wish(method=method, expires_at=clock.now() + timedelta(seconds=59)))
        assert (prepay.outcome, prepay.reason) == (Outcome.FAILURE, "operation.order_stale")
    assert rig.exchanges == []


async def test_the_phases_of_a_payment_by_browser(rig: UnionRig) -> None:
    """34 until somebody begins, 05 while it is under way, 03 while UnionPay itself does not know, and then what it came to."""
    order = rig.wish(method="page")
    form = await rig.channel.order(order)
    number = order.out_trade_no
    nothing = await rig.channel.query(number)
    assert (nothing.outcome, nothing.exists, nothing.native.code) == (Outcome.UNKNOWN, False, "34")
    await browse(form.payload)
    assert (await rig.channel.query(number)).exists is False
    rig.see(number)
    begun = await rig.channel.query(number)
    assert (begun.outcome, begun.exists, begun.native.code) == (Outcome.PENDING, True, "05")
    rig.sim.habits.time_scale = 1.0
    rig.sim.phone.pay(number, trick="settling")
    settling = await rig.channel.query(number)
    assert (settling.outcome, settling.native.code, settling.reason) == (Outcome.PENDING, "03", "channel.checking")
    clock.shift(61)
    try:
        assert (await rig.channel.query(number)).outcome is Outcome.SUCCESS
    finally:
        clock.shift(0)


async def test_close_tells_the_truth(rig: UnionRig) -> None:
    order = rig.wish(method="page")
    form = await rig.channel.order(order)
    unseen = await rig.channel.close(order.out_trade_no)
    assert (unseen.outcome, unseen.exists, unseen.reason) == (Outcome.UNKNOWN, False, "channel.ends_by_itself")
    await browse(form.payload)
    rig.see(order.out_trade_no)
    begun = await rig.channel.close(order.out_trade_no)
    assert (begun.outcome, begun.exists, begun.reason) == (Outcome.UNKNOWN, None, "channel.ends_by_itself")
    rig.sim.phone.refuse(order.out_trade_no, "not_enough")
    failed = await rig.channel.close(order.out_trade_no)
    assert (failed.outcome, failed.reason) == (Outcome.SUCCESS, "account.payer_balance_short")
    # Late money stays money: the payer took another card while there was time.
    rig.pay(order.out_trade_no)
    paid = await rig.channel.close(order.out_trade_no)
    assert (paid.outcome, paid.reason) == (Outcome.FAILURE, "operation.already_paid")
    assert (await rig.channel.query(order.out_trade_no)).outcome is Outcome.SUCCESS


async def test_unionpay_takes_no_payment_after_its_time(rig: UnionRig) -> None:
    order = await rig.placed(expires_at=clock.now() + timedelta(minutes=10))
    clock.shift(9 * 60 + 1)
    try:
        with pytest.raises(Exception, match="expired"):
            rig.pay(order.out_trade_no)
        assert (await rig.channel.query(order.out_trade_no)).exists is False
    finally:
        clock.shift(0)


async def test_a_notice_that_the_query_does_not_know_yet_is_asked_again_and_not_thrown_away(rig: UnionRig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    await rig.quiet()
    for code in ("34", "05"):
        rig.fault("query", "error", code=code)
        answer = await rig.channel.query(order.out_trade_no)
        assert (answer.outcome, answer.exists, answer.report) == (Outcome.UNKNOWN, None, None), code
        # Without the notice it is an answer: this UnionPay knows no such payment.
        rig.fault("query", "error", code="34")
        assert (await rig.make().query(order.out_trade_no)).exists is False


async def test_a_refund_without_unionpays_number_asks_for_it_first(rig: UnionRig) -> None:
    order = await rig.placed()
    unpaid = await rig.channel.refund(rig.back(order))
    assert (unpaid.outcome, rig.station.books.refund_totals().count) == (Outcome.UNKNOWN, 0)
    rig.pay(order.out_trade_no)
    assert (await rig.channel.refund(rig.back(order))).outcome is Outcome.PENDING


async def test_nf_05_a_refund_repeated_under_its_number_is_done_once(rig: UnionRig) -> None:
    order = await rig.placed()
    refund = rig.back(order, rig.pay(order.out_trade_no), amount_fen=2000)
    rig.fault("refund", "hang", seconds=60)
    assert (await rig.make(total_s=1.0).refund(refund)).outcome is Outcome.UNKNOWN
    rig.calm()
    for _ in range(3):
        assert (await rig.channel.refund(refund)).outcome in (Outcome.PENDING, Outcome.SUCCESS)
    await rig.quiet()
    assert (await rig.channel.refund(refund)).outcome is Outcome.SUCCESS
    assert rig.station.books.refund_totals() == type(rig.station.books.refund_totals())(1, 2000)


@pytest.mark.parametrize(
    ("fate", "outcome", "reason"),
    [("CLOSED", Outcome.FAILURE, "refund.not_accepted"), ("ABNORMAL", Outcome.PENDING, "channel.checking")],
)
async def test_nf_05_a_refund_that_unionpay_could_not_finish(rig: UnionRig, fate, outcome, reason) -> None:
    order = await rig.placed()
    refund = rig.back(order, rig.pay(order.out_trade_no), amount_fen=1)
    rig.sim.habits.refund_fates[:] = [fate]
    assert (await rig.channel.refund(refund)).outcome is Outcome.PENDING
    await rig.quiet()
    answer = await rig.channel.query_refund(refund.out_refund_no)
    assert (answer.outcome, answer.reason) == (outcome, reason)


async def test_a_revoke_takes_all_of_a_payment_back_in_its_own_clearing_day(rig: UnionRig) -> None:
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    rig.exchanges.clear()
    part = await rig.channel.revoke(rig.back(order, txn, amount_fen=1))
    assert (part.outcome, rig.exchanges) == (Outcome.FAILURE, [])
    revoke = rig.back(order, txn)
    assert (await rig.channel.revoke(revoke)).outcome is Outcome.PENDING
    done = await rig.channel.query_refund(revoke.out_refund_no)
    assert (done.outcome, done.report.subject, done.report.amount_fen) == (Outcome.SUCCESS, "refund", 5000)
    await rig.quiet()
    assert [each.kind for each in rig.door.read] == ["01", "31"]
    assert (await rig.channel.revoke(rig.back(order, txn))).reason == "refund.returned_before"
    assert (await rig.channel.refund(rig.back(order, txn))).reason == "refund.returned_before"
    assert rig.refunded_fen() == 5000


async def test_a_revoke_after_2300_is_refused_and_a_refund_is_not(rig: UnionRig) -> None:
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    now = clock.now()
    cut = datetime.combine(clearing_day(now), datetime.min.time(), SHANGHAI) + timedelta(hours=23)
    clock.shift((cut - now).total_seconds() + 1)
    try:
        late = await rig.channel.revoke(rig.back(order, txn))
        assert (late.outcome, late.native.code) == (Outcome.FAILURE, "35")
        assert (await rig.channel.refund(rig.back(order, txn))).outcome is Outcome.PENDING
    finally:
        clock.shift(0)


def test_the_clearing_day_ends_at_2300_in_shanghai() -> None:
    for hour, minute, day in ((22, 59, 20), (23, 0, 21), (0, 0, 20)):
        assert clearing_day(datetime(2026, 5, 20, hour, minute, tzinfo=SHANGHAI)).day == day
    assert clearing_day(datetime(2026, 12, 31, 15, 0, tzinfo=UTC)).isoformat() == "2027-01-01"


async def test_the_settlement_file_of_a_day_holds_what_was_paid_and_returned(rig: UnionRig) -> None:
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    await rig.channel.refund(rig.back(order, txn, amount_fen=2000))
    await rig.quiet()
    day = clearing_day(clock.now())
    early = await rig.channel.bill_file(day)
    assert (early.outcome, early.reason, early.native.code) == (Outcome.PENDING, "platform.bill_not_ready", "98")
    clock.shift(2 * 86_400)
    try:
        bill = await rig.channel.bill_file(day)
    finally:
        clock.shift(0)
    assert bill.outcome is Outcome.SUCCESS
    (successes,) = [name for name in bill.files if "ZM_" in name]
    lines = bill.files[successes].splitlines()
    assert {len(line) for line in lines} == {sum(ZM_WIDTHS) + len(ZM_WIDTHS) - 1}
    assert [line.split()[2] for line in lines] == [b"000000005000", b"000000002000"]
    assert txn.encode() in lines[0]


@pytest.mark.parametrize("fault", ["unsigned", "forge", "stale", "unknown_serial", "garbage", "truncate", "empty_503"])
async def test_nf_04_a_settlement_file_that_does_not_hold_is_not_taken(rig: UnionRig, fault: str) -> None:
    rig.fault("api", fault)
    clock.shift(2 * 86_400)
    try:
        bill = await rig.channel.bill_file(clearing_day(clock.now()) - timedelta(days=2))
    finally:
        clock.shift(0)
    assert (bill.outcome, bill.files) == (Outcome.UNKNOWN, {})


async def test_an_answer_about_another_order_is_not_believed(rig: UnionRig, monkeypatch) -> None:
    first, second = await rig.placed(), await rig.placed()
    rig.pay(second.out_trade_no)
    real = rig.channel._transport.send

    async def crossed(host, request, subject):
        # Somebody in between asks about another order of ours and hands the true answer back.
        fields = dict(parse_qsl(request.body.decode())) | {"orderId": second.out_trade_no, "txnTime": txn_time(second.out_trade_no)}
        return await real(host, replace(request, body=encode(rig.channel._signer.signed(fields))), subject)

    monkeypatch.setattr(rig.channel._transport, "send", crossed)
    answer = await rig.channel.query(first.out_trade_no)
    assert (answer.outcome, answer.report, answer.native) == (
        Outcome.UNKNOWN,
        None,
        Native("UNCLEAR", "it is about something else", 200, answer.native.trace),
    )


async def test_another_merchants_key_is_refused_by_unionpay(rig: UnionRig, enrolment: Enrolment) -> None:
    prepay = await rig.make(given=[keys_of(enrolment, enrolment.merchants[1])]).order(rig.wish())
    assert (prepay.outcome, prepay.reason, prepay.native.code) == (Outcome.FAILURE, "channel.misconfigured", "11")


async def test_a_merchant_that_unionpay_does_not_know_gets_no_signed_answer_and_is_not_believed(rig: UnionRig) -> None:
    prepay = await rig.make(merchant="777290058109999").order(rig.wish())
    assert (prepay.outcome, prepay.native.code) == (Outcome.UNKNOWN, "ANSWER_NOT_VERIFIED")
    assert "31" in prepay.native.message


async def test_two_chains_hold_at_once_while_keys_change(rig: UnionRig, enrolment: Enrolment, merchant_keys) -> None:
    newer = enrol(("777290058100001", "青竹点卡"))
    # The shop has UnionPay's next chain already, which UnionPay does not sign with yet.
    mixed = keys_of(enrolment, root_certificates=[newer.root], middle_certificates=[newer.middle])
    assert (await rig.make(given=[mixed]).order(rig.wish())).outcome is Outcome.UNKNOWN
    assert (await rig.make(given=[mixed, merchant_keys]).order(rig.wish())).outcome is Outcome.SUCCESS
