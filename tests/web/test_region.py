"""Regulation on the pages: closed ways are gone, their notice with its reference is there, and saying where one lives cures."""

import asyncio

from tests.policy.test_regulation import draft, force
from tests.web.stage import Stage
from tests.web.test_recharge import fill
from tests.web.test_sessions import Browser

from daozhang.policy import regulation


async def test_a_closed_way_is_gone_and_the_notice_says_by_which_reference(buyer: Browser, stage: Stage) -> None:
    form = await fill(buyer)
    await force(stage.house.database, draft())
    text = (await buyer.get("/recharge")).text
    assert "某局发〔2026〕7号: rules for nationwide since" in text
    assert "These are closed; bank cards are open." in text
    assert 'name="method"' not in text
    answer = await buyer.post("/recharge", form)
    assert answer.status_code == 303
    page = (await buyer.get(answer.headers["location"])).text
    assert "Under the rules this cannot be done now" in page


async def test_an_order_from_before_shows_its_code_only_while_its_money_may_finish(buyer: Browser, stage: Stage) -> None:
    address = (await buyer.post("/recharge", await fill(buyer))).headers["location"]
    assert 'class="qr"' in (await buyer.get(address)).text
    await force(stage.house.database, draft(in_flight="finish"))
    assert 'class="qr"' in (await buyer.get(address)).text, "what was begun before may be finished"
    for in_flight, said in (("refund", "What is paid now goes back the way it came."), ("hold", "waits for a person to look.")):
        await force(stage.house.database, draft(in_flight=in_flight))
        page = (await buyer.get(address)).text
        assert said in page
        assert "某局发〔2026〕7号" in page
        assert 'class="qr"' not in page
        assert "I have paid" in page


async def test_the_region_is_asked_for_once_and_cures(buyer: Browser, stage: Stage) -> None:
    form = await fill(buyer)
    await force(stage.house.database, draft("44"))
    assert 'href="/region"' in (await buyer.get("/recharge")).text
    page = await buyer.get((await buyer.post("/recharge", form)).headers["location"])
    assert "Please say where you live" in page.text
    csrf = {"csrf": form["csrf"]}
    assert (await buyer.post("/region", csrf | {"region": "33"})).status_code == 303
    assert 'value="33" selected' in (await buyer.get("/region?done=1")).text
    assert 'href="/region"' not in (await buyer.get("/recharge")).text
    answer = await buyer.post("/recharge", await fill(buyer))
    assert "Scan with WeChat Pay" in (await buyer.get(answer.headers["location"])).text
    assert (await buyer.post("/region", csrf | {"region": "99"})).status_code == 422


async def test_nobody_chooses_another_region_after_each_refusal(buyer: Browser, stage: Stage) -> None:
    form = await fill(buyer)
    await force(stage.house.database, draft("44"))
    csrf = {"csrf": form["csrf"]}
    many = [buyer.post("/region", csrf | {"region": code}) for code in ("44", "33", "31", "11")]
    assert sorted(answer.status_code for answer in await asyncio.gather(*many)) == [303, 409, 409, 409], "at once, too: one stands"
    chosen = await regulation.declared(stage.house.database, stage.shop.user_id)
    assert (await buyer.post("/region", csrf | {"region": chosen})).status_code == 303, "the same again is no change"
    other = "33" if chosen != "33" else "31"
    answer = await buyer.post("/region", csrf | {"region": other})
    assert (answer.status_code, "You chose your region a short while ago" in answer.text) == (409, True)
    await regulation.declare(stage.house.database, 1, stage.shop.user_id, other, "staff:1")
    assert await regulation.declared(stage.house.database, stage.shop.user_id) == other, "support puts it right"
    assert (await buyer.post("/region", csrf | {"region": chosen})).status_code == 409, "what was put right is not undone"
    assert await regulation.declared(stage.house.database, stage.shop.user_id) == other
    assert (await buyer.post("/region", csrf | {"region": other})).status_code == 303, "the region in force is no change"


async def test_a_card_issued_abroad_is_refused_on_the_form(buyer: Browser) -> None:
    answer = await buyer.post("/recharge", await fill(buyer, card=":overseas"))
    assert answer.status_code == 422
    assert "Payment from abroad is not supported" in answer.text
    assert "data-go" in answer.text, "the form is there: another card is chosen where this one was"
