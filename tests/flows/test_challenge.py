"""What an order asks before its payment: an odd amount once, a second factor for large sums. Left, it ends."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from tests.flows.shop import LICENSED, Shop, open_shop, refuses

from daozhang.demo.world import numbered
from daozhang.money import MalformedAmount, guess_yuan, parse_yuan
from daozhang.policy.book import ConfirmRules, defaults
from daozhang.policy.model import Outcome
from daozhang.policy.rules.tree import Rule
from daozhang.postgres import Database
from daozhang.providers import rows
from daozhang.recharge.model import OrderView
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment

ODD = replace(LICENSED, amount=defaults().amount)
NETWORK = "192.0.2.0/24"


@pytest.fixture
async def asking(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop that confirms what is above 100 yuan, or above 200 in a day, with its messenger and face service."""
    rules = replace(LICENSED, amount=ODD.amount, confirm=ConfirmRules(from_fen=10_000, day_fen=20_000))
    async with open_shop(database, settings, enrolment=enrolment, rules=rules) as shop:
        for card in shop.sim.services.cards():
            await rows.add(database, shop.program.vault, settings, 1, rows.ProviderSettings(**card))  # type: ignore[arg-type]
        yield shop


def code(shop: Shop) -> str:
    """What the phone shows."""
    return next(
        word for word in shop.sim.services.messages[-1].text.replace("，", " ").split() if word.isdigit() and len(word) == 6
    )


async def credited(shop: Shop, order: OrderView) -> None:
    assert order.state == "awaiting_payment", order.reason
    await shop.pay(order)
    await shop.reach(order.id, "credited")


