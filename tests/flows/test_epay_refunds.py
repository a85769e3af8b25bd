"""Money back through an operator of Epay: V1 has no number of a refund, so it is asked for once and then only asked about."""

import asyncio
from typing import Any

import pytest
from tests.flows.epay_till import Till
from tests.flows.epay_till import operator as operator  # noqa: PLC0414 - the fixture
from tests.flows.epay_till import till as till  # noqa: PLC0414 - the fixture

from daozhang import ids
from daozhang.recharge.release import reject


async def test_nf_05_a_refund_of_v1_that_nobody_knows_of_is_found_and_never_asked_for_twice(till: Till) -> None:
    order = await till.paid(till.v1)
    till.shop.sim.fault("refund", "booked_error")
    refund = await till.shop.program.desk.refund(order.id, 2_000, "不想要了", "staff:1")
    assert (await till.refund_state(refund.id))[0] == "sent"
    await till.shop.later(70)
    await till.shop.work()
    assert (await till.refund_state(refund.id))[0] == "done"
    assert till.station.sums()["refunded"].sum_fen == 2_000
    assert await till.shop.cash() == 3_000


async def test_nf_05_a_refund_of_v1_that_never_arrived_is_not_sent_again_and_a_person_is_told(till: Till) -> None:
    order = await till.paid(till.v1)
    till.shop.sim.fault("refund", "error", code="-1", message="退款失败：银行超时")
    refund = await till.shop.program.desk.refund(order.id, 2_000, "不想要了", "staff:1")
    for _ in range(5):
        await till.shop.later(600)
        await till.shop.work()
    state, reason = await till.refund_state(refund.id)
    assert (state, reason) == ("sent", "refund.needs_hand")
    assert till.station.sums()["refunded"].sum_fen == 0
    wallet = await till.shop.program.desk.wallet(till.shop.user_id)
    assert (wallet.cash_fen, wallet.reserved_fen) == (3_000, 2_000)
    (anomaly,) = await till.shop.program.database.rows("select kind from anomalies where resolved_at is null")
    assert anomaly["kind"] == "unresolved"
    # A second one waits for the first: the operator could not tell them apart.
    await till.shop.later(120)
    second = await till.shop.program.desk.refund(order.id, 1_000, "再退", "staff:1")
    assert await till.refund_state(second.id) == ("failed", "refund.in_progress")


async def test_nf_05_a_refund_of_v2_is_sent_again_under_its_number_and_given_once(till: Till) -> None:
    order = await till.paid(till.v2)
    till.shop.sim.fault("refund", "booked_error")
    till.shop.sim.fault("refund_query", "error", code="-1", message="退款记录不存在", times=1)
    refund = await till.shop.program.desk.refund(order.id, 2_000, "不想要了", "staff:1")
    assert (await till.refund_state(refund.id))[0] == "sent"
    await till.shop.later(70)
    await till.shop.work()
    assert (await till.refund_state(refund.id))[0] == "done"
    assert till.station.sums()["refunded"].sum_fen == 2_000


async def test_several_refunds_of_v1_one_after_the_other(till: Till) -> None:
    order = await till.paid(till.v1)
    for amount_fen in (1_000, 4_000):
        refund = await till.shop.program.desk.refund(order.id, amount_fen, "不想要了", "staff:1")
        assert (await till.refund_state(refund.id))[0] == "done"
        await till.shop.later(120)
    assert till.station.sums()["refunded"].sum_fen == 5_000
    assert await till.shop.cash() == 0


async def test_money_that_went_back_at_the_operator_by_hand_is_not_given_back_again(till: Till) -> None:
    order = await till.paid(till.v1)
    row = till.station.hand.order(await till.shop.number(order.id))
    till.station.books.refund(row, "", 5_000)
    refund = await till.shop.program.desk.refund(order.id, 5_000, "不想要了", "staff:1")
    assert await till.refund_state(refund.id) == ("failed", "refund.returned_elsewhere")
    assert till.station.sums()["refunded"].sum_fen == 5_000


