"""The page of one's real name: refused with what is wrong, verified once, masked ever after."""

import pytest
from msgspec.structs import replace
from tests.flows.shop import LICENSED
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

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
