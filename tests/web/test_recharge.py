"""The recharge form: what it offers, what it refuses and how, and that nothing a client invents counts."""

import asyncio
import re
from datetime import date
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from tests.flows.shop import LICENSED
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang import __version__, agreements
from daozhang.limits import rows
from daozhang.policy.book import EligibilityRules
from daozhang.policy.books import Books
from daozhang.simulators.faults import Fault


async def fill(browser: Browser, **changes: str) -> dict[str, str]:
    """The form as a browser would send it back, with some fields changed."""
    text = (await browser.get("/recharge")).text
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', text))
    method = re.search(r'name="method" id="[^"]*" value="([^"]+)" checked', text)
    assert method is not None, text
    return hidden | {"amount": "50", "other_amount": "", "method": method[1]} | changes


async def test_the_form_tells_limits_rules_and_words_before_anything_is_asked(buyer: Browser) -> None:
    text = (await buyer.get("/recharge")).text
    assert "¥1 to ¥5,000 at a time" in text
    assert "¥20,000 left today" in text
    assert "Fifty yuan" in text
    assert "In good standing" in text
    assert "WeChat Pay" in text


async def test_a_shop_that_sells_no_balance_leads_to_what_it_sells(buyer: Browser, stage: Stage) -> None:
    books = Books(stage.house.database)
    own = replace(LICENSED, eligibility=EligibilityRules(mode="own_goods"))
    await books.publish(1, own, version=(await books.current(1)).version + 1, author="anna", note="own goods alone")
    page = (await buyer.get("/recharge")).text
    assert "This shop sells no balance" in page
    assert 'class="btn primary" data-step="browse" href="/shop"' in page
    assert 'name="method"' not in page


async def test_an_order_goes_to_its_cashier_and_its_page_shows_the_code(buyer: Browser) -> None:
    answer = await buyer.post("/recharge", await fill(buyer))
    assert answer.status_code == 303
    page = await buyer.get(answer.headers["location"])
    assert "Scan with WeChat Pay" in page.text
    assert "<svg" in page.text
    assert "Fifty yuan" in page.text
    assert "/phone/scan?code_url=weixin%3A%2F%2F" in page.text


