"""What every adapter must do against its simulator over real HTTP. A kind's tests take these by a star import."""

import asyncio
from datetime import timedelta

import pytest

from daozhang import clock, ids
from daozhang.channels.port import Channel, OrderRequest, Outcome, RefundRequest


def wish(notify_url: str = "http://127.0.0.1:9/notify", method: str = "native", **changes: object) -> OrderRequest:
    """A fresh order of 50 yuan."""
    values: dict[str, object] = {
        "out_trade_no": ids.text26(ids.new_id()),
        "method": method,
        "amount_fen": 5000,
        "description": "到账 · 余额充值",
        "expires_at": clock.now() + timedelta(minutes=30),
        "notify_url": notify_url,
        "client_ip": "203.0.113.9",
        "payer_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" if method == "jsapi" else "",
    }
    return OrderRequest(**(values | changes))  # type: ignore[arg-type]


def back(order: OrderRequest, txn: str = "", **changes: object) -> RefundRequest:
    """A refund of an order."""
    values: dict[str, object] = {
        "out_trade_no": order.out_trade_no,
        "out_refund_no": ids.text26(ids.new_id()),
        "channel_txn": txn,
        "amount_fen": order.amount_fen,
        "total_fen": order.amount_fen,
        "why": "用户申请",
        "notify_url": order.notify_url,
    }
    return RefundRequest(**(values | changes))  # type: ignore[arg-type]


async def test_an_order_is_placed_and_asking_again_gives_the_same(channel: Channel) -> None:
    order = wish()
    first = await channel.order(order)
    assert first.outcome is Outcome.SUCCESS
    assert first.payload["text"]
    assert first.expires_at is not None
    assert first.expires_at <= order.expires_at
    again = await channel.order(order)
    assert (again.outcome, again.payload) == (Outcome.SUCCESS, first.payload)


async def test_unpaid_is_pending_and_never_a_failure(channel: Channel) -> None:
    order = wish()
    await channel.order(order)
    answer = await channel.query(order.out_trade_no)
    assert (answer.outcome, answer.exists) == (Outcome.PENDING, True)
    assert answer.report is not None
    assert answer.report.number == order.out_trade_no


async def test_an_unknown_order_does_not_exist_and_has_not_failed(channel: Channel) -> None:
    answer = await channel.query(ids.text26(ids.new_id()))
    assert (answer.exists, answer.report) == (False, None)
    assert answer.outcome is Outcome.UNKNOWN


async def test_a_payment_is_found_by_asking(channel: Channel, sim) -> None:
    order = wish()
    await channel.order(order)
    sim.phone.pay(order.out_trade_no)
    report = (await channel.query(order.out_trade_no)).report
    assert report is not None
    assert (report.witness, report.subject, report.outcome) == ("query", "payment", Outcome.SUCCESS)
    assert (report.number, report.amount_fen, report.currency) == (order.out_trade_no, 5000, "CNY")
    assert (report.merchant, report.app, report.channel_id) == (channel.merchant, channel.app, channel.id)
    assert report.channel_txn
    assert report.happened_at is not None
    assert abs((report.happened_at - clock.now()).total_seconds()) < 60


async def test_a_payment_is_told_at_the_door_with_the_same_facts(channel: Channel, sim, door) -> None:
    order = wish(door.url)
    await channel.order(order)
    sim.phone.pay(order.out_trade_no)
    await sim.quiet()
    told = door.read[0].report
    asked = (await channel.query(order.out_trade_no)).report
    assert told is not None
    assert asked is not None
    assert told.witness == "notification"
    for name in (
        "subject",
        "number",
        "outcome",
        "amount_fen",
        "currency",
        "merchant",
        "app",
        "channel_txn",
        "happened_at",
        "payer",
    ):
        assert getattr(told, name) == getattr(asked, name), name
    assert sim.books.notice_counts().get("acknowledged") == 1


async def test_a_resent_callback_has_the_same_key(channel: Channel, sim, door) -> None:
    order = wish(door.url)
    await channel.order(order)
    sim.fault("notice", "duplicate", copies=5)
    sim.phone.pay(order.out_trade_no)
    await sim.quiet()
    assert len(door.read) >= 5
    assert len({notification.key for notification in door.read}) == 1


async def test_closing_is_re_entrant_and_refused_once_paid(channel: Channel, sim) -> None:
    unpaid, paid = wish(), wish()
    for order in (unpaid, paid):
        await channel.order(order)
    sim.phone.pay(paid.out_trade_no)
    assert (await channel.close(unpaid.out_trade_no)).outcome is Outcome.SUCCESS
    assert (await channel.close(unpaid.out_trade_no)).outcome is Outcome.SUCCESS
    assert (await channel.query(unpaid.out_trade_no)).outcome is Outcome.FAILURE
    refused = await channel.close(paid.out_trade_no)
    assert (refused.outcome, refused.reason) == (Outcome.FAILURE, "operation.already_paid")


