"""An order's page at every stage: who may see it, what it says about the money, and how it hears of a change."""

import re
from html import unescape
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace
from tests.flows.shop import LICENSED
from tests.flows.test_refunds import refunds_end
from tests.web.stage import PASSWORD, Stage, open_stage
from tests.web.test_recharge import ON_PHONE, fill, limited
from tests.web.test_sessions import Browser

from daozhang import ids
from daozhang.identity import Visitor
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.faults import Fault, Point
from daozhang.simulators.merchant import Enrolment
from daozhang.web.doors import make_app


async def place(browser: Browser, **changes: str) -> tuple[str, UUID]:
    """A fresh order: its path and its id."""
    path = (await browser.post("/recharge", await fill(browser, **changes))).headers["location"]
    order_id = ids.parse26(path.rpartition("-")[2])
    assert order_id is not None
    return path, order_id


async def press(browser: Browser, path: str, what: str, **fields: str) -> Any:
    """Press a button of the order's page."""
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', (await browser.get(path)).text)
    assert token is not None
    return await browser.post(f"{path}/{what}", {"csrf": token[1], **fields})


async def test_a_paid_order_is_stamped_and_the_wallet_and_the_list_show_it(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    await stage.pay(order_id)
    text = (await buyer.get(path)).text
    assert "It has arrived" in text
    assert "stamp press" in text
    assert "WeChat Pay confirmed the payment" in text
    assert "Added to your balance" in text
    wallet = (await buyer.get("/wallet")).text
    assert "+50.00" in wallet
    assert path in wallet
    assert "Arrived" in (await buyer.get("/orders")).text


async def test_i_have_paid_asks_the_channel_at_once(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    number = await stage.house.database.value("select id from attempts where order_id = $1", order_id)
    stage.sim.phone.pay(ids.text26(number), trick="silence")
    answer = await press(buyer, path, "check")
    assert answer.status_code == 303
    assert "It has arrived" in (await buyer.get(path)).text


async def test_a_cancelled_order_says_that_no_money_moved_and_can_be_paid_again(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    assert (await press(buyer, path, "cancel")).status_code == 303
    text = (await buyer.get(path)).text
    assert "no money moved" in text
    method = re.search(r'name="method" value="([^"]+)"', text)
    assert method is not None
    assert (await press(buyer, path, "retry", method=method[1])).status_code == 303
    assert "Scan with WeChat Pay" in (await buyer.get(path)).text
    await stage.pay(order_id)
    assert "It has arrived" in (await buyer.get(path)).text


async def test_a_cancel_or_a_retry_that_comes_too_late_shows_what_became_of_the_order(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    token = await buyer.token(path)
    await stage.pay(order_id)
    for what in ("cancel", "retry"):
        answer = await buyer.post(f"{path}/{what}", {"csrf": token, "method": f"{stage.channel_id}:native"})
        assert (answer.status_code, answer.headers["location"]) == (303, path), what
    assert "It has arrived" in (await buyer.get(path)).text


async def test_an_unknown_outcome_is_checking_and_never_failed(buyer: Browser, stage: Stage) -> None:
    stage.sim.dial.set(Fault(point="order", kind="error", times=20))
    path, _ = await place(buyer)
    text = (await buyer.get(path)).text
    assert "Please do not pay again" in text
    assert "did not work" not in text
    assert "no money moved" not in text


async def test_az_01_somebody_elses_order_does_not_exist(buyer: Browser, stage: Stage, shop_app: Any) -> None:
    path, order_id = await place(buyer)
    await stage.house.identity.register(1, "13700137000", PASSWORD, Visitor("192.0.2.7", "192.0.2.0/24"))
    other = Browser(shop_app)
    await other.login("13700137000")
    for suffix in ("", "/state", "/stream"):
        assert (await other.get(path + suffix)).status_code == 404, suffix
    token = await other.token("/recharge")
    for what in ("cancel", "retry", "check"):
        answer = await other.post(f"{path}/{what}", {"csrf": token, "method": f"{stage.channel_id}:native"})
        assert answer.status_code == 404, what
    stranger = Browser(shop_app)
    assert (await stranger.get(path)).headers["location"].startswith("/login?next=/orders/RC-")
    assert await stage.house.database.value("select state from orders where id = $1", order_id) == "awaiting_payment"


async def test_az_09_a_button_without_our_token_does_nothing(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    for what in ("cancel", "retry", "check"):
        assert (await buyer.post(f"{path}/{what}", {"csrf": "no"})).status_code == 403, what
    assert await stage.house.database.value("select state from orders where id = $1", order_id) == "awaiting_payment"


async def test_a_number_that_is_none_is_not_found(buyer: Browser) -> None:
    for shown in ("RC-", "RC-0", "x", "RC-" + "0" * 26, "RC-" + "Z" * 26, "%00", "RC-" + "%EF%BC%91" * 26, "..%2f..%2fetc"):
        answer = await buyer.get(f"/orders/{shown}")
        assert answer.status_code == 404, shown


async def test_a_page_that_cannot_listen_asks_for_the_state(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    before = (await buyer.get(f"{path}/state")).json()
    await stage.pay(order_id)
    after = (await buyer.get(f"{path}/state")).json()
    assert (before["money"], after["money"], after["terminal"]) == ("none", "credited", True)
    assert before["mark"] != after["mark"]


async def test_a_page_whose_countdown_is_over_asks_when_the_next_look_is(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    text = (await buyer.get(path)).text
    assert f'data-again="{path}/state?next=1"' in text
    assert "next_s" not in (await buyer.get(f"{path}/state")).json()
    later = "update attempts set next_query_at = clock_now() + interval '90 seconds' where order_id = $1"
    await stage.house.database.transact(lambda tx: tx.run(later, order_id))
    assert 60 < (await buyer.get(f"{path}/state?next=1")).json()["next_s"] <= 90
    await stage.pay(order_id)
    assert (await buyer.get(f"{path}/state?next=1")).json()["next_s"] is None


async def test_without_script_the_waiting_page_renews_itself(buyer: Browser) -> None:
    path, _ = await place(buyer)
    text = (await buyer.get(path)).text
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in text
    assert f'action="{path}/check"' in text


async def test_wallet_and_cashier_say_whom_it_is_for_and_not_to_pay_a_code_that_was_sent(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    text = (await buyer.get(path)).text
    assert "for the account 138****8000. Did somebody send you this code? Do not pay." in text
    shown = stage.sim.phone.find(await stage.shop.number(order_id)).description
    assert shown == "余额充值 · 到账 138****8000 · 别人发来的码请勿付款"
    stage.sim.dial.set(Fault(point="order", kind="booked_error", times=1))
    _, lost_id = await place(buyer, amount="100")
    await stage.shop.program.desk.look(lost_id)
    assert (await stage.shop.order(lost_id)).action == "qr", "asked again with the same words, the channel hands out the same code"
    assert stage.sim.phone.find(await stage.shop.number(lost_id)).description == shown


async def test_a_shop_goes_by_its_own_name_on_pages_and_in_the_wallet(
    database: Database, settings: Settings, enrolment: Enrolment
) -> None:
    """Payers are told to compare whom they pay: the cashier has to say the name that the wallet shows."""
    async with open_stage(database, replace(settings, shop_name="Mo's 2. Kiosk 墨"), enrolment=enrolment) as stage:
        buyer = Browser(make_app(stage.house))
        await buyer.login()
        path, order_id = await place(buyer)
        text = unescape((await buyer.get(path)).text)
        assert "<b>Mo's 2. Kiosk 墨</b>" in text
        assert "Paid to Mo's 2. Kiosk 墨, for the account 138****8000." in text
        shown = stage.sim.phone.find(await stage.shop.number(order_id)).description
        assert shown == "余额充值 · Mo's 2. Kiosk 墨 138****8000 · 别人发来的码请勿付款"


async def test_a_link_that_is_over_is_not_offered_and_a_new_one_is(buyer: Browser, stage: Stage, free_clock: None) -> None:
    """WeChat Pay's link for browsers opens for five minutes, its payment lives for fifteen: the page counts to what ends first."""
    phone = {"user-agent": ON_PHONE}
    path, order_id = await place(buyer, method=f"{stage.channel_id}:h5")
    text = unescape((await buyer.get(path, **phone)).text)
    link = re.search(r'<a class="btn primary" href="([^"]+)"', text)
    assert link is not None
    assert "Open the link before" in text
    counted = re.search(r'data-countdown="(\d+)" data-renews', text)
    assert counted is not None
    assert 240 < int(counted[1]) <= 301
    (asked, *_) = await stage.shop.program.interface_log.of_order(order_id)
    assert '"payer_client_ip":"203.0.113.9"' in asked.request, "the payer's address, and not ours"

    await stage.shop.later(301)
    text = unescape((await buyer.get(path, **phone)).text)
    assert link[1] not in text
    assert "data-renews" not in text
    assert "Please pay before" in text
    number = await stage.shop.number(order_id)
    answer = await press(buyer, path, "retry", method=f"{stage.channel_id}:h5")
    assert f'name="method" value="{stage.channel_id}:h5">Get a new link' in text
    assert answer.status_code == 303
    assert await stage.shop.number(order_id) != number, (
        "the payment of the old link is closed, it cannot be paid beside the new one"
    )
    text = unescape((await buyer.get(path, **phone)).text)
    assert "Open the link before" in text
    assert link[1] not in text
    await stage.pay(order_id)


async def test_the_cashier_switches_to_another_way_with_one_tap(buyer: Browser, stage: Stage) -> None:
    phone = {"user-agent": ON_PHONE}
    path, order_id = await place(buyer)
    text = (await buyer.get(path, **phone)).text
    assert "Pay another way" in text
    assert (await press(buyer, path, "retry", method=f"{stage.channel_id}:h5")).status_code == 303
    assert "Pay with WeChat Pay" in (await buyer.get(path, **phone)).text
    states = await stage.house.database.rows("select method, state from attempts where order_id = $1 order by id", order_id)
    assert [tuple(row) for row in states] == [("native", "closed"), ("h5", "open")]
    await stage.pay(order_id)
    assert "It has arrived" in (await buyer.get(path)).text


async def test_a_failed_order_offers_every_way_that_takes_its_amount(buyer: Browser, stage: Stage) -> None:
    phone = {"user-agent": ON_PHONE}
    stage.sim.dial.set(Fault(point="order", kind="error", times=1, code="NO_AUTH", http=403))
    path, _ = await place(buyer)
    text = (await buyer.get(path, **phone)).text
    offered = set(re.findall(r'name="method" value="[0-9]+:([a-z0-9]+)"', text))
    assert "h5" in offered
    await limited(stage, method="h5", single_fen=4_000)
    text = (await buyer.get(path, **phone)).text
    assert ":h5" not in text


async def test_rc_of_two_that_both_arrived_after_a_doubt_one_goes_back_with_a_tap(
    buyer: Browser, stage: Stage, free_clock: None
) -> None:
    """The channel did take the first order and answered nothing; the buyer waited, was warned, and paid both."""
    stage.sim.dial.set(Fault(point="order", kind="booked_error", times=20))
    first, first_id = await place(buyer)
    assert "We are checking" in (await buyer.get(first)).text
    await stage.shop.later(121)
    stage.sim.dial.clear()
    second, second_id = await place(buyer)
    assert second != first
    await stage.pay(second_id)
    stage.sim.phone.pay(await stage.shop.number(first_id))
    await stage.shop.reach(first_id, "credited")
    assert await stage.shop.cash() == 10_000, "both are credited"
    text = (await buyer.get(second)).text
    assert "Paid twice? Send one back" in text
    assert first.rpartition("/")[2] in text
    assert (await press(buyer, second, "back")).status_code == 303
    assert await stage.shop.cash() == 5_000
    assert "On its way back" in (await buyer.get(second)).text
    assert "Paid twice?" not in (await buyer.get(first)).text, "of two, one"
    for path in (first, second):
        await buyer.submit("/me", f"{path}/back")
    assert await stage.shop.cash() == 5_000
    assert await stage.house.database.value("select sum(amount_fen) from refunds") == 5_000


async def test_a_single_recharge_offers_no_way_back_with_a_tap(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    await stage.pay(order_id)
    assert "Paid twice?" not in (await buyer.get(path)).text
    await buyer.submit("/me", f"{path}/back")
    assert await stage.shop.cash() == 5_000


async def test_money_is_called_returned_only_once_it_is_back(buyer: Browser, stage: Stage, free_clock: None) -> None:
    path, order_id = await place(buyer)
    await stage.pay(order_id)
    points: tuple[Point, Point] = ("refund", "refund_query")
    for point in points:
        stage.sim.dial.set(Fault(point=point, kind="error", times=None))
    await stage.shop.program.desk.refund(order_id, 2_000, "buyer asked", "test")
    assert (await stage.shop.order(order_id)).refunds[0].state in ("reserved", "sent")
    text = (await buyer.get(path)).text
    assert "¥20.00 of it is on its way back" in text
    assert "of it has been returned" not in text
    stage.sim.dial.clear()
    await refunds_end(stage.shop)
    text = (await buyer.get(path)).text
    assert "¥20.00 of it has been returned" in text
    assert "on its way back" not in text


async def test_an_order_under_review_says_so_and_leads_to_where_it_is_explained(buyer: Browser, stage: Stage) -> None:
    books = Books(stage.house.database)
    large = next(rule for rule in LICENSED.rules if rule.key == "velocity.large")
    any_sum = msgspec.convert(msgspec.to_builtins(large) | {"when": {"f": "amount", "op": ">=", "v": {"fen": 1}}}, type(large))
    version = (await books.current(1)).version + 1
    await books.publish(1, replace(LICENSED, rules=(any_sum,)), version=version, author="anna", note="a person looks at all")
    page = await buyer.get((await buyer.post("/recharge", await fill(buyer))).headers["location"])
    assert "In review · not paid yet" in page.text
    assert "Waiting for your payment" not in page.text, "there is nothing to pay"
    found = re.search(r'<a class="btn primary" href="(/cases/CA-[0-9A-Z]+)">Say what it is for', page.text)
    assert found is not None
    assert (await buyer.submit(found[1], f"{found[1]}/answer", text="A present for my sister")).status_code == 303
    path = re.search(r'action="(/orders/RC-[0-9A-Z]+)/cancel"', page.text)
    assert path is not None, "nothing was paid, so it can be given up"
    assert (await press(buyer, path[1], "cancel")).status_code == 303
    assert await stage.house.database.value("select state from orders order by id desc limit 1") == "abandoned"
