"""What a cure offers besides: each alternative that a reason's text names, done as a person would do it."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta

from tests.demo.lives import LIVED
from tests.demo.story import Story
from tests.patience import until

from daozhang import __version__, clock
from daozhang.demo.world import HOME_IP, LARGE_FEN
from daozhang.goods.buy import Purchases
from daozhang.policy import regulation
from daozhang.policy.books import Books
from daozhang.recharge.model import Basket, PlaceRequest

Way = Callable[[Story], Awaitable[None]]


async def pay_the_rest_at_a_channel(story: Story) -> None:
    """30 yuan from the balance, 20 at the channel, in one purchase."""
    program, good = story.world.program, await story.world.good("card")
    story.order = await program.desk.place(
        PlaceRequest(
            1, story.person.user_id, good.price_fen - 3_000, story.shop.channels["wechatpay"], "native", secrets.token_hex(16),
            __version__, HOME_IP, basket=Basket(good.id, 1, good.price_fen, 3_000),
        )
    )  # fmt: skip
    await story.world.paid(story.person, story.order)
    assert await story.shop.cash(story.person.user_id) == 0
    bought = await Purchases(1, program.database, program.vault, program.accounts, Books(program.database)).purchases(
        story.person.user_id
    )
    assert bought[0].state == "delivered"


async def spend_some_first(story: Story) -> None:
    for _ in range(2):
        assert await story.buy() == ""
    await story.world.paid(story.person, await story.place(20_000))


async def an_amount_within_the_limit(story: Story) -> None:
    order = await story.place(50_000, kind="epay", method="page")
    assert order.state == "awaiting_payment"


async def another_way_than_the_credit_card(story: Story) -> None:
    assert (await story.place(10_000, kind="unionpay", method="qr")).state == "awaiting_payment"


async def by_the_face(story: Story) -> None:
    """Instead of the code; whoever was verified, agrees, and looks."""
    assert story.order is not None
    challenges, services = story.world.program.house.challenges, story.shop.sim.services
    await challenges.face(await story.seen(), "http://127.0.0.1/back", agrees=True)
    services.decide(next(reversed(services.looks)), passed=True)
    assert await challenges.back(await story.seen())
    await story.world.paid(story.person, await story.seen())
    await story.shop.later(86_400)  # all of today is confirmed, tomorrow begins anew


async def by_a_code_after_all(story: Story) -> None:
    """The look at the face was begun and left: a code does as well."""
    await LIVED["code_unfinished"][1](story)


async def keep_the_coupon(story: Story) -> None:
    code = await story.world.give_coupon(story.person)
    await story.world.paid(story.person, await story.place(10_000, coupon=code))


async def wait_until_the_window_is_over(story: Story) -> None:
    """The one that is asked about is given up; what is placed after the ten minutes is not asked about."""
    assert story.order is not None
    await story.world.program.desk.cancel(story.person.user_id, story.order.id)
    await story.shop.later(timedelta(minutes=10, seconds=1).total_seconds())
    await story.world.paid(story.person, await story.place(LARGE_FEN))


async def a_person_looks_instead(story: Story) -> None:
    """No telephone at hand: its owner gives the order to a person, says how it is, and one of ours lets it go."""
    program = story.world.program
    await program.house.challenges.ask_person(await story.seen())
    seen = await story.seen()
    assert (seen.state, seen.reason) == ("reviewing", "risk.person_asked")
    case = await program.house.cases.open_about(1, "review", seen.shown)
    assert case is not None
    await program.house.cases.answer(story.person.user_id, case.id, "出差在外，手机不在身边")
    await program.house.cases.propose(case.id, "staff:1", "approved", "called back")
    await program.desk.look(seen.id)
    await story.shop.later(6)
    await story.shop.work()
    await story.world.paid(story.person, await story.seen())


async def silence_sends_it_back(story: Story) -> None:
    assert story.order is not None
    await story.shop.later(timedelta(days=7, minutes=1).total_seconds())

    async def refunded() -> bool:
        await story.shop.work()
        await story.shop.sim.quiet()
        await story.shop.later(61)
        return (await story.seen()).state == "refunded"

    await until(refunded)


async def wait_three_days(story: Story) -> None:
    await story.shop.later(timedelta(days=3, seconds=1).total_seconds())
    assert await story.buy() == ""


async def it_is_found_by_itself(story: Story) -> None:
    """Nobody taps anything: the channel is asked on the schedule."""
    await story.shop.later(61)
    await story.shop.work()
    assert (await story.seen()).state == "credited"


async def the_freeze_ends_by_itself(story: Story) -> None:
    """With an end: it is lifted then, and nobody has to be asked."""
    identity = story.world.program.house.identity
    await identity.unfreeze(story.person.user_id, actor="staff:1", reason="an end is set")
    await identity.freeze(story.person.user_id, actor="staff:1", reason="risk", until=clock.now() + timedelta(days=2))
    assert (await story.place()).reason == "account.frozen"
    await story.shop.later(timedelta(days=2, seconds=1).total_seconds())


async def another_region_was_meant(story: Story) -> None:
    """The wrong one was chosen: support puts it right."""
    await regulation.declare(story.world.program.database, 1, story.person.user_id, "33", "staff:1")
    assert (await story.place(kind="epay", method="page")).state == "awaiting_payment"


OTHERWISE: tuple[tuple[str, Way], ...] = (
    ("balance_short", pay_the_rest_at_a_channel),
    ("frozen", the_freeze_ends_by_itself),
    ("unverified", spend_some_first),
    ("bank_limit", an_amount_within_the_limit),
    ("credit_card", another_way_than_the_credit_card),
    ("extra_check", by_the_face),
    ("code_unfinished", by_the_face),
    ("face_unfinished", by_a_code_after_all),
    ("coupon_stack", keep_the_coupon),
    ("five_large", wait_until_the_window_is_over),
    ("far_away", a_person_looks_instead),
    ("flagged_payer", silence_sends_it_back),
    ("just_unfrozen", wait_three_days),
    ("not_credited", it_is_found_by_itself),
    ("region_suspended", another_region_was_meant),
)
