"""The shop as people walk through it: look, buy, see the codes, fall short and come back; with and without scripts."""

import re

import msgspec
import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Shop, audit, comes_true, context_for, fits, in_every_look, log_in, press, says_paid, visit
from tests.browser.test_flow import pay_on_the_phone
from tests.web.stage import PASSWORD, PHONE

from daozhang.bench.browse import PHONE_BELOW_PX, Look
from daozhang.goods import demo, shelf
from daozhang.providers import rows

SAID = {
    "zh": {"buy": "购买 ¥49.50", "two": "购买 ¥99.00", "done": "已交付", "copied": "已复制", "way": "正在充值", "back": "回到购买"},
    "en": {"buy": "Buy for ¥49.50", "two": "Buy for ¥99.00", "done": "Delivered", "copied": "Copied", "way": "On its way",
           "back": "Back to the purchase"},
}  # fmt: skip
NOTE_WORDS = """(selector) => {
  const button = document.querySelector(selector)
  window.words = []
  new MutationObserver(() => window.words.push(button.textContent)).observe(button, {childList: true})
}"""
TRUTH = ("/safety", "/rules", "/announcements", "/help", "/help/channel.down", "/agreement")
MINE = ("/me", "/me/messages", "/me/limits", "/me/refund", "/me/data", "/me/close", "/wallet", "/orders", "/shop/purchases")


async def stock(shop: Shop, balance_fen: int = 0) -> dict[str, int]:
    """The demo's shelf and its supplier; the numbers of the goods by class, the dearest of each."""
    program = shop.stage.shop.program
    for card in shop.stage.sim.services.cards():
        if card["purpose"] == "supplier":
            wanted = msgspec.convert(card, rows.ProviderSettings)
            await rows.add(program.database, program.vault, program.house.settings, 1, wanted)
    await demo.furnish(program.database, program.vault, 1)
    if balance_fen:
        placed = await shop.stage.shop.place(balance_fen)
        await shop.stage.pay(placed.id)
    goods = sorted(await shelf.shelf(program.database, 1), key=lambda each: -each.price_fen)
    return {each.goods_class: each.id for each in goods}


def listen(page: Page, shop: Shop) -> list[str]:
    """What must not happen: faults in the console, and requests that leave the house."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda each: faults.append(each.text) if each.type == "error" and "422" not in each.text else None)
    page.on(
        "request",
        lambda asked: faults.append(asked.url) if not asked.url.startswith((shop.url, shop.stage.sim.url)) else None,
    )
    return faults


@in_every_look
async def test_a_buyer_looks_buys_with_one_tap_and_sees_the_code(chromium: Browser, shop: Shop, axe: str, look: Look) -> None:
    said, goods = SAID[look.language], await stock(shop, 20_000)
    context = await context_for(chromium, **look._asdict())
    page = await context.new_page()
    faults = listen(page, shop)
    await visit(page, f"{shop.url}/shop")
    assert await audit(page, axe) == []
    await log_in(page, shop, PHONE, PASSWORD)
    await visit(page, f"{shop.url}/shop")
    await press(page, f".ticket a[href='/shop/{goods['game_card']}']")
    await expect(page.locator("[data-buy]")).to_have_text(said["buy"])
    await page.click("[data-step='1']")
    await expect(page.locator("[data-buy]")).to_have_text(said["two"])
    await page.click("[data-step='-1']")
    assert await audit(page, axe) == []
    await page.click("[data-buy]")
    await page.wait_for_url("**/shop/purchases/PU-*")
    await expect(page.locator(".answer .chip")).to_have_text(said["done"])
    assert await audit(page, axe) == []
    await page.fill("#f-password", PASSWORD)
    await press(page, "#codes button[type=submit]")
    await expect(page.locator("#codes code")).to_have_text(re.compile(r"^[0-9A-F]{4}(-[0-9A-F]{4}){3}$"))
    assert await audit(page, axe) == []
    # The word stands on the button for two seconds: it is noted when it comes.
    await page.evaluate(NOTE_WORDS, "#codes [data-copy]")
    await page.click("#codes [data-copy]")
    await comes_true(page, f"window.words.includes('{said['copied']}')")

    await visit(page, f"{shop.url}/shop/{goods['phone_topup']}")
    await page.fill("#target", "13800138001")
    await page.click("[data-buy]")
    await page.wait_for_url("**/shop/purchases/PU-*")
    await expect(page.locator(".answer .chip")).to_have_text(said["done"])
    # Its own screen, and the narrower one of its kind: the narrowest phone, the upright tablet.
    screens = (look.width, 320 if look.width < PHONE_BELOW_PX else 768)
    for path in (*MINE, *TRUTH):
        await visit(page, shop.url + path)
        assert await audit(page, axe) == [], path
        await fits(page, *screens)
    for path in ("/shop", f"/shop/{goods['phone_topup']}"):
        await visit(page, shop.url + path)
        await fits(page, *screens)
    assert faults == []
    await context.close()


@pytest.mark.parametrize(("language", "width"), [("zh", 390), ("en", 1280)])
async def test_without_scripts_a_shortfall_is_paid_at_the_channel(chromium: Browser, shop: Shop, language: str, width: int) -> None:
    said, goods = SAID[language], await stock(shop, 2_000)
    context = await context_for(chromium, language=language, width=width, java_script_enabled=False)
    page = await context.new_page()
    await log_in(page, shop, PHONE, PASSWORD)
    await visit(page, f"{shop.url}/shop/{goods['game_card']}")
    assert await page.is_checked("#mixed")
    await page.click("[data-buy]")
    await page.wait_for_url("**/orders/RC-*")
    await pay_on_the_phone(page)
    await says_paid(page)
    await page.click("a[href^='/shop/purchases/PU-']")
    await expect(page.locator(".answer .chip")).to_have_text(said["done"])
    await page.fill("#f-password", PASSWORD)
    await page.click("#codes button[type=submit]")
    await expect(page.locator("#codes code")).to_be_visible()
    await context.close()


async def test_who_recharges_for_something_is_led_back_to_it(chromium: Browser, shop: Shop) -> None:
    goods = await stock(shop)
    context = await context_for(chromium, language="zh", width=390)
    page = await context.new_page()
    await log_in(page, shop, PHONE, PASSWORD)
    await visit(page, f"{shop.url}/shop/{goods['game_card']}?count=2")
    await page.click("label[for=pay-balance]")
    await page.click("[data-buy]")
    await page.click(f"a[href='/shop/{goods['game_card']}/recharge?count=2']")
    await page.wait_for_url("**/recharge?amount=99.00")
    await page.click("[data-go]")
    await page.wait_for_url("**/orders/RC-*")
    await pay_on_the_phone(page)
    await page.bring_to_front()
    await page.click(f"text={SAID['zh']['back']}")
    await page.wait_for_url(f"**/shop/{goods['game_card']}?count=2")
    await expect(page.locator("[data-buy]")).to_have_text(SAID["zh"]["two"])
    await context.close()
