"""Who may ask, in which order that is checked, and how yes and no look on the wire."""

import time

import aiohttp
import pytest
from tests.simulators.till import ORDERS, REFUNDS, Till

from daozhang.simulators.merchant import enrol
from daozhang.simulators.simulator import Simulator


async def test_an_answer_is_signed_with_a_platform_certificate(till: Till) -> None:
    reply = await till.call("POST", ORDERS, till.order())
    assert reply.status == 200
    assert reply.headers["wechatpay-serial"] in till.merchant.platform_certificates
    assert till.verified(reply.headers, reply.body)
    assert not till.verified(reply.headers, reply.body + b" ")
    assert reply.content["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")


async def test_the_request_says_which_key_signs_the_answer(till: Till) -> None:
    for serial in (till.merchant.public_key_id, *till.merchant.platform_certificates):
        reply = await till.call("POST", ORDERS, till.order(), {"Wechatpay-Serial": serial})
        assert reply.headers["wechatpay-serial"] == serial
        assert till.verified(reply.headers, reply.body)
    reply = await till.call("POST", ORDERS, till.order(), {"Wechatpay-Serial": "PUB_KEY_ID_0"})
    assert (reply.status, reply.code) == (400, "PARAM_ERROR")


@pytest.mark.parametrize("missing", ["User-Agent", "Accept"])
async def test_headers_are_looked_at_before_the_signature(till: Till, missing: str) -> None:
    reply = await till.call("GET", "/v3/certificates", headers={missing: None if missing == "User-Agent" else ""}, signature="bm8=")
    assert (reply.status, reply.code) == (400, "INVALID_REQUEST")


async def test_the_clock_is_looked_at_before_the_signature(till: Till) -> None:
    for timestamp in (str(int(time.time()) - 301), str(int(time.time()) + 360)):
        reply = await till.call("POST", ORDERS, till.order(), timestamp=timestamp, signature="bm8=")
        assert (reply.status, reply.code) == (401, "SIGN_ERROR")
        assert "timestamp" in reply.content["message"]


@pytest.mark.parametrize(
    "wrong",
    [{"signature": "bm8="}, {"signature": "%%%"}, {"mchid": "1900000109"}, {"serial_no": "0" * 40}],
    ids=["forged", "no base64", "other merchant", "other certificate"],
)
async def test_a_wrong_credential_is_refused_unsigned(till: Till, wrong: dict[str, str]) -> None:
    reply = await till.call("POST", ORDERS, till.order(), **wrong)
    assert (reply.status, reply.code) == (401, "SIGN_ERROR")
    assert not [name for name in reply.headers if name.startswith("wechatpay-")]
    assert "request-id" not in reply.headers, "the real front leaves it away on a 401 of a transaction"


@pytest.mark.parametrize("header", ["", "Bearer x", "WECHATPAY2-SHA256-RSA2048 mchid=1", 'WECHATPAY2-SM2-WITH-SM3 a="b"'])
async def test_a_malformed_authorization_is_refused(till: Till, header: str) -> None:
    reply = await till.call("POST", ORDERS, till.order(), {"Authorization": header})
    assert (reply.status, reply.code) == (401, "SIGN_ERROR")


async def test_a_changed_body_does_not_verify(till: Till) -> None:
    body = till.order()
    authorization = till.authorization("POST", ORDERS, "{}")
    reply = await till.call("POST", ORDERS, body, {"Authorization": authorization})
    assert (reply.status, reply.code) == (401, "SIGN_ERROR")
    assert reply.content["detail"]["sign_information"]["url"] == ORDERS


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v3/nothing", 404),
        ("GET", ORDERS, 405),
        ("DELETE", REFUNDS, 405),
        ("POST", "/v3/pay/transactions/out-trade-no/X", 405),
        ("GET", "/v3/pay/transactions/out-trade-no/a/b/c", 404),
    ],
)
async def test_unknown_paths_and_methods_have_empty_answers(till: Till, method: str, target: str, status: int) -> None:
    reply = await till.call(method, target)
    assert (reply.status, reply.body) == (status, b"")


async def test_a_body_over_64_kib_is_turned_away(till: Till) -> None:
    reply = await till.call("POST", ORDERS, "x" * 70_000)
    assert reply.status == 413


async def test_certificates_are_handed_out_encrypted(till: Till) -> None:
    reply = await till.call("GET", "/v3/certificates")
    assert till.verified(reply.headers, reply.body)
    (item,) = reply.content["data"]
    assert till.unsealed(item["encrypt_certificate"]).decode() == till.merchant.platform_certificates[item["serial_no"]]


async def test_a_public_key_merchant_has_no_certificates(sim: Simulator) -> None:
    enrolment = enrol(mchid="1900000200", mode="public_key")
    async with Simulator(enrolment=enrolment) as other, aiohttp.ClientSession() as session:
        till = Till(other.url, other.merchant, session)
        reply = await till.call("GET", "/v3/certificates")
        assert (reply.status, reply.code) == (404, "RESOURCE_NOT_EXISTS")
        reply = await till.call("POST", ORDERS, till.order())
        assert reply.headers["wechatpay-serial"] == other.merchant.public_key_id
        assert till.verified(reply.headers, reply.body)


async def test_every_nth_answer_is_a_probe_and_a_repeat_is_not(sim: Simulator, till: Till) -> None:
    sim.habits.probe_every = 3
    bodies = [till.order() for _ in range(6)]
    probed = []
    for body in bodies:
        reply = await till.call("POST", ORDERS, body)
        if reply.headers["wechatpay-signature"].startswith("WECHATPAY/SIGNTEST/"):
            assert not till.verified(reply.headers, reply.body)
            probed.append(body)
    assert probed == [bodies[2], bodies[5]]
    sim.habits.probe_every = 1
    reply = await till.call("POST", ORDERS, bodies[5])
    assert till.verified(reply.headers, reply.body)


async def test_the_simulator_keeps_its_own_time(sim: Simulator, till: Till) -> None:
    sim.watch.offset_s = 3_600
    reply = await till.call("POST", ORDERS, till.order())
    assert reply.code == "SIGN_ERROR"
    reply = await till.call("POST", ORDERS, till.order(), timestamp=str(int(time.time()) + 3_600))
    assert reply.status == 200
