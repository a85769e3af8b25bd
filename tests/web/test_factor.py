"""The user's own second factor, through the real doors: set up, asked for, used once each, lost and given back."""

import asyncio
import re

import pytest
from tests.flows.shop import PASSWORD, PHONE
from tests.web.stage import Stage
from tests.web.test_devices import spend
from tests.web.test_sessions import Browser

from daozhang import clock
from daozhang.identity import Visitor, factor, totp
from daozhang.reasons import Refusal


class Telephone:
    """An authenticator: every look is a new code, as if half a minute had gone by each time."""

    def __init__(self, page: str) -> None:
        found = re.search(r"secret=([A-Z2-7]{32})", page)
        assert found is not None
        self.secret, self.step = found[1], totp.step_at(clock.now_s()) - 1

    def code(self, *, used: bool = False) -> str:
        self.step += 0 if used else 1
        return totp.code_of(self.secret, self.step)


async def enrolled(stage: Stage, buyer: Browser) -> tuple[Telephone, list[str]]:
    """Set it up as a person does; the authenticator and the recovery codes."""
    wrong = await buyer.submit("/me/factor", "/me/factor/begin", password="not this one 1")
    assert (wrong.status_code, "secret=" in wrong.text) == (401, False)
    begun = await buyer.submit("/me/factor", "/me/factor/begin", password=PASSWORD)
    assert "<svg" in begun.text
    phone = Telephone(begun.text)
    again = await buyer.submit("/me/factor", "/me/factor/confirm", code="12345")
    assert (again.status_code, phone.secret[:4] in again.text) == (422, True), "the code to scan stays on the page"
    assert not await stage.house.enrolment.of_user(stage.shop.user_id), "not in force before its first code"
    done = await buyer.submit("/me/factor", "/me/factor/confirm", code=phone.code())
    codes = re.findall(r"[2-9A-HJ-NP-Z]{5}-[2-9A-HJ-NP-Z]{5}", done.text)
    assert len(set(codes)) == 10
    later = await buyer.get("/me/factor")
    assert not any(code in later.text for code in codes), "shown once"
    assert phone.secret not in later.text
    return phone, codes


