"""Orders: fields, repeats, states, expiry."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.simulators.till import ORDERS, Till

from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import NotPayable


@pytest.mark.parametrize(
    "change",
    [
        {"out_trade_no": "short"},
        {"out_trade_no": "a" * 33},
        {"out_trade_no": "has blank"},
        {"out_trade_no": "１２３４５６７"},
        {"description": ""},
        {"description": "x" * 128},
        {"notify_url": "http://shop.example/n?a=1"},
        {"notify_url": "ftp://shop.example/n"},
        {"amount": {"total": 0, "currency": "CNY"}},
        {"amount": {"total": -1}},
        {"amount": {"total": 1.0}},
        {"amount": {"total": "100"}},
        {"amount": {"total": True}},
        {"amount": {"total": 100, "currency": "USD"}},
        {"amount": None},
        {"time_expire": "2020-01-01T00:00:00+08:00"},
        {"time_expire": "tomorrow"},
        {"time_expire": "2999-01-01T00:00:00+08:00"},
    ],
    ids=str,
)
async def test_a_field_that_breaks_its_rule_is_a_param_error(till: Till, sim: Simulator, change: dict[str, Any]) -> None:
    reply = await till.call("POST", ORDERS, till.order(**change))
    assert (reply.status, reply.code) == (400, "PARAM_ERROR"), reply
    assert sim.books.order_counts() == {}


@pytest.mark.parametrize("body", ["{", "[]", "null", '{"a":NaN}', ""])
async def test_a_body_that_is_no_object_is_a_param_error(till: Till, body: str) -> None:
    reply = await till.call("POST", ORDERS, body or None)
    assert (reply.status, reply.code) == (400, "PARAM_ERROR")


async def test_the_app_must_belong_to_the_merchant(till: Till) -> None:
    assert (await till.call("POST", ORDERS, till.order(appid="wx0"))).code == "APPID_MCHID_NOT_MATCH"
    assert (await till.call("POST", ORDERS, till.order(mchid="1"))).code == "INVALID_REQUEST"


async def test_a_repeat_with_the_same_parameters_gets_the_same_code(till: Till) -> None:
    body = till.order()
    first, second = [await till.call("POST", ORDERS, body) for _ in range(2)]
    assert first.content == second.content


@pytest.mark.parametrize("change", [{"description": "other"}, {"amount": {"total": 5_001, "currency": "CNY"}}, {"attach": "x"}])
async def test_a_repeat_with_other_parameters_is_refused(till: Till, change: dict[str, Any]) -> None:
    body = till.order()
    await till.call("POST", ORDERS, body)
    reply = await till.call("POST", ORDERS, body | change)
    assert (reply.status, reply.code) == (403, "OUT_TRADE_NO_USED")
    h5 = body | {"scene_info": {"payer_client_ip": "1.2.3.4", "h5_info": {"type": "Wap"}}}
    assert (await till.call("POST", "/v3/pay/transactions/h5", h5)).code == "OUT_TRADE_NO_USED"


async def test_each_product_answers_in_its_own_way(till: Till, sim: Simulator) -> None:
    scene = {"payer_client_ip": "2001:db8::1", "h5_info": {"type": "iOS"}}
    h5 = await till.call("POST", "/v3/pay/transactions/h5", till.order(scene_info=scene))
    assert h5.content["h5_url"].startswith(sim.url)
    jsapi = await till.call("POST", "/v3/pay/transactions/jsapi", till.order(payer={"openid": "o-me"}))
    assert jsapi.content["prepay_id"].startswith("wx")
    for body in (till.order(), till.order(scene_info={"payer_client_ip": "x", "h5_info": {"type": "Wap"}})):
        assert (await till.call("POST", "/v3/pay/transactions/h5", body)).code == "PARAM_ERROR"
    assert (await till.call("POST", "/v3/pay/transactions/jsapi", till.order())).code == "PARAM_ERROR"


async def test_an_order_goes_from_notpay_to_success_to_refund(till: Till, sim: Simulator) -> None:
    number = await till.placed()
    unpaid = (await till.asked(number)).content
    assert unpaid["trade_state"] == "NOTPAY"
    assert not {"transaction_id", "payer", "success_time", "trade_type", "bank_type"} & set(unpaid)
    sim.phone.pay(number, way="debit")
    paid = (await till.asked(number)).content
    assert (paid["trade_state"], paid["trade_type"], paid["bank_type"]) == ("SUCCESS", "NATIVE", "CMB_DEBIT")
    assert paid["amount"] == {"total": 5_000, "payer_total": 5_000, "currency": "CNY", "payer_currency": "CNY"}
    by_theirs = await till.call("GET", f"/v3/pay/transactions/id/{paid['transaction_id']}?mchid={till.merchant.mchid}")
    assert by_theirs.content == paid
    assert sim.books.balance_fen(till.merchant.mchid) == 5_000
    assert sim.books.paid_totals().sum_fen == 5_000


async def test_a_voucher_lowers_what_the_payer_pays_and_not_what_the_merchant_gets(till: Till, sim: Simulator) -> None:
    number = await till.placed()
    sim.phone.pay(number, voucher_fen=100)
    amount = (await till.asked(number)).content["amount"]
    assert (amount["total"], amount["payer_total"]) == (5_000, 4_900)


async def test_a_paid_order_is_neither_placed_nor_closed_again(till: Till, sim: Simulator) -> None:
    body = till.order()
    await till.call("POST", ORDERS, body)
    sim.phone.pay(body["out_trade_no"])
    assert (await till.call("POST", ORDERS, body)).code == "ORDERPAID"
    assert (await till.closed(body["out_trade_no"])).code == "ORDERPAID"


async def test_a_closed_order_is_closed_for_good_and_closing_repeats(till: Till, sim: Simulator) -> None:
    body = till.order()
    number = body["out_trade_no"]
    await till.call("POST", ORDERS, body)
    for _ in range(2):
        reply = await till.closed(number)
        assert (reply.status, reply.body) == (204, b"")
        assert till.verified(reply.headers, b"")
    assert (await till.asked(number)).content["trade_state"] == "CLOSED"
    assert (await till.call("POST", ORDERS, body)).code == "ORDER_CLOSED"
    with pytest.raises(NotPayable, match="closed"):
        sim.phone.pay(number)


async def test_an_unknown_order_does_not_exist(till: Till) -> None:
    for reply in (await till.asked("NOBODYS1"), await till.closed("NOBODYS1")):
        assert (reply.status, reply.code) == (404, "ORDER_NOT_EXIST")
    reply = await till.call("GET", "/v3/pay/transactions/out-trade-no/NOBODYS1?mchid=1")
    assert reply.code == "PARAM_ERROR"


async def test_nobody_pays_after_time_expire_and_the_order_stays_notpay(till: Till, sim: Simulator) -> None:
    expires = datetime.now(UTC) + timedelta(minutes=10)
    number = await till.placed(time_expire=expires.isoformat(timespec="seconds"))
    sim.watch.offset_s = 601
    with pytest.raises(NotPayable, match="expired"):
        sim.phone.pay(number)
    sim.watch.offset_s = 0
    assert (await till.asked(number)).content["trade_state"] == "NOTPAY"


async def test_less_than_a_minute_to_pay_is_raised_to_a_minute(till: Till, sim: Simulator) -> None:
    before_s = time.time()
    number = await till.placed(time_expire=(datetime.now(UTC) + timedelta(seconds=5)).isoformat(timespec="seconds"))
    order = sim.phone.find(number)
    assert before_s + 59 <= order.expires_s <= time.time() + 61


async def test_a_code_is_good_for_two_hours(till: Till, sim: Simulator) -> None:
    number = await till.placed()
    sim.watch.offset_s = 7_201
    with pytest.raises(NotPayable, match="stale_link"):
        sim.phone.pay(number)
    assert sim.books.waiting() == []


async def test_a_number_with_a_bar_is_signed_as_it_is_encoded(till: Till) -> None:
    number = await till.placed(out_trade_no="A|B*C_D-1")
    reply = await till.call("GET", f"/v3/pay/transactions/out-trade-no/A%7CB*C_D-1?mchid={till.merchant.mchid}")
    assert reply.content["out_trade_no"] == number
