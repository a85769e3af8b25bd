"""A real browser in front of the real pages: the shop on a loopback port, the simulated phone beside it, Debian's Chromium."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from tests.web.stage import Stage, open_stage

from daozhang.postgres import Database
from daozhang.settings import Settings

HERE = Path(__file__).parent
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = os.environ.get("DAOZHANG_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE_AGENT = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"


@dataclass(frozen=True)
class Shop:
    """The shop at its address."""

    stage: Stage
    url: str


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as the lock file pins it. Without it there is no audit, and the test says so."""
    if not AXE.is_file() and shutil.which("npm"):
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=False, capture_output=True)
    if not AXE.is_file():
        pytest.fail("axe-core is not installed: run `make test`, or `npm ci` in tests/browser")
    return AXE.read_text("utf-8")


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    if not CHROMIUM:
        pytest.fail("no Chromium on this machine: run `make test` as root, or install Debian's chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def shop(database: Database, settings: Settings) -> AsyncIterator[Shop]:
    """The pages on a free port, with a simulator of their own."""
    async with open_stage(database, settings, work=True) as stage:
        yield Shop(stage, stage.shop.url)


async def context_for(
    chromium: Browser, *, language: str = "zh", width: int = 1280, dark: bool = False, **more: Any
) -> BrowserContext:
    """A person's browser: a phone below 500 px, in a language, in light or dark."""
    phone = width < 500
    if phone:
        more |= {"user_agent": PHONE_AGENT, "is_mobile": True, "has_touch": True}
    return await chromium.new_context(
        viewport={"width": width, "height": 844 if phone else 900},
        locale="zh-CN" if language == "zh" else "en-GB",
        timezone_id="Asia/Shanghai",
        color_scheme="dark" if dark else "light",
        **more,
    )


async def log_in(page: Page, shop: Shop, phone: str, password: str) -> None:
    """Log in through the form."""
    await page.goto(f"{shop.url}/login")
    await page.fill("input[name=phone]", phone)
    await page.fill("input[name=password]", password)
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/recharge")


_REST = """() => Promise.all(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().iterations !== Infinity)
  .map((each) => each.finished.catch(() => null)))"""


async def audit(page: Page, axe: str) -> list[str]:
    """What axe finds wrong on the page once it is at rest, best practices included: a text that fades in has no contrast yet."""
    await page.evaluate(_REST)
    await page.evaluate(axe)
    found = await page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']}: {node['html'][:160]}" for each in found["violations"] for node in each["nodes"]]
