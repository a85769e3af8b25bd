"""A real browser in front of the real pages: the shop on a loopback port, the simulated phone beside it, Debian's Chromium."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from playwright.async_api import Error as PageError
from playwright.async_api import TimeoutError as PageTimeout
from tests.patience import MOST_S, until
from tests.web.stage import Stage, open_stage

from daozhang.bench.browse import AXE, FLAGS, PATIENCE_MS, PHONE_BELOW_PX, Look, audit, chromium_path, overtaken
from daozhang.bench.browse import context_for as moving_context_for
from daozhang.bench.pages import LOOKS as EVERY_LOOK
from daozhang.postgres import Database
from daozhang.settings import Settings

HERE = Path(__file__).parent
CHROMIUM = chromium_path()
# What is waited for comes however slow the machine is, or it never does.
expect.set_options(timeout=60_000)
__all__ = [
    "CHROMIUM",
    "FLAGS",
    "Shop",
    "asked",
    "audit",
    "comes_true",
    "context_for",
    "fits",
    "in_every_look",
    "log_in",
    "press",
    "says_paid",
    "visit",
]

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
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS)
        yield browser
        await browser.close()


@pytest.fixture
async def shop(database: Database, settings: Settings) -> AsyncIterator[Shop]:
    """The pages on a free port, with a simulator of their own."""
    async with open_stage(database, settings, work=True) as stage:
        yield Shop(stage, stage.shop.url)


@pytest.fixture
async def resting(database: Database, settings: Settings) -> AsyncIterator[Shop]:
    """The same, which does nothing by itself: what nobody asks about stays as it is, however long it takes to come to it."""
    async with open_stage(database, settings) as stage:
        yield Shop(stage, stage.shop.url)


async def visit(page: Page, url: str, **more: str) -> None:
    """Go to an address. A page that shows itself anew in this very moment overtakes the first step; a person would press again."""
    end = time.monotonic() + MOST_S
    while True:
        try:
            await page.goto(url, **more)
        except PageError as error:
            known = "ERR_ABORTED" in error.message or "interrupted by another navigation" in error.message
            if not known or time.monotonic() > end:
                raise
            # What overtook it may itself be on its way still.
            await page.wait_for_timeout(200)
        else:
            return


async def press(page: Page, button: str, to: str | None = None) -> None:
    """Press, and be on the page that comes of it, with its scripts: what is done next is done there and on no earlier one."""
    async with page.expect_navigation(url=to):
        await page.click(button)


async def says_paid(page: Page) -> None:
    """Press "I have paid". Whoever waited long enough is told by the page itself, and then there is no such button any more."""
    with contextlib.suppress(PageTimeout):
        await page.click("form[action$='/check'] button", timeout=5_000)


async def asked(page: Page, question: str) -> Any:
    """What the page answers. One that shows itself anew in this very moment is asked again."""
    end = time.monotonic() + MOST_S
    while True:
        try:
            return await page.evaluate(question)
        except PageError as error:
            if not overtaken(error) or time.monotonic() > end:
                raise
            await page.wait_for_load_state()


async def comes_true(page: Page, question: str) -> None:
    """Wait until the page says yes. The driver's own waiting for this asks by `eval`, which our pages forbid."""

    async def yes() -> bool:
        return bool(await asked(page, question))

    await until(yes)


async def fits(page: Page, *widths: int) -> None:
    """The page is no wider than any of these screens: the markup and the style are the same in all of them."""
    size = page.viewport_size
    assert size is not None
    for width in widths:
        await page.set_viewport_size({"width": width, "height": size["height"]})
        assert await asked(page, "document.documentElement.scrollWidth") <= width, (page.url, width)
    await page.set_viewport_size(size)


async def log_in(page: Page, shop: Shop, phone: str, password: str) -> None:
    """Log in through the form."""
    await visit(page, f"{shop.url}/login")
    await page.fill("input[name=phone]", phone)
    await page.fill("input[name=password]", password)
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/recharge")
