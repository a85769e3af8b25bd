"""The page of one's real name: refused with what is wrong, verified once, masked ever after."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.cases.test_evidence import picture
from tests.flows.shop import LICENSED, refuses
from tests.web.stage import Stage
from tests.web.test_cases import multipart
from tests.web.test_sessions import Browser

from daozhang.cases import by_hand
from daozhang.mine import name_soon
from daozhang.policy.book import defaults

NUMBER = "11010519491231002X"


@pytest.mark.usefixtures("services")
async def test_what_is_wrong_is_said_at_its_field_and_the_number_is_never_shown_again(buyer: Browser) -> None:
    answer = await buyer.submit("/me/name", "/me/name", name="王小明", number="110105194912310021")
    assert answer.status_code == 422
    assert "110105194912310021" not in answer.text
    assert 'value="王小明"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    answer = await buyer.submit("/me/name", "/me/name", name="<b>", number=NUMBER)
    assert answer.status_code == 422
    assert "<b>" not in answer.text.split("<form", 1)[1].split("</form>", 1)[0]


@pytest.mark.usefixtures("services")
async def test_a_name_is_verified_masked_and_leads_back(buyer: Browser) -> None:
    answer = await buyer.submit("/me/name", "/me/name", name="王小明", number=NUMBER, next="/recharge?amount=200")
    assert (answer.status_code, answer.headers["location"]) == (303, "/recharge?amount=200")
    page = (await buyer.get("/me/name")).text
    assert "王**" in page
    assert "王小明" not in page
    assert NUMBER not in page


@pytest.mark.usefixtures("services")
async def test_az_it_leads_nowhere_else_and_needs_a_session(stage: Stage, buyer: Browser, shop_app: object) -> None:
    answer = await buyer.submit("/me/name", "/me/name", name="王小明", number=NUMBER, next="//evil.example/")
    assert answer.headers["location"] == "/"
    assert (await Browser(shop_app).get("/me/name")).status_code in (303, 401)


async def test_without_a_register_it_is_our_own_and_said_so(buyer: Browser) -> None:
    answer = await buyer.submit("/me/name", "/me/name", name="王小明", number=NUMBER)
    assert answer.status_code == 503


@pytest.mark.usefixtures("services")
async def test_whoever_nears_the_bound_is_told_before_it_stops_an_order_and_no_longer_with_a_name(
    stage: Stage, buyer: Browser
) -> None:
    """On the recharge page and in the wallet, and once as a message: at eight tenths of what an account without a name may hold."""
    program, house = stage.shop.program, stage.house
    rules = replace(LICENSED, eligibility=defaults().eligibility)
    await house.books.publish(1, rules, version=(await house.books.current(1)).version + 1, author="t", note="")

    async def told() -> list[bool]:
        pages = [await buyer.get(path) for path in ("/recharge", "/wallet", "/me/messages")]
        return ["Close to the most without a verified name" in page.text for page in pages]

    for amount_fen in (79_000, 1_000):
        assert await name_soon.tell(program.database, house.books, 1) == 0
        assert await told() == [False, False, False]
        order = await stage.shop.place(amount_fen)
        await stage.shop.pay(order)
        await stage.shop.reach(order.id, "credited")
    assert [await name_soon.tell(program.database, house.books, 1) for _ in range(2)] == [1, 0]
    assert await told() == [True, True, True]
    assert (await stage.shop.place(10_000)).state == "awaiting_payment", "it is a warning, and no stop"
    await buyer.submit("/me/name", "/me/name", name="王小明", number=NUMBER)
    assert (await told())[:2] == [False, False]


async def looked(stage: Stage, buyer: Browser, *, passed: bool) -> Any:
    """Begin a look, let the camera see, and come back."""
    services = stage.shop.sim.services
    begun = await buyer.submit("/me/name", "/me/name/face", agree="1")
    assert begun.status_code == 303, begun.text
    look_id = begun.headers["location"].rpartition("/")[2]
    back = services.decide(look_id, passed=passed)
    assert back.endswith("/me/name?back=face")
    return await buyer.get("/me/name?back=face")


@pytest.mark.usefixtures("services")
async def test_a_look_at_the_face_raises_the_tier_once_with_consent_that_can_be_taken_back(stage: Stage, buyer: Browser) -> None:
    """The register's picture is what it is compared with; no image, no tier without the name, and it is never asked for."""
    database = stage.house.database
    refused = await buyer.submit("/me/name", "/me/name/face", agree="1")
    assert "identity.name_first" in refused.text or refused.status_code == 409
    await buyer.submit("/me/name", "/me/name", name="王小明", number=NUMBER)
    refused = await buyer.submit("/me/name", "/me/name/face")
    assert (refused.status_code, "needs your consent" in refused.text) == (403, True)
    assert "did not pass" in (await looked(stage, buyer, passed=False)).text
    assert await database.value("select verification from users where id = $1", stage.shop.user_id) == "identity"
    (look,) = [each for each in stage.shop.sim.services.looks.values() if each.result == "failed"]
    assert look.name == "王小明", "the provider is told whose face"
    assert (await looked(stage, buyer, passed=True)).status_code == 303
    page = (await buyer.get("/me/name?back=face")).text
    assert "Name, number and face" in page
    assert "/me/name/face" in page, "the consent can still be taken back"
    assert await database.value("select verification from users where id = $1", stage.shop.user_id) == "face"
    assert await database.value("select count(*) from verifications where user_id = $1", stage.shop.user_id) == 2
    assert (await buyer.submit("/me/name", "/me/name/face", withdraw="1")).status_code == 303
    assert "/me/name/face" not in (await buyer.get("/me/name")).text
    given = await database.rows("select given from consents where user_id = $1 order by id", stage.shop.user_id)
    assert [row["given"] for row in given] == [True, True, False]
    held = str([dict(row) for row in await database.rows("select * from verifications")])
    assert NUMBER not in held


