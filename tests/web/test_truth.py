"""Pages of truth: rules from the checks, announcements in their time, a page for every reason, advice; linked from everywhere."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from tests.flows.shop import LICENSED, refuses
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang import announcements, clock
from daozhang.policy.book import AmountRules
from daozhang.policy.checks import CHECKS
from daozhang.policy.sentences import sentences
from daozhang.reasons import catalogue
from daozhang.web.locale import load
from daozhang.web.truth.pages import explained

FOOT = ("/safety", "/rules", "/agreement", "/announcements", "/help", "/status", "/deceived")


@pytest.fixture
def guest(shop_app: Any) -> Browser:
    return Browser(shop_app)


@pytest.mark.parametrize("path", FOOT)
async def test_every_page_of_truth_is_open_and_links_the_others(guest: Browser, path: str) -> None:
    page = await guest.get(path)
    assert page.status_code == 200
    for other in FOOT:
        assert f'href="{other}"' in page.text, other


async def test_the_foot_is_on_every_page_of_a_member_too(buyer: Browser) -> None:
    for path in ("/shop", "/recharge", "/wallet", "/orders", "/me", "/me/refund", "/nowhere"):
        text = (await buyer.get(path)).text
        assert all(f'href="{other}"' in text for other in FOOT), path


async def test_the_rules_are_those_of_the_book_in_force(guest: Browser, stage: Stage) -> None:
    text = (await guest.get("/rules")).text
    assert "¥1 to ¥5,000" in text
    for check in CHECKS:
        if check.shown and check.name.startswith(("operation.", "account.stand")) and check.applies is None:
            assert sentences()[check.name].en.name in text, check.name
    other = replace(LICENSED, amount=AmountRules(min_fen=700, max_fen=88_800, presets_fen=(1_000,)))
    await stage.house.books.publish(1, other, version=2, author="t", note="n")
    assert "¥7 to ¥888" in (await guest.get("/rules")).text, "what the check enforces is what the page says"
    assert "left" not in text.partition("<dl")[2].partition("</dl>")[0], "what is left to somebody is no rule"


@pytest.mark.parametrize("code", catalogue().codes())
def test_every_reason_can_be_explained_without_its_facts(code: str) -> None:
    for language in ("zh", "en"):
        said = explained(catalogue().get(code), load(language))  # type: ignore[arg-type]
        assert said.title
        assert said.cure
        assert "{" not in said.title + said.text + said.cure


async def test_a_reason_has_an_address_that_stays(guest: Browser) -> None:
    page = await guest.get("/help/goods.balance_short")
    assert page.status_code == 200
    assert "goods.balance_short" in page.text
    assert "The balance is not enough" in page.text
    for text in ("nothing.here", "../etc/passwd", "goods", "GOODS.X", "x" * 300, "' or 1=1"):
        assert (await guest.get(f"/help/{quote(text, safe='')}")).status_code in (400, 404), text
    found = await guest.get("/help?q=frozen")
    assert "account.frozen" in found.text
    assert "goods.sold_out" not in found.text
    assert (await guest.get("/help?q=%00")).status_code == 200
    assert "Nothing found" in (await guest.get("/help?q=zzzz")).text


async def said(stage: Stage, *, begins_h: float = -1, ends_h: float = 1, kind: str = "news", title: str = "News of today") -> Any:
    at = clock.now()
    return await announcements.announce(
        stage.house.database, 1, kind=kind, titles=("今天的消息", title), texts=("正文", "Body <b>of it</b>"),
        begins_at=at + timedelta(hours=begins_h), ends_at=at + timedelta(hours=ends_h), author="t",
    )  # fmt: skip


async def test_an_announcement_stands_in_its_time_and_is_withdrawn_not_edited(guest: Browser, stage: Stage) -> None:
    made = await said(stage)
    await said(stage, begins_h=2, ends_h=3, title="Later")
    await said(stage, begins_h=-9, ends_h=-3, title="Over")
    await said(stage, kind="warning", title="Beware")
    text = (await guest.get("/announcements")).text
    assert text.index("Beware") < text.index("News of today") < text.index("Over")
    assert "Later" not in text
    assert "&lt;b&gt;" in text
    assert "Beware" in (await guest.get("/shop")).text
    assert await announcements.withdraw(stage.house.database, 1, made, "t")
    assert not await announcements.withdraw(stage.house.database, 1, made, "t")
    assert "News of today" not in (await guest.get("/announcements")).text
    assert len(await announcements.listed(stage.house.database, 1)) == 4, "what was said stays on record"
    with pytest.raises(Exception, match="permission denied"):
        await stage.house.database.transact(lambda tx: tx.run("update announcements set zh = 'x'"))


@pytest.mark.parametrize("change", [{"kind": "joke"}, {"begins_h": 2}, {"title": ""}, {"title": "x" * 121}, {"ends_h": 24 * 400}])
async def test_an_announcement_that_is_not_complete_is_refused(stage: Stage, change: dict[str, Any]) -> None:
    with refuses("operation.announcement_malformed"):
        await said(stage, **change)
