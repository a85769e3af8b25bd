"""A waiting page holds one stream, however often it is left and looked at again, and none while nobody looks."""

from playwright.async_api import Browser, expect
from tests.browser.conftest import Shop, asked, context_for, log_in, visit
from tests.patience import until
from tests.web.stage import PASSWORD, PHONE

from daozhang.web.front.stream import open_streams

LOOKS_AWAY = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
COUNTED = """(() => {
  window.opened = [];
  const Source = window.EventSource;
  window.EventSource = class extends Source { constructor(url) { super(url); window.opened.push(this); } };
})()"""
OPEN = "window.opened.filter(source => source.readyState !== EventSource.CLOSED).length"


async def test_a_page_holds_one_stream_and_none_while_nobody_looks(chromium: Browser, resting: Shop) -> None:
    context = await context_for(chromium)
    page = await context.new_page()
    await page.add_init_script(COUNTED)
    await log_in(page, resting, PHONE, PASSWORD)
    order = await resting.stage.shop.place()
    await visit(page, f"{resting.url}/orders/{order.shown}")
    await until(lambda: open_streams() == 1)
    for away in (True, False, True, False, False):
        await page.evaluate(LOOKS_AWAY, away)
        assert await asked(page, OPEN) == (0 if away else 1)
    assert await asked(page, "window.opened.length") == 4
    await until(lambda: open_streams() == 1)
    # What changed while nobody looked is there at the first look.
    await page.evaluate(LOOKS_AWAY, arg=True)
    await until(lambda: open_streams() == 0)
    await resting.stage.pay(order.id)
    await page.evaluate(LOOKS_AWAY, arg=False)
    await expect(page.locator(".arrived")).to_be_visible()
    await until(lambda: open_streams() == 0)  # what has arrived is waited for no more
    await context.close()
