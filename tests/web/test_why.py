"""Why a recharge did not arrive, as its owner reads it: the answer, the question, the code, and nobody else's story."""

import html
import re
from datetime import timedelta

from tests.diagnosis.scenes import evidence, order, tried
from tests.web.stage import Stage
from tests.web.test_order import place, press
from tests.web.test_sessions import Browser

from daozhang import clock
from daozhang.diagnosis.bundle import digest
from daozhang.diagnosis.service import mark_of
from daozhang.diagnosis.think import find
from daozhang.identity import Visitor
from daozhang.policy.enforce import enforce
from daozhang.policy.facts import Wish
from daozhang.policy.model import Stage as At
from daozhang.simulators.faults import Fault
from daozhang.status import calendar
from daozhang.web.front.device import Choice
from daozhang.web.front.why import fitted


async def test_what_the_phone_showed_is_asked_for_and_becomes_the_cause(buyer: Browser, stage: Stage) -> None:
    path, _ = await place(buyer)
    text = (await buyer.get(f"{path}/why")).text
    assert "What did your phone show?" in text
    assert "Still waiting for your payment" in text
    assert "money has not moved" not in text
    answer = await press(buyer, f"{path}/why", "phone", pick="balance")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}/why")
    text = (await buyer.get(f"{path}/why")).text
    assert "You told us" in text
    assert 'id="p-balance" value="balance" checked' in text


async def test_pasted_words_that_say_nothing_are_kept_and_not_guessed_at(buyer: Browser, stage: Stage) -> None:
    path, _ = await place(buyer)
    await press(buyer, f"{path}/why", "phone", words="<script>alert(1)</script> hm")
    text = (await buyer.get(f"{path}/why")).text
    assert "we do not guess" in text
    assert "<script>alert" not in text
    answer = await press(buyer, f"{path}/why", "phone", words="  ")
    assert answer.headers["location"].endswith("/why?empty=1#phone")
    assert "Please pick one" in (await buyer.get(f"{path}/why?empty=1")).text


async def test_a_channels_refusal_names_the_channel_its_code_and_the_layer(buyer: Browser, stage: Stage) -> None:
    stage.sim.dial.set(Fault(point="order", kind="error", times=1, code="NO_AUTH", http=403))
    path, _ = await place(buyer)
    for page in (path, f"{path}/why"):
        text = (await buyer.get(page)).text
        assert "NO_AUTH" in text
        assert "WeChat Pay answered" in text
        assert re.search(r"[0-9A-Y]{4}-[0-9A-Y]{4}</code>", text)