async def test_closing_what_never_was_is_as_good_as_closed(channel: Channel) -> None:
    answer = await channel.close(ids.text26(ids.new_id()))
    assert (answer.outcome, answer.exists) == (Outcome.SUCCESS, False)


async def test_a_refund_is_accepted_done_and_told_once_per_number(channel: Channel, sim, door) -> None:
    order = wish(door.url)
    await channel.order(order)
    txn = sim.phone.pay(order.out_trade_no).transaction_id
    await sim.quiet()
    refund = back(order, txn, amount_fen=2000)
    accepted = await channel.refund(refund)
    assert accepted.outcome is Outcome.PENDING
    assert (await channel.refund(refund)).outcome in (Outcome.PENDING, Outcome.SUCCESS)
    await sim.quiet()
    done = await channel.query_refund(refund.out_refund_no)
    assert done.outcome is Outcome.SUCCESS
    assert done.report is not None
    assert (done.report.subject, done.report.number, done.report.amount_fen) == ("refund", refund.out_refund_no, 2000)
    told = [notification.report for notification in door.read if notification.report and notification.report.subject == "refund"]
    assert [(report.number, report.amount_fen, report.outcome) for report in told] == [
        (refund.out_refund_no, 2000, Outcome.SUCCESS)
    ]
    assert sim.books.refund_totals().sum_fen == 2000


async def test_a_refunded_payment_still_counts_as_paid(channel: Channel, sim, door) -> None:
    order = wish(door.url)
    await channel.order(order)
    sim.phone.pay(order.out_trade_no)
    await channel.refund(back(order, amount_fen=1))
    await sim.quiet()
    report = (await channel.query(order.out_trade_no)).report
    assert report is not None
    assert (report.outcome, report.amount_fen, report.reason) == (Outcome.SUCCESS, 5000, "operation.refunded")


async def test_nf_05_an_unknown_refund_does_not_exist_so_it_is_repeated(channel: Channel) -> None:
    answer = await channel.query_refund(ids.text26(ids.new_id()))
    assert (answer.outcome, answer.exists) == (Outcome.UNKNOWN, False)


@pytest.mark.parametrize(
    "kind", ["hang", "booked_error", "truncate", "garbage", "unsigned", "forge", "stale", "unknown_serial", "empty_503"]
)
async def test_nf_04_no_believable_answer_is_unknown_and_never_failed(make, sim, kind: str) -> None:
    channel = make(total_s=0.4)
    order = wish()
    sim.fault("order", kind, seconds=2.0, times=3)
    prepay = await channel.order(order)
    assert (prepay.outcome, prepay.action) == (Outcome.UNKNOWN, None)
    sim.dial.clear()
    await channel.order(order)
    for point, ask in (("close", lambda: channel.close(order.out_trade_no)), ("query", lambda: channel.query(order.out_trade_no))):
        if point == "close" and kind in ("garbage", "truncate"):
            continue  # A close is answered without a body, so there is nothing to spoil.
        sim.fault(point, kind, seconds=2.0, times=3)
        answer = await ask()
        assert (answer.outcome, answer.report, answer.exists) == (Outcome.UNKNOWN, None, None), point
        sim.dial.clear()
    paid = wish()
    await channel.order(paid)
    sim.phone.pay(paid.out_trade_no)
    sim.fault("refund", kind, seconds=2.0, times=3)
    assert (await channel.refund(back(paid))).outcome is Outcome.UNKNOWN


async def test_nf_01_an_order_that_timed_out_is_found_by_its_number(make, sim) -> None:
    channel = make(total_s=0.3)
    order = wish()
    sim.fault("order", "hang", seconds=1.0)
    assert (await channel.order(order)).outcome is Outcome.UNKNOWN
    assert (await channel.query(order.out_trade_no)).exists is True


async def test_calls_in_parallel_do_not_disturb_each_other(channel: Channel, sim) -> None:
    orders = [wish(amount_fen=fen) for fen in range(101, 131)]
    prepays = await asyncio.gather(*(channel.order(order) for order in orders))
    assert {prepay.outcome for prepay in prepays} == {Outcome.SUCCESS}
    for order in orders:
        sim.phone.pay(order.out_trade_no)
    answers = await asyncio.gather(*(channel.query(order.out_trade_no) for order in orders))
    assert [answer.report.amount_fen for answer in answers] == [order.amount_fen for order in orders]
