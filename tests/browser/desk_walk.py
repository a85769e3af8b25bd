"""The pages of the desk as its people meet them; a picture of each: `python -m tests.browser.desk_walk FOLDER [LOOKS]`."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Page, async_playwright
from tests.browser.conftest import CHROMIUM, FLAGS, Shop, context_for, visit
from tests.web.console.scene import Scene, furnish
from tests.web.stage import open_stage

from daozhang import clock
from daozhang.identity import totp
from daozhang.identity.staff import Papers
from daozhang.postgres import Database
from daozhang.postgres.migrate import migrate
from daozhang.postgres.throwaway import throwaway
from daozhang.settings import Settings

LOOKS = "zh-390-light,zh-1280-light,en-1280-dark,en-390-dark"


async def hire(shop: Shop, name: str, *roles: str) -> Papers:
    """Somebody with papers in hand."""
    console = shop.stage.house.console
    assert console is not None
    return await console.staff.add(1, name, roles, "test")


class Telephone:
    """What shows the codes: each one is used once."""

    def __init__(self, papers: Papers) -> None:
        self.papers, self._step = papers, 0

    def code(self) -> str:
        """The next one."""
        self._step = max(totp.step_at(clock.now_s()), self._step + 1)
        return totp.code_of(self.papers.secret, self._step)


async def enter(page: Page, shop: Shop, telephone: Telephone) -> None:
    """Log in through the form."""
    await visit(page, f"{shop.url}/desk/login")
    await page.fill("input[name=name]", telephone.papers.name)
    await page.fill("input[name=password]", telephone.papers.password)
    await page.fill("input[name=code]", telephone.code())
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/desk")


async def walk(page: Page, shop: Shop, scene: Scene) -> AsyncIterator[str]:
    """Every page of somebody who may see all, one after the other; the name of each while it is open."""
    for name, path in (
        ("queue", "/desk"), ("queue-unfreeze", "/desk?kind=unfreeze"), ("case-hold", f"/desk/cases/{scene.held_case}"),
        ("case-unfreeze", f"/desk/cases/{scene.unfreeze_case}"), ("case-review", f"/desk/cases/{scene.asked_case}"),
        ("order-failed", f"/desk/orders/{scene.failed.shown}"), ("order-credited", f"/desk/orders/{scene.credited.shown}"),
        ("order-review", f"/desk/orders/{scene.asked.shown}"), ("user-frozen", f"/desk/users/{scene.frozen_id}"),
        ("user", f"/desk/users/{shop.stage.shop.user_id}"), ("alarms", "/desk/alarms"), ("anomalies", "/desk/anomalies"),
        ("payouts", "/desk/payouts"), ("offers", "/desk/offers"), ("failures", "/desk/failures"), ("rules", "/desk/rules"),
        ("version", "/desk/rules/versions/1"), ("editor", "/desk/rules/edit"), ("limits", "/desk/limits"),
        ("regions", "/desk/regions"), ("register", "/desk/register"), ("audit", "/desk/audit"), ("staff", "/desk/staff"),
        ("again", "/desk/again"), ("nothing", "/desk/find?q=RC-0"), ("refusal", "/desk/orders/RC-1"),
    ):  # fmt: skip
        await visit(page, shop.url + path)
        yield name
    await visit(page, f"{shop.url}/desk/rules/edit")
    text = await page.input_value("textarea[name=text]")
    await page.fill("textarea[name=text]", text.replace('"large_count": 5', '"large_count": 4'))
    await page.click("main form button[type=submit]")
    await page.wait_for_selector(".diff")
    yield "editor-tried"
    await page.fill("textarea[name=note]", "四笔已经够可疑，提前一笔问")
    await page.click("button[formaction$='/propose']")
    await page.wait_for_url("**/rules/proposals/*")
    await visit(page, f"{page.url}?test=1")
    yield "proposal"


async def main(folder: Path, looks: list[str]) -> None:
    """Make all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = await stack.enter_async_context(throwaway(fsync=False, conf={"daozhang.months_ahead": "1"}))
        await migrate(running.dsn("owner"))
        database = await Database.open(running.dsn("app"))
        stack.push_async_callback(database.close)
        stage = await stack.enter_async_context(open_stage(database, Settings(data=home / "data", test_mode=True)))
        shop, scene = Shop(stage, stage.shop.url), await furnish(stage.shop)
        await hire(shop, "lin", "support")
        telephone = Telephone(await hire(shop, "chen", "owner", "aml"))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for look in looks:
            language, width, scheme = look.split("-")
            context = await context_for(browser, language=language, width=int(width), dark=scheme == "dark")
            page = await context.new_page()
            await visit(page, f"{shop.url}/desk/login")
            await page.screenshot(path=folder / f"login-{look}.png", full_page=True)
            await enter(page, shop, telephone)
            async for name in walk(page, shop, scene):
                await page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
            await context.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), (sys.argv[2] if len(sys.argv) > 2 else LOOKS).split(",")))
