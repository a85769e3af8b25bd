"""The whole way of one recharge, as a person walks it, in a real browser."""

import contextlib
import re

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect
from playwright.async_api import Error as PageError
from tests.browser.conftest import (
    LONG,
    Shop,
    asked,
    audit,
    comes_true,
    context_for,
    fits,
    in_every_look,
    log_in,
    press,
    says_paid,
    visit,
)
from tests.patience import until
from tests.web.stage import PASSWORD, PHONE

from daozhang.bench.browse import PHONE_BELOW_PX, Look
from daozhang.ids import parse26
from daozhang.simulators.faults import Fault

SAID = {
    "zh": {
        "register": "注册",
        "go": "充值 ¥100.00",
        "qr": "用微信支付扫码付款",
        "link": "去微信支付付款",
        "done": "已到账",
        "words": "壹佰元整",
    },
    "en": {
        "register": "Sign up",
        "go": "Recharge ¥100.00",
        "qr": "Scan with WeChat Pay",
        "link": "Pay with WeChat Pay",
        "done": "It has arrived",
        "words": "One hundred yuan",
    },
}
UNDER_THE_DOCK = """() => document.activeElement.getBoundingClientRect().bottom
  > document.querySelector('.dock').getBoundingClientRect().top"""
OVERTAKE = "([one, another, ms]) => { window.left = true; location.href = one; setTimeout(() => location.href = another, ms); }"
ARRIVED = "!window.left && document.readyState === 'complete'"
AHEAD = {
    "zh": {
        "no": "¥6,000.00 现在充不了", "yes": "¥60.00 现在可以充", "checking": "请勿重复付款",
        "another": "万一两笔都付成，两笔都记入余额",
    },
    "en": {
        "no": "¥6,000.00 would not go through now", "yes": "¥60.00 would go through now", "checking": "Please do not pay again",
        "another": "Should both be paid, both go to your balance",
    },
}  # fmt: skip


@in_every_look
async def test_a_newcomer_recharges_and_sees_the_money_arrive(chromium: Browser, shop: Shop, axe: str, look: Look) -> None:
    said, faults = SAID[look.language], []
    context = await context_for(chromium, **look._asdict())
    page = await context.new_page()
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: faults.append(request.url) if not request.url.startswith((shop.url, shop.stage.sim.url)) else None,
    )

    await visit(page, f"{shop.url}/register")
    assert await audit(page, axe) == []
    await page.fill("input[name=phone]", "13912345678")
    await page.fill("input[name=password]", "tea at four by the river")
    await press(page, "main button[type=submit]")
    await page.fill("input[name=password]", "tea at four by the river")
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/recharge")
    assert await audit(page, axe) == []

    await page.click("label[for=a-100]")
    await expect(page.locator(".said:visible .words")).to_have_text(said["words"])
    await expect(page.locator("[data-go]")).to_have_text(said["go"])
    await page.click("[data-go]")
    await page.wait_for_url("**/orders/RC-*")
    await expect(page.locator("h1")).to_have_text(said["link" if look.width < PHONE_BELOW_PX else "qr"])
    await expect(page.locator(".left [data-left]")).to_have_text(re.compile(r"^\d+:\d\d$"))
    assert await audit(page, axe) == []

    await pay_on_the_phone(page)
    await page.bring_to_front()
    await expect(page.locator(".arrived")).to_have_text(said["done"])
    await expect(page.locator(".stamp")).to_be_visible()
    await page.wait_for_timeout(900)
    assert await audit(page, axe) == []
    for path in ("/wallet", "/orders", "/me"):
        await visit(page, shop.url + path)
        assert await audit(page, axe) == [], path
    assert faults == []
    await context.close()


async def pay_on_the_phone(page: Page) -> None:
    """Open the payment where the cashier's main button leads, in a tab of its own, and approve it."""
    target = await page.locator(".cashier .btn.primary").get_attribute("href")
    assert target is not None
    phone = await page.context.new_page()
    await visit(phone, target, referer=page.url)
    async with phone.expect_navigation():
        await phone.click("button[value=pay]")
    await phone.close()


@pytest.mark.parametrize(("language", "width"), [("zh", 390), ("en", 1280)])
async def test_the_whole_way_works_without_script(chromium: Browser, shop: Shop, language: str, width: int) -> None:
    said = SAID[language]
    context = await context_for(chromium, language=language, width=width, java_script_enabled=False)
    page = await context.new_page()
    await log_in(page, shop, PHONE, PASSWORD)
    await page.click("label[for=a-100]")
    await expect(page.locator(".said:visible .words")).to_have_text(said["words"])
    await page.click("[data-go]")
    await page.wait_for_url("**/orders/RC-*")
    await expect(page.locator("h1")).to_have_text(said["link" if width < 500 else "qr"])
    await pay_on_the_phone(page)
    await says_paid(page)
    await expect(page.locator(".arrived")).to_have_text(said["done"])
    await context.close()


