"""How each cause is met, and how its cure is done: what a person would do, step by step."""

import re
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from tests.cases.test_evidence import picture
from tests.demo.story import ELSEWHERE, Story

from daozhang.cases.unfreeze import ask as ask_unfreeze
from daozhang.demo.scenes import MAINTENANCE
from daozhang.demo.world import HOME_IP, LARGE_FEN
from daozhang.identity import Visitor
from daozhang.policy import payers, places
from daozhang.reasons import Refusal
from daozhang.recharge import hold, source
from daozhang.recharge.hearing import Hearing


async def meet_balance_short(story: Story) -> str:
    return await story.buy()


async def cure_balance_short(story: Story) -> None:
    await story.world.credit(story.person, 2_000)
    assert await story.buy() == ""


async def meet_placing(story: Story) -> str:
    return str((await story.place()).reason)


async def cure_frozen(story: Story) -> None:
    """Unbind the device that is not one's own, prove to be the owner, show papers, and a second person agrees."""
    program, identity = story.world.program, story.world.program.house.identity
    await identity.login(1, story.person.phone, story.world.password, Visitor(ELSEWHERE, "203.0.113.0/24"))
    here = Visitor(HOME_IP, "198.51.100.0/24")
    own = await identity.session((await identity.login(1, story.person.phone, story.world.password, here)).token)
    assert own is not None
    for device in await program.house.devices.of_user(story.person.user_id):
        if device.id != own.device_id:
            await program.house.devices.unbind(own, device.id, here, password=story.world.password)
    assert len(await program.house.devices.of_user(story.person.user_id)) == 1
    cases = program.house.cases
    await program.house.regain.prove(own, here, password=story.world.password)
    case_id = await ask_unfreeze(program.database, cases, 1, story.person.user_id, "risk", {})
    await cases.answer(story.person.user_id, case_id, "是本人，证件已附上", [picture()])
    await cases.propose(case_id, "staff:1", "approved", "the papers fit")
    with pytest.raises(Refusal, match="cases"):
        await cases.confirm(case_id, "staff:1")
    await cases.confirm(case_id, "staff:2")


async def cure_time(story: Story) -> None:
    await story.shop.later(16 * 60)


async def meet_unverified(story: Story) -> str:
    return str((await story.place(20_000)).reason)


async def cure_unverified(story: Story) -> None:
    await story.world.verify(story.person)
    await story.world.paid(story.person, await story.place(20_000))


async def meet_maintenance(story: Story) -> str:
    return str((await story.place(kind="unionpay", method="qr")).reason)


async def cure_maintenance(story: Story) -> None:
    await story.world.credit(story.person, 5_000)  # another channel, meanwhile
    await story.shop.later(MAINTENANCE.total_seconds() + 1)
    await story.world.program.board.load()
    assert (await story.place(kind="unionpay", method="qr")).state == "awaiting_payment"


async def meet_bank_limit(story: Story) -> str:
    return str((await story.place(80_000, kind="epay", method="page")).reason)


async def cure_bank_limit(story: Story) -> None:
    await story.world.paid(story.person, await story.place(80_000, kind="wechatpay"))


async def meet_lost(story: Story) -> str:
    order = await story.newest()
    assert (order.money, order.payload) == ("checking", {})
    return str(order.reason)


async def cure_lost(story: Story) -> None:
    await story.shop.later(6)
    await story.shop.work()
    order = await story.seen()
    if order.state != "awaiting_payment":
        assert story.order is not None
        order = await story.world.program.desk.retry(
            story.person.user_id, story.order.id, story.shop.channels["wechatpay"], "native", HOME_IP
        )
    await story.world.paid(story.person, order)


async def meet_not_credited(story: Story) -> str:
    order = await story.newest()
    assert (order.state, await story.shop.cash(story.person.user_id)) == ("awaiting_payment", 0), "paid, and nobody told us"
    program, hearing = story.world.program, Hearing(story.world.program.database)
    program.board.listen(hearing.heard)
    await story.shop.later(11 * 60)
    for _ in range(3):
        await hearing.look()
        assert hearing.heard(story.shop.channels["wechatpay"]) is None, "too few to say"
        silent = await story.place(1_000)
        await story.world.pay(silent, trick="silence")
        await program.desk.look(silent.id)
    await hearing.look()
    story.order = order
    quote = await program.desk.quote(story.person.user_id)
    return next(str(verdict.reason) for verdict in quote.verdicts if verdict.check == "platform.notify_door")


async def cure_not_credited(story: Story) -> None:
    assert story.order is not None
    await story.world.program.desk.look(story.order.id)
    assert ((await story.seen()).state, await story.shop.cash(story.person.user_id)) == ("credited", 8_000)