@pytest.fixture
async def shop(database: Database, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop that asks about odd amounts, as every new one does."""
    async with open_shop(database, settings, enrolment=enrolment, rules=ODD) as opened:
        yield opened


async def test_am_09_an_extra_zero_is_asked_about_once_and_goes_on_when_it_is_right(shop: Shop) -> None:
    for _ in range(2):
        await credited(shop, await shop.place(6_600))
    asked = await shop.place(66_000)
    assert (asked.state, asked.reason, asked.money) == ("challenged", "operation.amount_odd", "none")
    assert asked.reason_facts == {"amount_fen": 66_000, "usual_fen": 6_600}
    challenges = shop.program.house.challenges
    with refuses("operation.not_waiting"):
        await challenges.sure(asked, 6_600)
    await challenges.sure(asked, 66_000)
    await credited(shop, await shop.order(asked.id))
    assert (await shop.place(66_000)).state == "awaiting_payment", "it is in the history by now"


async def test_a_lost_point_is_asked_about_and_a_usual_or_offered_amount_is_not(shop: Shop) -> None:
    await credited(shop, await shop.place(888))
    assert (await shop.place(88_800)).reason == "operation.amount_odd"
    assert (await shop.place(10_000)).state == "awaiting_payment", "the page itself offers 100 yuan"
    assert (await shop.place(1_234)).state == "awaiting_payment"


async def test_a_newcomer_is_asked_by_what_the_page_offers(shop: Shop) -> None:
    assert (await shop.place(500_000)).reason == "operation.amount_odd"
    assert (await shop.place(120_000)).state == "awaiting_payment"


async def test_a_large_sum_is_confirmed_by_a_code_that_names_shop_amount_and_the_warning(asking: Shop) -> None:
    order = await asking.place(12_300)
    assert (order.state, order.reason, order.payload) == ("challenged", "operation.confirm_needed", {})
    challenges = asking.program.house.challenges
    await challenges.send(order, NETWORK)
    text = asking.sim.services.messages[-1].text
    assert all(word in text for word in ("到账", "123.00", "绝不会向您索要"))
    with refuses("confirmation.wrong"):
        await challenges.answer(order, "000000" if code(asking) != "000000" else "000001")
    await challenges.answer(order, code(asking))
    await credited(asking, await asking.order(order.id))
    with refuses("operation.not_waiting"):
        await challenges.answer(order if False else await asking.order(order.id), code(asking))


@pytest.mark.usefixtures("one_day")
async def test_the_sum_of_a_day_counts_and_what_is_confirmed_is_this_order_alone(asking: Shop) -> None:
    for _ in range(2):
        await credited(asking, await asking.place(10_000))
    order = await asking.place(5_000)
    assert order.reason == "operation.confirm_needed"
    challenges = asking.program.house.challenges
    await challenges.send(order, NETWORK)
    other = await asking.place(5_000)
    with refuses("confirmation.over"):
        await challenges.answer(other, code(asking))
    await challenges.answer(order, code(asking))
    assert (await asking.order(order.id)).state == "awaiting_payment"
    assert (await asking.order(other.id)).state == "challenged"


@pytest.mark.usefixtures("one_day")
async def test_am_the_sum_that_a_day_may_have_without_a_code_holds_however_many_ask_at_once(asking: Shop) -> None:
    views = await asyncio.gather(*(asking.place(9_000, key=secrets.token_hex(8)) for _ in range(12)))
    assert sorted(view.state for view in views) == ["awaiting_payment"] * 2 + ["challenged"] * 10
    assert {view.reason for view in views if view.state == "challenged"} == {"operation.confirm_needed"}


async def test_am_a_code_lets_one_order_go_on_once_however_many_answer_at_once(asking: Shop) -> None:
    order = await asking.place(12_300)
    challenges = asking.program.house.challenges
    await challenges.send(order, NETWORK)
    told = await asyncio.gather(*(challenges.answer(order, code(asking)) for _ in range(12)), return_exceptions=True)
    assert sum(each is None for each in told) == 1
    attempts = await asking.program.database.value("select count(*) from attempts where order_id = $1", order.id)
    assert attempts == 1


async def test_both_questions_may_follow_each_other_and_neither_is_asked_twice(asking: Shop) -> None:
    await credited(asking, await asking.place(6_600))
    order = await asking.place(66_000)
    assert order.reason == "operation.amount_odd"
    await asking.program.house.challenges.sure(order, 66_000)
    order = await asking.order(order.id)
    assert (order.state, order.reason) == ("challenged", "operation.confirm_needed")
    await asking.program.house.challenges.send(order, NETWORK)
    await asking.program.house.challenges.answer(order, code(asking))
    await credited(asking, await asking.order(order.id))


async def test_am_09_an_amount_that_was_right_is_right_at_the_next_way_to_pay_too(shop: Shop) -> None:
    await credited(shop, await shop.place(6_600))
    order = await shop.place(66_000)
    await shop.program.house.challenges.sure(order, 66_000)
    desk = shop.program.desk
    again = await desk.retry(shop.user_id, order.id, shop.channel_id, "h5", "203.0.113.9")
    assert (again.state, again.reason, again.method) == ("awaiting_payment", None, "h5")
    await credited(shop, again)


async def test_a_question_left_unanswered_ends_with_a_reason_of_its_own(asking: Shop) -> None:
    order = await asking.place(12_300)
    await asking.later(16 * 60)
    while await asking.work():
        pass
    seen = await asking.order(order.id)
    assert (seen.state, seen.reason, seen.money) == ("abandoned", "operation.challenge_unfinished", "none")
    with refuses("operation.not_waiting"):
        await asking.program.house.challenges.send(seen, NETWORK)
    again = await asking.place(12_300, key=secrets.token_hex(8))
    await asking.program.house.challenges.send(again, NETWORK)
    await asking.program.house.challenges.answer(again, code(asking))
    await credited(asking, await asking.order(again.id))


@pytest.mark.parametrize(
    ("outcome", "tolerance"), [("challenge", "none"), ("hold", "one_step")], ids=["a rule that asks", "a hold made one step milder"]
)
async def test_what_a_rule_asks_for_is_answered_by_a_second_factor_and_not_asked_again(
    database: Database, settings: Settings, enrolment: Enrolment, outcome: str, tolerance: str
) -> None:
    """The naive program has no page for a question of a rule: the order waits a quarter of an hour and blames its owner."""
    asks = Rule(
        key="amount.asks", strength="soft", stages=("place",), outcome=Outcome(outcome), reason="risk.structuring",
        tolerance=tolerance, when={"f": "amount", "op": ">=", "v": {"fen": 4_000}},
    )  # fmt: skip
    async with open_shop(database, settings, enrolment=enrolment, rules=replace(LICENSED, rules=(asks,))) as shop:
        for card in shop.sim.services.cards():
            await rows.add(database, shop.program.vault, settings, 1, rows.ProviderSettings(**card))  # type: ignore[arg-type]
        challenges, order = shop.program.house.challenges, await shop.place(5_000)
        assert (order.state, order.reason) == ("challenged", "risk.structuring")
        asked = await challenges.asked(order)
        assert asked is not None
        assert asked.question == "confirm"
        with refuses("operation.not_waiting"):
            await challenges.sure(order, 5_000)
        await challenges.send(order, NETWORK)
        await challenges.answer(order, code(shop))
        seen = await shop.order(order.id)
        await credited(shop, seen)


async def test_a_face_is_another_way_with_consent_of_its_own(asking: Shop) -> None:
    challenges, stranger = asking.program.house.challenges, await asking.place(12_300)
    with refuses("confirmation.face_unfit"):
        await challenges.face(stranger, f"{asking.url}/back", agrees=True)
    await asking.program.house.verifications.verify(asking.user_id, "王小明", numbered("19800101"))
    with refuses("confirmation.face_unfit"):
        await challenges.face(stranger, f"{asking.url}/back", agrees=True)
    order = await asking.place(12_300)
    with refuses("confirmation.consent_needed"):
        await challenges.face(order, f"{asking.url}/back", agrees=False)
    await challenges.face(order, f"{asking.url}/back", agrees=True)
    assert not await challenges.back(await asking.order(order.id))
    (look,) = asking.sim.services.looks
    asking.sim.services.decide(look, passed=True)
    assert await challenges.back(await asking.order(order.id))
    assert (await asking.order(order.id)).state == "awaiting_payment"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("５０", 5_000),
        ("50元", 5_000),
        ("¥ 50", 5_000),
        ("￥50.5 元", 5_050),
        ("1,000", 100_000),
        ("５０。５", 5_050),
        ("50块", 5_000),
        ("50.", 5_000),
    ],
)
def test_am_what_is_no_amount_is_guessed_to_be_asked_back_only(text: str, meant: int) -> None:
    with pytest.raises(MalformedAmount):
        parse_yuan(text)
    assert guess_yuan(text) == meant


@pytest.mark.parametrize("text", ["50", "50.00", "", "five", "1e3", "-50", "50.123", "0x10", "٥٠", "5 0", "50\n50", "元", "9" * 40])
def test_what_nobody_could_mean_is_not_guessed(text: str) -> None:
    assert guess_yuan(text) is None
