"""Stories at Alipay, where a trade begins when somebody scans, pages are carried by browsers, and refunds are done at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import aiohttp
import pytest
from tests.channels.test_alipay_codes import cases
from tests.flows.conftest import fresh_database, proved
from tests.flows.knocks import book, kept
from tests.flows.shop import Shop, open_shop
from tests.flows.test_forged import Generous

from daozhang import clock
from daozhang.postgres.supervisor import Supervisor
from daozhang.reasons import catalogue
from daozhang.recharge.model import OrderView
from daozhang.settings import Settings
from daozhang.simulators.alipay.enrolment import App
from daozhang.simulators.alipay.station import AlipayStation
from daozhang.simulators.alipay.trades import beijing
from daozhang.simulators.merchant import Enrolment

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
async def shop(server: Supervisor, enrolment: Enrolment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A shop whose stories are told at Alipay; after them its books are proved."""
    settings = Settings(data=tmp_path_factory.mktemp("alipay"), test_mode=True)
    async with (
        fresh_database(server) as database,
        open_shop(database, settings, enrolment=enrolment, kinds=("alipay",)) as opened,
    ):
        yield replace(opened, channel_id=opened.channels["alipay"])
        await proved(database)


@pytest.fixture(autouse=True)
async def _calm(shop: Shop) -> AsyncIterator[None]:
    yield
    shop.sim.dial.clear()
    await shop.sim.quiet()


def station(shop: Shop) -> AlipayStation:
    return shop.sim.station(AlipayStation)


async def place(shop: Shop, amount_fen: int = 5_000, method: str = "qr") -> OrderView:
    return await shop.place(amount_fen, method=method)


async def paid(shop: Shop, amount_fen: int = 5_000) -> OrderView:
    order = await place(shop, amount_fen)
    await shop.pay(order)
    return await shop.reach(order.id, "credited")


async def until(shop: Shop, order_id: UUID, state: str) -> OrderView:
    """Let time pass until an order has ended."""
    for _ in range(40):
        seen = await shop.order(order_id)
        if seen.state == state:
            return seen
        await shop.later(60)
        await shop.work()
    raise AssertionError((await shop.order(order_id)).state)


async def knock(shop: Shop, told: dict[str, str]) -> tuple[int, bytes]:
    """A form at Alipay's door."""
    url = f"{shop.url}/notify/alipay/{shop.channel_id}"
    async with aiohttp.ClientSession() as session, session.post(url, data=urlencode(told), headers=FORM) as answer:
        return answer.status, await answer.read()


def truth(app: App, number: str) -> dict[str, str]:
    """What Alipay would tell of a payment of 50 yuan."""
    now = beijing(clock.now_s())
    return {
        "app_id": app.app_id,
        "charset": "utf-8",
        "gmt_payment": now,
        "notify_id": secrets.token_hex(16),
        "notify_time": now,
        "notify_type": "trade_status_sync",
        "out_trade_no": number,
        "seller_id": app.seller_id,
        "total_amount": "50.00",
        "trade_no": f"2026{secrets.randbelow(10**24):024d}",
        "trade_status": "TRADE_SUCCESS",
        "version": "1.0",
    }


async def silenced(shop: Shop, order: OrderView) -> dict[str, str]:
    """Pay with a notice that never leaves, and give the notice that would have."""
    number = await shop.number(order.id)
    shop.sim.fault("notice", "silence", number=number)
    shop.sim.phone.pay(number)
    await shop.sim.quiet()
    return station(shop).notices.message(station(shop).books.notices(number)[0])


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


