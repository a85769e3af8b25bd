"""The shop window through the real doors: look, buy from the balance, at a channel or both, see the codes, ask for help."""

import asyncio
import re
import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from tests.web.stage import PASSWORD, Stage
from tests.web.test_sessions import Browser

from daozhang import ids
from daozhang.goods import demo, shelf
from daozhang.providers import rows

PRICE_FEN = 4_950


@pytest.fixture
async def card(stage: Stage) -> int:
    """The demo's shelf; the number of its first card for 49.50 yuan."""
    await demo.furnish(stage.house.database, stage.shop.program.vault, 1)
    return next(each.id for each in await shelf.shelf(stage.house.database, 1) if each.price_fen == PRICE_FEN)


async def which(stage: Stage, goods_class: str) -> int:
    return next(each.id for each in await shelf.shelf(stage.house.database, 1) if each.goods_class == goods_class)


async def fill(browser: Browser, goods_id: int, **changes: str) -> dict[str, str]:
    """The form of a good as a browser would send it back, with some fields changed."""
    text = (await browser.get(f"/shop/{goods_id}")).text
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', text))
    pay = re.search(r'name="pay" id="[^"]*" value="([^"]+)" checked', text)
    assert pay is not None, text
    mixed = {"mixed": "1"} if 'name="mixed" value="1" checked' in text else {}
    return hidden | {"count": "1", "pay": pay[1]} | mixed | changes


async def fund(stage: Stage, amount_fen: int) -> None:
    placed = await stage.shop.place(amount_fen)
    await stage.pay(placed.id)


def channel(stage: Stage) -> str:
    return f"{stage.channel_id}:native"


async def test_the_window_is_open_to_everybody(shop_app: Any, card: int) -> None:
    guest = Browser(shop_app)
    page = await guest.get("/shop")
    assert page.status_code == 200
    assert "Shanhai game card ¥50" in page.text
    assert "49.50" in page.text
    assert "Sold out" in page.text
    good = await guest.get(f"/shop/{card}")
    assert f"/login?next=/shop/{card}" in good.text
    assert "名" not in (await guest.get("/shop?class=software")).text
    assert "Inkstone" in (await guest.get("/shop?class=software")).text
    assert "Shanhai" not in (await guest.get("/shop?class=software")).text
    assert "Half-Day" in (await guest.get("/shop?q=coffee")).text
    assert (await guest.get("/shop/999999")).status_code == 404


@pytest.mark.parametrize("text", ["' or 1=1 --", "%25", "<script>", "\x00", "x" * 400])
async def test_in_02_what_is_sought_is_a_parameter(buyer: Browser, card: int, text: str) -> None:
    page = await buyer.get(f"/shop?q={quote(text, safe='')}&class={quote(text, safe='')}")
    assert page.status_code == 200
    assert "<script>" not in page.text.replace("<script src", "")


async def test_one_tap_from_the_balance_and_the_codes_after_the_password(buyer: Browser, stage: Stage, card: int) -> None:
    await fund(stage, 10_000)
    answer = await buyer.post(f"/shop/{card}/buy", await fill(buyer, card))
    assert answer.status_code == 303
    path = answer.headers["location"]
    page = await buyer.get(path)
    assert "Delivered" in page.text
    code = re.compile(r"[0-9A-F]{4}(?:-[0-9A-F]{4}){3}")
    assert not code.search(page.text.replace(path.rpartition("/")[2], "")), "no code before the password"
    wrong = await buyer.submit(path, f"{path}/codes", password="not the password")
    assert (wrong.status_code, bool(code.search(wrong.text))) == (422, False)
    shown = await buyer.submit(path, f"{path}/codes", password=PASSWORD)
    assert (shown.status_code, len(code.findall(shown.text))) == (200, 1)
    assert shown.headers["cache-control"] == "no-store"
    assert "Viewed so far: 1" in (await buyer.get(path)).text
    assert await stage.house.database.value("select count(*) from card_views") == 1
    assert await stage.shop.cash() == 10_000 - PRICE_FEN


