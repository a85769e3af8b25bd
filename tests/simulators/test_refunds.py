"""Refunds: accepted is not done, the same number is the same refund, and the channel's rules hold."""

import time
from typing import Any

import msgspec
import pytest
from tests.simulators.till import REFUNDS, Door, Till

from daozhang.simulators.simulator import Simulator


@pytest.fixture
async def paid(sim: Simulator, till: Till, door: Door) -> str:
    """A paid order of 50 yuan whose callback has been taken."""
    number = await till.placed()
    sim.phone.pay(number)
    await sim.quiet()
    door.messages.clear()
    return number


async def test_a_refund_is_accepted_then_done_then_told(sim: Simulator, till: Till, door: Door, paid: str) -> None:
    sim.habits.time_scale = 0.1
    reply = await till.call("POST", REFUNDS, till.refund(paid, "R1", 2_000))
    assert (reply.status, reply.content["status"]) == (200, "PROCESSING")
    assert till.verified(reply.headers, reply.body)
    assert sim.books.balance_fen(till.merchant.mchid) == 3_000
    await sim.quiet()
    asked = (await till.call("GET", f"{REFUNDS}/R1")).content
    assert (asked["status"], asked["amount"]["refund"], asked["amount"]["total"]) == ("SUCCESS", 2_000, 5_000)
    ((headers, body),) = door.messages
    assert till.verified(headers, body)
    assert msgspec.json.decode(body)["event_type"] == "REFUND.SUCCESS"
    told = till.opened(body)
    assert (told["refund_status"], told["out_refund_no"], told["amount"]["refund"]) == ("SUCCESS", "R1", 2_000)
    assert (await till.asked(paid)).content["trade_state"] == "REFUND"
    assert sim.books.refund_totals().sum_fen == 2_000


@pytest.mark.parametrize(("fate", "balance_fen", "state"), [("CLOSED", 5_000, "SUCCESS"), ("ABNORMAL", 3_000, "REFUND")])
async def test_a_refund_may_end_badly(
    sim: Simulator, till: Till, door: Door, paid: str, fate: Any, balance_fen: int, state: str
) -> None:
    sim.habits.refund_fates.append(fate)
    await till.call("POST", REFUNDS, till.refund(paid, "R1", 2_000))
    await sim.quiet()
    assert (await till.call("GET", f"{REFUNDS}/R1")).content["status"] == fate
    assert msgspec.json.decode(door.messages[0][1])["event_type"] == f"REFUND.{fate}"
    assert sim.books.balance_fen(till.merchant.mchid) == balance_fen
    assert (await till.asked(paid)).content["trade_state"] == state


async def test_the_same_number_is_the_same_refund(sim: Simulator, till: Till, paid: str) -> None:
    body = till.refund(paid, "R1", 2_000)
    first, second = [(await till.call("POST", REFUNDS, body)).content["refund_id"] for _ in range(2)]
    assert first == second
    assert sim.books.balance_fen(till.merchant.mchid) == 3_000
    reply = await till.call("POST", REFUNDS, till.refund(paid, "R1", 2_001))
    assert (reply.status, reply.code) == (400, "INVALID_REQUEST")


async def test_refunds_of_one_order_are_a_minute_apart(sim: Simulator, till: Till, paid: str) -> None:
    sim.habits.time_scale = 1.0
    assert (await till.call("POST", REFUNDS, till.refund(paid, "R1", 1))).status == 200
    reply = await till.call("POST", REFUNDS, till.refund(paid, "R2", 1))
    assert (reply.status, reply.code) == (429, "FREQUENCY_LIMITED")


async def test_at_most_fifty_refunds_and_never_more_than_was_paid(sim: Simulator, till: Till, paid: str) -> None:
    sim.habits.time_scale = 0.0
    assert (await till.call("POST", REFUNDS, till.refund(paid, "R", 5_001))).code == "INVALID_REQUEST"
    for index in range(50):
        assert (await till.call("POST", REFUNDS, till.refund(paid, f"R{index}", 1))).status == 200
    reply = await till.call("POST", REFUNDS, till.refund(paid, "R50", 1))
    assert (reply.code, "50" in reply.content["message"]) == ("INVALID_REQUEST", True)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"out_trade_no": "NOBODYS1"}, "RESOURCE_NOT_EXISTS"),
        ({"amount": {"refund": 1, "total": 4_999, "currency": "CNY"}}, "INVALID_REQUEST"),
        ({"amount": {"refund": 0, "total": 5_000, "currency": "CNY"}}, "PARAM_ERROR"),
        ({"amount": {"refund": 1, "total": 5_000}}, "PARAM_ERROR"),
        ({"out_refund_no": ""}, "PARAM_ERROR"),
        ({"reason": "x" * 81}, "PARAM_ERROR"),
    ],
    ids=str,
)
async def test_a_refund_that_breaks_a_rule_moves_nothing(
    sim: Simulator, till: Till, paid: str, change: dict[str, Any], code: str
) -> None:
    reply = await till.call("POST", REFUNDS, till.refund(paid, "R1", 1) | change)
    assert reply.code == code
    assert sim.books.balance_fen(till.merchant.mchid) == 5_000


async def test_an_unpaid_order_and_an_unknown_refund_do_not_exist(till: Till) -> None:
    number = await till.placed()
    assert (await till.call("POST", REFUNDS, till.refund(number, "R1", 1))).code == "RESOURCE_NOT_EXISTS"
    assert (await till.call("GET", f"{REFUNDS}/R1")).code == "RESOURCE_NOT_EXISTS"


async def test_a_year_later_it_is_too_late(sim: Simulator, till: Till, paid: str) -> None:
    sim.watch.offset_s = 366 * 86_400
    reply = await till.call("POST", REFUNDS, till.refund(paid, "R1", 1), timestamp=str(int(time.time() + sim.watch.offset_s)))
    assert reply.code == "TRADE_OVERDUE"


async def test_more_than_six_refused_refund_calls_a_second_are_too_many(
    sim: Simulator, till: Till, paid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Within one second, however long the calls take.
    at_s = sim.watch.now_s()
    monkeypatch.setattr(sim.watch, "now_s", lambda: at_s)
    codes = [(await till.call("POST", REFUNDS, till.refund("NOBODYS1", "R1", 1))).code for _ in range(14)]
    assert "FREQUENCY_LIMITED" in codes


async def test_the_merchant_must_have_the_money(sim: Simulator, till: Till, paid: str) -> None:
    sim.books._run("move_balance", till.merchant.mchid, -4_999)
    reply = await till.call("POST", REFUNDS, till.refund(paid, "R1", 2))
    assert (reply.status, reply.code) == (403, "NOT_ENOUGH")
