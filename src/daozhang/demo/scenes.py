"""How each situation is made: a function per cause. Each leaves the user where the cause will be met, and answers that path."""

import contextlib
import secrets
from datetime import timedelta

from daozhang import clock
from daozhang.app import SHOP
from daozhang.demo.causes import ways
from daozhang.demo.world import CLOSED_REGION, HOME_IP, Person, Scene, World
from daozhang.identity import Visitor
from daozhang.policy import payers, regulation
from daozhang.policy.places import note_login
from daozhang.reasons import Refusal
from daozhang.status import calendar

MAINTENANCE = timedelta(minutes=3)
"""How long a channel is shut for a visitor: long enough to see it, short enough for the next one."""
OUTAGE_S = 20.0
"""How long our database can only be read for a visitor; entering another situation ends it."""
STAFF = "staff:demo"
WRONG_TRIES = 6


async def balance_short(world: World, person: Person) -> str:
    """30 yuan in the wallet, 50 wanted."""
    await world.credit(person, 3_000)
    return f"/shop/{(await world.good('card')).id}"


async def frozen(world: World, person: Person) -> str:
    """Frozen by the risk office, to be looked at again in three days."""
    review_at = clock.now() + timedelta(days=3)
    await world.program.house.identity.freeze(person.user_id, actor=STAFF, reason="risk", review_at=review_at)
    return "/recharge"


async def locked(world: World, person: Person) -> str:
    """Somebody types wrong passwords on the user's own device until it pauses."""
    identity, visitor = world.program.house.identity, Visitor(HOME_IP, "198.51.100.0/24")
    device = await identity.login(SHOP, person.phone, world.password, visitor)
    here = Visitor(HOME_IP, "198.51.100.0/24", device_token=device.device_token)
    for _ in range(WRONG_TRIES):
        with contextlib.suppress(Refusal):
            await identity.login(SHOP, person.phone, "not the password", here)
    return "/recharge"


async def extra_check(world: World, person: Person) -> str:
    """A day that lies a little below the line; the next order takes its sum over it."""
    await world.verify(person)
    await world.credit(person, world.confirm_fen - 20_000)
    return "/recharge?amount=300"


async def unverified(world: World, person: Person) -> str:
    """900 yuan of the 1,000 that an account without a name may hold."""
    await world.credit(person, 90_000)
    return "/recharge?amount=200"


async def maintenance(world: World, person: Person) -> str:  # noqa: ARG001 -- every scene has the same shape
    """UnionPay is upgraded for some minutes."""
    channel_id, now = await world.channel(ways().shut[0]), clock.now()
    planned = await calendar.planned(world.program.database)
    if not any(row.channel_id == channel_id and row.begins_at <= now < row.ends_at for row in planned):
        await calendar.plan(world.program.database, channel_id, now, now + MAINTENANCE, note="系统升级")
        await world.program.board.load()
    return "/recharge"


async def bank_limit(world: World, person: Person) -> str:  # noqa: ARG001
    """More than the smallest channel takes at once; its limits are the shipped examples."""
    return "/recharge?amount=800"


async def lost(world: World, person: Person) -> str:
    """The channel does what it is asked and its answer is lost on the way."""
    await world.fault(point="order", kind="truncate", channel=ways().main[0], times=None)
    try:
        return f"/orders/{(await world.place(person, 5_000)).shown}"
    finally:
        await world.calm()


async def refused(world: World, person: Person) -> str:
    """The channel answers that it does not take this order."""
    await world.fault(point="order", kind="error", channel=ways().main[0], code="NO_AUTH", http=403, times=None)
    try:
        return f"/orders/{(await world.place(person, 5_000)).shown}"
    finally:
        await world.calm()


async def not_credited(world: World, person: Person) -> str:
    """Paid, and every message of the channel about it is lost."""
    order = await world.place(person, 5_000)
    await world.pay(order, trick="silence")
    return f"/orders/{order.shown}"


async def database(world: World, person: Person) -> str:  # noqa: ARG001
    """Our database can only be read for some seconds, and everybody's pages say so."""
    await world.read_only(OUTAGE_S)
    return "/recharge"


async def page_old(world: World, person: Person) -> str:  # noqa: ARG001
    """A page from before an upgrade: the tour itself shows its form."""
    return "/tour/old-page"


