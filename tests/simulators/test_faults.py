"""The fault dial, in code and over HTTP."""

import time
from typing import Any

import aiohttp
import pytest
from tests.simulators.till import ORDERS, Door, Till

from daozhang.simulators.faults import BadFault, Dial, Fault
from daozhang.simulators.simulator import Simulator


@pytest.mark.parametrize("code", ["SYSTEM_ERROR", "RULE_LIMIT", "FREQUENCY_LIMITED", "SERVICE_UNAVAILABLE", "ANY_NATIVE_CODE"])
async def test_any_native_code_can_be_answered_and_nothing_is_done(sim: Simulator, till: Till, code: str) -> None:
    sim.fault("order", "error", code=code)
    reply = await till.call("POST", ORDERS, till.order())
    assert reply.code == code
    assert reply.status >= 400
    assert "wechatpay-signature" not in reply.headers
    assert sim.books.order_counts() == {}


async def test_an_error_after_booking_has_done_it(sim: Simulator, till: Till) -> None:
    body = till.order()
    sim.fault("order", "booked_error", http=502, code="SYSTEM_ERROR", number=body["out_trade_no"])
    assert (await till.call("POST", ORDERS, till.order())).status == 200, "the fault is aimed at another number"
    assert (await till.call("POST", ORDERS, body)).status == 502
    assert (await till.call("POST", ORDERS, body)).status == 200


@pytest.mark.parametrize("kind", ["forge", "stale", "unknown_serial", "probe"])
async def test_answers_that_must_not_be_trusted(sim: Simulator, till: Till, kind: str) -> None:
    number = await till.placed()
    sim.fault("query", kind)
    reply = await till.asked(number)
    assert reply.status == 200
    assert not till.verified(reply.headers, reply.body)
    assert till.verified(*_signed(await till.asked(number)))


async def test_an_unsigned_answer_and_garbage(sim: Simulator, till: Till) -> None:
    number = await till.placed()
    sim.fault("query", "unsigned")
    sim.fault("query", "garbage")
    unsigned, garbage = await till.asked(number), await till.asked(number)
    assert "wechatpay-signature" not in unsigned.headers
    assert till.verified(*_signed(garbage))
    assert garbage.body.startswith(b"<html>")


async def test_a_cut_line_and_a_maintenance_page(sim: Simulator, till: Till) -> None:
    number = await till.placed()
    sim.fault("query", "truncate")
    with pytest.raises(aiohttp.ClientPayloadError):
        await till.asked(number)
    sim.fault("query", "empty_503")
    reply = await till.asked(number)
    assert (reply.status, reply.body) == (503, b"")


@pytest.mark.parametrize("kind", ["hang", "delay"])
async def test_slow_answers_take_their_time(sim: Simulator, till: Till, kind: str) -> None:
    sim.fault("order", kind, seconds=0.3)
    started = time.monotonic()
    assert (await till.call("POST", ORDERS, till.order())).status == 200
    assert time.monotonic() - started >= 0.3


async def test_the_dial_is_turned_over_http(sim: Simulator, till: Till, door: Door) -> None:
    async def turn(method: str, path: str, content: Any = None) -> tuple[int, Any]:
        async with till.session.request(method, sim.url + path, json=content) as answer:
            return answer.status, await answer.json()

    assert (await turn("GET", "/healthz"))[1] == {"ok": True}
    status, fault = await turn("POST", "/dial", {"point": "query", "kind": "error", "code": "BANKERROR", "times": 2})
    assert (status, fault["id"]) == (201, 1)
    number = await till.placed()
    assert (await till.asked(number)).code == "BANKERROR"
    assert (await turn("GET", "/dial"))[1][0]["used"] == 1
    assert (await turn("DELETE", "/dial"))[0] == 200
    assert (await till.asked(number)).status == 200
    for wrong in (
        {},
        {"point": "moon", "kind": "error"},
        {"point": "query", "kind": "moon"},
        {"point": "query", "kind": "error", "times": 0},
    ):
        assert (await turn("POST", "/dial", wrong))[0] == 400
    assert (await turn("POST", "/dial/habits", {"time_scale": 0.002, "probe_every": 0}))[1]["time_scale"] == 0.002
    assert (await turn("POST", "/dial/habits", {"time_scale": "fast"}))[0] == 400
    assert sim.habits.time_scale == 0.002
    assert (await turn("POST", "/dial/pay", {"number": number, "way": "credit"}))[1]["way"] == "credit"
    assert await turn("POST", "/dial/pay", {"number": number}) == (409, {"error": "paid"})
    assert await turn("POST", "/dial/pay", {"number": "NOBODYS1"}) == (409, {"error": "unknown"})
    await sim.quiet()
    sums = (await turn("GET", "/books"))[1]["wechatpay"]
    assert sums["paid"] == {"count": 1, "sum_fen": 5_000}
    detail = (await turn("GET", f"/books/order?number={number}"))[1]
    assert [send["acknowledged"] for send in detail["sends"]] == [1]
    assert (await turn("POST", "/dial/clock", {"offset_s": 60}))[0] == 200
    assert sim.watch.offset_s == 60
    assert (await turn("GET", "/dial/nothing"))[0] == 404


async def test_a_page_of_another_site_cannot_turn_the_dial(sim: Simulator, till: Till) -> None:
    fault = '{"point":"query","kind":"error"}'
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Origin": "http://evil.example"}):
        async with till.session.post(f"{sim.url}/dial", data=fault, headers=headers) as answer:
            assert answer.status == 403
    assert sim.dial.waiting() == []


def test_chance_repeats_with_its_seed() -> None:
    def pattern(seed: int) -> list[bool]:
        dial = Dial(seed)
        dial.set(Fault(point="query", kind="error", times=None, probability=0.5))
        return [dial.take("query") is not None for _ in range(64)]

    assert pattern(1) == pattern(1) != pattern(2)
    assert 10 < sum(pattern(1)) < 54


def test_any_call_may_be_meant_and_a_callback_is_not_a_call() -> None:
    dial = Dial()
    dial.set(Fault(point="api", kind="error", times=None))
    assert dial.take("close") is not None
    assert dial.take("notice") is None


def test_the_dial_refuses_what_it_does_not_know() -> None:
    for wrong in ({"kind": "drop"}, {"kind": "error", "probability": 2.0}, {"kind": "hang", "seconds": -1.0}):
        with pytest.raises(BadFault):
            Dial().set(Fault(point="query", **wrong))  # type: ignore[arg-type]


def _signed(reply: Any) -> tuple[dict[str, str], bytes]:
    return reply.headers, reply.body
