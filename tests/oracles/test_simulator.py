"""Libraries that others wrote from the same documents judge the simulator: what it signs and seals, and what it accepts."""

import re
from typing import Any

import msgspec
import pytest
from tests.oracles.oracle import Oracle, Refused
from tests.simulators.till import ORDERS, REFUNDS, Door, Till

from daozhang.simulators.simulator import Simulator

MODES = ["certificate", "public_key"]


def about(sim: Simulator, mode: str = "certificate") -> dict[str, Any]:
    """What an oracle has to know of the merchant."""
    return {"merchant": msgspec.to_builtins(sim.merchant), "mode": mode, "url": sim.url}


@pytest.mark.parametrize("mode", MODES)
async def test_a_library_goes_the_whole_way(oracle: Oracle, sim: Simulator, till: Till, mode: str) -> None:
    """Order, query, refund, refund query, close: signed by the library, answered by the simulator, verified by the library."""
    known = about(sim, mode)
    body = till.order(description='充值 😀 {"} % +', attach="{}")
    number = body["out_trade_no"]
    placed = await oracle.ask("call", **known, method="POST", path=ORDERS, body=body)
    assert placed["content"]["code_url"].startswith("weixin://")
    query = f"/v3/pay/transactions/out-trade-no/{number}?mchid={sim.merchant.mchid}"
    asked = await oracle.ask("call", **known, method="GET", path=query)
    assert asked["content"]["trade_state"] == "NOTPAY"
    sim.phone.pay(number)
    asked = await oracle.ask("call", **known, method="GET", path=query)
    assert asked["content"]["trade_state"] == "SUCCESS"
    refund = await oracle.ask("call", **known, method="POST", path=REFUNDS, body=till.refund(number, "R1", 100))
    assert refund["content"]["out_refund_no"] == "R1"
    asked = await oracle.ask("call", **known, method="GET", path=f"{REFUNDS}/R1")
    assert asked["content"]["amount"]["refund"] == 100
    other = await till.placed()
    close = f"/v3/pay/transactions/out-trade-no/{other}/close"
    closed = await oracle.ask("call", **known, method="POST", path=close, body={"mchid": sim.merchant.mchid})
    assert closed["status"] == 204


@pytest.mark.parametrize("kind", ["forge", "probe", "unsigned"])
async def test_a_library_refuses_false_answers(oracle: Oracle, sim: Simulator, till: Till, kind: str) -> None:
    sim.fault("order", kind)
    body = till.order()
    with pytest.raises(Refused):
        await oracle.ask("call", **about(sim), method="POST", path=ORDERS, body=body)
    assert (await oracle.ask("call", **about(sim), method="POST", path=ORDERS, body=body))["status"] == 200


@pytest.mark.parametrize("share", [0.0, 1.0])
async def test_a_library_opens_callbacks(oracle: Oracle, sim: Simulator, till: Till, door: Door, share: float) -> None:
    sim.habits.public_key_share = share
    number = await till.placed(attach="备注 😀")
    sim.phone.pay(number)
    await sim.quiet()
    await till.call("POST", REFUNDS, till.refund(number, "R1", 100))
    await sim.quiet()
    told = []
    for headers, body in door.messages:
        known = about(sim, "public_key" if share else "certificate")
        told.append((await oracle.ask("callback", **known, headers=headers, body=body.decode()))["resource"])
    assert [each["out_trade_no"] for each in told] == [number, number]
    assert told[0]["attach"] == "备注 😀"
    assert told[1]["refund_status"] == "SUCCESS"


@pytest.mark.parametrize("trick", ["forge", "tamper", "probe"])
async def test_a_library_refuses_false_callbacks(oracle: Oracle, sim: Simulator, till: Till, door: Door, trick: str) -> None:
    sim.habits.public_key_share = 0.0
    sim.phone.pay(await till.placed(), trick=trick)
    await sim.quiet()
    (false, false_body), (true, true_body) = door.messages
    with pytest.raises(Refused):
        await oracle.ask("callback", **about(sim), headers=false, body=false_body.decode())
    assert await oracle.ask("callback", **about(sim), headers=true, body=true_body.decode())


async def test_the_simulator_accepts_a_librarys_signature_over_any_body(oracle: Oracle, sim: Simulator, till: Till) -> None:
    text = msgspec.json.encode(till.order(description="账户充值")).decode()
    header = await oracle.ask("authorization", **about(sim), method="POST", path=ORDERS, text=text)
    reply = await till.call("POST", ORDERS, text, {"Authorization": header})
    assert reply.status == 200
    reply = await till.call("POST", ORDERS, text + " ", {"Authorization": header})
    assert (reply.status, reply.code) == (401, "SIGN_ERROR")


async def test_certificates_are_downloaded_opened_and_loaded(wechatpayv3: Oracle, sim: Simulator) -> None:
    serials = await wechatpayv3.ask("certificates", **about(sim))
    assert serials == list(sim.merchant.platform_certificates)


async def test_a_v2_refund_notice_opens(axios: Oracle, sim: Simulator, till: Till, door: Door) -> None:
    number = await till.placed()
    sim.phone.pay(number)
    await sim.quiet()
    door.messages.clear()
    door.answers = [(200, "<xml><return_code>SUCCESS</return_code></xml>")]
    sim.habits.refund_callback_url = door.url
    sim.refund_by_hand(number, "HAND1", 100)
    await sim.quiet()
    sealed = re.search(rb"<req_info>([^<]+)</req_info>", door.messages[0][1])
    assert sealed is not None
    opened = await axios.ask("unseal_v2", key=sim.merchant.api_v2_key, sealed=sealed[1].decode())
    assert "<out_refund_no>HAND1</out_refund_no>" in opened
    assert "<refund_fee>100</refund_fee>" in opened
