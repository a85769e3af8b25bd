"""What eligibility refuses, and that each cure works: accept, then recharge."""

import secrets

from tests.flows.shop import Shop

from daozhang import __version__, agreements
from daozhang.recharge.model import OrderView, PlaceRequest


async def place(shop: Shop, amount_fen: int = 5_000, agreement: int | None = None) -> OrderView:
    return await shop.program.desk.place(
        PlaceRequest(
            1, shop.user_id, amount_fen, shop.channel_id, "native", secrets.token_hex(16), __version__, "203.0.113.9",
            agreement=agreement,
        )
    )  # fmt: skip


async def recharged(shop: Shop, order: OrderView) -> None:
    assert order.state == "awaiting_payment", order.reason
    await shop.pay(order)
    await shop.reach(order.id, "credited")


async def test_accept_then_recharge_and_a_new_version_is_asked_again(shop: Shop) -> None:
    database = shop.program.database
    await recharged(shop, await place(shop))  # a shop without an agreement asks nobody
    await agreements.publish(database, 1, "第一版", "the first", author="anna")
    refused = await place(shop)
    assert (refused.state, refused.reason, refused.reason_facts) == ("refused", "eligibility.agreement", {"version": 1})
    order = await place(shop, agreement=1)
    await recharged(shop, order)
    facts = await database.value("select facts::text from decisions where order_id = $1 and stage = 'place'", order.id)
    assert '"agreement_version":1,"agreement_ticked":1' in facts.replace(" ", ""), "the decision says what was agreed to"
    await recharged(shop, await place(shop))
    await agreements.publish(database, 1, "第二版", "the second", author="anna")
    assert (await place(shop, agreement=1)).reason == "eligibility.agreement", "what was ticked is not in force any more"
    await recharged(shop, await place(shop, agreement=2))
    assert await database.value("select count(*) from agreement_consents") == 2
