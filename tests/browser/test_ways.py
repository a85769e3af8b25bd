"""Answers to the recharge form that come late: what was chosen meanwhile stays chosen, and what is said is said of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, Route, expect
from tests.browser.conftest import Shop, context_for, log_in
from tests.flows.shop import open_shop
from tests.offers.test_offers import run, terms
from tests.patience import until
from tests.web.stage import PASSWORD, PHONE, Stage

from daozhang.offers.model import Tier
from daozhang.postgres import Database
from daozhang.settings import Settings


class Post:
    """Keeps the answers to the form back until they are let go, and makes each look new to the page."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self._waiting: list[asyncio.Event] = []
        self.delivered = 0

    async def carry(self, route: Route) -> None:
        """One question: it is asked at once, and its answer waits."""
        gate, form = asyncio.Event(), route.request.post_data or ""
        self.asked.append(dict(pair.partition("=")[::2] for pair in form.split("&")))
        self._waiting.append(gate)
        answer = await route.fetch()
        text = (await answer.text()).replace("</div>", f"<!-- {len(self.asked)} --></div>")
        await gate.wait()
        with contextlib.suppress(Exception):
            await route.fulfill(response=answer, body=text)
        self.delivered += 1

    def let_go(self, place: int) -> None:
        """Deliver the answer to that question."""
        self._waiting[place].set()


@pytest.fixture
async def shop(database: Database, owner_database: Database, settings: Settings) -> AsyncIterator[Shop]:
    """A shop with more than one way to pay."""
    await owner_database.transact(lambda tx: tx.run("update clock_offset set test_mode = true"))
    async with open_shop(database, settings, work=False, kinds=("wechatpay", "alipay")) as opened:
        yield Shop(Stage(opened), opened.url)


@pytest.fixture
async def form(chromium: Browser, shop: Shop) -> AsyncIterator[tuple[Page, Post]]:
    """The form of a shop with two campaigns, at a desk, with its answers kept back."""
    for bonus_fen in (100, 600):
        await run(shop.stage.house.database, terms("bonus", Tier(5_000, bonus_fen)))
    context = await context_for(chromium, language="en", width=1280)
    page, post = await context.new_page(), Post()
    await log_in(page, shop, PHONE, PASSWORD)
    await page.route("**/recharge/ways", post.carry)
    yield page, post
    for place in range(len(post.asked)):
        post.let_go(place)
    await context.close()


async def questions(post: Post, count: int) -> None:
    """Wait until the page has asked so often."""
    await until(lambda: len(post.asked) >= count)


async def delivered(page: Page, post: Post, count: int) -> None:
    """Wait until so many answers were delivered and the page had time to read them."""
    await until(lambda: post.delivered >= count)
    await page.evaluate("() => new Promise((done) => setTimeout(done, 50))")


async def test_a_late_answer_does_not_take_back_an_offer_chosen_since(form: tuple[Page, Post]) -> None:
    page, post = form
    await page.click("label[for=a-100]")
    await questions(post, 1)
    await page.locator("input[name=offer][value=none]").evaluate(
        "(each) => document.querySelector(`label[for=${each.id}]`).click()"
    )
    post.let_go(0)
    await delivered(page, post, 1)
    await expect(page.locator("input[name=offer][value=none]")).to_be_checked()
    await questions(post, 2)
    assert post.asked[1]["offer"] == "none"
    post.let_go(1)
    await delivered(page, post, 2)
    await expect(page.locator("input[name=offer][value=none]")).to_be_checked()


async def test_a_late_answer_does_not_take_back_a_way_chosen_since(form: tuple[Page, Post]) -> None:
    page, post = form
    await page.click("label[for=a-100]")
    await questions(post, 1)
    assert "method" not in post.asked[0], "what the page had marked itself is no choice"
    other = page.locator("input[name=method]:not(:checked)").first
    value = await other.get_attribute("value")
    await other.evaluate("(each) => document.querySelector(`label[for=${each.id}]`).click()")
    post.let_go(0)
    await delivered(page, post, 1)
    await expect(page.locator(f"input[name=method][value='{value}']")).to_be_checked()
    await questions(post, 2)
    post.let_go(1)
    await delivered(page, post, 2)
    await expect(page.locator(f"input[name=method][value='{value}']")).to_be_checked()
    assert post.asked[1]["method"].replace("%3A", ":") == value


async def test_what_is_said_is_said_of_what_was_typed_last(form: tuple[Page, Post]) -> None:
    page, post = form
    await page.click("label[for=a-100]")
    await questions(post, 1)
    await page.click("label[for=a-20]")
    await questions(post, 2)
    post.let_go(1)
    await expect(page.locator("[data-put=ahead]")).to_contain_text("¥20.00")
    post.let_go(0)
    await delivered(page, post, 2)
    await expect(page.locator("[data-put=ahead]")).to_contain_text("¥20.00")