async def test_somebody_else_sees_nothing_of_it(shop_app: Any, buyer: Browser, stage: Stage, card: int) -> None:
    await fund(stage, 10_000)
    path = (await buyer.post(f"/shop/{card}/buy", await fill(buyer, card))).headers["location"]
    other = Browser(shop_app)
    await other.submit("/register", "/register", phone="13912345678", password="tea at four by the river")
    await other.login("13912345678", "tea at four by the river")
    assert (await other.get(path)).status_code == 404
    assert (await other.submit("/me", f"{path}/codes", password="tea at four by the river")).status_code == 404
    assert (await other.submit("/me", f"{path}/help")).status_code == 404
    assert (await other.get("/shop/purchases/PU-1")).status_code == 404


async def test_rc_01_a_double_submit_buys_once(buyer: Browser, stage: Stage, card: int) -> None:
    await fund(stage, 50_000)
    form = await fill(buyer, card)
    answers = await asyncio.gather(*(buyer.post(f"/shop/{card}/buy", form) for _ in range(8)))
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await stage.shop.cash() == 50_000 - PRICE_FEN


async def test_a_shortfall_is_paid_at_a_channel_with_the_balance(buyer: Browser, stage: Stage, card: int) -> None:
    await fund(stage, 2_000)
    form = await fill(buyer, card)
    assert (form["mixed"], form["pay"].split(":")[0]) == ("1", str(stage.channel_id)), "what is missing is proposed at a channel"
    answer = await buyer.post(f"/shop/{card}/buy", form | {"pay": channel(stage)})
    shown = answer.headers["location"].rpartition("/")[2]
    order_id = ids.parse26(shown.removeprefix("RC-"))
    assert order_id is not None
    row = await stage.house.database.row("select amount_fen from orders where id = $1", order_id)
    assert row is not None
    assert row["amount_fen"] == PRICE_FEN - 2_000
    cashier = (await buyer.get(answer.headers["location"])).text
    assert "Shanhai" in cashier
    assert "¥20.00 of ¥49.50 comes from your balance" in cashier
    assert "Cancel this purchase" in cashier
    assert "recharge" not in re.sub(r"<[^>]*>", "", cashier.partition("<main")[2].partition("</main")[0]).lower()
    assert "You have an unpaid purchase: ¥29.50" in (await buyer.get("/recharge")).text
    again = await buyer.post(f"/shop/{card}/buy", await fill(buyer, card, pay=channel(stage)))
    assert again.headers["location"] == f"{answer.headers['location']}?open=1", "the same once more is gone on with"
    assert "same goods" in (await buyer.get(again.headers["location"])).text
    other = await buyer.post(f"/shop/{card}/buy", await fill(buyer, card, pay=channel(stage), count="2"))
    assert other.headers["location"].partition("?")[0] != answer.headers["location"]
    await stage.pay(order_id)
    page = await buyer.get(answer.headers["location"])
    assert "Paid and delivered" in page.text
    assert "Added to your balance" not in page.text
    assert re.search(r'href="/shop/purchases/PU-[0-9A-Z]{26}"', page.text), "the order that paid it leads to what was bought"
    assert await stage.shop.cash() == 0