async def test_a_typed_amount_is_read_back_and_kept_when_it_is_refused(chromium: Browser, shop: Shop) -> None:
    context = await context_for(chromium, language="zh", width=390)
    page = await context.new_page()
    await log_in(page, shop, PHONE, PASSWORD)
    await page.click("label[for=a-other]")
    await page.fill("#other_amount", "1234.5")
    await expect(page.locator(".said:visible .words")).to_have_text("壹仟贰佰叁拾肆元伍角整")
    await expect(page.locator("[data-go]")).to_have_text("充值 ¥1,234.50")
    await page.fill("#other_amount", "８８")
    await page.wait_for_timeout(500)
    await page.click("[data-go]")
    await expect(page.locator("#amount-error")).to_be_visible()
    assert await page.input_value("#other_amount") == "８８"
    await context.close()


@pytest.mark.parametrize(("language", "width", "dark"), [("zh", 1280, True), ("en", 390, False)])
async def test_typing_is_answered_and_an_open_order_is_gone_on_with_until_two_minutes_of_doubt_are_over(
    chromium: Browser, shop: Shop, axe: str, free_clock: None, language: str, width: int, *, dark: bool
) -> None:
    said = AHEAD[language]
    context = await context_for(chromium, language=language, width=width, dark=dark)
    page, faults = await context.new_page(), list[str]()
    page.on("pageerror", lambda error: faults.append(str(error)))
    await log_in(page, shop, PHONE, PASSWORD)
    answer = page.locator("[data-put=ahead]")
    await page.click("label[for=a-other]")
    await page.fill("#other_amount", "6000")
    await expect(answer).to_contain_text(said["no"])
    await page.fill("#other_amount", "60")
    await expect(answer).to_contain_text(said["yes"])
    assert await audit(page, axe) == []
    assert await shop.stage.house.database.value("select count(*) from orders") == 0, "nothing is kept of what was only typed"

    dial = shop.stage.sim.dial
    dial.set(Fault(point="order", kind="error", times=None))
    await page.click("[data-go]")
    await page.wait_for_url("**/orders/RC-*")
    first = page.url.partition("?")[0]
    order_id = parse26(first.rpartition("-")[2])
    assert order_id is not None
    number = await shop.stage.shop.number(order_id)
    # Of this order nothing is heard from here on, however soon it is asked about: a fault for one call might meet another one's.
    dial.clear()
    for point in ("order", "query"):
        dial.set(Fault(point=point, kind="error", number=number, times=None))
    await visit(page, f"{shop.url}/recharge?amount=60")
    await expect(page.locator(".unpaid")).to_contain_text(said["checking"])
    await page.click("[data-go]")
    await page.wait_for_url("**/orders/RC-*open=1")
    assert page.url.partition("?")[0] == first, "the same sum goes on with the order that is open"
    assert await audit(page, axe) == []

    await shop.stage.shop.later(121)
    await visit(page, f"{shop.url}/recharge?amount=60")
    await expect(page.locator("main")).to_contain_text(said["another"])
    assert await audit(page, axe) == []
    await page.click("[data-go]")
    await page.wait_for_url(lambda url: "/orders/RC-" in url and not url.startswith(first))
    assert await shop.stage.house.database.value("select count(*) from orders") == 2, "after the warning, and not before"
    assert faults == []
    await context.close()


async def at_the_cashier(context: BrowserContext, shop: Shop) -> Page:
    """The page of an order that waits for its payment, whose clock the test moves."""
    page = await context.new_page()
    await page.clock.install()
    await log_in(page, shop, PHONE, PASSWORD)
    await page.click("[data-go]")
    await page.wait_for_url("**/orders/RC-*")
    return page


async def test_a_countdown_that_is_over_goes_on_to_the_next_look(chromium: Browser, shop: Shop) -> None:
    """The line said that the channel is being asked right now, until something changed: for minutes, and it was not so."""
    page = await at_the_cashier(await context_for(chromium, language="en", width=1280), shop)
    line = page.locator(".time [data-countdown]")
    await expect(line).to_have_text(re.compile(r"WeChat Pay is asked again in \d+:\d\d|Being done right now"))
    tops = await page.locator(".stack > section, .rail > section").evaluate_all(
        "all => all.map(each => Math.round(each.getBoundingClientRect().top))"
    )
    assert tops.count(min(tops)) == 2, "what stands beside each other begins at one height"
    later = "update attempts set next_query_at = clock_now() + interval '90 seconds'"
    await shop.stage.house.database.transact(lambda tx: tx.run(later))
    await page.clock.fast_forward("00:16")
    await page.clock.fast_forward("00:03")
    await expect(line).to_have_text(re.compile(r"WeChat Pay is asked again in 1:[0-3]\d"))
    await page.context.close()