async def test_nf_05_what_was_paid_twice_at_v1_goes_back_by_itself_once_the_operator_can_be_asked(till: Till) -> None:
    """It cannot be asked at first and is short of money then: nothing was taken in, so each next look is the first again."""
    database = till.shop.program.database
    order = await till.place(till.v1)
    first = await till.shop.number(order.id)
    await till.shop.program.desk.retry(till.shop.user_id, order.id, till.v2, "qr", "203.0.113.9")
    await till.shop.pay(order)
    await till.shop.reach(order.id, "credited")
    till.shop.sim.phone.pay(first)
    await till.shop.sim.quiet()
    (refund,) = await database.rows("select id, origin from refunds")
    assert refund["origin"] == "suspense"

    async def look() -> str:
        await till.shop.later(600)
        await till.shop.work()
        (row,) = await database.rows("select state from refunds")
        return str(row["state"])

    till.shop.sim.fault("query", "garbage", times=100)
    assert await look() == "reserved"
    till.shop.sim.dial.clear()
    till.station.rules.funds_short = True
    assert await look() == "reserved"
    till.station.rules.funds_short = False
    for _ in range(3):
        state = await look()
    assert state == "done"
    assert till.station.sums()["refunded"].sum_fen == 5_000
    assert await till.shop.cash() == 5_000


async def test_nf_05_looks_that_begin_at_once_ask_v1_for_a_refund_once(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await till.paid(till.v1)
    refunds, refund_id, database = till.shop.program.desk.refunds, ids.new_id(), till.shop.program.database
    read, both, readings = database.row, asyncio.Barrier(2), []

    async def together(*args: Any) -> Any:
        """Both looks have read the refund before either goes on."""
        found = await read(*args)
        readings.append(args)
        if len(readings) <= both.parties:
            await both.wait()
        return found

    book = await refunds._books.current(1)
    await till.shop.program.database.transact(
        lambda tx: refunds._begin(tx, book, refund_id, order.id, 1_000, "不想要了", "staff:1", checked=False)
    )
    with monkeypatch.context() as patch:
        patch.setattr(database, "row", together)
        await asyncio.gather(*(refunds.look(refund_id) for _ in range(both.parties)))
    await till.shop.program.interface_log.drain()
    asked = await database.value("select count(*) from interface_log where operation = 'refund' and refund_id = $1", refund_id)
    assert asked == 1
    # Nor has the other one taken the refund for one that was made elsewhere.
    assert await database.value("select count(*) from anomalies") == 0
    assert till.station.sums()["refunded"].sum_fen == 1_000
    assert (await till.refund_state(refund_id))[0] == "done"
    assert await till.shop.cash() == 4_000


async def test_a_second_payment_that_is_back_says_nothing_of_the_first_that_is_on_its_way(till: Till) -> None:
    shop = till.shop
    order = await till.place(till.v1)
    first = await shop.number(order.id)
    await shop.program.desk.retry(shop.user_id, order.id, till.v2, "qr", "203.0.113.9")
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    await shop.pay(order)
    await shop.reach(order.id, "held")
    shop.sim.phone.pay(first)
    await shop.sim.quiet()
    (twice,) = await shop.program.database.rows("select id from refunds")
    await reject(shop.program.database, shop.program.accounts, order.id, "staff:1", "退回")
    await shop.program.desk.refunds.look(twice["id"])
    assert (await till.refund_state(twice["id"]))[0] == "done"
    seen = await shop.order(order.id)
    assert (seen.state, seen.refunded_fen) == ("refunding", 0)
    for _ in range(5):
        await shop.later(61)
        await shop.work()
    seen = await shop.order(order.id)
    assert (seen.state, seen.refunded_fen) == ("refunded", 5_000)
    assert till.station.sums()["refunded"].sum_fen == 10_000
