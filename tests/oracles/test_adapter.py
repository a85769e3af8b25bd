"""The same libraries judge our adapter: it must sign what they verify, and read what they sign and seal."""

import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web
from tests.oracles.oracle import Oracle

from daozhang import clock, ids
from daozhang.channels.kinds.wechatpay.adapter import WechatPay
from daozhang.channels.kinds.wechatpay.keys import read_keys
from daozhang.channels.port import Invalid, OrderRequest, Outcome, RefundRequest
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Transport
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.simulator import Simulator

FIELD = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Wire:
    """A host that writes down, byte for byte, what the adapter sends, and then says 503."""

    url: str = ""
    heard: list[tuple[str, str, str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        self.heard.append((request.method, request.raw_path, request.headers["Authorization"], body))
        return web.Response(status=503)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """Where the adapter's calls end."""
    opened = Wire()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", opened.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    opened.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield opened
    await runner.cleanup()


def adapter(enrolment: Enrolment, url: str) -> WechatPay:
    """Our adapter for the enrolled merchant, calling `url`."""
    merchant = enrolment.merchant
    keys = {
        "serial_no": merchant.serial_no,
        "private_key": merchant.private_key,
        "api_v3_key": merchant.api_v3_key,
        "platform_certificates": list(merchant.platform_certificates.values()),
        "public_key_id": merchant.public_key_id,
        "public_key": merchant.public_key,
    }
    names = {"kind": "wechatpay", "name": "微信支付", "merchant": merchant.mchid, "app": merchant.appid}
    row = ChannelRow(id=1, shop_id=1, **names, methods=("native", "h5", "jsapi"), hosts=(url,), enabled=True, version=1)
    return WechatPay(row, [read_keys(keys)], Transport(row.hosts, loopback=True))


def wish(method: str = "native") -> OrderRequest:
    """An order of 50 yuan."""
    return OrderRequest(
        out_trade_no=ids.text26(ids.new_id()),
        method=method,
        amount_fen=5_000,
        description="充值 · 50 元 😀 {}%+",
        expires_at=clock.now() + timedelta(minutes=15),
        notify_url="http://127.0.0.1:9/notify/wechatpay/1",
        client_ip="203.0.113.7",
        payer_openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    )


async def test_every_call_of_the_adapter_verifies(oracle: Oracle, enrolment: Enrolment, wire: Wire) -> None:
    channel = adapter(enrolment, wire.url)
    order = wish()
    for method in ("native", "h5", "jsapi"):
        await channel.order(wish(method))
    await channel.query(order.out_trade_no)
    await channel.query("A|B*C")
    await channel.close(order.out_trade_no)
    await channel.refund(RefundRequest(order.out_trade_no, "R1", "", 100, 5_000, "用户申请", order.notify_url))
    await channel.query_refund("R1")
    await channel.close_connections()
    assert {target.partition("?")[0].rsplit("/", 1)[-1] for _, target, _, _ in wire.heard} >= {
        "native",
        "h5",
        "jsapi",
        "close",
        "R1",
    }
    certificate = enrolment.merchant.certificate
    for method, target, header, body in wire.heard:
        values = dict(FIELD.findall(header))
        assert values["serial_no"] == enrolment.merchant.serial_no
        message = f"{method}\n{target}\n{values['timestamp']}\n{values['nonce_str']}\n{body}\n"
        assert await oracle.ask("verify", key=certificate, message=message, signature=values["signature"])
        assert not await oracle.ask(
            "verify", key=certificate, message=message.replace(method, "PUT", 1), signature=values["signature"]
        )


async def test_the_payment_sheet_of_jsapi_verifies(oracle: Oracle, enrolment: Enrolment, sim: Simulator) -> None:
    channel = adapter(enrolment, sim.url)
    prepay = await channel.order(wish("jsapi"))
    await channel.close_connections()
    assert (prepay.outcome, prepay.action) == (Outcome.SUCCESS, "jsapi")
    sheet = prepay.payload
    message = f"{sheet['appId']}\n{sheet['timeStamp']}\n{sheet['nonceStr']}\n{sheet['package']}\n"
    assert await oracle.ask("verify", key=enrolment.merchant.certificate, message=message, signature=sheet["paySign"])


@pytest.mark.parametrize("mode", ["certificate", "public_key"])
async def test_the_adapter_reads_what_a_library_signed_and_sealed(
    oracle: Oracle, axios: Oracle, enrolment: Enrolment, mode: str
) -> None:
    merchant = enrolment.merchant
    serial = merchant.public_key_id if mode == "public_key" else next(iter(merchant.platform_certificates))
    number = ids.text26(ids.new_id())
    body = await callback(axios, enrolment, number)
    stamp, nonce = str(int(time.time())), secrets.token_hex(16)
    signature = await oracle.ask("sign", key=enrolment.signing_keys[serial], message=f"{stamp}\n{nonce}\n{body}\n")
    headers = {
        "wechatpay-timestamp": stamp,
        "wechatpay-nonce": nonce,
        "wechatpay-serial": serial,
        "wechatpay-signature": signature,
        "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
    }
    channel = adapter(enrolment, "http://127.0.0.1:9")
    read = await channel.read(headers, body.encode())
    report = read.report
    assert report is not None
    assert (report.number, report.amount_fen, report.outcome) == (number, 5_000, Outcome.SUCCESS)
    assert (report.merchant, report.app, report.currency) == (merchant.mchid, merchant.appid, "CNY")
    changes: list[tuple[dict[str, str], str]] = [
        (headers, body + " "),
        (headers | {"wechatpay-nonce": "x"}, body),
        (headers | {"wechatpay-timestamp": str(int(stamp) + 1)}, body),
        (headers | {"wechatpay-timestamp": str(int(stamp) - 301)}, body),
        (headers | {"wechatpay-signature": "WECHATPAY/SIGNTEST/" + signature[19:]}, body),
    ]
    for changed, text in changes:
        with pytest.raises(Invalid):
            await channel.read(changed, text.encode())
    await channel.close_connections()


async def callback(axios: Oracle, enrolment: Enrolment, number: str) -> str:
    """A payment notice written here from the document and sealed by the library."""
    merchant = enrolment.merchant
    told: dict[str, Any] = {
        "transaction_id": "1217752501201407033233368018",
        "amount": {"payer_total": 4_900, "total": 5_000, "currency": "CNY", "payer_currency": "CNY"},
        "mchid": merchant.mchid,
        "trade_state": "SUCCESS",
        "bank_type": "CMB_DEBIT",
        "success_time": clock.now().astimezone(clock.SHANGHAI).isoformat(timespec="seconds"),
        "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        "out_trade_no": number,
        "appid": merchant.appid,
        "trade_state_desc": "支付成功",
        "trade_type": "NATIVE",
        "attach": "",
    }
    nonce = secrets.token_hex(6)
    plain = msgspec.json.encode(told).decode()
    sealed = await axios.ask("seal", key=merchant.api_v3_key, nonce=nonce, associated_data="transaction", plain=plain)
    resource = {
        "original_type": "transaction",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": sealed,
        "associated_data": "transaction",
        "nonce": nonce,
    }
    outer = {
        "id": "EV-2018022511223320873",
        "create_time": "2015-05-20T13:29:35+08:00",
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "resource": resource,
    }
    return msgspec.json.encode(outer).decode()