async def test_a_link_that_ends_before_its_payment_renews_its_page(chromium: Browser, shop: Shop) -> None:
    page = await at_the_cashier(await context_for(chromium, language="zh", width=390), shop)
    await expect(page.locator(".deadline")).to_have_text(re.compile(r"付款链接在 \d\d:\d\d:\d\d 前打开有效\s+还剩 [45]:\d\d"))
    async with page.expect_navigation():
        await page.clock.fast_forward("05:02")
    await page.context.close()


async def still_to_be_paid(page: Page) -> None:
    """What is paid with, and how long it can be, stand there."""
    await expect(page.locator(".cashier .btn.primary, .cashier .qr").first).to_be_visible()
    await expect(page.locator(".left [data-left]")).to_have_text(re.compile(r"^\d+:\d\d$"))


@pytest.mark.parametrize(("language", "width"), [("zh", 390), ("en", 1280)])
async def test_after_a_minute_of_silence_the_diagnosis_opens_beside_a_code_that_stays(
    chromium: Browser, shop: Shop, axe: str, language: str, width: int
) -> None:
    context = await context_for(chromium, language=language, width=width)
    page = await context.new_page()
    # The page's own clock: the minute passes at once, however slow the machine is.
    await page.clock.install()
    await log_in(page, shop, PHONE, PASSWORD)
    await page.click("[data-go]")
    await page.wait_for_url("**/orders/RC-*")
    await press(page, "form[action$='/check'] button")
    await expect(page.locator("[data-beside]")).to_have_attribute("data-after", "60")
    await still_to_be_paid(page)
    assert await page.locator("#beside").count() == 0
    await page.clock.fast_forward("01:01")
    await expect(page.locator("#beside")).to_be_visible()
    await still_to_be_paid(page)
    assert await audit(page, axe) == []
    await context.close()


async def test_nothing_is_wider_than_the_screen(chromium: Browser, shop: Shop) -> None:
    for language in ("zh", "en"):
        context = await context_for(chromium, language=language, width=320)
        page = await context.new_page()
        await log_in(page, shop, PHONE, PASSWORD)
        for path in ("/recharge", "/wallet", "/orders", "/me", "/nothing"):
            await visit(page, shop.url + path)
            await fits(page, 320, 390, 768)
        await visit(page, f"{shop.url}/recharge")
        for width in (320, 390):
            await page.set_viewport_size({"width": width, "height": 844})
            await page.locator(".rail summary").last.focus()
            assert await asked(page, UNDER_THE_DOCK) is False, "what has the focus can be seen (WCAG 2.2, 2.4.11)"
        await context.close()


async def test_a_password_can_be_looked_at_and_a_lost_network_is_said(chromium: Browser, shop: Shop, axe: str) -> None:
    context = await context_for(chromium, language="zh", width=390)
    page = await context.new_page()
    await visit(page, f"{shop.url}/login")
    await page.fill("input[name=phone]", PHONE)
    await page.fill("input[name=password]", PASSWORD)
    await page.click(".reveal")
    await expect(page.locator("input[name=password]")).to_have_attribute("type", "text")
    assert await audit(page, axe) == []
    await context.set_offline(True)
    await expect(page.locator(".offline")).to_contain_text("没有网络")
    assert await audit(page, axe) == []
    await context.set_offline(False)
    await expect(page.locator(".offline")).to_be_empty()
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/recharge")
    await context.close()


async def test_a_page_that_another_overtakes_calls_nothing_a_fault(chromium: Browser, shop: Shop) -> None:
    """Whoever taps twice, or is renewed while he taps: the browser gives up the fading between pages, and nothing has failed."""
    context = await context_for(chromium, language="zh", width=390)
    page, faults = await context.new_page(), list[str]()
    page.on("pageerror", lambda error: faults.append(str(error)))
    await visit(page, f"{shop.url}/login")
    for pause_ms in range(0, 24, 1 if LONG else 3):
        with contextlib.suppress(PageError):
            await page.evaluate(OVERTAKE, ["/register", "/login", pause_ms])
        await page.wait_for_timeout(120)
        # The next haste begins on another page that has its scripts: before them nobody is there to tell noise from a fault.
        await comes_true(page, ARRIVED)
    await visit(page, f"{shop.url}/login")
    assert faults == []
    await page.evaluate("() => { setTimeout(() => Promise.reject(new DOMException('ours was aborted', 'AbortError'))); }")
    await until(lambda: faults == ["ours was aborted"])
    await context.close()
