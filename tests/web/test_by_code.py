"""A code instead of a password: it opens once, and tells nobody which numbers are known."""

import asyncio
import re

import pytest
from tests.flows.shop import PHONE
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang import clock, notices
from daozhang.identity import confirm
from daozhang.identity.confirm import Operation
from daozhang.identity.limits import BUCKETS
from daozhang.postgres import statements
from daozhang.providers.port import Sms
from daozhang.reasons import catalogue

sql = statements("daozhang.identity")
NEW = "a kettle sings at dusk 9"


def code(stage: Stage) -> str:
    found = re.search(r"[0-9]{6}", stage.shop.sim.services.messages[0].text)
    assert found is not None
    return found[0]


@pytest.mark.usefixtures("services")
async def test_in_a_code_logs_in_once(stage: Stage, shop_app: object) -> None:
    browser = Browser(shop_app, ip="198.51.100.7")
    page = await browser.submit("/login/code", "/login/code", phone=PHONE, send="1")
    assert "If this number is registered" in page.text or "如果这个号码注册过" in page.text
    wrong = await browser.submit("/login/code", "/login/code", phone=PHONE, code="000000" if code(stage) != "000000" else "000001")
    assert wrong.status_code in (401, 403, 409, 422)
    answer = await browser.submit("/login/code", "/login/code", phone=PHONE, code=code(stage), next="/wallet")
    assert (answer.status_code, answer.headers["location"]) == (303, "/wallet")
    assert (await browser.get("/wallet")).status_code == 200
    other = Browser(shop_app, ip="198.51.100.8")
    assert (await other.submit("/login/code", "/login/code", phone=PHONE, code=code(stage))).status_code != 303


@pytest.mark.usefixtures("services")
async def test_in_an_unknown_number_reads_the_same_and_gets_no_message(stage: Stage, shop_app: object) -> None:
    seen = []
    for number in (PHONE, "13700000001"):
        browser = Browser(shop_app, ip="198.51.100.9")
        sent = await browser.submit("/login/code", "/login/code", phone=number, send="1")
        wrong = await browser.submit("/login/code", "/login/code", phone=number, code="000000")
        seen.append((sent.status_code, wrong.status_code, sent.text.replace(number, "N").count("<input")))
    assert seen[0] == seen[1]
    assert [each.to for each in stage.shop.sim.services.messages] == [PHONE]


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("fault", ["refuse", "hang"])
async def test_az_07_a_messenger_that_sends_nothing_tells_nobody_which_numbers_are_known(
    stage: Stage, shop_app: object, fault: str
) -> None:
    """A refusal, or a wait, would come for known numbers alone."""
    stage.shop.sim.services.turn(fault)
    seen, took = [], []
    for number in (PHONE, "13700000001"):
        browser, began = Browser(shop_app, ip="198.51.100.9"), asyncio.get_running_loop().time()
        sent = await browser.submit("/reset", "/reset", phone=number, send="1")
        again = await browser.submit("/reset", "/reset", phone=number, send="1")
        took.append(asyncio.get_running_loop().time() - began)
        texts = [re.sub(r"[0-9a-f]{64}", "TOKEN", each.text.replace(number, "N")) for each in (sent, again)]
        seen.append((sent.status_code, again.status_code, texts))
    assert seen[0] == seen[1]
    assert took[0] < 5, "what hangs is not waited for"
    confirmations = stage.house.by_code._confirmations
    assert (len(confirmations._sending) > 0) is (fault == "hang")
    with pytest.MonkeyPatch.context() as short:
        short.setattr(confirm, "DRAIN_S", 0.1)
        await confirmations.drain()
    assert not confirmations._sending, "a program that is told to stop does not wait for what hangs either"


@pytest.mark.usefixtures("services")
async def test_in_a_new_password_ends_every_session_and_the_user_is_told(stage: Stage, buyer: Browser, shop_app: object) -> None:
    browser = Browser(shop_app, ip="198.51.100.7")
    await browser.submit("/reset", "/reset", phone=PHONE, send="1")
    weak = await browser.submit("/reset", "/reset", phone=PHONE, code=code(stage), password="12345678")
    assert weak.status_code != 303
    answer = await browser.submit("/reset", "/reset", phone=PHONE, code=code(stage), password=NEW)
    assert answer.status_code == 303
    assert (await buyer.get("/wallet")).status_code != 200
    assert (await browser.get("/wallet")).status_code == 200
    fresh = Browser(shop_app, ip="198.51.100.10")
    assert (await fresh.login(PHONE, NEW)).status_code == 303
    assert [each.kind for each in await notices.unread(stage.shop.program.database, stage.shop.user_id)] == ["password_reset"]


@pytest.mark.usefixtures("services")
async def test_rl_a_number_gets_few_codes(shop_app: object) -> None:
    browser = Browser(shop_app, ip="198.51.100.7")
    seen = [(await browser.submit("/reset", "/reset", phone=PHONE, send="1")).status_code for _ in range(7)]
    assert seen[:3] == [303] * 3 or seen[:3] == [200] * 3
    assert seen[-1] == 429


