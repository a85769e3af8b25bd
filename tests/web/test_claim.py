"""The page for "paid and not credited": credited, or exactly why not, and only then a person."""

import re

from tests.web.stage import Stage
from tests.web.test_order import place
from tests.web.test_sessions import Browser


async def test_a_number_from_the_wallets_bill_credits_at_once(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    number = await stage.shop.number(order_id)
    stage.sim.phone.pay(number, trick="silence")
    answer = await buyer.submit("/claim", "/claim", number=stage.sim.phone.find(number).txn)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert "It has arrived" in (await buyer.get(path)).text


async def test_an_order_that_was_not_paid_is_told_by_the_channel_itself(buyer: Browser, stage: Stage) -> None:
    path, _ = await place(buyer)
    shown = path.rpartition("/")[2]
    assert shown in (await buyer.get("/claim")).text
    text = (await buyer.submit("/claim", "/claim", order=shown)).text
    assert "The channel says this was not paid" in text
    assert "WeChat Pay: no payment received" in text
    answer = await buyer.submit("/claim", "/claim/case", order=shown)
    assert answer.headers["location"].startswith("/cases/CA-")
    assert (await stage.house.cases.of_user(stage.shop.user_id))[0].kind == "claim"


async def test_only_what_is_not_found_offers_a_case(buyer: Browser, stage: Stage) -> None:
    assert "/claim/case" not in (await buyer.get("/claim")).text
    answer = await buyer.submit("/claim", "/claim", number="4200009999202611280000000000")
    assert answer.status_code == 404
    assert "No payment of yours was found" in answer.text
    assert "/claim/case" in answer.text
    made = await buyer.submit("/claim", "/claim/case", number="4200009999202611280000000000")
    assert made.headers["location"].startswith("/cases/CA-")


async def test_what_is_no_number_is_told_at_its_field(buyer: Browser) -> None:
    answer = await buyer.submit("/claim", "/claim", number="12")
    assert answer.status_code == 422
    assert "does not look like a number" in answer.text
    assert 'value="12"' in answer.text


async def test_claims_are_limited(buyer: Browser) -> None:
    answers = [await buyer.submit("/claim", "/claim", number="12") for _ in range(7)]
    assert [each.status_code for each in answers] == [422] * 6 + [429]


async def test_a_wrong_amount_is_shown_with_its_choice(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    stage.sim.phone.pay(await stage.shop.number(order_id), trick="charged_otherwise")
    await stage.shop.reach(order_id, "misfit")
    text = (await buyer.get(path)).text
    assert "What should we do with this money?" in text
    assert "¥50.01" in text
    assert "By the clock" not in text
    assert "Received · kept apart" in text, "the wallet's money in review does not hold it, so it is not called that"
    assert ">Amount differs<" in (await buyer.get("/orders")).text
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', text)
    assert token is not None
    assert (await buyer.post(f"{path}/choice", {"csrf": token[1], "choice": "keep"})).status_code == 303
    assert "It has arrived" in (await buyer.get(path)).text
    assert (await buyer.post(f"{path}/choice", {"csrf": token[1], "choice": "back"})).status_code == 303
