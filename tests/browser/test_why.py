"""What a worried person walks through: why, in general and of one order, the claim, another amount, a case, the evidence.

One walk for each look, through all of it; `DAOZHANG_SHOTS=FOLDER` leaves a picture of each stop.
"""

import asyncio
import os
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, expect
from tests.browser.conftest import Shop, asked, audit, comes_true, context_for, in_every_look, log_in, press, visit
from tests.cases.test_evidence import picture
from tests.web.stage import PASSWORD, PHONE

from daozhang.bench.browse import Look
from daozhang.ids import parse26
from daozhang.simulators.faults import Fault

SHOTS = os.environ.get("DAOZHANG_SHOTS", "")
SAID = {
    "zh": {
        "clear": "现在充值没有问题", "frozen": "申请解冻", "you": "您告诉我们", "code": "NO_AUTH",
        "loop": "已经 2 次", "choose": "入账还是退回", "done": "已到账", "loses": "原路退不回", "thread": "往来",
        "refund": "退款超期", "balance": "付款账户的余额不够",
    },
    "en": {
        "clear": "Recharging works right now", "frozen": "Ask to be unfrozen", "waiting": "Still waiting for your payment",
        "you": "You told us", "code": "NO_AUTH", "loop": "2 times", "choose": "", "done": "It has arrived", "thread": "",
        "refund": "", "balance": "wallet",
    },
}  # fmt: skip


class Walk:
    """One person in one look: every stop is audited, no wider than the screen, and nothing goes wrong or elsewhere."""

    def __init__(self, context: BrowserContext, page: Page, shop: Shop, axe: str, look: Look) -> None:
        self.context, self.page, self.shop, self.axe, self.look = context, page, shop, axe, look
        self.faults: list[str] = []
        # A refusal is a page that comes with 4xx, of which the browser writes a line: that is no fault of the page.
        page.on(
            "console",
            lambda said: self.faults.append(said.text) if said.type == "error" and "status of 4" not in said.text else None,
        )
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda asked: self.faults.append(asked.url) if not asked.url.startswith((shop.url, "blob:")) else None)

    async def go(self, path: str) -> None:
        await visit(self.page, self.shop.url + path)

    async def stop(self, name: str) -> None:
        """Look around."""
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            await self.page.wait_for_timeout(500)
            await self.page.screenshot(path=Path(SHOTS) / f"{name}-{self.look.shown}.png", full_page=True)
        assert await audit(self.page, self.axe) == [], name
        assert await asked(self.page, "document.documentElement.scrollWidth") <= self.look.width, name

    async def order(self, yuan: int) -> str:
        """Place an order in its form; the path of its page. An open order of the same sum would be gone on with instead."""
        for _ in range(60):
            await self.go("/recharge")
            if await self.page.locator("[data-go]").count():
                break
            # What failed before has tripped the breaker: the page says so and has no button until the channel is tried again.
            await asyncio.sleep(2)
        await self.page.click(f"label[for=a-{yuan}]")
        await self.page.click("[data-go]")
        await self.page.wait_for_url("**/orders/RC-*")
        return self.page.url.removeprefix(self.shop.url).partition("?")[0]

    async def pay(self, path: str, **trick: object) -> None:
        order_id = parse26(path.rpartition("-")[2])
        assert order_id is not None
        self.shop.stage.sim.phone.pay(await self.shop.stage.shop.number(order_id), **trick)  # type: ignore[arg-type]

    async def says(self, text: str) -> None:
        await expect(self.page.locator("main")).to_contain_text(text, timeout=60_000)


@in_every_look
async def test_from_a_failure_to_its_cure(chromium: Browser, shop: Shop, axe: str, look: Look) -> None:
    said, stage = SAID[look.language], shop.stage
    context = await context_for(chromium, **look._asdict())
    walk = Walk(context, await context.new_page(), shop, axe, look)
    page = walk.page
    await log_in(page, shop, PHONE, PASSWORD)
    await in_general(walk, said["clear"], said["frozen"])

    path = await walk.order(50)
    await walk.go(f"{path}/why")
    # Nobody has paid yet; or a channel was asked meanwhile, and tells no more.
    await expect(page.locator("[data-told=waiting], [data-told=not_told]")).to_be_visible()
    await walk.stop("why-waiting")
    await page.click("label[for=p-balance]")
    await page.click("#phone button[type=submit]")
    await walk.says(said["you"])
    await walk.says(said["balance"])
    await walk.stop("why-you-told-us")

    stage.sim.dial.set(Fault(point="order", kind="error", times=2, code="NO_AUTH", http=403))
    await walk.order(100)
    path = await walk.order(100)
    await walk.go(f"{path}/why")
    await walk.says("NO_AUTH")
    await walk.says(said["loop"])
    await walk.stop("why-failed")
    await evidence(walk)
    await walk.go(f"{path}/why")
    await case(walk)
    await another_amount(walk)
    await claim(walk, said["done"])
    assert walk.faults == []
    await context.close()


