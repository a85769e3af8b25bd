"""Pictures of every page, to look at: `python -m tests.browser.shots FOLDER [zh-390-light,en-1280-dark ...] [ONLY]`.

The demo's shop is opened with its simulated channels. Every page that `bench pages` finds is photographed, orders at every stage
among them, then what a person seldom meets, then every situation of the tour before and after its button. ONLY: those whose name
holds it.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Browser, Page, StorageState
from tests.browser.conftest import visit
from tests.browser.test_tour import ACTS

from daozhang.bench.booth import Booth, booth
from daozhang.bench.browse import Look, browser, context_for
from daozhang.bench.pages import found, log_in, people
from daozhang.demo.causes import causes
from daozhang.demo.world import Person
from daozhang.ids import parse26, text26

LOOKS = "zh-390-light,zh-1280-light,en-390-light,en-1280-light,zh-390-dark,en-1280-dark"
SELDOM = {"wallet": "/wallet", "orders": "/orders?q=88.88", "cases": "/cases", "refund": "/me/refund", "nothing": "/nothing-here"}
"""Pages as they are for somebody who has hardly done anything."""
_REST_MS = 350


async def main(folder: Path, looks: list[str], only: str) -> None:
    """Make all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(browser())
        shop = await stack.enter_async_context(booth())
        pages = [each async for each in _pages(running, shop)]
        for name in looks:
            language, width, scheme = name.split("-")
            look = Look(language, int(width), scheme == "dark")
            await _photographed(running, shop, [each for each in pages if only in each[0]], look, folder)
            await _tour(running, shop, look, folder, only)


async def _pages(running: Browser, shop: Booth) -> AsyncIterator[tuple[str, StorageState | None, str]]:
    """Name, whose browser, and path of every page."""
    everybody = await people(running, shop)
    pages, _ = await found(running, shop, everybody)
    states = {who.name: who.state for who in everybody}
    for label, page in pages.items():
        yield re.sub(r"[^\w-]+", "_", f"{page.who}{label}"), states[page.who], page.path
    wrong, fresh = await _wrong_amount(shop), await shop.world.person()
    await shop.world.buy_trial(fresh)
    of_wrong, of_fresh = await log_in(running, shop, wrong[0]), await log_in(running, shop, fresh)
    for name, path in {"choice": wrong[1], "choice-why": f"{wrong[1]}/why"}.items():
        yield f"seldom-{name}", of_wrong, path
    for name, path in SELDOM.items():
        yield f"seldom-{name}", of_fresh, path


async def _wrong_amount(shop: Booth) -> tuple[Person, str]:
    """Somebody who paid another amount than was ordered, and the path of the order that asks what shall become of it."""
    person = await shop.world.person()
    await shop.world.buy_trial(person)
    order = await shop.world.place(person, 5_000)
    path = f"/orders/{order.shown}"
    order_id = parse26(path.rpartition("-")[2])
    assert order_id is not None
    (attempt,) = await shop.program.desk.tries(order_id)
    shop.simulator.phone.pay(text26(attempt.id), trick="charged_otherwise", amount_fen=19_999)
    while (seen := await shop.program.desk.order(person.user_id, order_id)) and seen.state == "awaiting_payment":
        await shop.program.desk.look(order_id)
        await asyncio.sleep(0.1)
    return person, path


async def _photographed(
    running: Browser, shop: Booth, pages: list[tuple[str, StorageState | None, str]], look: Look, folder: Path
) -> None:
    for name, state, path in pages:
        context = await context_for(running, language=look.language, width=look.width, dark=look.dark, storage_state=state)
        page = await context.new_page()
        await visit(page, shop.url + path)
        await _picture(page, folder / f"{name}-{look.shown}.png")
        await context.close()


async def _tour(running: Browser, shop: Booth, look: Look, folder: Path, only: str) -> None:
    """Each situation where it is met, and what its button then says."""
    for cause in causes():
        if only not in f"tour-{cause.id}":
            continue
        context = await context_for(running, language=look.language, width=look.width, dark=look.dark)
        page = await context.new_page()
        await visit(page, f"{shop.url}/tour")
        await page.click(f"form[action='/tour/{cause.id}'] button")
        await page.wait_for_url(lambda url: not url.endswith("/tour"))
        await _picture(page, folder / f"tour-{cause.id}-{look.shown}.png")
        if cause.id in ACTS:
            await ACTS[cause.id](page)
            await page.wait_for_load_state()
            await _picture(page, folder / f"tour-{cause.id}-then-{look.shown}.png")
        await context.close()


async def _picture(page: Page, file: Path) -> None:
    """The whole page, once everything has come to rest."""
    await page.wait_for_timeout(_REST_MS)
    await page.screenshot(path=file, full_page=True, animations="disabled")


if __name__ == "__main__":
    given = [*sys.argv[1:], "", ""]
    asyncio.run(main(Path(given[0]), (given[1] or LOOKS).split(","), given[2]))