async def meet_database(story: Story) -> str:
    """Our database can only be read: nothing is placed, and the page says why before anybody presses."""
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await story.place()
    quote = await story.world.program.desk.quote(story.person.user_id)
    return next(str(verdict.reason) for verdict in quote.verdicts if verdict.check == "platform.database")


async def cure_database(story: Story) -> None:
    await story.world.calm()


async def meet_page_old(story: Story) -> str:
    return str((await story.place(version="0.0.1")).reason)


async def meet_extra_check(story: Story) -> str:
    return str((await story.place(30_000)).reason)


async def cure_by_code(story: Story) -> None:
    assert story.order is not None
    challenges = story.world.program.house.challenges
    await challenges.send(story.order, "198.51.100.0/24")
    text = story.shop.sim.services.messages[0].text
    await challenges.answer(story.order, next(part for part in re.findall(r"[0-9]{6}", text)))
    await story.world.paid(story.person, await story.seen())
    await story.shop.later(86_400)  # all of today is confirmed, tomorrow begins anew


async def meet_refused(story: Story) -> str:
    order = await story.newest()
    assert (order.state, order.money) == ("failed", "none")
    return str(order.reason)


async def cure_refused(story: Story) -> None:
    """The same order another way."""
    assert story.order is not None
    desk, channel_id = story.world.program.desk, story.shop.channels["unionpay"]
    order = await desk.retry(story.person.user_id, story.order.id, channel_id, "qr", HOME_IP)
    await story.world.paid(story.person, order)


async def meet_credit_card(story: Story) -> str:
    return str((await story.place(10_000, instrument="credit")).reason)


async def cure_credit_card(story: Story) -> None:
    await story.world.paid(story.person, await story.place(10_000, instrument="debit"))


async def meet_agreement(story: Story) -> str:
    return str((await story.place()).reason)


async def cure_agreement(story: Story) -> None:
    quote = await story.world.program.desk.quote(story.person.user_id)
    await story.world.paid(story.person, await story.place(agreement=quote.agreement))


async def cure_new_account(story: Story) -> None:
    await story.world.buy_trial(story.person)


async def meet_five_large(story: Story) -> str:
    order = await story.place(LARGE_FEN)
    assert order.state == "reviewing", "it is asked about before any money moves"
    return str(order.reason)


async def cure_review(story: Story) -> None:
    await story.reviewed()
    await story.world.paid(story.person, await story.seen())


async def meet_far_away(story: Story) -> str:
    database = story.world.program.database
    await places.note_login(database, story.person.user_id, ELSEWHERE)
    return str((await story.place(LARGE_FEN, ip=ELSEWHERE)).reason)


async def meet_coupon_stack(story: Story) -> str:
    code = await story.world.give_coupon(story.person)
    return str((await story.place(10_000, offer=await story.world.campaign("bonus"), coupon=code)).reason)


async def cure_coupon_stack(story: Story) -> None:
    await story.world.paid(story.person, await story.place(10_000, offer=await story.world.campaign("bonus")))
    wallet = await story.world.program.desk.wallet(story.person.user_id)
    assert (wallet.cash_fen, wallet.bonus_fen) == (10_000, 1_000)


async def meet_cross_border(story: Story) -> str:
    return str((await story.place(10_000, instrument="overseas")).reason)


async def cure_cross_border(story: Story) -> None:
    await story.world.paid(story.person, await story.place(10_000, instrument="debit", ip="192.0.2.77"))


async def meet_region_suspended(story: Story) -> str:
    quote = await story.world.program.desk.quote(story.person.user_id)
    kinds = {each.kind for each in quote.methods if each.open}
    assert "epay" not in kinds, "gone from the page"
    assert "wechatpay" in kinds
    return str((await story.place(kind="epay", method="page")).reason)


async def cure_region_suspended(story: Story) -> None:
    await story.world.paid(story.person, await story.place(kind="wechatpay"))


async def meet_extra_zero(story: Story) -> str:
    return str((await story.place(8_800)).reason)


async def cure_extra_zero(story: Story) -> None:
    assert story.order is not None
    await story.world.program.desk.cancel(story.person.user_id, story.order.id)  # it was a mistake
    await story.world.paid(story.person, await story.place(880))
    again = await story.place(8_800)  # and this time it is meant
    await story.world.program.house.challenges.sure(again, 8_800)
    await story.world.paid(story.person, await story.seen())


async def meet_lost_point(story: Story) -> str:
    return str((await story.place(18_800)).reason)


async def cure_lost_point(story: Story) -> None:
    assert story.order is not None
    await story.world.program.desk.cancel(story.person.user_id, story.order.id)
    await story.world.paid(story.person, await story.place(188))


