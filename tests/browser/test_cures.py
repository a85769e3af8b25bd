"""What people do about their money, with scripts and without: one payment too many, just unfrozen, all of it back, talked into."""

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Shop, asked, audit, context_for, log_in, visit
from tests.web.stage import PASSWORD, PHONE
from tests.web.test_funds import a_good

from daozhang.ids import parse26
from daozhang.simulators.faults import Fault

LOOKS = pytest.mark.parametrize(
    ("language", "width", "script"), [("zh", 1280, True), ("en", 390, False)], ids=["zh-1280-script", "en-390-plain"]
)
PATIENCE_MS = 120_000
WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


class Person:
    """Somebody with a browser, who looks around wherever he stops: nothing is wrong there, and nothing wider than the screen."""

    def __init__(self, page: Page, shop: Shop, axe: str, *, script: bool) -> None:
        self.page, self.shop, self._axe, self._script, self.faults = page, shop, axe, script, list[str]()
        # However slow the machine is: what is waited for here comes, or it never does.
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda asked: self.faults.append(asked.url) if not asked.url.startswith(shop.url) else None)
        page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" and "of 4" not in said.text else None)

    async def go(self, path: str) -> None:
        await visit(self.page, path if path.startswith("http") else self.shop.url + path)

    async def press(self, button: str, to: str) -> None:
        """Press, and be where it leads: what is looked at next is that page and no earlier one."""
        async with self.page.expect_navigation(url=to):
            await self.page.click(button)

    async def sees(self, text: str) -> None:
        await expect(self.page.locator("main")).to_contain_text(text, timeout=PATIENCE_MS)

    async def is_told(self) -> None:
        """The page of an order that is paid shows itself anew; whoever leaves it in that moment may be taken back to it."""
        if self._script:
            await expect(self.page.locator("[data-live]")).to_have_count(0, timeout=PATIENCE_MS)

    async def looks(self) -> None:
        """Audit and measure are scripts themselves: where none runs, only faults and foreign requests are looked for."""
        if self._script:
            assert await audit(self.page, self._axe) == []
            assert await asked(self.page, WIDER) is False
        assert self.faults == []


async def enter(chromium: Browser, shop: Shop, axe: str, language: str, width: int, *, script: bool) -> Person:
    """A user who has logged in."""
    context = await context_for(chromium, language=language, width=width, java_script_enabled=script)
    person = Person(await context.new_page(), shop, axe, script=script)
    await log_in(person.page, shop, PHONE, PASSWORD)
    return person


async def order(person: Person) -> str:
    """Place an order for fifty yuan; the path of its page."""
    await person.go("/recharge?amount=50")
    await person.press("[data-go]", "**/orders/RC-*")
    return person.page.url.removeprefix(person.shop.url).partition("?")[0]


async def paid(shop: Shop, path: str) -> None:
    """Pay the order's newest code on the phone."""
    order_id = parse26(path.rpartition("-")[2])
    assert order_id is not None
    await shop.stage.pay(order_id)


@LOOKS
async def test_both_arrived_after_a_doubt_and_one_goes_back_with_a_tap(
    chromium: Browser, shop: Shop, axe: str, free_clock: None, language: str, width: int, *, script: bool
) -> None:
    person, stage = await enter(chromium, shop, axe, language, width, script=script), shop.stage
    stage.sim.dial.set(Fault(point="order", kind="booked_error", times=None))
    first = await order(person)
    first_id = parse26(first.rpartition("-")[2])
    assert first_id is not None
    number = await stage.shop.number(first_id)
    # From here on the channel answers nothing about this one order, and everything about others.
    stage.sim.dial.clear()
    for point in ("order", "query"):
        stage.sim.dial.set(Fault(point=point, kind="error", number=number, times=None))
    await stage.shop.later(121)
    second = await order(person)
    assert second != first
    stage.sim.dial.clear()
    for path in (first, second):
        await paid(shop, path)
    await person.go(second)
    await person.looks()
    await person.page.click("details:has(form[action$='/back']) summary")
    await person.press(f"form[action='{second}/back'] button", f"**{second}")
    await person.looks()
    assert await stage.shop.cash() == 5_000
    await person.page.context.close()


