"""The page of an order's question: the code first, a face only where it would tell something, a person for who cannot."""

import pytest
from msgspec.structs import replace
from tests.flows.shop import LICENSED
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang.clock import SHANGHAI
from daozhang.policy.model import Outcome
from daozhang.policy.rules.tree import Rule

ODD = Rule(
    key="amount.asks", strength="soft", stages=("place",), outcome=Outcome.CHALLENGE, reason="risk.place_unusual",
    when={"f": "amount", "op": ">=", "v": {"fen": 4_000}},
)  # fmt: skip


@pytest.mark.usefixtures("services")
async def test_who_cannot_confirm_an_odd_order_gives_it_to_a_person(stage: Stage, buyer: Browser) -> None:
    rules = replace(LICENSED, rules=(ODD,))
    assert await stage.house.books.publish(1, rules, version=2, author="tester", note="asks")
    order = await stage.shop.place(5_000)
    path = f"/orders/{order.shown}/confirm"
    page = (await buyer.get(path)).text
    assert "The place is not where you usually are" in page
    assert 'name="send"' in page
    ends_at = await stage.shop.program.desk.waiting.ends_at(order.id)
    assert ends_at is not None
    assert ends_at.astimezone(SHANGHAI).strftime("%H:%M") in page, "until when it waits"
    assert 'data-countdown="' in page
    assert 'name="face"' not in page, "no name is verified that a face could be compared with"
    answer = await buyer.submit(path, path, person="1")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/orders/{order.shown}")
    page = (await buyer.get(f"/orders/{order.shown}")).text
    assert "A person will look at it, as you asked" in page
    (case,) = await stage.house.cases.of_user(stage.shop.user_id)
    assert f"/cases/{case.shown}" in page
