"""The phone's pages, as a browser without JavaScript meets them."""

import re
import time
from urllib.parse import quote

import aiohttp
import pytest
from tests.simulators.till import Door, Till

from daozhang.simulators.simulator import Simulator
from daozhang.simulators.words import words


async def get(sim: Simulator, path: str, **options: object) -> tuple[int, str, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(sim.url + path, **options) as answer:  # type: ignore[arg-type]
        return answer.status, await answer.text(), dict(answer.headers)


async def tap(sim: Simulator, path: str, headers: dict[str, str] | None = None, **form: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(sim.url + path, data=form, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_a_scanned_code_leads_to_the_payment_and_a_tap_pays_it(sim: Simulator, till: Till, door: Door) -> None:
    number = await till.placed()
    code_url = f"weixin://wxpay/bizpayurl?pr={sim.phone.find(number).code}"
    status, page, headers = await get(sim, f"/phone/scan?code_url={quote(code_url, safe='')}")
    assert status == 200
    assert '<h1 class="shop">到账</h1>' in page
    assert "50.00" in page
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "same-origin", "a browser that sends no referrer posts our own form with `Origin: null`"
    assert not re.search(r"<style|style=|<script>|\son\w+=", page), "nothing is inline"
    action = re.search(r'action="([^"]+)"', page)
    assert action is not None
    status, page = await tap(sim, action.group(1), act="pay", way="debit")
    assert status == 200
    assert "支付成功" in page
    await sim.quiet()
    assert till.opened(door.messages[0][1])["bank_type"] == "CMB_DEBIT"
    status, page, _ = await get(sim, action.group(1))
    assert "商家已确认收到通知" in page
    status, page = await tap(sim, action.group(1), act="pay")
    assert status == 409
    assert "不会再扣一次" in page
    assert sim.books.paid_totals().count == 1


async def test_the_list_shows_what_waits_and_speaks_english(sim: Simulator, till: Till) -> None:
    status, page, _ = await get(sim, "/phone?lang=en")
    assert "Nothing to pay right now" in page
    await till.placed()
    status, page, _headers = await get(sim, "/phone", headers={"Accept-Language": "en-GB,en"})
    assert status == 200
    assert 'lang="en"' in page
    assert "¥50.00" in page
    _, page, _ = await get(sim, "/phone", headers={"Cookie": "phone_lang=en"})
    assert "Waiting for you" in page


@pytest.mark.parametrize(
    ("form", "told", "noted"),
    [
        ({"act": "decline"}, "您取消了付款", "declined"),
        ({"act": "leave"}, "您走开了", "left"),
        ({"act": "refuse:bank_limit"}, "RULE_LIMIT", "bank_limit"),
        ({"act": "refuse:native", "native": "SOME_CODE:x"}, "SOME_CODE:x", "SOME_CODE:x"),
    ],
)
async def test_what_is_not_paid_is_told_here_only(
    sim: Simulator, till: Till, door: Door, form: dict[str, str], told: str, noted: str
) -> None:
    number = await till.placed()
    order = sim.phone.find(number)
    status, page = await tap(sim, f"/phone/pay/{order.code}", **form)
    assert status == 200
    assert told in page
    assert sim.phone.find(number).phone == noted
    assert (await till.asked(number)).content["trade_state"] == "NOTPAY"
    assert door.messages == []


async def test_a_trick_is_arranged_and_explained(sim: Simulator, till: Till, door: Door) -> None:
    number = await till.placed()
    order = sim.phone.find(number)
    status, page = await tap(sim, f"/phone/pay/{order.code}", act="trick", trick="charged_otherwise", otherwise="49.00")
    assert status == 200
    assert "49.00" in page
    assert sim.books.paid_totals().sum_fen == 4_900


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"act": "fly"},
        {"act": "refuse:moon"},
        {"act": "refuse:native", "native": "<script>"},
        {"act": "trick", "trick": "moon"},
        {"act": "trick", "trick": "alter", "otherwise": "1e9"},
        {"act": "trick", "trick": "alter", "otherwise": "0"},
        {"act": "pay", "way": "gold"},
    ],
    ids=str,
)
async def test_a_form_that_makes_no_sense_does_nothing(sim: Simulator, till: Till, form: dict[str, str]) -> None:
    number = await till.placed()
    status, page = await tap(sim, f"/phone/pay/{sim.phone.find(number).code}", **form)
    assert status in (400, 404)
    assert "Traceback" not in page
    assert "<script>" not in page
    assert sim.books.paid_totals().count == 0