async def test_a_shortfall_may_also_be_recharged_first_and_leads_back(buyer: Browser, stage: Stage, card: int) -> None:
    await fund(stage, 2_000)
    refused = await buyer.post(f"/shop/{card}/buy", await fill(buyer, card, pay="balance", count="2"))
    assert refused.status_code == 422
    link = f"/shop/{card}/recharge?count=2"
    assert link in refused.text
    answer = await buyer.get(link)
    assert answer.headers["location"] == "/recharge?amount=79.00"
    assert 'value="79.00"' in (await buyer.get(answer.headers["location"])).text
    placed = await stage.shop.place(7_900)
    await stage.pay(placed.id)
    page = await buyer.get(f"/orders/{placed.shown}")
    assert f'href="/shop/{card}?count=2"' in page.text
    back = await buyer.get(f"/shop/{card}?count=2")
    assert 'value="2"' in back.text
    assert "dz_back" not in buyer.cookies(), "who is back needs no way back"


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"count": "0"}, "not a quantity"), ({"count": "101"}, "not a quantity"), ({"count": "1e2"}, "not a quantity"),
     ({"price": "1"}, "price has"), ({"pay": "nothing"}, ""), ({"count": "90", "pay": "balance"}, "is not enough")],
)  # fmt: skip
async def test_what_cannot_be_bought_is_told_on_the_form(
    buyer: Browser, stage: Stage, card: int, changes: dict[str, str], said: str
) -> None:
    await fund(stage, 10_000)
    answer = await buyer.post(f"/shop/{card}/buy", await fill(buyer, card, **changes))
    assert answer.status_code == 422
    assert said in answer.text
    assert await stage.shop.cash() == 10_000


async def test_fifty_buyers_of_the_last_card_at_the_door(buyer: Browser, stage: Stage, card: int) -> None:
    """One buyer in fifty tabs, each with its own key: the last card goes to one, and every other tab is told so."""
    await fund(stage, 400_000)
    goods_id = await shelf.put(
        stage.house.database, 1,
        shelf.Wares(goods_class="voucher", name="last one", price_fen=100, source="test", on_sale=True),
    )  # fmt: skip
    await shelf.add_codes(stage.house.database, stage.shop.program.vault, 1, goods_id, ["ONLY-ONE"])
    form = await fill(buyer, goods_id)
    buckets = stage.house.limiter.buckets
    stage.house.limiter.buckets = {**buckets, "place.user": replace(buckets["place.user"], capacity=99)}
    forms = [form | {"key": secrets.token_urlsafe(18)} for _ in range(50)]
    answers = await asyncio.gather(*(buyer.post(f"/shop/{goods_id}/buy", each) for each in forms))
    assert sorted(answer.status_code for answer in answers) == [303] + [422] * 49
    assert all("sold out" in answer.text for answer in answers if answer.status_code == 422)
    assert await stage.shop.cash() == 399_900


async def test_a_top_up_goes_to_the_account_that_was_named(buyer: Browser, stage: Stage, card: int) -> None:
    for each in stage.sim.services.cards():
        if each["purpose"] == "supplier":
            settings = stage.house.settings
            await rows.add(
                stage.house.database, stage.shop.program.vault, settings, 1, msgspec.convert(each, rows.ProviderSettings)
            )
    await fund(stage, 10_000)
    goods_id = await which(stage, "phone_topup")
    refused = await buyer.post(f"/shop/{goods_id}/buy", await fill(buyer, goods_id, target="1380013"))
    assert refused.status_code == 422
    assert 'id="target-error"' in refused.text
    assert 'value="1380013"' in refused.text
    answer = await buyer.post(f"/shop/{goods_id}/buy", await fill(buyer, goods_id, target="13800138001"))
    path = answer.headers["location"]
    page = await buyer.get(path)
    assert "On its way" in page.text
    assert "138*****001" in page.text
    assert "13800138001" not in page.text
    await stage.shop.work()
    assert (await buyer.get(f"{path}/state", accept="application/json")).json() == {"state": "delivered", "mark": "delivered"}
    assert "confirmed" in (await buyer.get(path)).text


async def test_help_is_one_case_with_what_we_know_already(buyer: Browser, stage: Stage, card: int) -> None:
    await fund(stage, 10_000)
    path = (await buyer.post(f"/shop/{card}/buy", await fill(buyer, card))).headers["location"]
    first = await buyer.submit(path, f"{path}/help")
    again = await buyer.post(f"{path}/help", {"csrf": await buyer.token("/me")})
    assert first.headers["location"] == again.headers["location"]
    page = await buyer.get(first.headers["location"])
    assert "Help with a purchase" in page.text
    assert "Go to the case" in (await buyer.get(path)).text
    assert "Delivered" in (await buyer.get("/shop/purchases")).text