async def credit_card(world: World, person: Person) -> str:  # noqa: ARG001
    """The shop takes no credit cards."""
    return "/recharge?amount=100"


async def extra_zero(world: World, person: Person) -> str:
    """A user who always recharges 8.80 yuan. Ten times that is still a small sum, which is only asked about for its zero."""
    for _ in range(2):
        await world.credit(person, 880)
    return "/recharge?amount=88"


async def lost_point(world: World, person: Person) -> str:
    """A user who always recharges 1.88 yuan, and leaves the point out."""
    for _ in range(2):
        await world.credit(person, 188)
    return "/recharge?amount=188"


async def face_unfinished(world: World, person: Person) -> str:
    """An order that waits for a look at the face that was begun and left."""
    await world.verify(person)
    order = await world.place(person, world.confirm_fen + 10_000)
    path = f"/orders/{order.shown}"
    await world.program.house.challenges.face(order, world.url + path, agrees=True)
    return path


async def code_unfinished(world: World, person: Person) -> str:
    """An order that waits for the code that was never typed."""
    await world.verify(person)
    order = await world.place(person, world.confirm_fen + 10_000)
    return f"/orders/{order.shown}"


async def new_account(world: World, person: Person) -> str:  # noqa: ARG001
    """A user that has bought nothing."""
    return "/recharge"


async def agreement(world: World, person: Person) -> str:  # noqa: ARG001
    """A new version of the agreement since this user ticked the last one."""
    await world.renew_agreement()
    return "/recharge?amount=50"


async def coupon_stack(world: World, person: Person) -> str:
    """A coupon of one's own, beside a bonus that does not go with it."""
    await world.give_coupon(person)
    return "/recharge?amount=100"


async def cross_border(world: World, person: Person) -> str:  # noqa: ARG001
    """Exchange control looks at the card, not at the place."""
    return "/recharge?amount=100"


async def region_suspended(world: World, person: Person) -> str:
    """A user who lives where a class of channels was just closed."""
    await regulation.declare(world.program.database, SHOP, person.user_id, CLOSED_REGION, "demo")
    return "/recharge"


async def five_large(world: World, person: Person) -> str:
    """A user with a name, and four large orders within a minute; the next is the fifth."""
    await world.verify(person)
    for _ in range(4):
        await world.place(person, world.large_fen)
    # Another sum than the four: the same one would be gone on with and not ordered anew.
    return f"/recharge?amount={world.large_fen // 100 + 100}"


async def far_away(world: World, person: Person) -> str:
    """Always at home until now; this log-in is from elsewhere."""
    await note_login(world.program.database, person.user_id, HOME_IP)
    return f"/recharge?amount={world.large_fen // 100}"


async def flagged_payer(world: World, person: Person) -> str:
    """Somebody pays for this user whom people have since flagged. Everybody who enters has a payer of his own."""
    payer = f"oFlag{secrets.token_hex(11)}"
    first = await world.paid(person, await world.place(person, 1_000), payer=payer)
    await payers.flag(world.program.database, first.id, flagged=True, why="charged back elsewhere", actor=STAFF)
    return f"/orders/{(await world.paid(person, await world.place(person, 5_000), payer=payer, state='held')).shown}"


async def just_unfrozen(world: World, person: Person) -> str:
    """Money lay in the wallet through a freeze that has just ended."""
    await world.credit(person, 20_000)
    identity = world.program.house.identity
    await identity.freeze(person.user_id, actor=STAFF, reason="risk", review_at=clock.now() + timedelta(days=3))
    await identity.unfreeze(person.user_id, actor=STAFF, reason="approved")
    return f"/shop/{(await world.good('card')).id}"


SCENES: dict[str, Scene] = {
    scene.__name__: scene
    for scene in (
        balance_short, frozen, locked, unverified, maintenance, bank_limit, extra_check, lost, refused, not_credited, database,
        page_old, credit_card, extra_zero, lost_point, code_unfinished, face_unfinished, new_account, agreement, coupon_stack,
        cross_border, region_suspended,
        five_large, far_away, flagged_payer, just_unfrozen,
    )
}  # fmt: skip
"""By the id of the cause."""
