"""Campaigns at the desk: proposed by one, let run by another, given with a recharge, stopped by anybody; coupons once on a page."""

import html
import re
from datetime import timedelta
from typing import Any

from tests.offers.test_offers import credited, place, wallet
from tests.web.console.conftest import Colleague, Hire
from tests.web.stage import PHONE, Stage

from daozhang import clock
from daozhang.events.audit import trail
from daozhang.web import locale

PAGE = "/desk/offers"


def moment(**ahead: float) -> str:
    return f"{(clock.now() + timedelta(**ahead)).astimezone(clock.SHANGHAI):%Y-%m-%dT%H:%M}"


def asked(**other: str) -> dict[str, str]:
    return {
        "form": "bonus", "name_zh": "双十二充值送", "name_en": "Winter bonus", "begins": moment(minutes=-5), "ends": moment(days=7),
        "from_1": "100", "gives_1": "10", "from_2": "500", "gives_2": "80", "budget": "1000", "user_most": "90", "user_times": "2",
        "why": "for the season", **other,
    }  # fmt: skip


def number_of(answer: Any) -> str:
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"].rpartition("-")[2])


async def test_two_people_let_a_campaign_run_it_gives_and_anybody_stops_it(hire: Hire, stage: Stage) -> None:
    fen, rui, lin, dev = (
        await hire("fen", "finance"),
        await hire("rui", "risk"),
        await hire("lin", "support"),
        await hire("dev", "developer"),
    )
    assert (await dev.get(PAGE)).status_code == 403
    number = number_of(await fen.do(PAGE, PAGE, **asked()))
    address = f"{PAGE}/{number}"
    page = (await fen.get(PAGE)).text
    assert ("Winter bonus" in page, "waits" in page, "¥10 on top from ¥100" in page) == (True, True, True)
    order = await place(stage.shop, offer=int(number))
    assert order.reason == "eligibility.offer_over", "nothing is promised before somebody else agreed"
    assert "offers.second_person" in (await fen.do(PAGE, f"{address}/approve", why="mine is good")).text
    assert f"{address}/approve" not in (await lin.get(PAGE)).text
    assert "staff.why_required" in (await rui.do(PAGE, f"{address}/approve", why="")).text
    assert (await rui.do(PAGE, f"{address}/approve", why="the budget is agreed")).status_code == 303
    await credited(stage.shop, await place(stage.shop, offer=int(number)))
    assert await wallet(stage.shop) == (10_000, 1_000)
    page = (await fen.get(PAGE)).text
    assert "¥10.00 of ¥1,000.00 promised, given or issued" in page
    assert "¥10.00 given with credits (1 orders" in page
    assert (await lin.do(PAGE, f"{address}/stop", why="a wrong tier")).status_code == 303
    assert (await place(stage.shop, offer=int(number))).reason == "eligibility.offer_over"
    assert "a wrong tier" in (await fen.get(PAGE)).text
    lines = await trail(stage.house.database, 1, action="offer.")
    assert [(line.action, line.subject, line.outcome, line.actor) for line in lines] == [
        ("offer.stop", f"campaign {number}", "done", lin.actor), ("offer.approve", f"campaign {number}", "done", rui.actor),
        ("offer.approve", f"campaign {number}", "refused", fen.actor), ("offer.propose", "", "done", fen.actor),
    ]  # fmt: skip
    assert lines[-1].after == f"campaign {number}: bonus, budget 100000 fen, 10000=1000 50000=8000"


async def test_what_does_not_hold_together_is_said_and_what_was_typed_stays(hire: Hire, stage: Stage) -> None:
    fen = await hire("fen", "finance")
    for field, wrong in (
        ("name_zh", {"name_zh": " "}), ("ends_at", {"ends": moment(days=-1)}), ("ends_at", {"ends": "soon"}),
        ("begins_at", {"begins": "2026-12-01T00:00+01:00"}), ("tiers", {"gives_2": ""}), ("tiers", {"from_2": "50"}),
        ("tiers", {"form": "coupon"}), ("tiers", {"from_1": "1O0"}), ("bonus_fen", {"gives_1": "100.01", "gives_2": "200"}),
        ("budget_fen", {"budget": "79.99"}), ("budget_fen", {"budget": "-5"}), ("user_fen", {"user_most": "1000.01"}),
        ("user_count", {"user_times": "0"}),
    ):  # fmt: skip
        answer = await fen.do(PAGE, PAGE, **asked(**wrong))
        assert answer.status_code == 422, (field, wrong)
        said = re.search(r'<div class="notice bad" role="alert">.*?<b>([^<]*)</b>', answer.text, re.DOTALL)
        assert said is not None
        assert html.unescape(said[1]) == f"{stage_words(field)}: not right", (field, wrong)
        assert 'value="Winter bonus"' in answer.text
    assert (await fen.do(PAGE, PAGE, **asked(why=""))).status_code == 422
    assert await stage.house.database.value("select count(*) from campaigns") == 0


