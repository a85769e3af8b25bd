"""The status page in a real browser: in order for everybody, without script, at every width."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect
from tests.browser.conftest import LOOKS, audit, context_for, fits, visit
from tests.flows.shop import Shop, open_shop
from tests.patience import until
from tests.web.status_scene import play
from tests.web.test_status import closed, read_anew

from daozhang.postgres import Database
from daozhang.settings import Settings

SAID = {"zh": "有 1 个付款方式中断", "en": "One way to pay is down"}


@pytest.fixture
async def told(database: Database, owner_database: Database, settings: Settings) -> AsyncIterator[Shop]:
    """Three channels with ninety days behind them: one well, one partly down, one under maintenance."""
    async with open_shop(database, settings, kinds=("alipay", "unionpay")) as shop:
        rows = {row.kind: row for row in shop.program.registry.enabled(1)}
        await play(owner_database, {kind: row.id for kind, row in rows.items()}, {kind: row.methods for kind, row in rows.items()})
        await closed(shop, "44", "wallet")
        await until(lambda: len(shop.program.house.regulated()) == 1)
        await shop.program.board.load()
        await read_anew(shop)
        yield shop


async def test_it_is_in_order_in_every_look_and_needs_no_script(chromium: Browser, told: Shop, axe: str) -> None:
    for look in LOOKS:
        context = await context_for(chromium, **look._asdict())
        page, faults = await context.new_page(), []
        page.on("console", lambda message, faults=faults: faults.append(message.text) if message.type == "error" else None)
        await visit(page, f"{told.url}/status")
        await expect(page.locator("h1")).to_have_text(SAID[look.language])
        assert await audit(page, axe) == []
        assert await page.locator(".channel").count() == 3
        assert await page.locator("svg.days rect").count() == 270
        await fits(page, 320, 768, look.width)
        assert faults == []
        await context.close()
    context = await context_for(chromium, language="zh", width=390, java_script_enabled=False)
    page = await context.new_page()
    await visit(page, f"{told.url}/status")
    await expect(page.locator("h1")).to_have_text(SAID["zh"])
    await context.close()
