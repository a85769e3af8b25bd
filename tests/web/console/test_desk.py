"""Work at the desk as people do it: cases decided by two, accounts frozen and given back, numbers found, all of it on the trail."""

import re

import pytest
from msgspec.structs import replace
from tests.flows.shop import LICENSED
from tests.web.console.conftest import Hire
from tests.web.console.scene import Scene, failed, furnish, held, seen, user
from tests.web.stage import Stage

from daozhang.events.audit import trail
from daozhang.policy.model import Outcome


@pytest.fixture
async def scene(stage: Stage) -> Scene:
    return await furnish(stage.shop)


async def test_the_queue_shows_what_is_due_and_whose_turn_it_is(hire: Hire, stage: Stage, scene: Scene) -> None:
    lin = await hire("lin", "support")
    page = (await lin.get("/desk")).text
    for shown in (scene.held_case, scene.unfreeze_case, scene.asked_case):
        assert f'href="/desk/cases/{shown}"' in page
    assert page.index(scene.held_case) < page.index(scene.asked_case), "who waits for a user comes last"
    only = (await lin.get("/desk?kind=unfreeze")).text
    assert scene.unfreeze_case in only
    assert scene.held_case not in only


async def test_held_money_is_asked_about_proposed_and_let_go_by_two(hire: Hire, stage: Stage, scene: Scene) -> None:
    lin, rui = await hire("lin", "support"), await hire("rui", "risk")
    address = f"/desk/cases/{scene.held_case}"
    page = (await lin.get(address)).text
    assert "工资卡" in page
    assert "account.frozen" in page, "why it was held stands there"
    answer = await lin.do(address, f"{address}/propose", verdict="approved", why="salary card, same name")
    assert answer.headers["location"] == address
    assert (await seen(stage.shop, scene.held)).state == "held"
    assert "not allow" in (await lin.do(address, f"{address}/confirm", verdict="approved")).text
    assert "lin proposes" in (await rui.get(address)).text
    await stage.house.identity.unfreeze(scene.held.user_id, actor="staff:1", reason="approved")
    stale = await rui.do(address, f"{address}/confirm", verdict="rejected")
    assert stale.status_code == 409, "what is confirmed is what was shown"
    assert (await rui.do(address, f"{address}/confirm", verdict="approved", why="ok")).status_code == 303
    assert (await seen(stage.shop, scene.held)).state == "credited"
    lines = [(line.action, line.outcome) for line in await trail(stage.house.database, 1, subject=scene.held_case)]
    assert lines == [("case.confirm", "done"), ("case.confirm", "refused"), ("case.propose", "done")]


async def test_az_14_whoever_proposed_never_confirms_while_there_is_somebody_else(hire: Hire, stage: Stage, scene: Scene) -> None:
    rui, wei = await hire("rui", "risk"), await hire("wei", "risk")
    address = f"/desk/cases/{scene.unfreeze_case}"
    await rui.do(address, f"{address}/propose", verdict="approved", why="papers fit")
    page = (await rui.get(address)).text
    assert "You proposed this yourself" in page
    assert f'action="{address}/confirm"' not in page
    answer = await rui.do(address, f"{address}/confirm", verdict="approved")
    assert "cases.second_person" in answer.text
    assert (await wei.do(address, f"{address}/object", why="the picture is of somebody else")).status_code == 303
    await wei.do(address, f"{address}/propose", verdict="approved", why="new papers fit")
    assert (await rui.do(address, f"{address}/confirm", verdict="approved")).status_code == 303
    assert await stage.house.database.value("select standing from users where id = $1", scene.frozen_id) == "active"


