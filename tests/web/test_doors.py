"""Every door of the application, whoever knocks: nobody, a stranger with an account, and a form from elsewhere."""

import re
from typing import Any

from tests.web.stage import Stage
from tests.web.test_sessions import Browser

OPEN_TO_ALL = {
    "/",
    "/login",
    "/register",
    "/logout",
    "/lang/{code}",
    "/static/{name}",
    "/favicon.ico",
    "/healthz",
    "/readyz",
    "/recharge/echo",
    "/back/{shown}",
    "/status",
    "/agreement",
    "/v1/channels",
    "/deceived",
    "/login/code",
    "/login/factor",
    "/login/factor/lost",
    "/reset",
    "/shop",
    "/shop/{goods_id}",
    "/rules",
    "/announcements",
    "/safety",
    "/help",
    "/help/{code}",
}

ELSEWHERE = ("/desk", "/tour")
"""Doors with sessions of their own (the desk of the staff) and those of the demo alone; their own tests knock at them."""


def doors(app: Any) -> list[tuple[str, str]]:
    """Every route of the application, with a value for each parameter."""
    found = []
    for route in app._inner.routes:
        plain = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        if plain not in OPEN_TO_ALL and not plain.startswith(ELSEWHERE):
            address = plain.replace("{session_id}", "019344d0-0000-7000-8000-000000000000").replace("{shown}", "RC-" + "0" * 26)
            address = address.replace("{goods_id}", "1").replace("{device_id}", "019344d0-0000-7000-8000-000000000000")
            found += [(method, address) for method in route.methods if method in {"GET", "POST"}]
    return found


async def test_az_01_every_door_that_is_not_open_to_all_asks_who_it_is(shop_app: Any) -> None:
    nobody = Browser(shop_app)
    token, asked = await nobody.token("/login"), doors(shop_app)
    assert len(asked) >= 8
    for method, address in asked:
        if method == "GET":
            answer = await nobody.get(address, accept="application/json")
        else:
            answer = await nobody.post(address, {"csrf": token}, accept="application/json")
        assert answer.status_code in {401, 404}, (method, address)
        assert "set-cookie" not in answer.headers or "session" not in answer.headers["set-cookie"]


async def test_az_09_every_door_that_changes_something_asks_for_the_token(buyer: Browser, stage: Stage) -> None:
    posts = [address for method, address in doors(buyer.app) if method == "POST"]
    assert len(posts) >= 4
    before = await everything(stage)
    for address in posts:
        for csrf in ({}, {"csrf": "0" * 64}):
            answer = await buyer.post(address, csrf)
            # A door for programs reads JSON alone, which no form of another site can send.
            assert answer.status_code in ({400} if address.startswith("/v1/") else {403, 422}), address
        answer = await buyer.post(address, {"csrf": await buyer.token("/me")}, origin="https://evil.example")
        assert answer.status_code == 403, address
    assert await everything(stage) == before
    assert (await buyer.get("/me")).status_code == 200


async def everything(stage: Stage) -> list[int]:
    tables = ("orders", "attempts", "events", "sessions where ended_at is null")
    return [await stage.house.database.value(f"select count(*) from {table}") for table in tables]


async def place(buyer: Browser, channel_id: int) -> str:
    """The buyer's own new order, by its shown id."""
    page = (await buyer.get("/recharge")).text
    fields = dict(re.findall(r'name="(csrf|key|page_version)" value="([^"]*)"', page))
    answer = await buyer.post("/recharge", fields | {"amount": "50", "method": f"{channel_id}:native"})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/orders/")


async def test_az_01_an_order_is_there_for_its_owner_alone(shop_app: Any, buyer: Browser, stage: Stage) -> None:
    shown = await place(buyer, stage.channel_id)
    stranger = Browser(shop_app, ip="198.51.100.7")
    await stranger.submit("/register", "/register", phone="13712345678", password="tea at four by the river")
    await stranger.login("13712345678", "tea at four by the river")
    asked = [(method, address.replace("RC-" + "0" * 26, shown)) for method, address in doors(shop_app) if "RC-" in address]
    assert len(asked) >= 5
    token = await stranger.token("/me")
    for method, address in asked:
        own_none = address.replace(shown, "RC-" + "0" * 26)
        answers = [
            await (stranger.get(to) if method == "GET" else stranger.post(to, {"csrf": token})) for to in (address, own_none)
        ]
        assert [answer.status_code for answer in answers] == [404, 404], (method, address)
        told = [re.sub(r"RC-[0-9A-Z]{26}", "RC", answer.text) for answer in answers]
        assert told[0] == told[1], "an order of somebody else must look exactly like one that is not there"
    assert shown not in (await stranger.get("/orders")).text
    assert (await buyer.get(f"/orders/{shown}")).status_code == 200
    assert await stage.house.database.value("select state from orders") == "awaiting_payment"


async def test_az_04_a_frozen_user_with_an_open_session_places_no_order_that_is_paid(buyer: Browser, stage: Stage) -> None:
    user_id = await stage.house.identity.find(1, "13800138000")
    assert user_id is not None
    await stage.house.identity.freeze(user_id, actor="staff:1", reason="risk_review")
    page = (await buyer.get("/recharge")).text
    fields = dict(re.findall(r'name="(csrf|key|page_version)" value="([^"]*)"', page))
    answer = await buyer.post("/recharge", fields | {"amount": "50", "method": f"{stage.channel_id}:native"})
    if answer.status_code == 303:
        answer = await buyer.get(answer.headers["location"])
    assert "frozen" in answer.text
    assert await stage.house.database.value("select count(*) from attempts") == 0