@LOOKS
async def test_just_unfrozen_money_from_the_refusal_to_the_purchase(
    chromium: Browser, shop: Shop, axe: str, language: str, width: int, *, script: bool
) -> None:
    person, stage = await enter(chromium, shop, axe, language, width, script=script), shop.stage
    good = await a_good(stage, 1)
    await paid(shop, await order(person))
    await person.is_told()
    await stage.house.identity.freeze(stage.shop.user_id, actor="staff:1", reason="risk_review")
    await stage.house.identity.unfreeze(stage.shop.user_id, actor="staff:1", reason="approved")

    await person.go(f"/shop/{good}")
    await person.page.click("label[for=pay-balance]")
    await person.press("[data-buy]", "**/buy")
    await person.looks()
    await person.press("main a[href^='/why']", "**/why#stopped")
    await person.looks()
    await person.press("form[action='/me/funds'] button", "**/cases/CA-*")
    await person.page.fill("#f-text", "工资卡充值，冻结前就在余额里")
    await person.press("form[action$='/answer'] button[type=submit]", "**/cases/CA-*")
    await person.looks()
    case = await stage.house.cases.open_about(1, "funds", f"user:{stage.shop.user_id}")
    assert case is not None
    await stage.house.cases.propose(case.id, "staff:1", "approved", "own card")
    await stage.house.cases.confirm(case.id, "staff:2")

    await person.go("/me/messages")
    await person.sees("¥50")
    await person.looks()
    await person.go(f"/shop/{good}")
    await person.page.click("label[for=pay-balance]")
    await person.press("[data-buy]", "**/shop/purchases/PU-*")
    await person.page.fill("#f-password", PASSWORD)
    await person.press("#codes button[type=submit]", "**/codes*")
    await person.sees("CODE-0")
    await person.looks()
    await person.page.context.close()


@LOOKS
async def test_all_that_is_ones_own_is_taken_along_and_given_back(
    chromium: Browser, shop: Shop, axe: str, language: str, width: int, *, script: bool
) -> None:
    person = await enter(chromium, shop, axe, language, width, script=script)
    await paid(shop, path := await order(person))
    await person.is_told()
    await person.go("/orders")
    await person.page.fill("input[name=q]", path.rpartition("/")[2].lower())
    async with person.page.expect_navigation(url=f"**{path}"):
        await person.page.press("input[name=q]", "Enter")
    await person.looks()
    await person.go("/me/data")
    await person.page.fill("input[name=password]", PASSWORD)
    async with person.page.expect_download() as coming:
        await person.page.click("form[action='/me/data'] button[type=submit]")
    told = json.loads(Path(await (await coming.value).path()).read_text("utf-8"))
    assert told["orders"][0]["amount_fen"] == 5_000
    await person.go("/me/refund")
    await person.sees("50.00")
    await person.looks()
    await person.page.fill("input[name=password]", PASSWORD)
    await person.press("form[action='/me/refund'] button[type=submit]", "**/me/refund")
    await person.looks()
    assert await shop.stage.shop.cash() == 0
    await person.go("/me/close")
    await person.page.check("#sure")
    await person.page.fill("input[name=password]", PASSWORD)
    async with person.page.expect_navigation():
        await person.page.click("form[action='/me/close'] button[type=submit]")
    await person.looks()
    await person.page.context.close()


@LOOKS
async def test_who_was_talked_into_paying_reports_it_without_an_account(
    chromium: Browser, shop: Shop, axe: str, language: str, width: int, *, script: bool
) -> None:
    stage = shop.stage
    placed = await stage.shop.place()
    await stage.pay(placed.id)
    context = await context_for(chromium, language=language, width=width, java_script_enabled=script)
    person = Person(await context.new_page(), shop, axe, script=script)
    await person.go("/deceived")
    await person.looks()
    await person.page.fill("input[name=number]", (await stage.shop.order(placed.id)).channel_txn)
    await person.page.fill("input[name=amount]", "50")
    await person.page.fill("textarea[name=text]", "有人让我扫码付款，说是兼职的押金")
    await person.press("form[action='/deceived'] button[type=submit]", "**/deceived/CA-*")
    await person.looks()
    aside = f"user:{stage.shop.user_id}:reserved"
    kept_fen = await stage.house.database.value("select balance_fen from ledger_facts where shop_id = 1 and address = $1", aside)
    assert (await stage.shop.cash(), kept_fen) == (0, 5_000), "what was not spent yet is kept"
    await context.close()
