"""A day at the desk: orders that went well and badly, money that waits, an account to give back, something of all else."""

import dataclasses
from dataclasses import dataclass
from datetime import timedelta

from tests.cases.test_evidence import picture
from tests.flows.shop import Shop
from tests.patience import until

from daozhang import alarms, clock, ids
from daozhang.cases.unfreeze import ask
from daozhang.identity import Visitor
from daozhang.limits import rows as limits
from daozhang.offers import campaigns
from daozhang.offers.model import Terms, Tier
from daozhang.postgres import Tx
from daozhang.recharge import moves
from daozhang.recharge.model import OrderView
from daozhang.simulators.faults import Fault
from daozhang.status import calendar

HERE = Visitor("192.0.2.1", "192.0.2.0/24")


@dataclass(frozen=True)
class Scene:
    """What stands on the desk. `held` waits for staff with an answer and a picture; `asked` is in review before its payment."""

    credited: OrderView
    failed: OrderView
    held: OrderView
    asked: OrderView
    held_case: str
    asked_case: str
    unfreeze_case: str
    frozen_id: int


async def user(shop: Shop, number: int) -> int:
    """One more user."""
    identity, phone = shop.program.house.identity, f"139{number:08d}"
    await identity.register(1, phone, "tea at four by the river", HERE)
    found = await identity.find(1, phone)
    assert found is not None
    return found


async def failed(shop: Shop) -> OrderView:
    """An order that its channel declined."""
    shop.sim.dial.set(Fault(point="order", kind="error", times=1, code="NO_AUTH", http=403))
    order = await shop.place(12_800)
    shop.sim.dial.clear()
    return order


async def held(shop: Shop, user_id: int) -> tuple[OrderView, str]:
    """Money that arrived while its owner was frozen, with the owner's answer; the account is free again."""
    house = shop.program.house
    placed = await shop.place(68_000, user_id=user_id)
    await house.identity.freeze(user_id, actor="staff:1", reason="risk_review")
    await shop.pay(placed)
    await reach(shop, placed, "held")
    case = await house.cases.open_about(1, "hold", placed.shown)
    assert case is not None
    await house.cases.answer(user_id, case.id, "这是我自己的工资卡付的，给孩子买点卡。", [picture(), picture()])
    return await seen(shop, placed), case.shown


async def asked(shop: Shop, user_id: int) -> tuple[OrderView, str]:
    """The fifth large order within ten minutes: a person is asked before it is paid."""
    for _ in range(5):
        order = await shop.place(200_000, user_id=user_id)
    assert order.state == "reviewing", order.state
    case = await shop.program.house.cases.open_about(1, "review", order.shown)
    assert case is not None
    return order, case.shown


async def seen(shop: Shop, order: OrderView) -> OrderView:
    """An order of whoever it is."""
    view = await shop.program.desk.order(order.user_id, order.id)
    assert view is not None
    return view


async def reach(shop: Shop, order: OrderView, state: str) -> None:
    """Wait for a state of somebody else's order."""

    async def there() -> bool:
        return (await seen(shop, order)).state == state

    await until(there)


async def campaign(shop: Shop) -> None:
    """One campaign that runs and has given, coupons of another, a third that waits for a second person."""
    database, at = shop.program.database, clock.now()
    stairs, ends_at = (Tier(10_000, 800), Tier(50_000, 5_000), Tier(100_000, 12_000)), at + timedelta(days=14)
    bonus = Terms("bonus", "双十二充值送", "Winter bonus", at - timedelta(minutes=5), ends_at, stairs, 500_000, user_count=3)
    coupons = dataclasses.replace(
        bonus, form="coupon", name_zh="满五十优惠券", name_en="Five off fifty", tiers=(Tier(5_000, 500),), budget_fen=40_000
    )
    later = dataclasses.replace(coupons, name_zh="元旦回馈券", name_en="New year coupons", ends_at=at + timedelta(days=30))
    for terms in (bonus, coupons, later):
        number = await campaigns.propose(database, 1, terms, "staff:1")
        if terms is not later:
            await campaigns.approve(database, 1, number, "staff:2")
        if terms is coupons:
            await campaigns.issue(database, 1, number, 12, "staff:1")


async def furnish(shop: Shop) -> Scene:
    """Put everything on the desk."""
    house, database = shop.program.house, shop.program.database
    paid = await shop.place(5_000)
    await shop.pay(paid)
    await reach(shop, paid, "credited")
    broken = await failed(shop)
    waits, waits_case = await held(shop, await user(shop, 1))
    review, review_case = await asked(shop, await user(shop, 2))
    frozen_id = await user(shop, 3)
    await house.identity.freeze(frozen_id, actor="staff:1", reason="risk_review", note="在外地连续输错密码后换了手机")
    unfreeze_id = await ask(database, house.cases, 1, frozen_id, "risk_review", {})
    await house.cases.answer(frozen_id, unfreeze_id, "换了手机，密码记错了，是我本人。", [picture()])

    async def more(tx: Tx) -> None:
        at = clock.now()
        await house.cases.open(tx, 1, shop.user_id, "claim", paid.shown, "paid_proof", {"amount_fen": 5_000}, first="staff")
        odd = moves.Anomaly("amount", broken.id, None, shop.channel_id, 12_700, '{"paid_fen":12700,"asked_fen":12800}')
        await moves.note_anomalies(tx, 1, at, [odd])
        await alarms.ring(tx, 1, at, "channel.limit_unlisted", "wechatpay:RATELIMIT", {"channel": 1})

    await database.transact(more)
    await campaign(shop)
    await limits.ship(database, "demo")
    begins = clock.now() + timedelta(hours=6)
    await calendar.plan(database, shop.channel_id, begins, begins + timedelta(hours=2), note="银行系统升级")
    return Scene(
        await seen(shop, paid), await seen(shop, broken), waits, review, waits_case, review_case, f"CA-{ids.text26(unfreeze_id)}",
        frozen_id,
    )  # fmt: skip
