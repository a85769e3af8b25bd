"""Devices: unbound by an older factor only; its sessions end; and large spending waits a day."""

import re
import secrets

import pytest
from tests.flows.shop import PASSWORD, PHONE
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang.goods import shelf
from daozhang.reasons import Refusal
from daozhang.recharge.model import Basket

YOUNGER = "a kettle sings at dusk 9"


async def odd(buyer: Browser) -> str:
    """The id of the one device that is not this browser."""
    (found,) = re.findall(r'href="/me/devices\?of=([0-9a-f-]{36})', (await buyer.get("/me/devices")).text)
    return str(found)


async def spend(stage: Stage, price_fen: int) -> str:
    """Buy something from the balance; the reason of a refusal, or nothing."""
    program = stage.shop.program
    goods_id = await shelf.add_good(
        program.database,
        1,
        goods_class="game_card",
        name=f"点卡 {secrets.token_hex(3)}",
        price_fen=price_fen,
        source="官方",
        on_sale=True,
    )
    await shelf.add_codes(program.database, program.vault, 1, goods_id, [secrets.token_hex(8)])
    try:
        await stage.house.purchases.buy(stage.shop.user_id, Basket(goods_id, 1, price_fen), secrets.token_hex(8))
    except Refusal as refusal:
        return refusal.reason
    return ""


async def test_az_an_odd_device_is_unbound_its_session_ends_and_large_spending_waits(
    stage: Stage, buyer: Browser, shop_app: object
) -> None:
    order = await stage.shop.place(500_000)
    await stage.shop.pay(order)
    await stage.shop.reach(order.id, "credited")
    thief = Browser(shop_app, ip="198.51.100.66")
    await thief.login(PHONE, PASSWORD)
    assert (await thief.get("/wallet")).status_code == 200
    device = await odd(buyer)
    wrong = await buyer.submit(f"/me/devices?of={device}", f"/me/devices/{device}/unbind", password="not this one 1")
    assert wrong.status_code == 401
    done = await buyer.submit(f"/me/devices?of={device}", f"/me/devices/{device}/unbind", password=PASSWORD)
    assert (done.status_code, done.headers["location"]) == (303, "/me/devices?done=1")
    assert (await thief.get("/wallet")).status_code != 200
    assert await spend(stage, 5_000) == ""
    assert await spend(stage, 250_000) == "account.cooling"


@pytest.mark.usefixtures("services")
async def test_az_a_password_younger_than_the_device_proves_nothing(stage: Stage, buyer: Browser, shop_app: object) -> None:
    thief = Browser(shop_app, ip="198.51.100.66")
    await thief.login(PHONE, PASSWORD)
    await buyer.submit("/me", "/me/password", old=PASSWORD, password=YOUNGER)
    device = await odd(buyer)
    page = f"/me/devices?of={device}"
    assert 'name="password"' not in (await buyer.get(page)).text
    refused = await buyer.submit(page, f"/me/devices/{device}/unbind", password=YOUNGER)
    assert refused.status_code == 403
    await buyer.submit(page, f"/me/devices/{device}/unbind", send="1")
    found = re.search(r"[0-9]{6}", stage.shop.sim.services.messages[0].text)
    assert found is not None
    done = await buyer.submit(page, f"/me/devices/{device}/unbind", code=found[0])
    assert done.headers["location"] == "/me/devices?done=1"


async def test_az_01_somebody_elses_device_is_not_there(stage: Stage, buyer: Browser, shop_app: object) -> None:
    stranger = Browser(shop_app, ip="198.51.100.7")
    await stranger.submit("/register", "/register", phone="13712345678", password="tea at four by the river")
    await stranger.login("13712345678", "tea at four by the river")
    device = await stage.shop.program.database.value("select id from devices where user_id = $1 limit 1", stage.shop.user_id)
    answer = await stranger.submit("/me", f"/me/devices/{device}/unbind", password="tea at four by the river")
    assert answer.status_code == 404
    assert (await buyer.get("/wallet")).status_code == 200
