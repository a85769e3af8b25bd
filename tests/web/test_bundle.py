"""The evidence of an order: whole, masked, its hash holds, and it is there for its owner alone."""

import json

import msgspec
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang.diagnosis.bundle import digest


async def test_the_evidence_says_what_support_asks_for_and_its_hash_holds(stage: Stage, buyer: Browser) -> None:
    order = await stage.shop.place()
    await stage.shop.pay(order)
    await stage.shop.reach(order.id, "credited")
    await stage.shop.program.interface_log.drain()
    answer = await buyer.get(f"/orders/{order.shown}/evidence.json")
    told = json.loads(answer.content)
    kept = told.pop("sha256")
    assert digest(told) == kept
    assert digest(told | {"amount_fen": 1}) != kept
    assert (told["amount_fen"], told["state"], told["kind"], told["money"]) == (5_000, "credited", "wechatpay", "credited")
    assert told["client_version"]
    assert told["code"]
    assert told["channel_txn"]
    assert "****" in told["account"]
    assert told["interface_log"][0]["operation"] == "order"
    assert all(len(each["request_sha256"]) == 64 for each in told["interface_log"])
    page = (await buyer.get(f"/orders/{order.shown}/evidence")).text
    for secret in ("203.0.113.9", "13800138000", "openid"):
        assert secret not in page
        assert secret not in msgspec.json.encode(told).decode()
    assert kept in page


async def test_az_it_is_there_for_its_owner_alone(stage: Stage, buyer: Browser, shop_app: object) -> None:
    order = await stage.shop.place()
    assert (await buyer.get(f"/orders/{order.shown}/evidence")).status_code == 200
    stranger = Browser(shop_app, ip="198.51.100.7")
    await stranger.submit("/register", "/register", phone="13712345678", password="tea at four by the river")
    await stranger.login("13712345678", "tea at four by the river")
    for path in ("evidence", "evidence.json"):
        assert (await stranger.get(f"/orders/{order.shown}/{path}")).status_code == 404