async def test_cb_16_the_same_notice_many_times_is_one_payment(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    told = await silenced(shop, order)
    for _ in range(5):
        assert await knock(shop, told) == (200, b"success")
    assert await shop.cash() == before + 5_000


async def test_cb_17_notices_in_parallel_and_a_query_meet_in_one_payment(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    told = await silenced(shop, order)
    heard = await asyncio.gather(*(knock(shop, told) for _ in range(8)), shop.program.desk.look(order.id))
    assert heard[:-1] == [(200, b"success")] * 8
    await shop.reach(order.id, "credited")
    assert await shop.cash() == before + 5_000


async def test_cb_18_a_payment_that_is_told_after_it_was_cancelled_is_money_all_the_same(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    number = await shop.number(order.id)
    shop.sim.phone.leave(number)
    assert (await shop.program.desk.cancel(shop.user_id, order.id)).state == "cancelled"
    ring = next(iter(station(shop).keyrings.values()))
    told = truth(ring.app, number)
    assert await knock(shop, told | {"sign": ring.sign_notice(told), "sign_type": "RSA2"}) == (200, b"success")
    seen = await shop.reach(order.id, "credited")
    assert "late" in seen.anomalies
    assert await shop.cash() == before + 5_000


async def test_cb_20_a_notice_of_a_payment_that_went_back_already_books_nothing_more(shop: Shop) -> None:
    order = await paid(shop)
    number = await shop.number(order.id)
    notice = station(shop).books.notices(number)[0]
    await shop.program.desk.refund(order.id, 5_000, "no longer wanted", "staff:1")
    await shop.sim.quiet()
    cash = await shop.cash()
    assert await knock(shop, station(shop).notices.message(notice)) == (200, b"success")
    assert (await shop.cash(), (await shop.order(order.id)).state) == (cash, "credited")


async def test_cb_27_junk_at_the_door_makes_no_call_to_alipay(shop: Shop) -> None:
    calls = shop.sim.calls["alipay"]
    for n in range(40):
        status, _ = await knock(shop, {"notify_id": str(n), "sign": "eA==", "sign_type": "RSA2", "alipay_cert_sn": f"{n:032x}"})
        assert status >= 400
    assert shop.sim.calls["alipay"] == calls


async def test_cb_24_a_body_that_never_ends_is_cut_off(shop: Shop) -> None:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(
                f"{shop.url}/notify/alipay/{shop.channel_id}", data=b"a=" + b"x" * 1_000_000, headers=FORM
            ) as answer:
                assert answer.status == 413
        except aiohttp.ClientError:
            return


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"total_amount": "5000.00"}, "signature"),
        ({"out_trade_no": "01K9ZZZZZZZZZZZZZZZZZZZZZZ"}, "signature"),
        ({"sign": "eA=="}, "signature"),
        ({"sign_type": "RSA"}, "downgrade"),
        ({"sign": ""}, "unsigned"),
        ({"extra&": "1"}, "malformed"),
    ],
    ids=str,
)
async def test_cb_01_cb_02_a_forged_notice_bounces_and_changes_nothing(shop: Shop, change: dict[str, str], why: str) -> None:
    # How much junk is kept is a test of its own.
    shop.program.asgi._limiter = Generous()  # type: ignore[attr-defined]
    order = await place(shop)
    told = await silenced(shop, order)
    database = shop.program.database
    before = await book(database)
    status, body = await knock(shop, told | change)
    assert (status >= 400, body) == (True, b"fail")
    assert await book(database) == before
    assert (await kept(database))[-1][0].startswith(why)
    # The true one is taken all the same.
    assert await knock(shop, told) == (200, b"success")
    await shop.reach(order.id, "credited")


@pytest.mark.parametrize("trick", ["forge", "tamper", "stale"])
async def test_cb_02_cb_15_a_false_notice_before_the_true_one(shop: Shop, trick: str) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.phone.pay(await shop.number(order.id), trick=trick)
    await shop.reach(order.id, "credited")
    assert await shop.cash() == before + 5_000


@pytest.mark.parametrize("kind", ["other_mchid", "other_appid", "other_currency"])
async def test_cb_08_a_signed_notice_of_somebody_elses_payment_moves_nothing(shop: Shop, kind: str) -> None:
    before = await shop.cash()
    order = await place(shop)
    number = await shop.number(order.id)
    shop.sim.fault("notice", kind, number=number)
    shop.sim.phone.pay(number)
    await shop.sim.quiet()
    assert (await shop.order(order.id)).state == "awaiting_payment"
    assert await shop.cash() == before
    await until(shop, order.id, "credited")


async def test_am_another_amount_in_a_signed_notice_is_kept_apart(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=4_999)
    seen = await shop.reach(order.id, "misfit")
    assert (seen.money, await shop.cash()) == ("received", before)


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


async def test_a_notice_for_another_application_moves_nothing_though_one_key_signs_for_both(shop: Shop) -> None:
    """In certificate mode Alipay signs for all its merchants with one certificate: seller and application decide."""
    order = await place(shop)
    told = await silenced(shop, order)
    ring = next(iter(station(shop).keyrings.values()))
    before = await book(shop.program.database)
    for change in ({"app_id": "2021000000000009"}, {"seller_id": "2088000000000009"}, {"trans_currency": "USD"}):
        lie = {name: value for name, value in (told | change).items() if name not in ("sign", "sign_type")}
        assert await knock(shop, lie | {"sign": ring.sign_notice(lie), "notify_id": told["notify_id"]}) == (200, b"success")
        assert await book(shop.program.database) == before
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await until(shop, order.id, "credited")


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