async def test_a_code_opens_the_story_of_its_owner_and_of_nobody_else(shop_app: object, buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    code = await stage.house.diagnoses.code_of(1, stage.shop.user_id, order_id)
    answer = await buyer.get(f"/why?code={code.lower()}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}/why")
    await stage.house.identity.register(1, "13700137000", "tea at four by the river", Visitor("192.0.2.1", "192.0.2.0/24"))
    stranger = Browser(shop_app)
    await stranger.login("13700137000", "tea at four by the river")
    other = [await stranger.get(f"/why?code={each}") for each in (code, "00000000")]
    assert [each.status_code for each in other] == [404, 404]
    alike = [re.sub(r'[0-9a-f]{64}|value="[^"]*"|\d\d:\d\d:\d\d|next=[^"]*', "", each.text) for each in other]
    assert alike[0] == alike[1]
    assert (await stranger.get(f"{path}/why")).status_code == 404


async def test_in_general_it_says_that_it_works_and_lists_past_freezes(buyer: Browser, stage: Stage) -> None:
    text = (await buyer.get("/why")).text
    assert "Recharging works right now" in text
    assert "This account was never frozen" in text
    await stage.house.identity.freeze(stage.shop.user_id, actor="tester", reason="risk_review", note="secret note")
    text = (await buyer.get("/why")).text
    assert "You cannot recharge now" in text
    assert "Ask to be unfrozen" in text
    assert "frozen now" in text
    await stage.house.identity.unfreeze(stage.shop.user_id, actor="tester", reason="risk_review")
    text = (await buyer.get("/why")).text
    assert "over" in text
    assert "secret note" not in text


async def test_who_may_recharge_is_not_told_that_what_is_never_told_was_passed(buyer: Browser, stage: Stage) -> None:
    page = (await buyer.get("/why")).text
    assert "Some checks happen only when you pay." in page
    assert "rules, risk, law" not in page


async def test_published_rules_are_told_by_their_own_sentences(buyer: Browser, stage: Stage) -> None:
    text = html.unescape((await buyer.get("/why")).text)
    assert "Fewer than 5 orders of ¥2,000 or more within 10 minutes." in text
    assert "Not a large amount from a device that is new." in text
    assert "One more record" not in text


async def test_whoever_asks_to_be_told_is_told(buyer: Browser, stage: Stage) -> None:
    await stage.house.identity.freeze(stage.shop.user_id, actor="tester", reason="risk_review")
    answer = await press(buyer, "/why", "watch")
    assert answer.status_code == 303
    assert "one message on this site" in (await buyer.get("/why")).text


async def test_a_person_gets_a_case_with_everything_in_it(buyer: Browser, stage: Stage) -> None:
    stage.sim.dial.set(Fault(point="order", kind="error", times=1, code="NO_AUTH", http=403))
    path, _ = await place(buyer)
    await stage.shop.program.interface_log.drain()
    answer = await press(buyer, f"{path}/why", "person")
    assert answer.headers["location"].startswith("/cases/CA-")
    case = (await stage.house.cases.of_user(stage.shop.user_id))[0]
    assert case.facts["order"] == path.rpartition("/")[2]
    assert case.facts["native"] == "NO_AUTH"
    assert case.facts["reason"]
    await stage.shop.program.interface_log.drain()
    made = (await buyer.get(f"{path}/evidence.json")).json()
    assert (case.facts["amount_fen"], case.facts["kind"], case.facts["method"]) == (made["amount_fen"], "wechatpay", "native")
    assert case.facts["placed_at"] == made["placed_at"]
    assert case.facts["number"] == made["attempts"][-1]["number"]
    assert case.facts["trace"] == made["interface_log"][-1]["trace"] != ""
    assert case.facts["client_version"] == made["client_version"] != ""
    assert (case.facts["log_entries"], case.facts["log_sha256"]) == (len(made["interface_log"]), digest(made["interface_log"]))
    text = (await buyer.get(answer.headers["location"])).text
    for said in ("Filled in for you", "NO_AUTH", "¥50.00", case.facts["log_sha256"], case.facts["trace"], case.facts["number"]):
        assert said in text, said
    assert (await press(buyer, f"{path}/why", "person")).headers["location"] == answer.headers["location"]


async def test_the_state_of_an_open_page_changes_when_the_finding_does(buyer: Browser, stage: Stage) -> None:
    path, order_id = await place(buyer)
    before = (await buyer.get(f"{path}/why/state")).json()["mark"]
    assert before in (await buyer.get(f"{path}/why")).text
    await stage.pay(order_id)
    assert (await buyer.get(f"{path}/why/state")).json()["mark"] != before
    assert (await buyer.get("/why/state")).json()["mark"]


async def test_whatever_stands_in_the_address_the_page_comes(buyer: Browser, stage: Stage) -> None:
    """An explanation that fails itself is the worst page to fail: odd amounts, codes and numbers are answered like any other."""
    for text in ("", "1e9", "99999999999999999999", "０", "-5", "0", "5000.001", "%00", "x" * 300, "7F3K-92QX"):
        for field in ("amount", "code"):
            assert (await buyer.get(f"/why?{field}={text}")).status_code in (200, 404), (field, text)
        for path in ("/why/state?amount=", "/orders/RC-"):
            assert (await buyer.get(f"{path}{text}")).status_code in (200, 303, 404, 429), (path, text)


async def test_facts_that_are_kept_with_an_order_are_read_back_as_they_were(buyer: Browser, stage: Stage) -> None:
    """A moment among the facts comes back from the books as text: the page of a channel in maintenance once broke over it."""
    now = clock.now()
    await calendar.plan(stage.house.database, stage.channel_id, now - timedelta(minutes=1), now + timedelta(minutes=5))
    await stage.shop.program.board.load()
    order = await stage.shop.place()
    for path in (f"/orders/{order.shown}", f"/orders/{order.shown}/why", f"/orders/{order.shown}/evidence", "/why", "/orders"):
        answer = await buyer.get(path)
        assert answer.status_code == 200, path
    assert "Expected to be over" in (await buyer.get(f"/orders/{order.shown}/why")).text


async def test_a_purchase_that_the_balance_refused_is_told_where_recharges_are(buyer: Browser, stage: Stage) -> None:
    wish = Wish(1, stage.shop.user_id, 5_000)
    book = await stage.house.books.current(1)
    await stage.house.database.transact(lambda tx: enforce(tx, At.SPEND, [(None, wish)], book))
    text = (await buyer.get("/why")).text
    assert 'data-told="stopped" data-reason="goods.balance_short"' in text
    assert "Your last payment from the balance did not go" in text


def test_the_button_leads_to_the_way_that_suits_the_device_and_changes_nothing_else() -> None:
    of = order("failed", reason="channel.bank_limit")
    finding = find(evidence(of, attempts=(tried(native="1000061", reason="channel.bank_limit"),)))
    assert finding.cures[0].post == {"method": "2:page"}
    best = Choice(7, "unionpay", "qr", open=True, fits=True, mark="ok", said="", cure="", room="", no_credit=False)
    suiting = fitted(finding, [best])
    first, *rest = suiting.cures
    assert (first.step, first.post, first.facts["kind"]) == ("retry", {"method": "7:qr"}, "unionpay")
    assert first.facts["amount_fen"] == finding.cures[0].facts["amount_fen"]
    assert (rest, mark_of(suiting)) == (list(finding.cures[1:]), mark_of(finding)), "an open page does not renew itself for that"
    assert fitted(finding, []) == finding
