"""The whole way of one recharge, as a person walks it, in a real browser."""

import re

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Shop, audit, context_for, log_in
from tests.web.stage import PASSWORD, PHONE

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


@pytest.mark.parametrize(
    ("language", "width", "dark"), [("zh", 390, False), ("en", 1280, False), ("zh", 1280, True), ("en", 390, True)]
)
async def test_a_newcomer_recharges_and_sees_the_money_arrive(
    chromium: Browser, shop: Shop, axe: str, language: str, width: int, *, dark: bool
) -> None:
    said, faults = SAID[language], []
    context = await context_for(chromium, language=language, width=width, dark=dark)
    page = await context.new_page()
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: faults.append(request.url) if not request.url.startswith((shop.url, shop.stage.sim.url)) else None,
    )

    await page.goto(f"{shop.url}/register")
    assert await audit(page, axe) == []
    await page.fill("input[name=phone]", "13912345678")
    await page.fill("input[name=password]", "tea at four by the river")
    await page.click("main button[type=submit]")
    await page.fill("input[name=password]", "tea at four by the river")
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/recharge")
    assert await audit(page, axe) == []

    await page.click("label[for=a-100]")
    await expect(page.locator(".said:visible .words")).to_have_text(said["words"])
    await expect(page.locator("[data-go]")).to_have_text(said["go"])
    await page.click("[data-go]")
    await page.wait_for_url("**/orders/RC-*")
    await expect(page.locator("h1")).to_have_text(said["link" if width < 500 else "qr"])
    await expect(page.locator(".left [data-left]")).to_have_text(re.compile(r"^\d+:\d\d$"))
    assert await audit(page, axe) == []

    await pay_on_the_phone(page)
    await page.bring_to_front()
    await expect(page.locator(".arrived")).to_have_text(said["done"], timeout=15_000)
    await expect(page.locator(".stamp")).to_be_visible()
    await page.wait_for_timeout(900)
    assert await audit(page, axe) == []
    for path in ("/wallet", "/orders", "/me"):
        await page.goto(shop.url + path)
        assert await audit(page, axe) == [], path
    assert faults == []
    await context.close()


async def pay_on_the_phone(page: Page) -> None:
    """Open the payment where the cashier's main button leads, in a tab of its own, and approve it."""
    target = await page.locator(".cashier .btn.primary").get_attribute("href")
    assert target is not None
    phone = await page.context.new_page()
    await phone.goto(target, referer=page.url)
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
    await page.click("form[action$='/check'] button")
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


async def test_nothing_is_wider_than_the_screen(chromium: Browser, shop: Shop) -> None:
    for language, width in (("zh", 320), ("en", 320), ("en", 390), ("en", 768)):
        context = await context_for(chromium, language=language, width=width)
        page = await context.new_page()
        await log_in(page, shop, PHONE, PASSWORD)
        for path in ("/recharge", "/wallet", "/orders", "/me", "/nothing"):
            await page.goto(shop.url + path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, (path, language, width)
        await context.close()