async def in_general(walk: Walk, clear: str, frozen: str) -> None:
    """It works; then the account is frozen, and the open page says so by itself; then it is over, and the past stays on record."""
    page, identity, user_id = walk.page, walk.shop.stage.house.identity, walk.shop.stage.shop.user_id
    await walk.go("/why")
    await walk.says(clear)
    await walk.stop("why-clear")
    await identity.freeze(user_id, actor="staff:1", reason="risk_review")
    await expect(page.locator("[data-step=unfreeze]")).to_contain_text(frozen, timeout=60_000)
    await walk.stop("why-frozen")
    await identity.unfreeze(user_id, actor="staff:1", reason="risk_review")
    await expect(page.locator("[data-step=recharge]")).to_be_visible(timeout=60_000)
    await expect(page.locator(".rail .ledger .chip")).to_have_count(1)


async def evidence(walk: Walk) -> None:
    """On the screen with everything around it, on paper alone."""
    page = walk.page
    await press(page, "a[href$='/evidence']", "**/evidence")
    await walk.stop("evidence")
    await page.emulate_media(media="print")
    for hidden in (".bar nav", ".btn", ".skip"):
        for each in await page.locator(hidden).all():
            assert not await each.is_visible(), hidden
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert await page.evaluate("getComputedStyle(document.querySelector('.bundle-table')).color") in (
        "rgb(0, 0, 0)",
        "rgb(27, 33, 31)",
    )
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"evidence-print-{walk.look.shown}.png", full_page=True)
    await page.emulate_media(media="screen")


async def case(walk: Walk) -> None:
    """Ask a person, and answer with a picture."""
    page = walk.page
    await page.click("[data-step=person] button")
    await page.wait_for_url("**/cases/CA-*")
    await walk.stop("case-new")
    await page.fill("#f-text", "钱包里显示系统繁忙，截图在这里。")
    await page.set_input_files("#f-pictures", {"name": "phone.png", "mimeType": "image/png", "buffer": picture()})
    await page.click("form[action$='/answer'] button[type=submit]")
    await expect(page.locator(".talk .mine")).to_have_count(1)
    await expect(page.locator(".proofs img")).to_be_visible()
    await page.locator(".proofs img").scroll_into_view_if_needed()
    await comes_true(page, "document.querySelector('.proofs img').naturalWidth > 0")
    await walk.stop("case-answered")


async def another_amount(walk: Walk) -> None:
    """Another amount arrived than was ordered: it is the owner's choice."""
    page, path = walk.page, await walk.order(200)
    await walk.pay(path, trick="charged_otherwise", amount_fen=19_999)
    await expect(page.locator("#choice")).to_be_visible(timeout=60_000)
    await walk.stop("choice")
    await walk.go(f"{path}/why")
    await expect(page.locator("[data-step=choose]")).to_be_visible()
    await walk.stop("why-choice")
    await page.click("[data-step=choose]")
    await press(page, "button[value=keep]")
    await expect(page.locator("main")).to_contain_text("199.99")
    await expect(page.locator(".notice")).to_have_count(0)
    await walk.stop("chosen")


async def claim(walk: Walk, done: str) -> None:
    """Paid, and every message lost: the number of the wallet is enough. A stranger's number has the same answer as none."""
    page, path = walk.page, await walk.order(500)
    await walk.pay(path, trick="silence")
    await walk.go("/claim")
    await walk.stop("claim")
    await page.fill("#number", "4200001234567890123456789012")
    # The search asks about every order without money: this one is found paid by it, though the number is nobody's.
    async with page.expect_navigation():
        await page.click("form.form button[type=submit]")
    await walk.stop("claim-answer")
    await walk.go(path)
    await walk.says(done)


async def test_the_explanation_and_the_claim_need_no_script(chromium: Browser, resting: Shop) -> None:
    shop = resting
    context = await context_for(chromium, language="zh", width=390, java_script_enabled=False)
    page = await context.new_page()
    await log_in(page, shop, PHONE, PASSWORD)
    await page.click("[data-go]")
    await page.wait_for_url("**/orders/RC-*")
    path = page.url.removeprefix(shop.url)
    await visit(page, f"{shop.url}{path}/why")
    await page.click("label[for=p-risk]")
    await page.click("#phone button[type=submit]")
    await expect(page.locator("h1")).to_have_text("渠道的安全检查拦下了这笔付款")
    assert await page.locator("[data-step=retry], [data-step=again]").count() == 0
    order_id = parse26(path.rpartition("-")[2])
    assert order_id is not None
    shop.stage.sim.phone.pay(await shop.stage.shop.number(order_id), trick="silence")
    await visit(page, f"{shop.url}/claim")
    await page.click(f"form:has(input[value='{path.rpartition('/')[2]}']) button")
    await expect(page.locator("main")).to_contain_text("已到账")
    await visit(page, f"{shop.url}/why")
    await expect(page.locator("h1")).to_have_text("现在充值没有问题")
    await context.close()