async def test_rc_01_a_double_submit_is_one_order(buyer: Browser, stage: Stage) -> None:
    form = await fill(buyer)
    answers = await asyncio.gather(*(buyer.post("/recharge", form) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await stage.house.database.value("select count(*) from orders") == 1


async def test_rc_01_two_forms_of_one_instant_with_a_key_each_are_one_order(buyer: Browser, stage: Stage) -> None:
    first, second = await fill(buyer), await fill(buyer)
    assert first["key"] != second["key"]
    answers = await asyncio.gather(buyer.post("/recharge", first), buyer.post("/recharge", second))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"].partition("?")[0] for answer in answers}) == 1
    assert await stage.house.database.value("select count(*) from orders") == 1


MALFORMED = (
    "", "0.001", "1e3", "NaN", "Infinity", "１００", "1,000", "9000000000000000", "1_000", "50\n", " 50", "-1", "+5", "0x10", "٣٠",
    "50元", "1.234", "9" * 4000, "<b>5</b>",
)  # fmt: skip


async def test_am_01_an_amount_that_is_none_is_told_at_its_field_with_everything_kept(buyer: Browser, stage: Stage) -> None:
    for typed in MALFORMED:
        answer = await buyer.post("/recharge", await fill(buyer, amount="other", other_amount=typed))
        assert answer.status_code == 422, typed
        assert 'aria-invalid="true"' in answer.text, typed
        assert 'value="other" checked' in answer.text, typed
        assert f'value="{escape(typed)}"' in answer.text, typed
    assert await stage.house.database.value("select count(*) from orders") == 0


async def test_am_01_an_amount_out_of_bounds_is_told_at_its_field(buyer: Browser) -> None:
    for typed in ("0", "0.99", "5000.01", "99999999.99"):
        answer = await buyer.post("/recharge", await fill(buyer, amount="other", other_amount=typed))
        assert answer.status_code == 422, typed
        assert 'aria-invalid="true"' in answer.text, typed
        assert f'value="{typed}"' in answer.text, typed
        error = re.search(r'id="amount-error"[^>]*><span><b>([^<]+)</b>([^<]+)<', answer.text)
        assert error is not None, typed
        assert "5,000" in error[2] or "¥1" in error[2] or typed == "0", error[0]


async def test_am_02_what_a_client_adds_is_ignored(buyer: Browser, stage: Stage) -> None:
    form = await fill(buyer, user_id="999", status="paid", amount_fen="1", price="0.01", shop_id="2", bonus="100")
    answer = await buyer.post("/recharge", form)
    assert answer.status_code == 303
    row = await stage.house.database.row("select user_id, amount_fen, state from orders")
    assert row is not None
    assert (row["amount_fen"], row["state"]) == (5000, "awaiting_payment")
    assert row["user_id"] == await stage.house.database.value("select id from users")


async def test_am_03_a_way_to_pay_that_does_not_exist_is_told_on_the_form(buyer: Browser) -> None:
    for method in ("", "999999:native", "1:native; drop table", "x", "1:", "-1:native", "9" * 18 + ":native", "9" * 20 + ":native"):
        answer = await buyer.post("/recharge", await fill(buyer, method=method))
        assert answer.status_code == 422, method
        assert 'role="alert"' in answer.text, method


async def test_a_page_older_than_the_server_is_renewed_with_the_form_kept(buyer: Browser) -> None:
    answer = await buyer.post("/recharge", await fill(buyer, amount="other", other_amount="88.80", page_version="last-year"))
    assert answer.status_code == 409
    assert "The page was renewed" in answer.text
    assert 'value="88.80"' in answer.text
    assert f'name="page_version" value="{__version__}+1"' in answer.text


async def test_a_page_that_showed_rules_of_yesterday_is_renewed_and_goes_at_the_next_press(buyer: Browser, stage: Stage) -> None:
    form, books = await fill(buyer), stage.house.books
    await books.publish(1, LICENSED, version=(await books.current(1)).version + 1, author="t", note="changed while a page was open")
    answer = await buyer.post("/recharge", form)
    assert (answer.status_code, "The page was renewed" in answer.text) == (409, True)
    assert (await buyer.post("/recharge", await fill(buyer))).status_code == 303


async def test_az_09_a_form_without_our_token_orders_nothing(buyer: Browser, stage: Stage) -> None:
    answer = await buyer.post("/recharge", await fill(buyer, csrf="0" * 64))
    assert answer.status_code == 422
    assert 'value="50" data-shown="¥50.00" checked' in answer.text
    foreign = await buyer.post("/recharge", await fill(buyer), origin="https://elsewhere.example")
    assert foreign.status_code == 403
    assert await stage.house.database.value("select count(*) from orders") == 0


async def test_az_09_a_body_that_is_no_form_of_ours_is_refused(buyer: Browser) -> None:
    for body, kind in (
        (b'{"amount": 50}', "application/json"),
        (b"amount=50", "text/plain"),
        (b"amount=%ff", "application/x-www-form-urlencoded"),
        (b"amount=50&amount=60", "application/x-www-form-urlencoded"),
        (b"&".join(b"f%d=1" % n for n in range(60)), "application/x-www-form-urlencoded"),
    ):
        answer = await buyer.post("/recharge", body=body, content_type=kind)
        assert answer.status_code == 400, body


async def test_a_body_that_is_too_large_is_refused(buyer: Browser) -> None:
    answer = await buyer.post("/recharge", body=b"a=" + b"x" * 70_000)
    assert answer.status_code == 413


async def test_a_typed_amount_is_read_back_in_digits_and_words(buyer: Browser) -> None:
    assert (await buyer.get("/recharge/echo?amount=88.8")).json() == {
        "shown": "¥88.80",
        "words": "Eighty-eight yuan and eighty fen",
    }
    assert "error" in (await buyer.get("/recharge/echo?amount=%EF%BC%95")).json()


async def test_the_first_load_stays_small(buyer: Browser, shop_app: Any) -> None:
    """The recharge page with its style and script, compressed, is under 60 kB and asks nobody else for anything."""
    page = await buyer.get("/recharge", **{"accept-encoding": "gzip"})
    urls = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(urls) == 3
    assert not re.findall(r'(?:href|src|action)="(?:https?:)?//', page.text)
    total = int(page.headers["content-length"])
    for url in urls:
        got = await Browser(shop_app).get(url, **{"accept-encoding": "gzip"})
        assert "immutable" in got.headers["cache-control"]
        total += int(got.headers["content-length"])
    assert total < 60_000


IN_WECHAT = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36 MicroMessenger/8.0.50"
ON_PHONE = IN_WECHAT.partition(" MicroMessenger")[0]


async def limited(stage: Stage, **given: Any) -> None:
    """A limit of WeChat Pay's codes."""
    stated = {"owner": "channel", "source": "the contract", "source_date": date(2026, 11, 1), "kind": "wechatpay", **given}
    await rows.put(stage.house.database, rows.Stated(**stated), "staff:1")


def row_of(text: str, method: str) -> str:
    """The row of one method."""
    found = re.search(rf'<li class="method[^"]*">\s*<input[^>]*value="[0-9]+:{method}".*?</li>', text, re.DOTALL)
    assert found is not None, text
    return found[0]


async def test_each_way_tells_what_its_limits_leave_and_why_it_does_not_take_an_amount(buyer: Browser, stage: Stage) -> None:
    await limited(stage, method="native", single_fen=20_000, day_fen=30_000)
    phone = {"user-agent": ON_PHONE}
    fits = row_of((await buyer.get("/recharge?amount=200", **phone)).text, "native")
    assert "up to ¥200 at once · ¥300 left today" in fits
    assert "Running well" in fits
    text = (await buyer.get("/recharge?amount=200.01", **phone)).text
    over = row_of(text, "native")
    assert "Above the limit of one payment" in over
    assert "One payment is at most ¥200; the limit is the channel&#39;s." in over
    assert " disabled" not in over
    assert " checked" in row_of(text, "h5")


async def test_the_parts_that_the_script_asks_for_say_what_the_page_says(buyer: Browser, stage: Stage) -> None:
    await limited(stage, method="native", single_fen=20_000)
    phone = {"user-agent": ON_PHONE}
    token = {"csrf": await buyer.token("/recharge")}
    over = (await buyer.post("/recharge/ways", token | {"amount": "500"}, **phone)).text
    assert "Above the limit" in row_of(over, "native")
    assert "WeChat Pay would work now" not in over, "the same channel is no other one"
    assert "¥500.00 would go through now" in over
    assert "Ways that do not take it this time say why" in over
    assert "<form" not in over
    kept = (await buyer.post("/recharge/ways", token | {"amount": "500", "method": f"{stage.channel_id}:native"}, **phone)).text
    assert " checked" in row_of(kept, "native")
    for odd in ("", "NaN", "%00", "9" * 400, "<b>"):
        form = token | {"amount": odd, "card": odd, "method": odd, "offer": odd}
        assert (await buyer.post("/recharge/ways", form)).status_code == 200, odd


async def test_what_would_become_of_an_amount_is_told_before_anything_is_ordered(buyer: Browser, stage: Stage) -> None:
    """With script while it is typed, without it on the page itself; neither leaves a trace."""
    form = await fill(buyer, amount="other")
    for amount, said in (
        ("50", "¥50.00 would go through now"),
        ("6000", "¥6,000.00 would not go through now"),
        ("0.5", "¥0.50 would not go through now"),
    ):
        text = (await buyer.post("/recharge/ways", form | {"other_amount": amount})).text
        assert said in text
        assert said in (await buyer.get(f"/recharge?amount={amount}")).text
        looked = await buyer.post("/recharge", form | {"other_amount": amount, "look": "1"})
        assert said in looked.text
    for table in ("orders", "decisions", "order_marks"):
        assert await stage.house.database.value(f"select count(*) from {table}") == 0, table


async def test_without_script_a_button_asks_what_takes_the_amount_and_orders_nothing(buyer: Browser, stage: Stage) -> None:
    await limited(stage, single_fen=20_000)
    answer = await buyer.post("/recharge", await fill(buyer, amount="other", other_amount="300", look="1"))
    assert answer.status_code == 200
    assert "Above the limit" in row_of(answer.text, "native")
    assert 'value="300"' in answer.text
    assert 'value="other" checked' in answer.text
    assert await stage.house.database.value("select count(*) from orders") == 0


async def test_am07_a_channels_limit_is_told_at_the_amount_with_everything_kept(buyer: Browser, stage: Stage) -> None:
    await limited(stage, single_fen=20_000)
    answer = await buyer.post("/recharge", await fill(buyer, amount="500"))
    assert answer.status_code == 422
    error = re.search(r'id="amount-error"[^>]*><span><b>([^<]+)</b>([^<]+)<', answer.text)
    assert error is not None
    assert error[1] == "Above the limit of one payment"
    assert "¥200" in error[2]
    assert 'value="500"' in answer.text


async def test_the_card_that_is_named_is_held_to_its_bank(buyer: Browser, stage: Stage) -> None:
    await limited(stage, owner="bank", kind=None, bank="icbc", instrument="debit", single_fen=4_000)
    text = (await buyer.get("/recharge")).text
    assert '<option value="icbc:debit">ICBC debit card · up to ¥40 at once' in text
    answer = await buyer.post("/recharge", await fill(buyer, card="icbc:debit"))
    assert answer.status_code == 422
    assert "The bank is ICBC." in answer.text
    assert '<option value="icbc:debit" selected>' in answer.text
    assert (await buyer.post("/recharge", await fill(buyer, card="<b>:x"))).status_code == 303


async def test_inside_wechat_only_what_opens_there_is_offered(buyer: Browser, stage: Stage) -> None:
    text = (await buyer.get("/recharge", **{"user-agent": IN_WECHAT})).text
    assert " checked" in row_of(text, "jsapi")
    assert ":h5" not in text
    assert "do not open inside WeChat" in text
    assert ":jsapi" not in (await buyer.get("/recharge", **{"user-agent": ON_PHONE})).text


async def test_the_agreement_is_ticked_once_per_version_and_readable_by_everybody(buyer: Browser, stage: Stage) -> None:
    assert 'name="agreement"' not in (await buyer.get("/recharge")).text, "a shop without one asks nobody"
    await agreements.publish(stage.house.database, 1, "甲方\n\n乙方", "The shop & you\n\nand so on", author="anna")
    assert "The shop &amp; you" in (await buyer.get("/agreement")).text
    assert (await buyer.get("/agreement?version=2")).status_code == 404
    form = (await buyer.get("/recharge")).text
    assert re.search(r'name="agreement" value="1" required>', form), "never ticked beforehand"
    answer = await buyer.post("/recharge", await fill(buyer))
    assert answer.status_code == 422
    assert "not agreed to yet" in answer.text
    assert (await buyer.post("/recharge", await fill(buyer, agreement="1"))).status_code == 303
    assert 'name="agreement"' not in (await buyer.get("/recharge")).text
    await agreements.publish(stage.house.database, 1, "三", "three", author="anna")
    assert 'name="agreement" value="2"' in (await buyer.get("/recharge")).text


@pytest.mark.parametrize("typed", ["５０", "50元", "¥ 50"])
async def test_am_what_is_no_amount_is_asked_back_and_never_guessed_silently(stage: Stage, buyer: Browser, typed: str) -> None:
    form = {"amount": "other", "other_amount": typed, "method": f"{stage.shop.channel_id}:native"}
    answer = await buyer.submit("/recharge", "/recharge", **form)
    assert answer.status_code == 422
    assert "Do you mean ¥50.00?" in answer.text
    assert await stage.shop.program.database.value("select count(*) from orders") == 0
    filled = await buyer.submit("/recharge", "/recharge", **form, meant="50.00")
    assert 'name="other_amount"' in filled.text
    assert 'value="50.00"' in filled.text
    assert await stage.shop.program.database.value("select count(*) from orders") == 0
    assert "Do you mean" in (await buyer.get(f"/recharge/echo?amount={quote(typed)}")).text


async def place(buyer: Browser, **changes: str) -> str:
    """Where the form leads."""
    answer = await buyer.post("/recharge", await fill(buyer, **changes))
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_an_open_order_leads_the_page_and_the_same_sum_goes_on_with_it(buyer: Browser, stage: Stage) -> None:
    first = await place(buyer)
    page = (await buyer.get("/recharge")).text
    assert "You have an unpaid recharge of ¥50.00" in page
    assert f'href="{first}">Go on paying' in page
    assert f'action="{first}/cancel"' in page
    assert "The button leads back to it" in page
    again = await place(buyer)
    assert again == f"{first}?open=1"
    assert "made no second one" in (await buyer.get(again)).text
    assert await stage.house.database.value("select count(*) from orders") == 1
    other = await place(buyer, amount="100")
    assert other not in (first, again), "another sum is another wish"
    await buyer.submit("/recharge", f"{other}/cancel")
    await buyer.submit("/recharge", f"{first}/cancel")
    assert "unpaid recharge" not in (await buyer.get("/recharge")).text
    assert await place(buyer) not in (first, again), "what is closed is not in the way"


async def test_an_order_in_doubt_is_doubled_only_after_two_minutes_and_a_plain_warning(
    buyer: Browser, stage: Stage, free_clock: None
) -> None:
    stage.sim.dial.set(Fault(point="order", kind="error", times=20))
    first = await place(buyer)
    page = (await buyer.get("/recharge")).text
    assert "We are still checking ¥50.00. Please do not pay again" in page
    assert 'name="anew"' not in page
    held = await place(buyer)
    assert held == f"{first}?open=1"
    assert "no news of this one yet" in (await buyer.get(held)).text
    await stage.shop.later(121)
    stage.sim.dial.clear()
    stale = await fill(buyer)
    assert stale.pop("anew") == first.rpartition("/")[2]
    warned = await buyer.post("/recharge", stale)
    assert warned.status_code == 409, "a page that did not warn orders nothing"
    assert "one tap sends the extra one back" in warned.text
    assert 'value="50" data-shown="¥50.00" checked' in warned.text
    second = await place(buyer)
    assert second not in (first, held)
    assert await stage.house.database.value("select count(*) from orders") == 2


async def test_a_blocked_account_meets_its_state_and_its_cure_and_no_useless_button(buyer: Browser, stage: Stage) -> None:
    await stage.house.identity.freeze(stage.shop.user_id, actor="staff:1", reason="risk_review")
    text = (await buyer.get("/recharge")).text
    assert "The account is frozen" in text
    assert 'action="/me/unfreeze"' in text
    assert 'action="/recharge"' not in text
    assert "data-go" not in text
    assert text.index("The account is frozen") < text.index("Balance")


async def test_the_way_that_worked_last_is_marked_while_it_runs_well(buyer: Browser, stage: Stage) -> None:
    marked = re.compile(r'value="([0-9]+):[a-z]+" checked')
    first = marked.search((await buyer.get("/recharge")).text)
    quote = await stage.house.desk.quote(stage.shop.user_id)
    other = next((each for each in quote.methods if first and str(each.channel_id) != first[1]), None)
    if other is None:
        # One channel: what arrived last is what is marked anyway.
        other = quote.methods[0]
    answer = await buyer.post("/recharge", await fill(buyer, method=f"{other.channel_id}:{other.method}"))
    order = await stage.house.database.row("select id from orders order by id desc limit 1")
    assert answer.status_code == 303
    assert order is not None
    await stage.pay(order["id"])
    now = marked.search((await buyer.get("/recharge")).text)
    assert now is not None
    assert int(now[1]) == other.channel_id
