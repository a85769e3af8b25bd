"""Bonus and coupon on the recharge form: chosen there, refused there with everything kept, and told in the reader's language."""

import re
from datetime import timedelta

from msgspec.structs import replace
from tests.flows.shop import LICENSED
from tests.offers.test_offers import run, terms
from tests.web.stage import Stage
from tests.web.test_recharge import fill
from tests.web.test_sessions import Browser

from daozhang.offers import campaigns
from daozhang.offers.model import Tier
from daozhang.policy.book import EligibilityRules
from daozhang.policy.books import Books


async def test_a_form_without_campaigns_shows_no_offers(buyer: Browser) -> None:
    assert 'name="offer"' not in (await buyer.get("/recharge")).text


async def test_the_best_campaign_is_chosen_and_a_coupon_beside_it_is_refused_on_the_form(buyer: Browser, stage: Stage) -> None:
    database = stage.house.database
    small = await run(database, terms("bonus", Tier(5_000, 100)))
    best = await run(database, terms("bonus", Tier(5_000, 600)))
    coupons = await run(database, terms("coupon", Tier(5_000, 500)))
    (issued,) = await campaigns.issue(database, 1, coupons, 1, "anna")
    text = (await buyer.get("/recharge?amount=50")).text
    assert re.search(rf'value="{best}" checked', text)
    assert f'value="{small}"' in text
    assert "¥6.00 with this one" in text
    answer = await buyer.post("/recharge", await fill(buyer, offer=str(best), coupon=issued.code))
    assert answer.status_code == 422
    assert "Either the coupon or the bonus" in answer.text
    assert issued.code in answer.text, "what was typed is kept"
    answer = await buyer.post("/recharge", await fill(buyer, offer="none", coupon=issued.code))
    assert answer.status_code == 303
    page = (await buyer.get(answer.headers["location"])).text
    assert "¥5.00 on top, given when the money arrives." in page
    assert await database.value("select coupon_id = $1 from bonus_promises", issued.id)


async def test_own_coupons_are_listed_and_pre_flight_tells_what_stops_them(buyer: Browser, stage: Stage) -> None:
    database = stage.house.database
    coupons = await run(database, terms("coupon", Tier(9_000, 500), lasts=timedelta(days=2)))
    (mine,) = await campaigns.issue(database, 1, coupons, 1, "anna", user_id=stage.shop.user_id)
    text = (await buyer.get("/recharge?amount=50")).text
    assert f'value="{mine.code}"' in text
    answer = await buyer.post("/recharge", await fill(buyer, own_coupon=mine.code))
    assert "This coupon is for recharges from" in answer.text


async def test_the_first_answer_counts_the_bonus_that_the_page_has_marked_and_the_refusal_leads_to_its_cure(
    buyer: Browser, stage: Stage
) -> None:
    """What is told before the button is what the button meets: 50 yuan with 6 on top is more than 55."""
    rules = EligibilityRules(unnamed_ceiling_fen=5_500)
    books = Books(stage.house.database)
    version = (await books.current(1)).version + 1
    await books.publish(1, replace(LICENSED, eligibility=rules), version=version, author="anna", note="a small card")
    assert "¥50.00 would go through now" in (await buyer.get("/recharge?amount=50")).text
    await run(stage.house.database, terms("bonus", Tier(5_000, 600)))
    told = (await buyer.get("/recharge?amount=50")).text
    assert "¥50.00 would not go through now" in told, re.findall(r"¥50.00[^<]*", told)
    answer = await buyer.post(
        "/recharge", await fill(buyer, offer=re.findall(r'name="offer"[^>]*value="([^"]+)" checked', told)[0])
    )
    assert answer.status_code == 422
    assert 'href="/me/name"' in answer.text, "what was refused leads to its cure"
