"""Every door opens upon what is there, and whatever is sent to it is answered by a page or a refusal, never by a fault of ours."""

import re
import secrets
from typing import Any

import pytest
from tests.web.conftest import buyer, enrolment, shop_app, stage
from tests.web.console.conftest import Hire, hire
from tests.web.stage import Stage
from tests.web.test_funds import a_good
from tests.web.test_sessions import Browser

from daozhang import ids
from daozhang.goods.buy import Basket

__all__ = ["buyer", "enrolment", "hire", "shop_app", "stage"]

LEAVING = ("/logout", "/login", "/reset", "/register", "/static", "/stream", "/tour", "/v1", "/notify", "/healthz", "/readyz")
"""Doors that end or begin a session, or speak with programs and not with people."""
NAMES = (
    "amount", "other_amount", "method", "key", "page_version", "card", "agreement", "offer", "coupon", "number", "order",
    "text", "words", "pick", "choice", "sure", "agreed", "count", "target", "pay", "price", "code", "next", "address",
    "email", "region", "name", "t", "why", "verdict", "question", "until", "review", "reason", "office", "authority",
    "reference", "meant", "look", "anew", "send",
)  # fmt: skip
NASTY = (
    "",
    "-1",
    "１２",
    "9" * 40,
    "'; drop table orders --",
    "<script>alert(1)</script>",
    "\ud7ff\uffff🙂" * 40,
    "1e309",
    "RC-" + "Z" * 26,
)
"""What a form may bring: nothing, signs, wide digits, far too many, SQL, markup, odd letters, numbers that are none."""
QUERY = "?q=%F0%9F%99%82'&before=zz&amount=1e9&code=%00&group=x&span=9y&open=1&asked=1&class=x&count=-1&state=%27"


async def there(stage: Stage) -> dict[str, str]:
    """One of everything that has an address of its own, all of it the buyer's; by the door's path."""
    house, shop = stage.house, stage.shop
    paid = await shop.place(5_000)
    await stage.pay(paid.id)
    good = await a_good(stage, 1)
    bought = await house.purchases.buy(shop.user_id, Basket(good, 1, 2_000), secrets.token_hex(8))
    thread, finding = await house.diagnoses.of_order(paid, 1)
    case = f"CA-{ids.text26(await house.diagnoses.ask_person(thread, paid.shown, finding, version='1'))}"
    return {
        "/orders/": paid.shown, "/cases/": case, "/shop/purchases/": bought.shown, "/shop/": str(good), "/deceived/": case,
        "/back/": paid.shown, "/help/": "channel.down", "/lang/": "en", "/users/": str(shop.user_id), "/desk/orders/": paid.shown,
        "/desk/cases/": case, "/versions/": "1",
    }  # fmt: skip


def doors(app: Any, real: dict[str, str], *, desk: bool) -> list[tuple[str, str]]:
    """Every door with what is there behind it, and once more with what is not."""
    found = []
    for route in app._inner.routes:
        path = re.sub(r"\{(\w+):\w+\}", "{}", route.path)
        if path.startswith(LEAVING) or path.endswith("/stream") or path.startswith("/desk") is not desk or "/log" in path:
            continue
        before, _, after = path.partition("{}")
        values = (
            [next((real[each] for each in (before, "/" + before.split("/")[-2] + "/") if each in real), "1")]
            if "{}" in path
            else [""]
        )
        odd = ["RC-" + "0" * 26, "%F0%9F%99%82", "9" * 30] if "{}" in path else []
        addresses = [(before + value + after).replace("{}", "019344d0-0000-7000-8000-000000000000") for value in values + odd]
        found += [(method, address) for method in route.methods if method in {"GET", "POST"} for address in addresses]
    return sorted(set(found))


async def knock(browser: Browser, app: Any, real: dict[str, str], token: str, *, desk: bool) -> list[str]:
    """Open every door twice and send every form once; what was answered with a fault."""
    faults, opened = [], 0
    for number, (method, address) in enumerate(doors(app, real, desk=desk)):
        if method == "GET":
            answers = [await browser.get(address), await browser.get(address + QUERY)]
        else:
            sent = {name: NASTY[(number + place) % len(NASTY)] for place, name in enumerate(NAMES)}
            answers = [await browser.post(address, {"csrf": token, **sent})]
        opened += answers[0].status_code == 200
        faults += [f"{method} {address}: {each.status_code}" for each in answers if each.status_code >= 500]
    assert opened > 20, "the doors were open"
    return faults


async def test_in_11_no_door_of_the_front_desk_answers_with_a_fault(buyer: Browser, stage: Stage, shop_app: Any) -> None:
    real = await there(stage)
    assert await knock(buyer, shop_app, real, await buyer.token("/me"), desk=False) == []


@pytest.mark.parametrize("roles", [("owner", "aml")])
async def test_in_11_no_door_of_the_desk_answers_with_a_fault(
    stage: Stage, shop_app: Any, hire: Hire, roles: tuple[str, ...]
) -> None:
    real, boss = await there(stage), await hire("boss", *roles)
    token = await boss.browser.token("/desk")
    assert await knock(boss.browser, shop_app, real, token, desk=True) == []