async def test_papers_are_shown_to_the_right_role_and_every_look_is_on_record(hire: Hire, stage: Stage, scene: Scene) -> None:
    lin, rui = await hire("lin", "support"), await hire("rui", "risk")
    address = f"/desk/cases/{scene.held_case}"
    assert f"{address}/evidence/" not in (await lin.get(address)).text
    found = re.search(rf'href="({address}/evidence/[0-9a-f-]+)"', (await rui.get(address)).text)
    assert found is not None
    assert (await lin.get(found[1])).status_code == 403
    proof = await rui.get(found[1])
    assert (proof.headers["content-type"], proof.content[:2]) == ("image/jpeg", b"\xff\xd8")
    looks = await stage.house.database.rows("select user_id, what, actor from personal_views")
    assert [tuple(row) for row in looks] == [(scene.held.user_id, "evidence", rui.actor)]
    lines = await trail(stage.house.database, 1, action="evidence.")
    assert [(line.actor, line.outcome) for line in lines] == [(rui.actor, "done"), (lin.actor, "refused")]


async def test_the_user_is_asked_and_the_turn_passes(hire: Hire, stage: Stage, scene: Scene) -> None:
    lin = await hire("lin", "support")
    address = f"/desk/cases/{scene.held_case}"
    assert (await lin.do(address, f"{address}/ask", question="payer", text="付款卡是谁的？")).status_code == 303
    page = (await lin.get(address)).text
    assert "付款卡是谁的？" in page
    case = await stage.house.cases.open_about(1, "hold", scene.held.shown)
    assert case is not None
    assert (case.turn, case.question) == ("user", "payer")
    assert (await lin.do(address, f"{address}/ask", question="no_such", text="x y")).status_code in (409, 422)


async def test_an_order_in_review_is_let_go_or_refused_with_a_reason(hire: Hire, stage: Stage, scene: Scene) -> None:
    rui = await hire("rui", "risk")
    address = f"/desk/orders/{scene.asked.shown}"
    assert "staff.why_required" in (await rui.do(address, f"{address}/approve", why=" ")).text
    assert (await rui.do(address, f"{address}/approve", why="known customer, called")).status_code == 303
    assert (await seen(stage.shop, scene.asked)).state == "awaiting_payment"
    assert (await rui.do(address, f"{address}/refuse", why="too late")).status_code == 409


async def test_one_box_finds_whatever_number_somebody_has(hire: Hire, stage: Stage, scene: Scene) -> None:
    lin = await hire("lin", "support")
    order = f"/desk/orders/{scene.credited.shown}"
    number = await stage.shop.number(scene.credited.id)
    code = await stage.house.diagnoses.code_of(1, scene.failed.user_id, scene.failed.id)
    leads = {
        scene.credited.shown: order, scene.credited.shown.lower(): order, scene.credited.shown[3:]: order, number: order,
        scene.credited.channel_txn: order, scene.held_case: f"/desk/cases/{scene.held_case}",
        code: f"/desk/orders/{scene.failed.shown}", code.lower().replace("-", " "): f"/desk/orders/{scene.failed.shown}",
        "138 0013 8000": f"/desk/users/{stage.shop.user_id}",
    }  # fmt: skip
    for wanted, target in leads.items():
        answer = await lin.get(f"/desk/find?q={wanted.replace(' ', '+')}")
        assert answer.headers.get("location") == target, wanted
    for nothing in ("", "RC-nothing", "13900009999", "4200000000000000000000000000", "%00", "'; drop table staff"):
        answer = await lin.get(f"/desk/find?q={nothing.replace(' ', '+')}")
        assert answer.status_code in (200, 404), nothing
    assert not [line for line in await trail(stage.house.database, 1, action="desk.find") if "13800138000" in line.subject]


async def test_the_orders_page_tells_everything_and_no_personal_data(hire: Hire, stage: Stage, scene: Scene) -> None:
    owner = await hire("boss", "owner")
    page = (await owner.get(f"/desk/orders/{scene.failed.shown}")).text
    for part in (
        "What the diagnosis says",
        "Every check, one by one",
        "WeChat Pay answered",
        "NO_AUTH",
        "138****8000",
        "Interface log",
        "place_order" if "place_order" in page else "POST",
        "rules, version 1",
    ):
        assert part in page, part
    assert "13800138000" not in page
    kept = await owner.get(f"/desk/orders/{scene.failed.shown}/evidence.json")
    assert len(kept.json()["sha256"]) == 64
    assert "13800138000" not in kept.text
    assert (await owner.do(f"/desk/orders/{scene.credited.shown}", f"/desk/orders/{scene.credited.shown}/ask")).status_code == 303