@pytest.mark.usefixtures("services")
async def test_az_05_who_guesses_at_codes_keeps_nobody_busy_who_logs_in(stage: Stage, shop_app: object) -> None:
    """A hash is dear, and nothing but the code stands before this door: so it is made for who had the code."""
    hasher, browser = stage.house.identity.hasher, Browser(shop_app, ip="198.51.100.7")
    page = await browser.submit("/reset", "/reset", phone=PHONE, send="1")
    assert page.status_code in {200, 303}
    right, before = code(stage), hasher.done_count
    wrong = "000000" if right != "000000" else "000001"
    for phone in (PHONE, "13700000001"):
        assert (await browser.submit("/reset", "/reset", phone=phone, code=wrong, password=NEW)).status_code != 303
    assert hasher.done_count == before
    assert (await browser.submit("/reset", "/reset", phone=PHONE, code=right, password=NEW)).status_code == 303
    assert hasher.done_count == before + 1


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("ip", ["198.51.100.7", "198.51.100.200", "192.0.2.9"])
async def test_az_05_a_stranger_who_asks_and_guesses_voids_no_code_of_the_owners(stage: Stage, shop_app: object, ip: str) -> None:
    """Not even from the owner's own address: a code is good in the browser that asked for it, and nowhere else."""
    owner, stranger = Browser(shop_app, ip="198.51.100.7"), Browser(shop_app, ip=ip)
    await owner.submit("/login/code", "/login/code", phone=PHONE, send="1")
    mine = code(stage)
    for _ in range(2):
        await stranger.submit("/login/code", "/login/code", phone=PHONE, send="1")
    wrong = next(each for each in ("000000", "000001", "000002") if each not in {mine, code(stage)})
    for _ in range(6):
        assert (await stranger.submit("/login/code", "/login/code", phone=PHONE, code=wrong)).status_code != 303
    assert (await stranger.submit("/login/code", "/login/code", phone=PHONE, code=mine)).status_code != 303, "read over a shoulder"
    assert (await owner.submit("/login/code", "/login/code", phone=PHONE, code=mine)).status_code == 303


@pytest.mark.usefixtures("services", "buyer")
async def test_az_05_strangers_who_use_all_codes_up_leave_the_owner_those_of_his_own_device(
    stage: Stage, buyer: Browser, shop_app: object
) -> None:
    await buyer.submit("/me", "/logout")
    strangers = [Browser(shop_app, ip=f"192.0.{network}.9") for network in (2, 3, 4, 5)]
    seen = [(await each.submit("/reset", "/reset", phone=PHONE, send="1")).status_code for each in strangers for _ in range(6)]
    assert [status for status in seen if status != 429] == [200] * int(BUCKETS["confirm.strangers"].capacity)
    before = len(stage.shop.sim.services.messages)
    assert (await buyer.submit("/reset", "/reset", phone=PHONE, send="1")).status_code == 200
    assert len(stage.shop.sim.services.messages) == before + 1
    answer = await buyer.submit("/reset", "/reset", phone=PHONE, code=code(stage), password=NEW)
    assert answer.status_code == 303


@pytest.mark.usefixtures("services")
async def test_az_05_a_right_code_that_came_to_nothing_opens_for_nobody_else(stage: Stage, shop_app: object) -> None:
    """As when the program dies between the code and what it is for."""
    owner, stranger = Browser(shop_app, ip="198.51.100.7"), Browser(shop_app, ip="198.51.100.7")
    await owner.submit("/login/code", "/login/code", phone=PHONE, send="1")
    database = stage.shop.program.database
    subject = stage.house.by_code._confirmations.subject_of(PHONE)
    waiting = await database.value("select id from confirmations where purpose = 'login'")
    assert await database.transact(lambda tx: tx.value(sql.pass_confirmation, waiting, subject, clock.now())) == waiting
    assert (await stranger.submit("/login/code", "/login/code", phone=PHONE, code="000000")).status_code != 303
    assert (await owner.submit("/login/code", "/login/code", phone=PHONE, code=code(stage))).status_code == 303


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("path", ["/login/code", "/reset"])
async def test_a_code_from_another_browser_is_told_here_and_of_no_other_confirmation(shop_app: object, path: str) -> None:
    owner, other = Browser(shop_app, ip="198.51.100.7"), Browser(shop_app, ip="198.51.100.8")
    for browser in (owner, other):
        browser.jar["lang"] = "en"
    await owner.submit(path, path, phone=PHONE, send="1")
    answer = await other.submit(path, path, phone=PHONE, code="123456", password=NEW)
    assert answer.status_code == 409
    assert "A code asked for in another browser is not good in this one." in answer.text
    assert "browser" not in catalogue().get("confirmation.over").en.text


@pytest.mark.usefixtures("services")
async def test_a_program_that_is_told_to_stop_hands_its_codes_over_first(stage: Stage, shop_app: object) -> None:
    browser, confirmations = Browser(shop_app, ip="198.51.100.7"), stage.house.by_code._confirmations
    let_go = asyncio.Event()

    class Slow:
        async def send(self, _message: Sms) -> str:
            await let_go.wait()
            return "success"

    await confirmations._deliver(Slow(), Sms("1", PHONE, "000000"), Operation("login", "session"))  # type: ignore[arg-type]
    draining = asyncio.create_task(confirmations.drain())
    await browser.get("/login")
    assert not draining.done()
    let_go.set()
    await draining
    assert not confirmations._sending
