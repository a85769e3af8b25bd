"""Screenshots of every page, to look at: `python -m tests.browser.shots FOLDER [zh-390-light,en-1280-dark ...]`.

Starts a shop of its own (PostgreSQL, desk, simulator, browser), walks to every page and stage, and writes one PNG each.
"""

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import BrowserContext, async_playwright
from tests.browser.conftest import CHROMIUM, FLAGS, Shop, context_for, log_in, visit
from tests.web.stage import PASSWORD, PHONE, Stage, open_stage

from daozhang.ids import parse26
from daozhang.postgres import Database
from daozhang.postgres.migrate import migrate
from daozhang.postgres.throwaway import throwaway
from daozhang.settings import Settings
from daozhang.simulators.faults import Fault

LOOKS = "zh-390-light,zh-1280-light,en-390-light,en-1280-light,zh-390-dark,en-1280-dark"


async def main(folder: Path, looks: list[str]) -> None:
    """Make all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = await stack.enter_async_context(throwaway(fsync=False, conf={"daozhang.months_ahead": "1"}))
        await migrate(running.dsn("owner"))
        database = await Database.open(running.dsn("app"))
        stack.push_async_callback(database.close)
        settings = Settings(data=home / "data", test_mode=True)
        stage = await stack.enter_async_context(open_stage(database, settings))
        shop = Shop(stage, stage.shop.url)
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for look in looks:
            language, width, scheme = look.split("-")
            context = await context_for(browser, language=language, width=int(width), dark=scheme == "dark")
            await Walk(context, shop, folder, look).all()
            await context.close()
        await browser.close()


class Walk:
    """One person's walk through every page in one look."""

    def __init__(self, context: BrowserContext, shop: Shop, folder: Path, look: str) -> None:
        self.context, self.shop, self.folder, self.look = context, shop, folder, look
        self.stage: Stage = shop.stage

    async def all(self) -> None:
        """Every page, in the order a person meets them."""
        self.page = await self.context.new_page()
        for name in ("login", "register"):
            await self.shot(name, f"/{name}")
        await log_in(self.page, self.shop, PHONE, PASSWORD)
        await self.shot("recharge", "/recharge")
        await self.typed()
        cashier = await self.order()
        await self.shot("cashier", cashier)
        if int(self.look.split("-")[1]) < 500:
            await self.shot("cashier-qr", await self.order("native"))
        await self.order()
        await self.page.click("form[action$='/cancel'] button")
        await self.page.wait_for_selector(".answer")
        await self.picture("cancelled")
        await self.paid(cashier)
        await self.shot("credited", cashier)
        self.stage.sim.dial.set(Fault(point="order", kind="error", times=20))
        await self.shot("checking", await self.order())
        self.stage.sim.dial.clear()
        self.stage.sim.dial.set(Fault(point="order", kind="error", times=1, code="NO_AUTH", http=403))
        await self.shot("failed", await self.order())
        self.stage.sim.dial.clear()
        for name in ("wallet", "orders", "me", "status"):
            await self.shot(name, f"/{name}")
        await self.shot("lost", "/nothing-here")
        await self.frozen()

    async def typed(self) -> None:
        """A free amount, one that is refused, and a page older than the server."""
        await self.page.click("label[for=a-other]")
        await self.page.fill("#other_amount", "1288.8")
        await self.page.wait_for_timeout(600)
        await self.picture("recharge-other")
        await self.page.fill("#other_amount", "8000")
        await self.page.click("[data-go]")
        await self.page.wait_for_load_state()
        await self.picture("recharge-refused")
        await visit(self.page, f"{self.shop.url}/recharge")
        await self.page.evaluate("document.querySelector('[name=page_version]').value = 'older'")
        await self.page.click("[data-go]")
        await self.page.wait_for_load_state()
        await self.picture("recharge-renewed")

    async def order(self, method: str = "") -> str:
        """Place an order; the path of its page."""
        await visit(self.page, f"{self.shop.url}/recharge")
        if method:
            await self.page.click(f"label[for$='-{method}']")
        await self.page.click("[data-go]")
        await self.page.wait_for_url("**/orders/RC-*")
        return self.page.url.removeprefix(self.shop.url)

    async def paid(self, path: str) -> None:
        """Approve the order on the phone."""
        order_id = parse26(path.rpartition("-")[2])
        assert order_id is not None
        await self.stage.pay(order_id)

    async def frozen(self) -> None:
        """What a frozen account meets, and how it is lifted again."""
        identity, user_id = self.stage.house.identity, await self.stage.house.database.value("select min(id) from users")
        await visit(self.page, f"{self.shop.url}/recharge")
        await identity.freeze(user_id, actor="staff:1", reason="risk_review")
        await self.page.click("[data-go]")
        await self.page.wait_for_load_state()
        await self.picture("refused")
        await self.shot("recharge-frozen", "/recharge")
        await identity.unfreeze(user_id, actor="staff:1", reason="checked")

    async def shot(self, name: str, path: str) -> None:
        """Go there and take the picture."""
        await visit(self.page, self.shop.url + path)
        await self.picture(name)

    async def picture(self, name: str) -> None:
        """The whole page, once everything has come to rest."""
        await self.page.wait_for_timeout(900)
        await self.page.screenshot(path=self.folder / f"{name}-{self.look}.png", full_page=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), (sys.argv[2] if len(sys.argv) > 2 else LOOKS).split(",")))