async def test_a_page_of_another_site_cannot_pay(sim: Simulator, till: Till) -> None:
    number = await till.placed()
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        status, _ = await tap(sim, f"/phone/pay/{sim.phone.find(number).code}", headers, act="pay")
        assert status == 403
    assert sim.books.paid_totals().count == 0


async def test_h5_opens_within_five_minutes_and_leads_back(sim: Simulator, till: Till) -> None:
    scene = {"payer_client_ip": "1.2.3.4", "h5_info": {"type": "Wap"}}
    reply = await till.call("POST", "/v3/pay/transactions/h5", till.order(scene_info=scene))
    h5_url = reply.content["h5_url"].removeprefix(sim.url)
    back = "http://shop.example/orders/1"
    status, page, _ = await get(sim, f"{h5_url}&redirect_url={quote(back, safe='')}")
    assert status == 200
    assert quote(back, safe="") in page
    status, page, _ = await get(sim, f"{h5_url}&extra=1")
    assert "商家参数格式有误" in page
    status, page, _ = await get(sim, f"{h5_url}&redirect_url=javascript:alert(1)")
    assert "javascript:" not in page
    sim.watch.offset_s = 301
    status, page, _ = await get(sim, h5_url)
    assert status == 409
    assert "5 分钟" in page


async def test_jsapi_opens_only_with_the_merchants_signature(sim: Simulator, till: Till) -> None:
    reply = await till.call("POST", "/v3/pay/transactions/jsapi", till.order(payer={"openid": "o-me"}))
    package, timestamp = f"prepay_id={reply.content['prepay_id']}", str(int(time.time()))
    sign = till.sign(f"{till.merchant.appid}\n{timestamp}\nnonce\n{package}\n")
    values = {"timeStamp": timestamp, "nonceStr": "nonce", "package": package, "signType": "RSA", "paySign": sign}
    status, _, _ = await get(sim, "/phone/jsapi", params=values)
    assert status == 200
    for name in values:
        status, _, _ = await get(sim, "/phone/jsapi", params=values | {name: "x"})
        assert status in (404, 409)


@pytest.mark.parametrize(
    "path",
    ["/phone/scan", "/phone/scan?code_url=http://x", "/phone/pay/nothing", "/phone/moon", "/static/phone.toml", "/elsewhere"],
)
async def test_what_is_not_there_is_not_found(sim: Simulator, path: str) -> None:
    status, page, _ = await get(sim, path)
    assert status == 404
    assert "Traceback" not in page


async def test_the_dial_page_sets_and_clears(sim: Simulator, till: Till) -> None:
    status, page, _ = await get(sim, "/phone/dial")
    assert status == 200
    form = {"act": "set", "point": "order", "kind": "error", "code": "RULE_LIMIT", "times": "2", "seconds": "1"}
    status, page = await tap(sim, "/phone/dial", **form)
    assert "RULE_LIMIT" in page
    assert (await till.call("POST", "/v3/pay/transactions/native", till.order())).code == "RULE_LIMIT"
    assert (await tap(sim, "/phone/dial", **form | {"point": "moon"}))[0] == 400
    assert (await tap(sim, "/phone/dial", **form | {"times": "１"}))[0] == 400
    await tap(sim, "/phone/dial", act="clear")
    assert sim.dial.waiting() == []


async def test_both_languages_have_the_same_texts() -> None:
    chinese, english = (words(language)._texts for language in ("zh", "en"))  # type: ignore[arg-type]
    assert chinese.keys() == english.keys()
    for name in chinese:
        assert set(re.findall(r"\{\w+\}", chinese[name])) == set(re.findall(r"\{\w+\}", english[name])), name
