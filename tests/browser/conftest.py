"""A real browser in front of the real pages: the shop on a loopback port, the simulated phone beside it, Debian's Chromium."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from playwright.async_api import Error as PageError
from tests.web.stage import Stage, open_stage

from daozhang.bench.browse import AXE, FLAGS, audit, chromium_path, context_for
from daozhang.postgres import Database
from daozhang.settings import Settings

HERE = Path(__file__).parent
CHROMIUM = chromium_path()
# What is waited for comes however slow the machine is, or it never does.
expect.set_options(timeout=60_000)
__all__ = ["CHROMIUM", "FLAGS", "Shop", "audit", "context_for", "log_in", "visit"]


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
        else:
            return


async def log_in(page: Page, shop: Shop, phone: str, password: str) -> None:
    """Log in through the form."""
    await visit(page, f"{shop.url}/login")
    await page.fill("input[name=phone]", phone)
    await page.fill("input[name=password]", password)
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/recharge")
