"""The tour as a visitor walks it on a phone: each situation is entered, leads to a page in order, and says there what is true."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import LONG, LOOKS, asked, audit, context_for, fits, says_paid, visit

from daozhang.bench.booth import Booth, booth
from daozhang.demo.causes import Cause, causes
from daozhang.reasons import catalogue


@pytest.fixture(scope="module")
async def fair(few_months: None) -> AsyncIterator[Booth]:
    """The demo's shop, with its tour."""
    async with booth() as opened:
        yield opened


async def nothing(page: Page) -> None:
    """It is said where the visitor arrives."""


async def recharge(page: Page) -> None:
    await page.click("[data-go]")


async def with_a_card(page: Page, card: str) -> None:
    await page.locator("label", has=page.locator(".mark.wechatpay")).first.click()
    await page.locator("details", has=page.locator("select[name=card]")).locator("summary").click()
    await page.select_option("select[name=card]", card)
    await recharge(page)


async def with_a_credit_card(page: Page) -> None:
    await with_a_card(page, "icbc:credit")


async def with_a_card_from_abroad(page: Page) -> None:
    await with_a_card(page, ":overseas")


async def without_ticking(page: Page) -> None:
    """The browser itself keeps a form back whose box is not ticked; one without that rule sends it."""
    await page.evaluate("document.querySelector('#agreement').required = false")
    await recharge(page)


async def with_both_offers(page: Page) -> None:
    await page.locator("input[name=offer]:not([value=none]) + label").first.click()
    await page.locator("details", has=page.locator("select[name=own_coupon]")).locator("summary").click()
    await page.select_option("select[name=own_coupon]", index=1)
    await recharge(page)


async def buy_from_the_balance(page: Page) -> None:
    await page.click("label[for=pay-balance]")
    await page.click("[data-buy]")


async def say_that_it_is_paid(page: Page) -> None:
    await says_paid(page)


async def press_the_old_button(page: Page) -> None:
    await page.click("main form button")


Act = Callable[[Page], Awaitable[None]]
ACTS: dict[str, Act] = {
    "balance_short": buy_from_the_balance,
    "unverified": recharge,
    "credit_card": with_a_credit_card,
    "not_credited": say_that_it_is_paid,
    "page_old": press_the_old_button,
    "extra_zero": recharge,
    "lost_point": recharge,
    "extra_check": recharge,
    "agreement": without_ticking,
    "five_large": recharge,
    "far_away": recharge,
    "coupon_stack": with_both_offers,
    "cross_border": with_a_card_from_abroad,
    "just_unfrozen": buy_from_the_balance,
}
"""What the visitor does to run into it, where it is not said at once."""
SAID: dict[str, dict[str, str | re.Pattern[str]]] = {
    "not_credited": {"zh": "已到账", "en": "It has arrived"},
    "region_suspended": {"zh": "依据", "en": "rules for Hainan"},
    "lost": {
        "zh": re.compile("请勿重复付款|没有答复，正在查询"),
        "en": re.compile("do not pay again|has not answered, asking again"),
    },
    "page_old": {"zh": "页面已更新", "en": "The page was renewed"},
}
"""Where the page says it in words of its own: nobody knows of a lost message before the channel was asked, for one.

The doubt about a lost order ends after five seconds, maybe before this test has read of it; the timeline keeps it."""
VISITS = [
    (cause, language) for n, cause in enumerate(causes()) for language in ("zh", "en") if LONG or language == ("zh", "en")[n % 2]
]
"""Each situation in one language, the two in turn; `make chaos` enters each in both, with motion."""
MOTION = "no-preference" if LONG else "reduce"


@pytest.mark.parametrize(("cause", "language"), VISITS, ids=[f"{cause.id}-{language}" for cause, language in VISITS])
async def test_a_situation_is_entered_and_says_its_reason(
    chromium: Browser, fair: Booth, axe: str, cause: Cause, language: str
) -> None:
    context = await context_for(chromium, language=language, width=390, reduced_motion=MOTION)
    page, faults = await context.new_page(), []
    # A refusal is a page that comes with 4xx, of which the browser writes a line: that is no fault of the page.
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" and "status of 4" not in said.text else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    await visit(page, f"{fair.url}/tour")
    await page.click(f"form[action='/tour/{cause.id}'] button")
    await page.wait_for_url(lambda url: not url.endswith("/tour"))
    if cause.id in ACTS:
        assert await audit(page, axe) == []
        await ACTS[cause.id](page)
        await page.wait_for_load_state()
    reason = catalogue().get(cause.reason)
    title = (reason.en if language == "en" else reason.zh).title.partition("{")[0].strip()
    said = SAID.get(cause.id, {}).get(language, title)
    await expect(page.locator("main")).to_contain_text(said, timeout=60_000)
    assert await audit(page, axe) == []
    assert await asked(page, "document.documentElement.scrollWidth") <= 390
    assert faults == []
    await context.close()


async def test_the_tour_is_in_order_in_every_look_and_needs_no_script(chromium: Browser, fair: Booth, axe: str) -> None:
    for look in LOOKS:
        context = await context_for(chromium, **look._asdict())
        page = await context.new_page()
        await visit(page, f"{fair.url}/tour")
        assert await page.locator(".tour-row").count() == len(causes())
        assert await audit(page, axe) == []
        await fits(page, 320, look.width)
        await context.close()
    context = await context_for(chromium, language="zh", width=390, java_script_enabled=False)
    page = await context.new_page()
    await visit(page, f"{fair.url}/tour")
    await page.click("form[action='/tour/new_account'] button")
    await expect(page.locator("main")).to_contain_text(catalogue().get("eligibility.first_purchase").zh.title)
    await context.close()