async def test_a_code_tells_staff_more_the_phones_own_words_with_a_line_on_record(hire: Hire, stage: Stage) -> None:
    order = await stage.shop.place()
    await stage.house.diagnoses.hear(order, 1, "", "余额不足，请更换<b>付款方式")
    code = await stage.house.diagnoses.code_of(1, order.user_id, order.id)
    lin, fen = await hire("lin", "support"), await hire("fen", "finance")
    for staff, reads in ((fen, False), (lin, True)):
        page = (await staff.get((await staff.get(f"/desk/find?q={code}")).headers["location"])).text
        assert "Not enough money" in page, "what was picked from them is there for everybody"
        assert ("余额不足，请更换&lt;b&gt;付款方式" in page) is reads
    looks = await stage.house.database.rows("select user_id, what, actor from personal_views")
    assert [tuple(row) for row in looks] == [(order.user_id, "evidence", lin.actor)]


async def test_a_refund_is_proved_and_goes_back_the_way_it_came(hire: Hire, stage: Stage, scene: Scene) -> None:
    fen = await hire("fen", "finance")
    address = f"/desk/orders/{scene.credited.shown}"
    assert (await fen.do(address, f"{address}/refund", amount="1e3", why="asked for")).status_code == 422
    assert (await fen.do(address, f"{address}/refund", amount="12.50", why="asked for by the payer")).status_code == 303
    assert "12.50" in (await fen.get(address)).text


async def test_a_freeze_has_an_end_an_office_and_two_to_undo_it(hire: Hire, stage: Stage) -> None:
    rui, wei = await hire("rui", "risk"), await hire("wei", "risk")
    user_id = await user(stage.shop, 9)
    address = f"/desk/users/{user_id}"
    filled = {"reason": "risk_review", "office": "risk", "why": "three phones in a day"}
    assert "staff.freeze_endless" in (await rui.do(address, f"{address}/freeze", until="", review="", **filled)).text
    for until in ("yesterday", "2001-01-01", "2999-01-01"):
        assert (await rui.do(address, f"{address}/freeze", until=until, review="", **filled)).status_code == 422
    tomorrow = re.search(r'min="(\d{4}-\d\d-\d\d)"', (await rui.get(address)).text)
    assert tomorrow is not None
    assert (await rui.do(address, f"{address}/freeze", until="", review=tomorrow[1], **filled)).status_code == 303
    page = (await rui.get(address)).text
    assert "Frozen by risk, to be reviewed by" in page
    answer = await rui.do(address, f"{address}/unfreeze", why="it was them")
    case = answer.headers["location"]
    assert await stage.house.database.value("select standing from users where id = $1", user_id) == "frozen"
    assert (await wei.do(case, f"{case}/confirm", verdict="approved")).status_code == 303
    assert await stage.house.database.value("select standing from users where id = $1", user_id) == "active"


async def test_a_number_is_unmasked_once_with_a_reason_and_on_record(hire: Hire, stage: Stage) -> None:
    lin = await hire("lin", "support")
    address = f"/desk/users/{stage.shop.user_id}"
    assert "13800138000" not in (await lin.get(address)).text
    assert "13800138000" not in (await lin.do(address, f"{address}/unmask", why="")).text
    assert "13800138000" in (await lin.do(address, f"{address}/unmask", why="calls back about RC-1")).text
    assert "13800138000" not in (await lin.get(address)).text
    row = await stage.house.database.row("select what, actor, why from personal_views")
    assert row is not None
    assert tuple(row) == ("phone", lin.actor, "calls back about RC-1")


