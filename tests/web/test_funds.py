"""Money that was just unfrozen: a use of it is refused, its owner says where it comes from, two people let it go once."""

from tests.web.conftest import buyer, enrolment, shop_app, stage
from tests.web.console.conftest import Hire, hire
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang import __version__, notices
from daozhang.goods import shelf
from daozhang.recharge.model import Basket, PlaceRequest

__all__ = ["buyer", "enrolment", "hire", "shop_app", "stage"]


async def a_good(stage: Stage, codes: int) -> int:
    """Something for ¥20.00, as often as there are codes."""
    database, vault = stage.house.database, stage.shop.program.vault
    good = await shelf.add_good(database, 1, goods_class="voucher", name="券", price_fen=2_000, source="own printer", on_sale=True)
    await shelf.add_codes(database, vault, 1, good, [f"CODE-{number}" for number in range(codes)])
    return good


async def test_rl_04_the_source_is_told_looked_at_by_two_and_the_money_leaves_once(
    buyer: Browser, stage: Stage, hire: Hire
) -> None:
    good, shop = await a_good(stage, 3), stage.shop
    placed = await shop.place(5_000)
    await stage.pay(placed.id)
    assert (await buyer.submit("/me", "/me/funds")).headers["location"] == "/why", "nothing was refused: there is nothing to say"
    await stage.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    await stage.house.identity.unfreeze(shop.user_id, actor="staff:1", reason="approved")

    async def buy() -> str:
        answer = await buyer.submit(f"/shop/{good}", f"/shop/{good}/buy", pay="balance", count="1", price="2000")
        return "bought" if answer.status_code == 303 else answer.text

    refused = await buy()
    assert "Money that was just unfrozen is verified first" in refused
    assert 'href="/why#stopped"' in refused, "from the refusal to the page that cures it"
    page = (await buyer.get("/why")).text
    assert 'data-reason="risk.funds_unfrozen"' in page
    assert 'action="/me/funds"' in page
    case = (await buyer.submit("/me", "/me/funds")).headers["location"]
    assert (await buyer.submit("/me", "/me/funds")).headers["location"] == case, "asked twice it is one case"
    assert "where that part comes from" in (await buyer.get(case)).text
    assert await buy() != "bought", "asking alone lets nothing go"
    await buyer.submit(case, f"{case}/answer", text="My salary, paid in before the freeze")

    rui, wei = await hire("rui", "risk"), await hire("wei", "risk")
    address = f"/desk{case}"
    assert (await rui.do(address, f"{address}/propose", verdict="approved", why="salary card, same name")).status_code == 303
    assert await buy() != "bought", "one person is not two"
    assert (await wei.do(address, f"{address}/confirm", verdict="approved")).status_code == 303
    told = await notices.recent(stage.house.database, shop.user_id)
    assert ("spend_once", {"amount_fen": 5_000}) in [(each.kind, each.facts) for each in told]
    assert await buy() == "bought"
    assert await buy() != "bought", "once is once"
    assert await shop.cash() == 3_000
    again = (await buyer.submit("/me", "/me/funds")).headers["location"]
    assert again != case, "and may be asked for again"
    address = f"/desk{again}"
    await rui.do(address, f"{address}/propose", verdict="rejected", why="papers do not fit")
    await wei.do(address, f"{address}/confirm", verdict="rejected")
    assert await buy() != "bought"
    assert await stage.house.database.value("select count(*) from policy_passes") == 1


async def test_rl_04_a_mixed_purchase_that_it_stopped_leads_to_the_same_question(buyer: Browser, stage: Stage) -> None:
    good, shop = await a_good(stage, 1), stage.shop
    placed = await shop.place(5_000)
    await stage.pay(placed.id)
    await stage.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    await stage.house.identity.unfreeze(shop.user_id, actor="staff:1", reason="approved")
    wish = PlaceRequest(
        1, shop.user_id, 500, stage.channel_id, "native", "mixed-purchase-1", __version__, "203.0.113.9",
        basket=Basket(good, 1, 2_000, 1_500),
    )  # fmt: skip
    order = await shop.program.desk.place(wish)
    assert order.reason == "risk.funds_unfrozen"
    page = (await buyer.get(f"/orders/{order.shown}/why")).text
    assert "Money that was just unfrozen is verified first" in page
    assert 'action="/me/funds"' in page
    assert "/cases/CA-" in (await buyer.submit("/me", "/me/funds")).headers["location"]
