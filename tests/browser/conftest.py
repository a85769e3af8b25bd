"""A real browser in front of the real pages: the shop on a loopback port, the simulated phone beside it, Debian's Chromium."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from playwright.async_api import Error as PageError
from tests.web.stage import Stage, open_stage

from daozhang.bench.browse import AXE, FLAGS, PHONE_BELOW_PX, Look, audit, chromium_path
from daozhang.bench.browse import context_for as moving_context_for
from daozhang.bench.pages import LOOKS as EVERY_LOOK
from daozhang.postgres import Database
from daozhang.settings import Settings

HERE = Path(__file__).parent
CHROMIUM = chromium_path()
# What is waited for comes however slow the machine is, or it never does.
expect.set_options(timeout=60_000)
__all__ = ["CHROMIUM", "FLAGS", "Shop", "audit", "context_for", "fits", "in_every_look", "log_in", "visit"]

LONG = bool(os.environ.get("DAOZHANG_LONG"))
LOOKS = EVERY_LOOK if LONG else (Look("zh", 390, dark=False), Look("en", 1280, dark=True))
"""The two show each language, each width and each colour once; `make chaos` pairs them in every way."""
in_every_look = pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.shown)


async def context_for(running: Browser, *, width: int = 1280, **more: Any) -> BrowserContext:
    """A person's browser. Drawing motion is a quarter of what a walk costs: phones show it, whoever is at a desk asked for less."""
    motion = "reduce" if width >= PHONE_BELOW_PX and not LONG else "no-preference"
    return await moving_context_for(running, width=width, **({"reduced_motion": motion} | more))


@dataclass(frozen=True)
class Shop:
    """The shop at its address."""

    stage: Stage
    url: str


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as the lock file pins it. Without it there is no audit, and the test says so."""
    if not (HERE.parents[1] / AXE).is_file() and shutil.which("npm"):
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=False, capture_output=True)
    if not (HERE.parents[1] / AXE).is_file():
        pytest.fail("axe-core is not installed: run `make test`, or `npm ci` in tests/browser")
    return (HERE.parents[1] / AXE).read_text("utf-8")


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    if not CHROMIUM:
        pytest.fail("no Chromium on this machine: run `make test` as root, or install Debian's chromium-headless-shell")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def shop(database: Database, settings: Settings) -> AsyncIterator[Shop]:
    """The pages on a free port, with a simulator of their own."""
    async with open_stage(database, settings, work=True) as stage:
        yield Shop(stage, stage.shop.url)


async def visit(page: Page, url: str, *, tries: int = 5, **more: str) -> None:
    """Go to an address. A page that shows itself anew in this very moment overtakes the first step; a person would press again."""
    for left in reversed(range(tries)):
        try:
            await page.goto(url, **more)
        except PageError as error:
            if not left or not ("ERR_ABORTED" in error.message or "interrupted by another navigation" in error.message):
                raise
            # What overtook it may itself be on its way still.
            await page.wait_for_timeout(200)
        else:
            return


async def fits(page: Page, *widths: int) -> None:
    """The page is no wider than any of these screens: the markup and the style are the same in all of them."""
    size = page.viewport_size
    assert size is not None
    for width in widths:
        await page.set_viewport_size({"width": width, "height": size["height"]})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, (page.url, width)
    await page.set_viewport_size(size)


async def log_in(page: Page, shop: Shop, phone: str, password: str) -> None:
    """Log in through the form."""
    await visit(page, f"{shop.url}/login")
    await page.fill("input[name=phone]", phone)
    await page.fill("input[name=password]", password)
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/recharge")
