"""The page of one's real name: refused with what is wrong, verified once, masked ever after."""

import pytest
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

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