async def test_a_change_of_the_rules_is_held_tried_proposed_and_approved_by_another(hire: Hire, stage: Stage, scene: Scene) -> None:
    rui, boss = await hire("rui", "risk"), await hire("boss", "owner")
    page = (await rui.get("/desk/rules/edit")).text
    found = re.search(r"<textarea class=\"code-edit\"[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert found is not None
    text = found[1].replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    broken = await rui.do("/desk/rules/edit", "/desk/rules/try", text=text.replace('"user.large_orders"', '"user.no_such"'))
    assert broken.status_code == 422 or '"user.large_orders"' not in text
    wrong = await rui.do("/desk/rules/edit", "/desk/rules/try", text=text.replace('"min_fen": ', '"min_fen": 99999999'))
    assert (wrong.status_code, "amount: 1 &lt;= min_fen" in wrong.text) == (422, True)
    other = text.replace('"large_count": 5', '"large_count": 4')
    tried = await rui.do("/desk/rules/edit", "/desk/rules/try", text=other)
    assert tried.status_code == 200
    assert " orders of 30 days; decided alike: " in tried.text
    assert "&#34;large_count&#34;: 4" in tried.text
    answer = await rui.do("/desk/rules/edit", "/desk/rules/propose", text=other, note="four are enough")
    proposal = answer.headers["location"]
    assert "policy.second_person" in (await rui.do(proposal, f"{proposal}/approve", why="mine")).text
    assert (await boss.get(f"{proposal}?test=1")).status_code == 200
    assert (await boss.do(proposal, f"{proposal}/approve", why="agreed")).headers["location"] == "/desk/rules/versions/2"
    page = (await rui.get("/desk/rules/versions/2")).text
    assert "Compared with version 1" in page
    page = (await rui.get("/desk/rules")).text
    assert page.count("four are enough") == 1
    assert "One device orders for many accounts within a day." in page
    rui.browser.http.headers["accept-language"] = "zh"
    page = (await rui.get("/desk/rules")).text
    assert "一天之内，一台设备替很多账户下单。" in page
    assert "One device orders" not in page


async def test_the_rules_of_a_newer_release_are_put_forward_like_any_change(hire: Hire, stage: Stage, scene: Scene) -> None:
    """A shop keeps the rules that it has; what the release would change of them stands ready in the editor."""
    rui, books = await hire("rui", "risk"), stage.house.books
    assert "release=1" not in (await rui.get("/desk/rules")).text
    older = tuple(replace(rule, outcome=Outcome.HOLD) if rule.key == "place.far" else rule for rule in LICENSED.rules)
    own = replace(LICENSED.rules[0], key="t.own", note="店里自己的一条")
    assert await books.publish(1, replace(LICENSED, rules=(*older, own)), version=2, author="t", note="older")
    page = (await rui.get("/desk/rules")).text
    assert "release=1" in page
    assert "店里自己的一条" in page, "an operator's words stay as they were given"
    page = (await rui.get("/desk/rules/edit?release=1")).text
    assert '<div class="minus"><span class="sign">−</span><code>      &#34;outcome&#34;: &#34;hold&#34;' in page
    assert '<div class="plus"><span class="sign">+</span><code>      &#34;outcome&#34;: &#34;challenge&#34;' in page
    assert "t.own" in page


async def test_odd_money_and_alarms_are_ended_with_what_was_done(hire: Hire, stage: Stage, scene: Scene) -> None:
    fen = await hire("fen", "finance")
    page = (await fen.get("/desk/anomalies")).text
    found = re.search(r"/desk/anomalies/([0-9a-f-]+)/resolve", page)
    assert found is not None
    assert (await fen.do("/desk/anomalies", found[0], why="asked the payer")).status_code == 303
    assert found[0] not in (await fen.get("/desk/anomalies")).text
    found = re.search(r"/desk/alarms/([0-9a-f-]+)/close", (await fen.get("/desk/alarms")).text)
    assert found is not None
    assert (await fen.do("/desk/alarms", found[0], why="listed it")).status_code == 303
    assert (await fen.do("/desk/alarms", found[0], why="again")).status_code == 409


async def test_why_they_fail_counts_users_money_and_who_came_through(hire: Hire, stage: Stage) -> None:
    lin = await hire("lin", "support")
    assert "No failures" in (await lin.get("/desk/failures")).text
    await failed(stage.shop)
    await failed(stage.shop)
    page = (await lin.get("/desk/failures?span=7d")).text
    assert re.search(r'data-label="Times">2<', page), page[-3000:]
    assert re.search(r'data-label="Users">1<', page)
    assert "¥256.00" in page
    assert "0% <span" in page
    paid = await stage.shop.place(5_000)
    await stage.shop.pay(paid)
    await stage.shop.reach(paid.id, "credited")
    page = (await lin.get("/desk/failures")).text
    assert "100% <span" in page


async def test_the_trail_is_read_by_those_who_may_and_reading_is_a_line(hire: Hire, stage: Stage) -> None:
    boss, lin = await hire("boss", "owner"), await hire("lin", "support")
    assert (await lin.get("/desk/audit")).status_code == 403
    page = (await boss.get("/desk/audit")).text
    assert "staff.forbidden" in page
    assert "lin" in page
    newest, *_ = await trail(stage.house.database, 1)
    assert (newest.action, newest.actor) == ("audit.read", boss.actor)


async def test_alone_a_day_a_notice_and_a_bound(hire: Hire, stage: Stage, owner_database: object) -> None:
    """The one person of a shop may confirm an own proposal after a day, up to the bound; the notice is an alarm."""
    boss = await hire("boss", "owner")
    order, case = await held(stage.shop, await user(stage.shop, 7))
    address = f"/desk/cases/{case}"
    assert (await boss.do(address, f"{address}/propose", verdict="approved", why="salary")).status_code == 303
    page = (await boss.get(address)).text
    assert "Nobody else can confirm it" in page
    assert "staff.alone" in {row["kind"] for row in await stage.house.database.rows("select kind from alarms")}
    assert "cases.second_person" in (await boss.do(address, f"{address}/confirm", verdict="approved")).text
    assert (await seen(stage.shop, order)).state == "held"


async def test_an_authoritys_order_keeps_held_money_and_is_told_to_nobody_else(hire: Hire, stage: Stage, scene: Scene) -> None:
    mei, tao, lin = await hire("mei", "aml"), await hire("tao", "aml"), await hire("lin", "support")
    address = f"/desk/orders/{scene.held.shown}"
    first = re.search(r'name="review" type="date" required min="(\d{4}-\d\d-\d\d)"', (await mei.get(address)).text)
    assert first is not None
    writ = {"authority": "某区法院", "reference": "冻字 2026-17"}
    assert "freeze.malformed" in (await mei.do(address, f"{address}/freeze", review="", **writ)).text
    assert (await mei.do(address, f"{address}/freeze", review=first[1], until="", **writ)).status_code == 303
    assert (await seen(stage.shop, scene.held)).state == "frozen_by_order"
    assert "冻字 2026-17" in (await mei.get(address)).text
    page = (await lin.get(address)).text
    assert "冻字" not in page
    assert "某区法院" not in page
    assert (await mei.do(address, f"{address}/lift", why="the court lifted it")).status_code == 303
    assert "freeze.second_person" in (await mei.do(address, f"{address}/lift", why="again")).text
    assert (await tao.do(address, f"{address}/lift", why="seen")).status_code == 303
    assert (await seen(stage.shop, scene.held)).state == "held"


async def test_what_one_word_decides_is_for_those_who_may_let_orders_go(hire: Hire, stage: Stage, scene: Scene) -> None:
    lin, rui = await hire("lin", "support"), await hire("rui", "risk")
    address = f"/desk/cases/{scene.asked_case}"
    assert f'action="{address}/propose"' not in (await lin.get(address)).text
    refused = await lin.do(address, f"{address}/propose", verdict="approved", why="fine by me")
    assert (refused.status_code, "order.review" in refused.text) == (403, True)
    assert (await seen(stage.shop, scene.asked)).state == "reviewing"
    assert (await rui.do(address, f"{address}/propose", verdict="approved", why="known customer")).status_code == 303
    assert (await seen(stage.shop, scene.asked)).state in ("created", "awaiting_payment")