async def meet_face_unfinished(story: Story) -> str:
    """Begun, and left before the camera."""
    order = await story.newest()
    assert not await story.world.program.house.challenges.back(await story.seen())
    assert (await story.seen()).state == "challenged"
    return str(order.reason)


async def cure_face_unfinished(story: Story) -> None:
    """Taken up where it was left."""
    (look,) = story.shop.sim.services.looks
    story.shop.sim.services.decide(look, passed=True)
    assert await story.world.program.house.challenges.back(await story.seen())
    await story.world.paid(story.person, await story.seen())
    await story.shop.later(86_400)


async def meet_code_unfinished(story: Story) -> str:
    order = await story.newest()
    assert order.state == "challenged"
    await story.shop.later(16 * 60)
    while await story.shop.work():
        pass
    assert (await story.seen()).reason == "operation.challenge_unfinished", "left, it ends with a reason of its own"
    return str((await story.place(story.world.confirm_fen + 10_000)).reason)


async def cure_just_unfrozen(story: Story) -> None:
    program, user_id = story.world.program, story.person.user_id
    cases = program.house.cases
    await story.world.credit(story.person, 5_000)
    assert await story.buy() == source.REASON, "the oldest money leaves first: what came since does not help"
    case_id = await source.ask(program.database, cases, 1, user_id)
    assert case_id is not None
    await cases.answer(user_id, case_id, "工资卡充值，冻结前就在余额里", [picture()])
    await cases.propose(case_id, "staff:1", "approved", "paid with the owner's own card")
    with pytest.raises(Refusal, match="cases"):
        await cases.confirm(case_id, "staff:1")
    await cases.confirm(case_id, "staff:2")
    assert await story.buy() == ""


async def meet_flagged_payer(story: Story) -> str:
    """The money is there, kept apart, and its owner reads that it is."""
    order = await story.newest()
    assert (order.state, order.money) == ("held", "received")
    assert await story.shop.cash(story.person.user_id) == 1_000
    return str(order.reason)


async def cure_flagged_payer(story: Story) -> None:
    """Who paid is told, with proof; two people agree and it is credited. The flag, which was an error, is taken away."""
    assert story.order is not None
    program, cases = story.world.program, story.world.program.house.cases
    case = await cases.open_about(1, hold.KIND, story.order.shown)
    assert case is not None
    assert (case.question, case.turn) == ("payer", "user")
    await cases.answer(story.person.user_id, case.id, "是我姐姐替我付的，转账记录附上", [picture()])
    await cases.propose(case.id, "staff:1", "approved", "a sister, the record fits")
    with pytest.raises(Refusal, match="cases"):
        await cases.confirm(case.id, "staff:1")
    await cases.confirm(case.id, "staff:2")
    assert ((await story.seen()).state, await story.shop.cash(story.person.user_id)) == ("credited", 6_000)
    await payers.flag(program.database, story.order.id, flagged=False, why="a sister", actor="staff:2")


async def nothing(story: Story) -> None:
    """The cure is to do it again: the page has renewed itself."""


Meet, Cure = Callable[[Story], Awaitable[str]], Callable[[Story], Awaitable[None]]
LIVED: dict[str, tuple[Meet, Cure]] = {
    "balance_short": (meet_balance_short, cure_balance_short),
    "frozen": (meet_placing, cure_frozen),
    "locked": (meet_placing, cure_time),
    "unverified": (meet_unverified, cure_unverified),
    "maintenance": (meet_maintenance, cure_maintenance),
    "bank_limit": (meet_bank_limit, cure_bank_limit),
    "extra_check": (meet_extra_check, cure_by_code),
    "refused": (meet_refused, cure_refused),
    "agreement": (meet_agreement, cure_agreement),
    "lost_point": (meet_lost_point, cure_lost_point),
    "face_unfinished": (meet_face_unfinished, cure_face_unfinished),
    "lost": (meet_lost, cure_lost),
    "not_credited": (meet_not_credited, cure_not_credited),
    "database": (meet_database, cure_database),
    "page_old": (meet_page_old, nothing),
    "credit_card": (meet_credit_card, cure_credit_card),
    "new_account": (meet_placing, cure_new_account),
    "extra_zero": (meet_extra_zero, cure_extra_zero),
    "code_unfinished": (meet_code_unfinished, cure_by_code),
    "coupon_stack": (meet_coupon_stack, cure_coupon_stack),
    "cross_border": (meet_cross_border, cure_cross_border),
    "region_suspended": (meet_region_suspended, cure_region_suspended),
    "five_large": (meet_five_large, cure_review),
    "far_away": (meet_far_away, cure_by_code),
    "flagged_payer": (meet_flagged_payer, cure_flagged_payer),
    "just_unfrozen": (meet_balance_short, cure_just_unfrozen),
}