def stage_words(field: str) -> str:
    return locale.load("en").t(f"desk_offer_field.{field}")


async def login(who: Colleague) -> None:
    """The session of yesterday is over."""
    papers = who.papers
    await who.do("/desk/login", "/desk/login", name=papers.name, password=papers.password, code=who.code())


async def test_alone_one_waits_a_day_and_only_for_little(hire: Hire, stage: Stage, free_clock: None) -> None:
    ann = await hire("ann", "owner")
    small = number_of(await ann.do(PAGE, PAGE, **asked(ends=moment(days=9))))
    large = number_of(await ann.do(PAGE, PAGE, **asked(ends=moment(days=9), budget="10000.01")))
    alarms = await stage.house.database.rows("select key from alarms where kind = 'staff.alone' order by key")
    assert [row["key"] for row in alarms] == sorted([f"offer:{small}", f"offer:{large}"])
    assert "offers.second_person" in (await ann.do(PAGE, f"{PAGE}/{small}/approve", why="mine")).text
    await stage.shop.later(86_401)
    await login(ann)
    assert (await ann.do(PAGE, f"{PAGE}/{small}/approve", why="slept over it")).status_code == 303
    assert "offers.second_person" in (await ann.do(PAGE, f"{PAGE}/{large}/approve", why="slept over it")).text
    await hire("ben", "finance")
    third = number_of(await ann.do(PAGE, PAGE, **asked(ends=moment(days=9))))
    await stage.shop.later(86_401)
    await login(ann)
    assert "offers.second_person" in (await ann.do(PAGE, f"{PAGE}/{third}/approve", why="again")).text, "there is a second one now"
    clock.shift(0)


async def test_coupons_are_issued_from_the_budget_and_their_codes_shown_once(hire: Hire, stage: Stage) -> None:
    fen, rui = await hire("fen", "finance"), await hire("rui", "risk")
    wanted = asked(form="coupon", from_2="", gives_2="", budget="30", user_most="", user_times="")
    address = f"{PAGE}/{number_of(await fen.do(PAGE, PAGE, **wanted))}"
    assert f"{address}/coupons" not in (await fen.get(PAGE)).text, "not before it runs"
    assert (await rui.do(PAGE, f"{address}/approve", why="agreed")).status_code == 303
    issued = await fen.do(PAGE, f"{address}/coupons", count="2", why="for complaints")
    codes = re.findall(r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}", issued.text)
    assert (issued.status_code, len(set(codes))) == (200, 2)
    page = (await fen.get(PAGE)).text
    assert not any(code in page for code in codes), "shown once"
    for count, why in (("2", "too many for the budget"), ("0", "none"), ("201", "too many"), ("x", "no number"), ("1", "")):
        refused = await fen.do(PAGE, f"{address}/coupons", count=count, why=why)
        assert refused.status_code in (422, 409), (count, why)
        assert not re.search(r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}", refused.text)
    assert (await fen.do(PAGE, f"{address}/coupons", count="1", phone="13900000099", why="nobody")).status_code == 422
    own = await fen.do(PAGE, f"{address}/coupons", count="1", phone=PHONE, why="made good")
    assert own.status_code == 200
    await credited(stage.shop, await place(stage.shop, coupon=codes[0]))
    assert await wallet(stage.shop) == (10_000, 1_000)
    assert "1 of 3 coupons used" in (await fen.get(PAGE)).text
    held = str([dict(row) for row in await stage.house.database.rows("select * from staff_actions a, staff_outcomes o")])
    assert not any(code in held for code in codes)
