"""Orders that wait before their payment: each has an end, somebody is told, and what goes on goes on as it came."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.flows.conftest import proved
from tests.flows.knocks import knock, payment
from tests.flows.shop import LICENSED, Shop, open_shop, refuses
from tests.flows.test_purchase import PRICE_FEN, bought, left
from tests.flows.test_purchase import fill as fill  # noqa: PLC0414 - the fixture
from tests.flows.test_purchase import goods_id as goods_id  # noqa: PLC0414 - the fixture

from daozhang import __version__, alarms, ids
from daozhang.cases import escalated
from daozhang.goods import shelf
from daozhang.postgres import Database
from daozhang.recharge.model import Basket, OrderView, PlaceRequest
from daozhang.recharge.route import OPEN, Standing
from daozhang.recharge.waiting import CONFIRM_IN, REVIEW
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment

CHALLENGED_FEN, REVIEWED_FEN = 3_100, 4_100
"""From here an order is challenged, and from there reviewed, by the book of this file."""


def _rule(key: str, outcome: str, least_fen: int, most_fen: int) -> Any:
    rule = next(each for each in LICENSED.rules if each.key == "velocity.large")
    when = {"all": [{"f": "amount", "op": ">=", "v": {"fen": least_fen}}, {"f": "amount", "op": "<=", "v": {"fen": most_fen}}]}
    made = msgspec.to_builtins(rule) | {"key": key, "outcome": outcome, "when": when}
    return msgspec.convert(made, type(rule))


RULES = (
    _rule("test.challenge", "challenge", CHALLENGED_FEN, REVIEWED_FEN - 1),
    _rule("test.review", "hold", REVIEWED_FEN, 5_000),
)


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, enrolment=enrolment, rules=replace(LICENSED, rules=RULES)) as opened:
        yield opened
        await proved(database)


async def buy(shop: Shop, goods_id: int, **given: Any) -> OrderView:
    """A wish to buy whose channel part is `PRICE_FEN`: by the book of this file a person looks at it first."""
    request = {
        "bank": "icbc",
        "instrument": "debit",
        "device_id": str(ids.new_id()),
        "basket": Basket(goods_id, 1, PRICE_FEN),
    } | given
    return await shop.program.desk.place(
        PlaceRequest(1, shop.user_id, PRICE_FEN, shop.channel_id, "native", ids.text26(ids.new_id()), __version__, "203.0.113.9",
                     **request)
    )  # fmt: skip


async def test_a_challenge_that_is_left_ends_with_its_own_reason(shop: Shop) -> None:
    order = await shop.place(CHALLENGED_FEN)
    assert order.state == "challenged"
    await shop.later(CONFIRM_IN.total_seconds() - 60)
    await shop.work()
    assert (await shop.order(order.id)).state == "challenged"
    for _ in range(3):
        await shop.later(61)
        await shop.work()
    seen = await shop.order(order.id)
    assert (seen.state, seen.reason, seen.money) == ("abandoned", "operation.challenge_unfinished", "none")
    assert await shop.program.database.value("select count(*) from order_waits where next_look_at is not null") == 0


async def test_a_challenge_that_was_passed_goes_on(shop: Shop) -> None:
    order = await shop.place(CHALLENGED_FEN)
    resume = shop.program.desk.resume
    # What was answered stands in the move: here that the owner confirmed it.
    made = await resume.go(order.id, "challenged", "buyer", "confirm")
    assert made is not None
    await shop.program.desk.place_order.ask(made)
    seen = await shop.order(order.id)
    assert (seen.state, seen.reason) == ("awaiting_payment", None)
    await shop.pay(seen)
    await shop.reach(order.id, "credited")
    with refuses("operation.not_waiting"):
        await resume.go(order.id, "challenged", "buyer", "confirm")


async def test_a_review_has_a_case_goes_up_after_a_day_and_ends_without_money_after_fifteen(shop: Shop) -> None:
    cases, database = shop.program.house.cases, shop.program.database
    order = await shop.place(REVIEWED_FEN)
    case = await cases.open_about(1, REVIEW, order.shown)
    assert case is not None
    assert (case.turn, case.facts["order"], case.id in {each.id for each in await cases.queue(1)}) == ("staff", order.shown, True)
    await shop.later(timedelta(days=1, minutes=1).total_seconds())
    await shop.work()
    assert await escalated.tell(database, 1) == 1
    assert {each.kind for each in await alarms.open_alarms(database)} == {"case.escalated"}
    await shop.later(timedelta(days=13, hours=23, minutes=50).total_seconds())
    await shop.work()
    assert (await shop.order(order.id)).state == "reviewing"
    for _ in range(3):
        await shop.later(601)
        await shop.work()
    seen = await shop.order(order.id)
    assert (seen.state, seen.reason) == ("refused", "operation.review_unanswered")
    assert await cases.open_about(1, REVIEW, order.shown) is None
    await escalated.tell(database, 1)
    assert {"order.review_unanswered"} == {each.kind for each in await alarms.open_alarms(database)}
    assert shop.sim.books.order(shop.sim.merchant.mchid, ids.text26(order.id)) is None


@pytest.mark.parametrize("verdict", ["approved", "rejected"])
async def test_the_verdict_of_its_case_decides_a_review(shop: Shop, verdict: str) -> None:
    cases = shop.program.house.cases
    order = await shop.place(REVIEWED_FEN)
    case = await cases.open_about(1, REVIEW, order.shown)
    assert case is not None
    await cases.answer(shop.user_id, case.id, "给家里人充话费")
    await cases.propose(case.id, "staff:1", verdict, "looked at")  # type: ignore[arg-type]
    await shop.later(6)
    await shop.work()
    seen = await shop.order(order.id)
    if verdict == "approved":
        assert seen.state == "awaiting_payment"
        await shop.pay(seen)
        await shop.reach(order.id, "credited")
    else:
        assert (seen.state, seen.reason) == ("refused", "operation.review_refused")


async def test_an_approved_order_that_expired_is_not_asked_about_again_within_its_day(shop: Shop) -> None:
    order = await shop.place(REVIEWED_FEN)
    await shop.program.desk.resume.approve(order.id, "staff:1", "known buyer")
    for _ in range(4):
        await shop.later(600)
        await shop.work()
    assert (await shop.order(order.id)).state == "expired"
    again = await shop.program.desk.retry(shop.user_id, order.id, shop.channel_id, "native", "203.0.113.9")
    assert again.state == "awaiting_payment"
    assert (await shop.place(REVIEWED_FEN)).state == "reviewing", "no pass is left over"
    await shop.later(timedelta(days=1).total_seconds())
    await shop.work()
    assert (await shop.program.desk.retry(shop.user_id, order.id, shop.channel_id, "native", "203.0.113.9")).state == "reviewing"


async def test_an_approved_purchase_keeps_basket_card_and_device(shop: Shop, goods_id: int, fill: Any) -> None:
    await fill(1)
    device = str(ids.new_id())
    order = await buy(shop, goods_id, device_id=device)
    assert order.state == "reviewing"
    assert await left(shop) == 0, "set aside while somebody looks"
    await shop.program.desk.resume.approve(order.id, "staff:1", "known buyer")
    row = await shop.program.database.row("select bank, instrument from attempts where order_id = $1", order.id)
    assert row is not None
    assert (row["bank"], row["instrument"]) == ("icbc", "debit")
    assert (await shop.program.desk.waiting.request(shop.program.database, order.id)).device_id == device
    await shop.pay(await shop.order(order.id))
    await shop.reach(order.id, "credited")
    assert [each.state for each in await bought(shop)] == ["delivered"]
    assert await shop.cash() == 0


async def test_an_approval_asks_how_the_way_to_pay_stands(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await shop.place(REVIEWED_FEN)

    async def closed(channel_id: int, method: str) -> Standing:
        return replace_standing(OPEN)

    monkeypatch.setattr(shop.program.desk.place_order, "standing", closed)
    await shop.program.desk.resume.approve(order.id, "staff:1", "known buyer")
    seen = await shop.order(order.id)
    assert (seen.state, seen.reason) == ("refused", "channel.maintenance")


def replace_standing(_: Standing) -> Standing:
    """A way to pay under maintenance."""
    return Standing("maintenance", usable=False, why="channel.maintenance", facts={"until_at": "2030-01-01T00:00:00Z"})


async def test_goods_of_a_review_go_back_in_time_and_are_taken_anew(shop: Shop, goods_id: int, fill: Any) -> None:
    await fill(1)
    order = await buy(shop, goods_id)
    await shop.later(16 * 60)
    await shop.work()
    assert (await left(shop), (await bought(shop))[0].state) == (1, "released")
    await shop.program.desk.resume.approve(order.id, "staff:1", "known buyer")
    assert (await left(shop), (await bought(shop))[0].state) == (0, "reserved")
    await shop.pay(await shop.order(order.id))
    await shop.reach(order.id, "credited")
    assert (await bought(shop))[0].state == "delivered"


async def test_goods_that_are_gone_when_it_is_approved_end_the_order_with_why(shop: Shop, goods_id: int, fill: Any) -> None:
    await fill(1)
    order = await buy(shop, goods_id)
    await shop.later(16 * 60)
    await shop.work()
    await shelf.set_sale(shop.program.database, 1, goods_id, on_sale=False)
    await shop.program.desk.resume.approve(order.id, "staff:1", "known buyer")
    seen = await shop.order(order.id)
    assert (seen.state, seen.reason) == ("refused", "goods.not_for_sale")


async def test_a_buyer_gives_a_waiting_order_up(shop: Shop, goods_id: int, fill: Any) -> None:
    await fill(1)
    order = await buy(shop, goods_id)
    seen = await shop.program.desk.cancel(shop.user_id, order.id)
    assert (seen.state, seen.reason) == ("abandoned", "operation.given_up")
    assert await shop.program.house.cases.open_about(1, REVIEW, order.shown) is None
    await shop.later(21)
    await shop.work()
    assert await left(shop) == 1
    with refuses("operation.not_waiting"):
        await shop.program.desk.resume.approve(order.id, "staff:1", "late")


async def test_what_an_order_waits_with_is_sealed(shop: Shop) -> None:
    order = await shop.place(REVIEWED_FEN)
    sealed = await shop.program.database.value("select wish from order_waits where order_id = $1", order.id)
    assert b"203.0.113.9" not in sealed
    request = await shop.program.desk.waiting.request(shop.program.database, order.id)
    assert (request.client_ip, request.amount_fen) == ("203.0.113.9", REVIEWED_FEN)
    await shop.program.desk.cancel(shop.user_id, order.id)
    left = await shop.program.database.value("select wish from order_waits where order_id = $1", order.id)
    assert not any(left), "what has ended needs nothing of it any more"
    with refuses("operation.not_waiting"):
        await shop.program.desk.resume.approve(order.id, "staff:1", "too late")


async def test_late_money_of_an_older_try_ends_the_review_of_the_newer(shop: Shop) -> None:
    """Asked about at the second try, while the first one's money is on its way: nobody is asked any more."""
    order = await shop.place(2_000)
    first = await shop.number(order.id)
    cases = shop.program.house.cases
    await shop.program.desk._books.publish(
        1, replace(LICENSED, rules=(_rule("test.review", "hold", 1_000, 5_000),)), version=2, author="t", note="n"
    )
    await shop.program.desk.cancel(shop.user_id, order.id)
    again = await shop.program.desk.retry(shop.user_id, order.id, shop.channel_id, "native", "203.0.113.9")
    assert again.state == "reviewing"
    assert (await knock(shop, payment(shop.enrolment, first, 2_000))).status == 204
    await shop.reach(order.id, "credited")
    await shop.later(601)
    await shop.work()
    assert await cases.open_about(1, REVIEW, order.shown) is None