@pytest.mark.usefixtures("services")
async def test_whom_the_register_does_not_know_two_people_verify_by_the_card(stage: Stage, buyer: Browser) -> None:
    cases, database = stage.house.cases, stage.house.database
    refused = await buyer.submit("/me/name", "/me/name", name="查无此人", number=NUMBER)
    assert "no record" in refused.text
    assert 'action="/me/name/hand"' in refused.text
    given = {"csrf": await buyer.token("/me/name"), "name": "查无此人", "number": NUMBER, "text": "a new card"}
    for changed, pictures, words in (
        ({"number": "123"}, [picture()], "identity number"),
        ({}, [], "picture of the card is missing"),
        ({}, [b"no picture"], "no picture we can read"),
    ):
        body, kind = multipart({**given, **changed}, pictures)
        answer = await buyer.post("/me/name/hand", body=body, content_type=kind)
        assert (answer.status_code, words in answer.text) == (422, True), words
    body, kind = multipart(given, [picture()])
    address = (await buyer.post("/me/name/hand", body=body, content_type=kind)).headers["location"]
    assert "People are looking at your card" in (await buyer.get("/me/name")).text
    # Said otherwise while it is looked at: the case stays as it is.
    body, kind = multipart({**given, "name": "王小明"}, [picture()])
    assert (await buyer.post("/me/name/hand", body=body, content_type=kind)).headers["location"] == address
    case = await cases.open_about(1, by_hand.KIND, f"user:{stage.shop.user_id}")
    assert case is not None
    person = await by_hand.wanted(database, stage.house.verifications, case.id)
    assert person is not None
    assert (person.name, person.number) == ("查无此人", NUMBER)
    await cases.propose(case.id, "staff:1", "approved", "the card fits")
    with refuses("cases.second_person"):
        await cases.confirm(case.id, "staff:1")
    assert await database.value("select verification from users where id = $1", stage.shop.user_id) == "none"
    await cases.confirm(case.id, "staff:2")
    page = (await buyer.get("/me/name")).text
    assert "查**" in page
    assert NUMBER not in page
    assert await database.value("select count(*) from verifications_wanted") == 0


@pytest.mark.usefixtures("services")
async def test_what_was_rejected_or_taken_back_leaves_no_name_behind(stage: Stage, buyer: Browser) -> None:
    cases, database = stage.house.cases, stage.house.database
    for end in ("rejected", "withdrawn"):
        given = {"csrf": await buyer.token("/me/name"), "name": "查无此人", "number": NUMBER, "text": "x"}
        body, kind = multipart(given, [picture()])
        assert (await buyer.post("/me/name/hand", body=body, content_type=kind)).status_code == 303
        case = await cases.open_about(1, by_hand.KIND, f"user:{stage.shop.user_id}")
        assert case is not None
        if end == "rejected":
            await cases.propose(case.id, "staff:1", "rejected", "another person's card")
            await cases.confirm(case.id, "staff:2")
        else:
            await cases.withdraw(stage.shop.user_id, case.id)
            await cases.forget()
        assert await database.value("select count(*) from verifications_wanted") == 0
        assert await database.value("select count(*) from verifications") == 0
