"""The desk in a real browser: every page sound in both languages, narrow and wide, light and dark; two decide without script."""

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Shop, asked, audit, context_for, in_every_look, press, visit
from tests.browser.desk_walk import Telephone, enter, hire, walk
from tests.web.console.scene import furnish, seen

from daozhang.bench.browse import Look

WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"

LOST = """() => {
  const here = document.querySelector(".desk-nav [aria-current]")?.getBoundingClientRect();
  return here !== undefined && (here.left < 0 || here.right > window.innerWidth);
}"""
"""Whether the present page's own link is out of sight, in a row of links that is wider than the screen."""

UNFOLD = "() => document.querySelectorAll('main details').forEach((each) => { each.open = true; })"


def listen(page: Page, shop: Shop) -> list[str]:
    """What goes wrong on a page, and every request that leaves the shop."""
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" and "404" not in said.text else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(shop.url) else None)
    return faults


@in_every_look
async def test_every_page_of_the_desk_is_sound(chromium: Browser, shop: Shop, axe: str, look: Look) -> None:
    scene = await furnish(shop.stage.shop)
    telephone = Telephone(await hire(shop, "chen", "owner", "aml"))
    context = await context_for(chromium, **look._asdict())
    page = await context.new_page()
    faults = listen(page, shop)
    await visit(page, f"{shop.url}/desk/login")
    found = {"login": await audit(page, axe)}
    await enter(page, shop, telephone)
    async for name in walk(page, shop, scene):
        await asked(page, UNFOLD)
        found[name] = await audit(page, axe)
        if await asked(page, WIDE):
            found[name].append("wider than the screen")
        if await asked(page, LOST):
            found[name].append("its link is out of sight")
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert faults == []
    await context.close()


@pytest.mark.parametrize(("language", "width"), [("zh", 390), ("en", 1280)])
async def test_two_people_decide_about_held_money_without_script(chromium: Browser, shop: Shop, language: str, width: int) -> None:
    scene = await furnish(shop.stage.shop)
    lin, chen = Telephone(await hire(shop, "lin", "support")), Telephone(await hire(shop, "chen", "owner"))
    await shop.stage.house.identity.unfreeze(scene.held.user_id, actor="staff:1", reason="approved")
    pages = []
    for telephone in (lin, chen):
        context = await context_for(chromium, language=language, width=width, java_script_enabled=False)
        page = await context.new_page()
        await enter(page, shop, telephone)
        await press(page, f"a[href='/desk/cases/{scene.held_case}']", f"**/desk/cases/{scene.held_case}")
        pages.append(page)
    first, second = pages
    await first.check("input[value=approved]")
    await first.fill("#verdict-why", "工资卡，姓名一致")
    await first.click("form[action$='/propose'] button")
    await expect(first.locator(".act-here blockquote")).to_have_text("工资卡，姓名一致")
    await second.reload()
    await second.click("form[action$='/confirm'] button")
    await expect(second.locator(".act-here")).to_have_count(0)
    assert (await seen(shop.stage.shop, scene.held)).state == "credited"
    for page in pages:
        await page.context.close()


async def test_the_box_takes_a_number_from_the_keyboard_alone(chromium: Browser, shop: Shop) -> None:
    scene = await furnish(shop.stage.shop)
    context = await context_for(chromium, language="en")
    page = await context.new_page()
    await enter(page, shop, Telephone(await hire(shop, "lin", "support")))
    await page.keyboard.press("/")
    await page.keyboard.type(scene.credited.channel_txn)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/desk/orders/{scene.credited.shown}")
    await context.close()
