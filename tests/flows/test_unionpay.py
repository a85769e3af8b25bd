"""Stories at UnionPay, where a notice only makes us ask, nothing can be closed, and each order is known by number and time."""

import asyncio
import re
from collections.abc import AsyncIterator
from html import unescape
from urllib.parse import parse_qsl
from uuid import UUID

import aiohttp
import pytest
from tests.copies import Copies
from tests.flows.knocks import Message, book, kept
from tests.flows.shop import Shop
from tests.flows.union import FORM, adapter, calls, claim, knock, notice, place, station, union_stall
from tests.web.test_sessions import Browser

from daozhang import clock, ids
from daozhang.channels.port import Outcome, RefundRequest
from daozhang.postgres.supervisor import Supervisor
from daozhang.settings import Settings
from daozhang.web.doors import make_app


@pytest.fixture(scope="module")
async def shop(server: Supervisor, copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with union_stall(server, copies, Settings(data=tmp_path_factory.mktemp("union"), test_mode=True)) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def _calm(shop: Shop) -> AsyncIterator[None]:
    yield
    shop.sim.dial.clear()
    shop.sim.habits.refund_s = 3.0
    await shop.sim.quiet()


async def until(shop: Shop, order_id: UUID, state: str) -> None:
    """Let time pass until an order has ended."""
    for _ in range(40):
        if (await shop.order(order_id)).state == state:
            return
        await shop.later(60)
        await shop.work()
    raise AssertionError((await shop.order(order_id)).state)


@pytest.mark.parametrize("method", ["page", "h5"])
async def test_a_browser_brings_the_order_pays_and_is_credited_after_a_query(shop: Shop, method: str) -> None:
    before = await shop.cash()
    order = await place(shop, method)
    assert (order.state, order.action) == ("awaiting_payment", "form")
    assert order.payload["fields"]["frontUrl"] == f"{shop.url}/back/{order.shown}"
    async with aiohttp.ClientSession() as session:
        async with session.post(order.payload["url"], data=order.payload["fields"], allow_redirects=False) as cashier:
            assert cashier.status == 303
            leads = cashier.headers["Location"]
        async with session.get(shop.sim.url + leads) as page:
            assert page.status == 200
            assert "50.00" in await page.text()
        asked = calls(shop)
        async with session.post(shop.sim.url + leads, data={"act": "pay", "way": "credit"}, allow_redirects=False) as tapped:
            assert tapped.status == 303
        seen = await shop.reach(order.id, "credited")
        assert calls(shop) == asked + 1
        assert await shop.cash() == before + 5_000
        # The browser comes back by a signed POST, of which nothing is believed.
        back = dict(parse_qsl(leads.partition("?")[2]))["back"]
        async with session.get(back) as page:
            fields = dict(re.findall(r'name="([A-Za-z]+)" value="([^"]*)"', await page.text()))
        async with session.post(f"{shop.url}/back/{order.shown}", data=fields, allow_redirects=False) as returned:
            assert returned.status in (302, 303)
    assert (seen.money, seen.anomalies) == ("credited", ())
    await shop.sim.quiet()
    assert station(shop).books.notice_counts().keys() <= {"acknowledged"}


async def test_the_shops_own_page_hands_the_signed_form_to_unionpay_and_to_nobody_else(shop: Shop) -> None:
    browser = Browser(make_app(shop.program.house))
    await browser.login()
    order = await place(shop, "page")
    answer = await browser.get(f"/orders/{order.shown}/pay")
    assert answer.status_code == 200
    fields = {name: unescape(value) for name, value in re.findall(r'type="hidden" name="([A-Za-z]+)" value="([^"]*)"', answer.text)}
    assert {name: fields[name] for name in order.payload["fields"]} == order.payload["fields"]
    assert f"form-action 'self' {shop.sim.url}" in answer.headers["content-security-policy"]
    assert f'action="{order.payload["url"]}"' in answer.text


async def test_a_scanned_code_is_credited_once_however_often_it_is_told(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    assert order.payload["text"].startswith("https://qr.95516.com/")
    code = shop.sim.phone.scan(order.payload["text"])
    shop.sim.fault("notice", "duplicate", copies=8)
    shop.sim.phone.pay(code)
    await shop.reach(order.id, "credited")
    await shop.sim.quiet()
    number = await shop.number(order.id)
    heard = await asyncio.gather(*(knock(shop, notice(shop, number)) for _ in range(10)))
    assert {(each.status, each.body) for each in heard} == {(200, b"ok")}
    await shop.later(120)
    await shop.work()
    assert await shop.cash() == before + 5_000


@pytest.mark.parametrize("how", ["forge", "unknown_serial", "stale"])
async def test_cb_02_a_forged_notice_moves_nothing_and_asks_nobody(shop: Shop, how: str) -> None:
    order = await place(shop)
    number = await shop.number(order.id)
    before, asked = await book(shop.program.database), calls(shop)
    message = claim(shop, number)
    fields = dict(parse_qsl(message.body.decode()))
    forged = station(shop).keyring.sign({k: v for k, v in fields.items() if k not in ("signature", "signPubKeyCert")}, how)
    for body in (_form(forged), _form(fields | {"txnAmt": "500000"}), b"", b"x" * 70_000, b"respCode=00"):
        assert (await knock(shop, Message(FORM, body))).status in (400, 401, 413)
    assert (await book(shop.program.database), calls(shop)) == (before, asked)


def _form(fields: dict[str, str]) -> bytes:
    return aiohttp.FormData(fields)()._value


async def test_cb_09_a_notice_for_another_merchant_of_unionpay_moves_nothing(shop: Shop) -> None:
    """One certificate signs for all of them: the merchant's number decides, and then the query."""
    order = await place(shop)
    number = await shop.number(order.id)
    before, asked = await book(shop.program.database), calls(shop)
    assert (await knock(shop, claim(shop, number, merId="777290058100009"))).status == 400
    assert (await book(shop.program.database), calls(shop)) == (before, asked)


async def test_a_rightly_signed_notice_is_not_believed_when_the_query_says_unpaid(shop: Shop) -> None:
    order = await place(shop)
    number = await shop.number(order.id)
    before, asked = await shop.cash(), calls(shop)
    assert (await knock(shop, claim(shop, number))).status == 200
    assert calls(shop) == asked + 1
    assert ((await shop.order(order.id)).state, await shop.cash()) == ("awaiting_payment", before)
    for _ in range(5):
        await shop.later(61)
        await shop.work()
    assert ((await shop.order(order.id)).state, await shop.cash()) == ("awaiting_payment", before)
    # It is kept and asked about again, so that when UnionPay comes to know the payment it is credited, and once.
    shop.sim.fault("notice", "silence")
    shop.sim.phone.pay(number)
    await until(shop, order.id, "credited")
    assert await shop.cash() == before + 5_000


async def test_cb_27_many_notices_about_one_number_ask_at_most_once_a_minute(shop: Shop) -> None:
    order = await place(shop)
    number, asked = await shop.number(order.id), calls(shop)
    with shop.still("callback.ask"):
        for _ in range(30):
            assert (await knock(shop, claim(shop, number))).status == 200
        assert calls(shop) == asked + 1
    assert (await shop.order(order.id)).state == "awaiting_payment"


async def test_a_notice_about_a_number_that_unionpay_does_not_know(shop: Shop) -> None:
    order = await place(shop)
    before = await book(shop.program.database)
    for number in (ids.text26(ids.new_id()), "20260521103456"):
        assert (await knock(shop, claim(shop, await shop.number(order.id), orderId=number))).status == 200
    assert await book(shop.program.database) == before


async def test_an_amount_that_only_the_notice_tells_is_not_believed(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.fault("notice", "alter", amount_fen=1)
    shop.sim.phone.pay(await shop.number(order.id))
    await shop.reach(order.id, "credited")
    # What the notice said is compared once the payment is booked, before it is acknowledged.
    await shop.sim.quiet()
    assert (await shop.cash() - before, (await shop.order(order.id)).anomalies) == (5_000, ("amount",))


async def test_am_08_another_amount_was_really_paid(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=4_999)
    seen = await shop.reach(order.id, "misfit")
    assert (await shop.cash(), seen.anomalies) == (before, ("amount",))


async def test_a6_is_credited(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.phone.pay(await shop.number(order.id), trick="flawed")
    await shop.reach(order.id, "credited")
    assert await shop.cash() == before + 5_000


@pytest.mark.parametrize("fault", ["silence", "drop", "cut", "forge", "tamper"])
async def test_nf_01_lost_and_spoilt_notices_are_made_good_by_asking(shop: Shop, fault: str) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.fault("notice", fault, times=None)
    shop.sim.phone.pay(await shop.number(order.id))
    await until(shop, order.id, "credited")
    assert await shop.cash() == before + 5_000


async def test_a_payment_that_unionpay_itself_does_not_know_yet_waits_and_is_credited(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.habits.time_scale = 1.0
    shop.sim.phone.pay(await shop.number(order.id), trick="settling")
    await shop.later(16)
    await shop.work()
    assert ((await shop.order(order.id)).state, await shop.cash()) == ("awaiting_payment", before)
    shop.sim.habits.time_scale = 0.001
    await until(shop, order.id, "credited")
    assert await shop.cash() == before + 5_000


async def test_unpaid_orders_expire_only_after_unionpay_can_take_nothing_any_more(shop: Shop) -> None:
    for method in ("qr", "page"):
        order = await place(shop, method)
        number = await shop.number(order.id)
        await until(shop, order.id, "expired")
        assert clock.now() >= order.expires_at
        if method == "qr":
            assert station(shop).hand.order(number).expires_s < clock.now_s()


async def test_cancelling_waits_for_what_unionpay_cannot_close_and_takes_its_money(shop: Shop) -> None:
    before = await shop.cash()
    given_up, paid = await place(shop), await place(shop)
    for order in (given_up, paid):
        seen = await shop.program.desk.cancel(shop.user_id, order.id)
        assert (seen.state, seen.money) == ("closing", "checking")
    # The payer had the code on the phone and paid after all.
    shop.sim.phone.pay(await shop.number(paid.id))
    await shop.reach(paid.id, "credited")
    await until(shop, given_up.id, "cancelled")
    assert await shop.cash() == before + 5_000


async def test_cb_17_another_card_after_a_refusal_is_late_money_and_credited(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    number = await shop.number(order.id)
    shop.sim.phone.refuse(number, "not_enough")
    await shop.program.desk.look(order.id)
    seen = await shop.order(order.id)
    assert (seen.state, seen.reason) == ("failed", "account.payer_balance_short")
    shop.sim.phone.pay(number)
    seen = await shop.reach(order.id, "credited")
    assert (await shop.cash(), seen.anomalies) == (before + 5_000, ("late",))


async def test_nf_01_an_answer_that_was_lost_leaves_no_second_code(shop: Shop) -> None:
    shop.sim.fault("order", "truncate")
    order = await place(shop)
    assert (order.state, order.action) == ("created", None)
    await shop.later(6)
    await shop.work()
    seen = await shop.order(order.id)
    assert (seen.state, seen.action) == ("created", None)
    await until(shop, order.id, "expired")
    assert (await shop.order(order.id)).reason == "operation.code_lost"


async def test_a_refund_goes_back_in_parts_and_never_twice(shop: Shop) -> None:
    before = await shop.cash()
    returned_fen = station(shop).books.refund_totals().sum_fen
    order = await place(shop)
    shop.sim.phone.pay(await shop.number(order.id))
    await shop.reach(order.id, "credited")
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
    assert (await shop.order(order.id)).refunded_fen == 5_000
    assert station(shop).books.refund_totals().sum_fen - returned_fen == 5_000
    assert await shop.cash() == before


async def test_a_refused_refund_leaves_the_money_where_it_was(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.phone.pay(await shop.number(order.id))
    await shop.reach(order.id, "credited")
    shop.sim.fault("refund", "error", code="4040007")
    refund = await shop.program.desk.refund(order.id, 5_000, "too late", "staff:1")
    view = await shop.program.desk.refunds.view(refund.id)
    assert (view.state, view.reason) == ("failed", "refund.too_old")
    assert await shop.cash() == before + 5_000


async def test_a_revoke_is_done_at_once_and_its_notice_disturbs_nobody(shop: Shop) -> None:
    order = await place(shop)
    number = await shop.number(order.id)
    shop.sim.phone.pay(number)
    await shop.reach(order.id, "credited")
    seen = await shop.order(order.id)
    before = await book(shop.program.database)
    own = ids.text26(ids.new_id())
    request = RefundRequest(number, own, seen.channel_txn, 5_000, 5_000, "", f"{shop.url}/notify/unionpay/{adapter(shop).id}")
    assert (await adapter(shop).revoke(request)).outcome is Outcome.PENDING
    assert (await adapter(shop).query_refund(own)).outcome is Outcome.SUCCESS
    await shop.sim.quiet()
    assert [send.acknowledged for send in station(shop).books.sends(own)] == [1]
    # The house asked for no refund under that number, so nothing of its own moves.
    assert await book(shop.program.database) == before
    # Another refund of the same money is refused by UnionPay, and the user's money stays.
    refund = await shop.program.desk.refund(order.id, 5_000, "again", "staff:1")
    view = await shop.program.desk.refunds.view(refund.id)
    assert (view.state, view.reason) == ("failed", "refund.returned_before")


async def test_what_was_refused_is_kept_with_why(shop: Shop) -> None:
    order = await place(shop)
    await knock(shop, claim(shop, await shop.number(order.id), merId="777290058100009"))
    assert "other_merchant" in {why.split(":")[0] for why, _ in await kept(shop.program.database)}
