"""A person's browser: Debian's Chromium driven by Playwright, on a fast line or a slow phone's, and what a page costs and breaks.

Playwright is needed for development only; importing this module without it raises `ModuleNotFoundError`.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright
from playwright.async_api import Error as PageError

from daozhang.bench import BenchTrouble

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
CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser")
PHONE_AGENT = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"
PHONE_BELOW_PX = 500
AXE = Path("tests/browser/node_modules/axe-core/axe.min.js")
"""Where `make test` puts axe-core, as its lock file pins it: from the folder of this repository."""
LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750, "connectionType": "cellular4g"}
"""A slow phone's line: 150 ms to the server and back, 1.6 Mbit/s down, 0.75 up."""
FAST_LINE = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
SLOW_CPU = 4
_NARROW_PX = 320
_QUIET_S = 0.3
_LCP = """() => {
  window.daozhangLargest = 0
  new PerformanceObserver((list) => {
    for (const each of list.getEntries()) window.daozhangLargest = each.startTime
  }).observe({type: 'largest-contentful-paint', buffered: true})
}"""
_REST = """() => Promise.all(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().iterations !== Infinity)
  .map((each) => each.finished.catch(() => null)))"""


PATIENCE_MS = 120_000
"""A page that has not come after this long never will, however slow the machine is."""


class BrowserMissing(BenchTrouble):
    """What a browser needs is not there; the message says what to install."""


class Look(NamedTuple):
    """How a person looks at the shop: language, width in px (a phone below 500), dark or light."""

    language: str
    width: int
    dark: bool

    @property
    def shown(self) -> str:
        """Such as `zh-390-dark`."""
        return f"{self.language}-{self.width}-{'dark' if self.dark else 'light'}"


@dataclass(slots=True)
class Visit:
    """What loading one page cost: bytes over the line (heads and packed bodies of everything), paint in ms, and what went wrong."""

    sent_bytes: int = 0
    requests: int = 0
    foreign: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    lcp_ms: float = 0.0
    axe: list[str] = field(default_factory=list)
    wide_px: int | None = None
    """On a phone: how far the page is wider than the narrowest one (WCAG 2.2, 1.4.10); 0 is right."""


def chromium_path() -> str:
    """The system's Chromium, or the one of `DAOZHANG_CHROMIUM`; empty when there is none.

    The one without a window of its own comes first: a person's new browser costs it less than half as much.
    """
    return os.environ.get("DAOZHANG_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), "")


def axe_source(file: Path = AXE) -> str:
    """The source of axe-core. Raises `BrowserMissing`."""
    if not file.is_file():
        raise BrowserMissing(
            "axe-core is not here: run `make test` once, or `npm ci` in tests/browser, and start in this repository"
        )
    return file.read_text("utf-8")


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium. Raises `BrowserMissing`."""
    path = chromium_path()
    if not path:
        raise BrowserMissing("there is no Chromium: run `make test` once as root, or install Debian's chromium-headless-shell")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield running
        finally:
            await running.close()


async def context_for(
    running: Browser, *, language: str = "zh", width: int = 1280, dark: bool = False, **more: Any
) -> BrowserContext:
    """A person's browser: a phone below 500 px, in a language, in light or dark."""
    phone = width < PHONE_BELOW_PX
    if phone:
        more |= {"user_agent": PHONE_AGENT, "is_mobile": True, "has_touch": True}
    context = await running.new_context(
        viewport={"width": width, "height": 844 if phone else 900},
        locale="zh-CN" if language == "zh" else "en-GB",
        timezone_id="Asia/Shanghai",
        color_scheme="dark" if dark else "light",
        **more,
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


async def audit(page: Page, axe: str) -> list[str]:
    """What axe finds wrong on the page once it is at rest, best practices included: a text that fades in has no contrast yet.

    A page that shows itself anew meanwhile is looked at again, five times at most.
    """
    for left in reversed(range(5)):
        try:
            await page.evaluate(_REST)
            await page.evaluate(axe)
            found = await page.evaluate("() => axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations)")
            break
        except PageError as error:
            if not left or not overtaken(error):
                raise
            await page.wait_for_load_state()
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]


def overtaken(error: PageError) -> bool:
    """Whether the page went away under the question."""
    return any(said in error.message for said in ("context was destroyed", "axe is not defined", "because of a navigation"))


async def visit(context: BrowserContext, base: str, path: str, axe: str, *, slow: bool) -> Visit:
    """Load a page as for the first time. `slow`: on a slow phone and line, with the largest paint timed; empty `axe`: no audit."""
    seen, page = Visit(), await context.new_page()
    try:
        cdp = await context.new_cdp_session(page)
        _watch(seen, page, cdp, base)
        await cdp.send("Network.enable")
        await cdp.send("Network.clearBrowserCache")
        await page.add_init_script(f"({_LCP})()")
        if slow:
            await cdp.send("Network.emulateNetworkConditions", LINE)
            await cdp.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_CPU})
        await page.goto(base + path, wait_until="load")
        await _settled(page, seen)
        if slow:
            seen.lcp_ms = await page.evaluate("window.daozhangLargest")
            await cdp.send("Network.emulateNetworkConditions", FAST_LINE)
            await cdp.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        if axe:
            seen.axe = await audit(page, axe)
            seen.wide_px = await _wide_px(page)
    finally:
        await page.close()
    return seen


async def _wide_px(page: Page) -> int | None:
    size = page.viewport_size
    if size is None or size["width"] >= PHONE_BELOW_PX:
        return None
    await page.set_viewport_size({"width": _NARROW_PX, "height": size["height"]})
    return max(0, int(await page.evaluate("document.documentElement.scrollWidth")) - _NARROW_PX)


async def _settled(page: Page, seen: Visit) -> None:
    """Until nothing more is asked for and nothing larger is painted."""
    before = (-1, -1.0)
    while (now := (seen.requests, await page.evaluate("window.daozhangLargest"))) != before:
        before = now
        await asyncio.sleep(_QUIET_S)


def _watch(seen: Visit, page: Page, cdp: CDPSession, base: str) -> None:
    open_bytes: dict[str, int] = {}

    def asked(event: dict[str, Any]) -> None:
        seen.requests += 1
        url = event["request"]["url"]
        if not url.startswith((f"{base}/", "data:", "blob:")):
            seen.foreign.append(url)

    def answered(event: dict[str, Any]) -> None:
        open_bytes[event["requestId"]] = int(event["response"].get("encodedDataLength", 0))
        seen.sent_bytes += open_bytes[event["requestId"]]

    def finished(event: dict[str, Any]) -> None:
        # The whole, head included; a stream that stays open is counted by its head.
        seen.sent_bytes += int(event["encodedDataLength"]) - open_bytes.pop(event["requestId"], 0)

    cdp.on("Network.requestWillBeSent", asked)
    cdp.on("Network.responseReceived", answered)
    cdp.on("Network.loadingFinished", finished)
    page.on("console", lambda message: seen.console.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.console.append(str(error)))