def ticket(page: str) -> str:
    found = re.search(r'name="ticket" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


async def logged_in(browser: Browser) -> bool:
    return (await browser.get("/wallet")).status_code == 200


async def second(browser: Browser, code: str) -> int:
    """Log in with the password and give a code for the second step; the status of the last answer."""
    asked = await browser.login(PHONE, PASSWORD)
    if asked.status_code != 200:
        return asked.status_code
    assert not await logged_in(browser), "the password alone opens nothing"
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', asked.text)
    assert csrf is not None
    answer = await browser.post("/login/factor", {"csrf": csrf[1], "ticket": ticket(asked.text), "factor": code})
    return answer.status_code


@pytest.mark.usefixtures("services")
async def test_az_a_new_device_and_what_is_delicate_ask_for_it_and_each_code_opens_once(
    stage: Stage, buyer: Browser, shop_app: object
) -> None:
    phone, codes = await enrolled(stage, buyer)
    first, second_one, third = (Browser(shop_app, ip=f"198.51.100.{n}") for n in (7, 8, 9))
    assert await second(first, "000000") == 401
    assert await second(first, phone.code()) == 303
    assert await logged_in(first)
    assert await second(second_one, phone.code(used=True)) == 401, "a code that somebody looked at over the shoulder"
    assert await second(second_one, codes[0].lower()) == 303
    assert await second(third, codes[0]) == 401, "a recovery code opens once"
    # A code sent to the number is the first step only, too; a new password never goes without the second one.
    for purpose, fields in (("/login/code", {}), ("/reset", {"password": "a kettle sings at dusk 9"})):
        await third.submit(purpose, purpose, send="1", phone=PHONE)
        sent = re.search(r"[0-9]{6}", stage.shop.sim.services.messages[0].text)
        assert sent is not None
        asked = await third.submit(purpose, purpose, phone=PHONE, code=sent[0], **fields)
        assert (asked.status_code, bool(ticket(asked.text)), await logged_in(third)) == (200, True, False)
        with pytest.raises(Refusal, match=r"confirmation\.over"):
            await stage.house.by_code.login(1, PHONE, sent[0], Visitor("198.51.100.9", "198.51.100.0/24"))
    # The browser that was there before logs in with the password, and is asked before what is delicate.
    await buyer.submit("/me", "/logout")
    assert (await buyer.login(PHONE, PASSWORD)).status_code == 303
    short = await buyer.submit("/me/data", "/me/data", password=PASSWORD)
    assert (short.status_code, 'name="factor"' in short.text) == (422, True)
    whole = await buyer.submit("/me/data", "/me/data", password=PASSWORD, factor=codes[1])
    assert (whole.status_code, whole.headers["content-type"].split(";")[0]) == (200, "application/json")
    assert 'name="factor"' not in (await buyer.get("/me/data")).text, "shown a moment ago"
    renewed = await buyer.submit("/me/factor", "/me/factor/codes", password=PASSWORD)
    assert len(re.findall(r"<li><code", renewed.text)) == 10
    assert await second(third, codes[2]) == 401, "the set before is void"
    off = await buyer.submit("/me/factor", "/me/factor/end", password=PASSWORD)
    assert off.headers["location"] == "/me/factor?done=off"
    assert await second(third, "") == 303


@pytest.fixture
async def _clock_moves(free_clock: None) -> None:
    """Test mode, in which alone the clock may be shifted."""


@pytest.mark.usefixtures("_clock_moves")
async def test_az_05_wrong_codes_count_with_wrong_passwords_and_a_right_password_forgets_none(
    stage: Stage, buyer: Browser, shop_app: object
) -> None:
    phone, codes = await enrolled(stage, buyer)
    guesser = Browser(shop_app, ip="198.51.100.66")
    answers = [await second(guesser, "000000") for _ in range(4)]
    assert answers[:2] == [401, 401]
    assert 429 in answers, "five tries, passwords and codes together"
    assert await second(guesser, phone.code()) == 429
    assert await logged_in(buyer), "the owner's own browser is a place of its own"
    # Twenty at once with one recovery code are one session.
    house, here = stage.house, Visitor("203.0.113.200", "203.0.113.0/24")
    with pytest.raises(factor.FactorNeeded) as needed:
        await house.identity.login(1, PHONE, PASSWORD, here)
    places = [Visitor(f"10.{n}.0.1", f"10.{n}.0.0/24") for n in range(20)]
    done = await asyncio.gather(
        *(house.second_step.finish(1, needed.value.ticket, codes[0], place) for place in places), return_exceptions=True
    )
    assert sum(not isinstance(each, BaseException) for each in done) == 1
    with pytest.raises(Refusal, match=r"account\.factor_stale"):
        await house.second_step.finish(1, needed.value.ticket[:-8] + "AAAAAAA=", codes[1], here)
    await stage.shop.later(301)
    with pytest.raises(Refusal, match=r"account\.factor_stale"):
        await house.second_step.finish(1, needed.value.ticket, codes[1], here)


@pytest.mark.usefixtures("_clock_moves")
async def test_lost_with_its_codes_two_people_agree_three_days_pass_and_the_owner_may_stop_it(
    stage: Stage, buyer: Browser, shop_app: object
) -> None:
    order = await stage.shop.place(500_000)
    await stage.shop.pay(order)
    await stage.shop.reach(order.id, "credited")
    await enrolled(stage, buyer)
    stranger, house = Browser(shop_app, ip="198.51.100.7"), stage.house

    async def asked_and_agreed() -> None:
        page = await stranger.login(PHONE, PASSWORD)
        csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
        assert csrf is not None
        said = await stranger.post(
            "/login/factor/lost", {"csrf": csrf[1], "ticket": ticket(page.text), "text": "phone fell into the sea, 5000 on Monday"}
        )
        assert (said.status_code, "Received" in said.text) == (200, True)
        case = await house.cases.open_about(1, "factor", f"user:{stage.shop.user_id}")
        assert case is not None
        await house.cases.propose(case.id, "staff:1", "approved", "the papers fit")
        with pytest.raises(Refusal, match=r"cases\.second_person"):
            await house.cases.confirm(case.id, "staff:1")
        await house.cases.confirm(case.id, "staff:2")

    await asked_and_agreed()
    assert "said to be lost" in (await buyer.get("/me/messages")).text
    assert "It was not me" in (await buyer.get("/me/factor")).text
    kept = await buyer.submit("/me/factor", "/me/factor/keep")
    assert kept.headers["location"] == "/me/factor?done=kept"
    await stage.shop.later(73 * 3_600)
    assert await second(stranger, "000000") == 401, "it is still asked for"
    await asked_and_agreed()
    assert await second(Browser(shop_app, ip="192.0.2.7"), "000000") == 401, "not before the three days are over"
    await stage.shop.later(73 * 3_600)
    assert await second(stranger, "") == 303, "now the password is enough"
    assert await house.enrolment.of_user(stage.shop.user_id) is None
    assert await spend(stage, 250_000) == "account.cooling"
    assert await spend(stage, 5_000) == ""
