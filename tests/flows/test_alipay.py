"""Stories at Alipay, where a trade begins when somebody scans, pages are carried by browsers, and refunds are done at once."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import aiohttp
import pytest
from tests.channels.test_alipay_codes import cases
from tests.copies import Copies
from tests.flows.ali import alipay_stall, paid, place, silenced, station, until
from tests.flows.shop import Shop
from tests.web.test_sessions import Browser

from daozhang.postgres.supervisor import Supervisor
from daozhang.reasons import catalogue
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment
from daozhang.web.doors import make_app


@pytest.fixture(scope="module")
async def shop(
    server: Supervisor, copies: Copies, enrolment: Enrolment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    settings = Settings(data=tmp_path_factory.mktemp("alipay"), test_mode=True)
    async with alipay_stall(server, copies, enrolment, settings) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def _calm(shop: Shop) -> AsyncIterator[None]:
    yield
    shop.sim.dial.clear()
    await shop.sim.quiet()


async def test_a_code_is_scanned_paid_told_and_credited(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    assert (order.state, order.money, order.action) == ("awaiting_payment", "none", "qr")
    assert order.payload["text"].startswith("https://qr.alipay.com/")
    number = await shop.pay(order)
    seen = await shop.reach(order.id, "credited")
    assert (seen.money, seen.reason, seen.anomalies) == ("credited", None, ())
    assert await shop.cash() == before + 5_000
    await shop.sim.quiet()
    assert [send.acknowledged for send in station(shop).books.sends(number)] == [1]


@pytest.mark.parametrize(("method", "action"), [("page", "form"), ("h5", "link")])
async def test_a_browser_carries_the_page_to_the_phone_and_comes_back(shop: Shop, method: str, action: str) -> None:
    order = await place(shop, method=method)
    assert (order.state, order.action) == ("awaiting_payment", action)
    async with aiohttp.ClientSession() as session:
        if action == "form":
            call = session.post(order.payload["url"], data=order.payload["fields"], allow_redirects=False)
        else:
            call = session.get(order.payload["text"], allow_redirects=False)
        async with call as answer:
            assert answer.status == 303
            led_to = answer.headers["Location"]
        async with session.get(shop.sim.url + led_to) as page:
            assert "50.00" in await page.text()
        async with session.post(shop.sim.url + led_to, data={"act": "pay", "way": "balance"}, allow_redirects=False) as tapped:
            assert tapped.status == 303
            assert f"{shop.url}/back/{order.shown}" in tapped.headers["Location"].replace("%3A", ":").replace("%2F", "/")
    await shop.reach(order.id, "credited")


@pytest.mark.parametrize("method", ["page", "h5"])
async def test_the_shops_own_page_hands_the_signed_request_on_unchanged(shop: Shop, method: str) -> None:
    """Through our own page, its escaping and its policy, as a browser without scripts would go."""
    browser = Browser(make_app(shop.program.house))
    await browser.login()
    order = await place(shop, method=method)
    async with aiohttp.ClientSession() as session:
        if method == "page":
            answer = await browser.get(f"/orders/{order.shown}/pay")
            assert f"form-action 'self' {shop.sim.url}" in answer.headers["content-security-policy"]
            fields = {
                name: unescape(text) for name, text in re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', answer.text)
            }
            assert fields == order.payload["fields"]
            (url,) = [unescape(found) for found in re.findall(r'action="([^"]*gateway.do[^"]*)"', answer.text)]
            call = session.post(url, data=fields, allow_redirects=False)
        else:
            answer = await browser.get(f"/orders/{order.shown}")
            (url,) = {unescape(found) for found in re.findall(r'href="([^"]*gateway.do[^"]*)"', answer.text)}
            call = session.get(url, allow_redirects=False)
        async with call as led:
            assert led.status == 303
            assert led.headers["Location"].startswith("/phone/pay/")


async def test_lost_callback_is_found_by_the_chase(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    await silenced(shop, order)
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await until(shop, order.id, "credited")
    assert await shop.cash() == before + 5_000


async def test_charged_and_neither_told_nor_answered_is_credited_in_the_end(shop: Shop) -> None:
    order = await place(shop)
    number = await shop.number(order.id)
    shop.sim.phone.pay(number, trick="booked_error")
    await until(shop, order.id, "credited")


async def test_what_nobody_scanned_ends_only_after_its_expiry_has_passed(shop: Shop) -> None:
    order = await place(shop)
    number = await shop.number(order.id)
    await shop.later(15 * 60 + 1)
    await shop.work()
    # Alipay has nothing to close, and the code could have been paid a moment ago: nobody says "expired" yet.
    assert (await shop.order(order.id)).state == "awaiting_payment"
    seen = await until(shop, order.id, "expired")
    assert (seen.money, seen.reason) == ("none", "operation.expired")
    trade = station(shop).hand.find(number)
    assert (trade.state, trade.paid_s) == ("PRECREATED", None)


async def test_a_cancelled_code_that_nobody_scanned_is_watched_until_it_cannot_be_paid(shop: Shop) -> None:
    before = await shop.cash()
    order, late = await place(shop), await place(shop)
    for each in (order, late):
        assert (await shop.program.desk.cancel(shop.user_id, each.id)).state == "closing"
    # Whoever kept the picture of the code can still pay it, and that is money all the same.
    await shop.pay(late)
    await shop.reach(late.id, "credited")
    assert await shop.cash() == before + 5_000
    seen = await until(shop, order.id, "cancelled")
    assert (seen.money, seen.reason) == ("none", "operation.cancelled")


async def test_what_was_scanned_and_left_is_closed_at_alipay_first(shop: Shop) -> None:
    order = await place(shop)
    number = await shop.number(order.id)
    shop.sim.phone.leave(number)
    await shop.later(14 * 60)
    cancelled = await shop.program.desk.cancel(shop.user_id, order.id)
    assert cancelled.state == "cancelled"
    assert station(shop).hand.find(number).state == "TRADE_CLOSED"


async def test_a_payment_declined_inside_the_wallet_is_told_to_nobody(shop: Shop) -> None:
    order = await place(shop)
    number = await shop.number(order.id)
    for why in ("risk", "bank_limit", "ACQ.BUYER_BALANCE_NOT_ENOUGH"):
        shop.sim.phone.refuse(number, why)
    await shop.sim.quiet()
    assert station(shop).books.notices(number) == []
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.reason) == ("awaiting_payment", "none", None)


async def test_a_refund_in_parts_is_done_at_once_and_never_twice(shop: Shop) -> None:
    before, returned_fen = await shop.cash(), station(shop).books.refund_totals().sum_fen
    order = await paid(shop)
    for amount_fen, fault in ((2_000, ""), (3_000, "truncate")):
        await shop.later(61)
        if fault:
            shop.sim.fault("refund", fault)
        refund = await shop.program.desk.refund(order.id, amount_fen, "no longer wanted", "staff:1")
        for _ in range(20):
            if (await shop.program.desk.refunds.view(refund.id)).state == "done":
                break
            await shop.sim.quiet()
            await shop.later(61)
            await shop.work()
        assert (await shop.program.desk.refunds.view(refund.id)).state == "done"
    await shop.sim.quiet()
    assert (await shop.order(order.id)).refunded_fen == 5_000
    assert station(shop).books.refund_totals().sum_fen - returned_fen == 5_000
    assert await shop.cash() == before


async def test_paid_twice_at_two_channels_is_sent_back_by_alipay(shop: Shop) -> None:
    before, returned_fen = await shop.cash(), station(shop).books.refund_totals().sum_fen
    order = await place(shop)
    first = await shop.number(order.id)
    # The code cannot be closed before somebody scans it, so it stays watched while another channel is tried.
    await shop.program.desk.retry(shop.user_id, order.id, shop.channels["wechatpay"], "native", "203.0.113.9")
    shop.sim.phone.pay(await shop.number(order.id))
    await shop.reach(order.id, "credited")
    shop.sim.phone.pay(first)
    await shop.sim.quiet()
    for _ in range(20):
        if station(shop).books.refund_totals().sum_fen > returned_fen:
            break
        await shop.later(61)
        await shop.work()
    await shop.sim.quiet()
    assert station(shop).books.refund_totals().sum_fen == returned_fen + 5_000
    assert await shop.cash() == before + 5_000
    assert "twice" in (await shop.order(order.id)).anomalies


async def test_a_refund_by_hand_is_seen_by_a_person_and_moves_nothing_here(shop: Shop) -> None:
    order = await paid(shop)
    before = await shop.cash()
    station(shop).refund_by_hand(await shop.number(order.id), "BYHAND1", 1_000)
    await shop.sim.quiet()
    assert await shop.cash() == before
    assert (await shop.order(order.id)).state == "credited"


def _for(operation: str) -> list[Any]:
    return [pytest.param(case, id=case.code) for case in cases() if case.operation == operation]


@pytest.mark.parametrize("case", _for("order"))
async def test_nf_07_every_refused_order_tells_its_payer_why_and_what_to_do(shop: Shop, case: Any) -> None:
    shop.sim.fault("order", "error", code=case.code)
    order = await place(shop)
    # While nobody knows, the page says that it is being checked, whatever the word.
    assert order.reason == (case.reason if case.outcome == "failure" else "channel.checking")
    assert order.native_code == case.code
    assert order.state == ("failed" if case.outcome == "failure" else "created")
    assert order.money == ("none" if case.outcome == "failure" else "checking")
    for locale in ("zh", "en"):
        told = catalogue().get(order.reason).told(locale, order.reason_facts)
        assert told.title
        assert told.cure
        assert "{" not in told.title + told.text + told.cure


@pytest.mark.parametrize("case", _for("refund"))
async def test_nf_07_every_refused_refund_tells_why_and_leaves_the_money_where_it_was(shop: Shop, case: Any) -> None:
    order = await paid(shop, 100)
    cash = await shop.cash()
    shop.sim.fault("refund", "error", code=case.code)
    refund = await shop.program.desk.refund(order.id, 100, "no longer wanted", "staff:1")
    view = await shop.program.desk.refunds.view(refund.id)
    if case.outcome == "failure":
        assert (view.state, view.reason) == ("failed", case.reason)
        assert await shop.cash() == cash
    else:
        assert view.state == "sent"
        assert await shop.cash() == cash - 100
    for locale in ("zh", "en"):
        assert catalogue().get(case.reason).told(locale).cure
