"""Campaigns and coupons from the wish to the credit and back: what is promised is kept, and no race gives more than there is."""

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import pytest
from tests.flows.conftest import enrolment, proved, shop, stranger  # noqa: F401 -- fixtures of the flows
from tests.flows.shop import Shop, make_users, open_shop, refuses
from tests.flows.test_payouts import ACCOUNT, NAME, verified

from daozhang import __version__, clock
from daozhang.goods import shelf
from daozhang.goods.buy import Purchases
from daozhang.offers import campaigns
from daozhang.offers.model import Terms, Tier
from daozhang.policy.book import defaults
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.postgres.supervisor import Supervisor
from daozhang.recharge.model import Basket, OrderView, PlaceRequest
from daozhang.recharge.release import release
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment


def terms(
    form: Any = "bonus", *tiers: Tier, budget_fen: int = 1_000_000, lasts: timedelta = timedelta(days=7), **more: Any
) -> Terms:
    at = clock.now()
    stairs = tiers or (Tier(10_000, 1_000), Tier(50_000, 8_000))
    return Terms(form, "双十二充值送", "Winter bonus", at - timedelta(minutes=1), at + lasts, stairs, budget_fen, **more)


async def run(database: Database, wanted: Terms) -> int:
    number = await campaigns.propose(database, 1, wanted, "anna")
    await campaigns.approve(database, 1, number, "ben")
    return number


async def place(shop: Shop, amount_fen: int = 10_000, *, offer: int | None = None, coupon: str = "", user_id: int = 0) -> OrderView:  # noqa: F811
    return await shop.program.desk.place(
        PlaceRequest(
            1, user_id or shop.user_id, amount_fen, shop.channel_id, "native", secrets.token_hex(16), __version__, "203.0.113.9",
            offer=offer, coupon=coupon,
        )
    )  # fmt: skip


async def wallet(shop: Shop) -> tuple[int, int]:  # noqa: F811
    seen = await shop.program.desk.wallet(shop.user_id)
    return seen.cash_fen, seen.bonus_fen


async def credited(shop: Shop, order: OrderView) -> None:  # noqa: F811
    assert order.state == "awaiting_payment", (order.state, order.reason)
    await shop.pay(order)
    await shop.reach(order.id, "credited")


async def used_fen(shop: Shop, campaign_id: int) -> int:  # noqa: F811
    return int(await shop.program.database.value("select used_fen from campaigns where id = $1", campaign_id))


async def test_the_tier_that_the_amount_reaches_is_given_with_the_credit(shop: Shop) -> None:  # noqa: F811
    number = await run(shop.program.database, terms())
    for amount_fen, bonus_fen in ((9_999, 0), (10_000, 1_000), (49_999, 1_000), (50_000, 8_000)):
        before = await wallet(shop)
        order = await place(shop, amount_fen, offer=number)
        assert await wallet(shop) == before, "nothing is given before the money is there"
        await credited(shop, order)
        assert await wallet(shop) == (before[0] + amount_fen, before[1] + bonus_fen)
    assert await used_fen(shop, number) == 10_000


async def test_am_05_a_coupon_or_the_bonus_and_choosing_one_cures_it(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    bonus = await run(database, terms())
    coupons = await run(database, terms("coupon", Tier(5_000, 500)))
    (issued,) = await campaigns.issue(database, 1, coupons, 1, "anna")
    refused = await place(shop, offer=bonus, coupon=issued.code)
    assert (refused.state, refused.reason) == ("refused", "eligibility.no_stack")
    assert await used_fen(shop, bonus) == 0
    await credited(shop, await place(shop, coupon=issued.code.lower()))
    assert (await wallet(shop))[1] == 500
    assert (await place(shop, coupon=issued.code)).reason == "eligibility.coupon_used"
    await credited(shop, await place(shop, offer=bonus))
    assert (await wallet(shop))[1] == 1_500


async def test_offers_that_both_stack_are_had_together(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    bonus = await run(database, terms(stacks=True))
    coupons = await run(database, terms("coupon", Tier(5_000, 500), stacks=True))
    (issued,) = await campaigns.issue(database, 1, coupons, 1, "anna")
    await credited(shop, await place(shop, offer=bonus, coupon=issued.code))
    assert (await wallet(shop))[1] == 1_500


async def test_forty_at_once_never_exceed_a_budget(shop: Shop, server: Supervisor, fresh: str) -> None:  # noqa: F811
    number = await run(shop.program.database, terms("bonus", Tier(10_000, 1_000), budget_fen=7_500))
    users = await make_users(server.dsn("owner", fresh), 40)
    placed = await asyncio.gather(*(place(shop, offer=number, user_id=user) for user in users))
    assert sorted(order.state for order in placed) == ["awaiting_payment"] * 7 + ["refused"] * 33
    assert {order.reason for order in placed if order.state == "refused"} == {"eligibility.offer_gone"}
    assert await used_fen(shop, number) == 7_000


async def test_rc_09_forty_users_at_once_use_a_coupon_once(shop: Shop, server: Supervisor, fresh: str) -> None:  # noqa: F811
    number = await run(shop.program.database, terms("coupon", Tier(5_000, 500)))
    (issued,) = await campaigns.issue(shop.program.database, 1, number, 1, "anna")
    users = await make_users(server.dsn("owner", fresh), 40)
    placed = await asyncio.gather(*(place(shop, coupon=issued.code, user_id=user) for user in users))
    assert sorted(order.state for order in placed) == ["awaiting_payment"] + ["refused"] * 39


async def test_forty_orders_of_one_user_never_exceed_the_users_share(shop: Shop) -> None:  # noqa: F811
    number = await run(shop.program.database, terms("bonus", Tier(1_000, 100), user_fen=350))
    placed = await asyncio.gather(*(place(shop, 1_000, offer=number) for _ in range(40)))
    going = [order for order in placed if order.state == "awaiting_payment"]
    assert len(going) == 3
    assert {order.reason for order in placed if order.state == "refused"} == {"eligibility.offer_capped"}


async def test_forty_coupons_of_one_user_at_once_never_exceed_the_users_share(shop: Shop) -> None:  # noqa: F811
    number = await run(shop.program.database, terms("coupon", Tier(1_000, 100), user_count=2))
    issued = await campaigns.issue(shop.program.database, 1, number, 40, "anna")
    placed = await asyncio.gather(*(place(shop, 1_000, coupon=each.code) for each in issued))
    going = [order for order in placed if order.state == "awaiting_payment"]
    assert (len(going), {order.reason for order in placed} - {None}) == (2, {"eligibility.coupon_capped"})
    await shop.program.desk.cancel(shop.user_id, going[0].id)
    await shop.later(61)
    await shop.work()
    await credited(shop, await place(shop, 1_000, coupon=issued[-1].code))
    assert (await place(shop, 1_000, coupon=issued[-2].code)).reason == "eligibility.coupon_capped"


async def test_two_programs_at_once_share_one_budget(shop: Shop, server: Supervisor, fresh: str) -> None:  # noqa: F811
    """The promise itself, from many connections: the row's lock and its check hold without any batch."""
    database = shop.program.database
    number = await run(database, terms("bonus", Tier(1_000, 100), budget_fen=1_000))
    users = await make_users(server.dsn("owner", fresh), 40)
    orders = [order async for order in _orders(database, users)]
    sql = "select promise_bonus(1, clock_now(), gen_random_uuid(), $1, $2, 1000, $3, null, 100, clock_now(), clock_now())"
    made = await asyncio.gather(*(database.transact(lambda tx, o=o, u=u: tx.value(sql, o, u, number)) for o, u in orders))
    assert sum(made) == 10
    assert await used_fen(shop, number) == 1_000


async def _orders(database: Database, users: list[int]) -> Any:
    for user in users:
        yield await database.value("select gen_random_uuid()"), user


async def test_am_05_what_was_promised_is_kept_when_the_campaign_has_ended_meanwhile(shop: Shop) -> None:  # noqa: F811
    number = await run(shop.program.database, terms(lasts=timedelta(minutes=5)))
    order = await place(shop, offer=number)
    await campaigns.stop(shop.program.database, 1, number, "anna", "over")
    await shop.later(600)
    assert (await place(shop, offer=number)).reason == "eligibility.offer_over"
    await credited(shop, order)
    assert (await wallet(shop))[1] == 1_000


async def test_rc_09_an_order_that_dies_gives_budget_and_coupon_back(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    bonus = await run(database, terms("bonus", Tier(1_000, 100), budget_fen=100))
    coupons = await run(database, terms("coupon", Tier(1_000, 500)))
    (issued,) = await campaigns.issue(database, 1, coupons, 1, "anna")
    order, other = await place(shop, offer=bonus), await place(shop, coupon=issued.code)
    assert (await place(shop, offer=bonus)).reason == "eligibility.offer_gone"
    assert (await place(shop, coupon=issued.code)).reason == "eligibility.coupon_reserved"
    await shop.program.desk.cancel(shop.user_id, order.id)
    await shop.program.desk.cancel(shop.user_id, other.id)
    again = await place(shop, coupon=issued.code)
    await credited(shop, again)  # the coupon is free at once, the budget with the next look
    await shop.later(61)
    await shop.work()
    assert await used_fen(shop, bonus) == 0
    await credited(shop, await place(shop, offer=bonus))
    assert (await wallet(shop))[1] == 600


async def test_an_expired_order_keeps_its_promise_a_while_and_then_returns_it(shop: Shop) -> None:  # noqa: F811
    number = await run(shop.program.database, terms())
    order = await place(shop, offer=number)
    await shop.later(16 * 60)
    await shop.work()
    await shop.reach(order.id, "expired")
    assert await used_fen(shop, number) == 1_000
    await shop.later(11 * 60)
    await shop.work()
    assert await used_fen(shop, number) == 0


async def test_a_coupon_has_its_time_its_amount_and_its_owner(shop: Shop, server: Supervisor, fresh: str) -> None:  # noqa: F811
    database = shop.program.database
    number = await run(database, terms("coupon", Tier(5_000, 500)))
    (mine,) = await campaigns.issue(database, 1, number, 1, "anna", user_id=shop.user_id)
    (stranger_id,) = await make_users(server.dsn("owner", fresh), 1)
    assert (await place(shop, coupon=mine.code, user_id=stranger_id)).reason == "eligibility.coupon_unknown"
    assert (await place(shop, coupon="no such code")).reason == "eligibility.coupon_unknown"
    below = await place(shop, 4_999, coupon=mine.code)
    assert (below.reason, below.reason_facts) == ("eligibility.coupon_minimum", {"limit_fen": 5_000})
    order = await place(shop, coupon=mine.code)
    await shop.later(8 * 86_400)
    assert (await place(shop, coupon=mine.code)).reason in ("eligibility.coupon_expired", "eligibility.coupon_reserved")
    await shop.work()
    await shop.reach(order.id, "expired")
    assert (await place(shop, coupon=mine.code)).reason == "eligibility.coupon_expired"


async def test_coupons_are_issued_within_the_budget(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    number = await run(database, terms("coupon", Tier(5_000, 500), budget_fen=1_200))
    assert len({each.code for each in await campaigns.issue(database, 1, number, 2, "anna")}) == 2
    with refuses("offers.budget"):
        await campaigns.issue(database, 1, number, 1, "anna")


async def test_forty_issues_at_once_stay_within_the_budget(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    number = await run(database, terms("coupon", Tier(5_000, 500), budget_fen=5_200))
    issued = await asyncio.gather(*(campaigns.issue(database, 1, number, 1, "anna") for _ in range(40)), return_exceptions=True)
    assert sum(isinstance(each, list) for each in issued) == 10
    assert await used_fen(shop, number) == 5_000


async def test_the_ceiling_of_a_card_holds_with_what_comes_on_top(
    database: Database,
    settings: Settings,
    enrolment: Enrolment,  # noqa: F811
) -> None:
    async with open_shop(database, settings, enrolment=enrolment, rules=defaults()) as opened:
        number = await run(database, terms("bonus", Tier(10_000, 1_000)))
        await credited(opened, await place(opened, 80_000, offer=number))
        refused = await place(opened, 19_000, offer=number)
        assert (refused.reason, refused.reason_facts["left_fen"]) == ("eligibility.ceiling_unnamed", 18_000)
        placed = await asyncio.gather(*(place(opened, 10_000, offer=number) for _ in range(8)))
        assert sorted(order.state for order in placed) == ["awaiting_payment"] + ["refused"] * 7
        await credited(opened, next(order for order in placed if order.state == "awaiting_payment"))
        assert await wallet(opened) == (90_000, 2_000)


async def test_money_is_given_away_by_two_or_by_one_who_slept_over_it(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    number = await campaigns.propose(database, 1, terms(), "anna")
    with refuses("offers.second_person"):
        await campaigns.approve(database, 1, number, "Anna ")
    assert (await place(shop, offer=number)).reason == "eligibility.offer_over"
    await shop.later(86_401)
    await campaigns.approve(database, 1, number, "anna")
    large = await campaigns.propose(database, 1, terms(budget_fen=1_000_001), "anna")
    await shop.later(2 * 86_401)
    with refuses("offers.second_person"):
        await campaigns.approve(database, 1, large, "anna")
    await campaigns.approve(database, 1, large, "ben")
    with refuses("offers.not_proposed"):
        await campaigns.approve(database, 1, large, "ben")


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("tiers", terms("bonus", Tier(5_000, 500), Tier(4_000, 600))),
        ("bonus_fen", terms("bonus", Tier(100, 101))),
        ("budget_fen", terms("bonus", Tier(5_000, 500), budget_fen=499)),
        ("tiers", terms("coupon", Tier(5_000, 500), Tier(6_000, 600))),
        ("ends_at", terms(lasts=timedelta(minutes=-5))),
    ],
)
async def test_a_campaign_that_does_not_hold_together_is_refused(database: Database, field: str, wanted: Terms) -> None:
    with refuses("offers.malformed") as refused:
        await campaigns.propose(database, 1, wanted, "anna")
    assert refused.value.facts == {"field": field}


async def test_a_refund_takes_the_bonus_back_in_proportion(shop: Shop) -> None:  # noqa: F811
    number = await run(shop.program.database, terms("bonus", Tier(10_000, 999)))
    order = await place(shop, offer=number)
    await credited(shop, order)
    first = await shop.program.desk.refund(order.id, 3_333, "asked", "anna")
    assert await wallet(shop) == (6_667, 667), "the bonus is set aside with the money"
    await settled(shop, first.id, "done")
    assert await wallet(shop) == (6_667, 667)
    await shop.later(120)
    second = await shop.program.desk.refund(order.id, 6_667, "asked", "anna")
    await settled(shop, second.id, "done")
    assert await wallet(shop) == (0, 0)


async def test_a_bonus_that_is_spent_is_not_asked_for_in_cash(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    number = await run(database, terms("bonus", Tier(10_000, 2_000)))
    order = await place(shop, offer=number)
    await credited(shop, order)
    goods_id = await shelf.add_good(database, 1, goods_class="game_card", name="点卡", price_fen=6_000, source="官方", on_sale=True)
    await shelf.add_codes(database, shop.program.vault, 1, goods_id, [secrets.token_hex(8) for _ in range(3)])
    purchases = Purchases(1, database, shop.program.vault, shop.program.accounts, Books(database))
    await purchases.buy(shop.user_id, Basket(goods_id, 1, 6_000), secrets.token_hex(8))
    assert await wallet(shop) == (5_000, 1_000), "cash and bonus are spent as they lie there"
    with refuses("goods.balance_short") as short:
        await purchases.buy(shop.user_id, Basket(goods_id, 2, 6_000), secrets.token_hex(8))
    assert short.value.facts == {"short_fen": 6_000, "balance_fen": 6_000}
    done = await shop.program.desk.refund(order.id, 5_000, "asked", "anna")
    await settled(shop, done.id, "done")
    assert await wallet(shop) == (0, 0), "what is left goes back by paid / (paid + bonus), and the gift goes with it"


async def test_held_money_brings_its_bonus_when_it_is_released(shop: Shop) -> None:  # noqa: F811
    database = shop.program.database
    number = await run(database, terms())
    order = await place(shop, offer=number)
    await shop.program.house.identity.freeze(
        shop.user_id, actor="anna", reason="risk_review", until=clock.now() + timedelta(days=1)
    )
    await shop.pay(order)
    await shop.reach(order.id, "held")
    await shop.later(3 * 86_400)
    await shop.work()
    await release(database, shop.program.accounts, order.id, "ben", "looked at", shop.program.desk.fulfilments)
    assert await wallet(shop) == (10_000, 1_000)


async def test_a_failed_refund_gives_the_bonus_back_with_the_money(shop: Shop) -> None:  # noqa: F811
    number = await run(shop.program.database, terms())
    order = await place(shop, offer=number)
    await credited(shop, order)
    shop.sim.habits.refund_fates.append("CLOSED")
    done = await shop.program.desk.refund(order.id, 10_000, "asked", "anna")
    await settled(shop, done.id, "failed")
    assert await wallet(shop) == (10_000, 1_000)


async def test_a_payout_that_bounces_brings_its_bonus_back_and_the_next_one_counts_anew(shop: Shop) -> None:  # noqa: F811
    await verified(shop, NAME)
    number = await run(shop.program.database, terms())
    order = await place(shop, offer=number)
    await credited(shop, order)
    shop.sim.fault("refund", "error", code="USER_ACCOUNT_ABNORMAL", http=403)
    await shop.program.desk.refund(order.id, 10_000, "x", "anna")
    assert await wallet(shop) == (10_000, 1_000)
    payouts = shop.program.payouts
    for amount_fen, left in ((4_000, (6_000, 600)), (10_000, (0, 0))):
        payout_id = await payouts.propose(order.id, amount_fen, ACCOUNT, "x", "anna")
        assert await wallet(shop) == left
        await payouts.approve(payout_id, "ben")
        await payouts.paid(payout_id, "carl", f"REF-{amount_fen}")
        assert await wallet(shop) == left
        acts = await asyncio.gather(*(payouts.bounced(payout_id, "carl", "账号不存在") for _ in range(8)), return_exceptions=True)
        assert sum(each is None for each in acts) == 1, "it comes back once"
        assert await wallet(shop) == (10_000, 1_000), "the money, and the bonus that had gone with it"
    taken = await shop.program.database.rows("select state, amount_fen from bonus_takings order by at, refund_id")
    assert [tuple(row) for row in taken] == [("given_back", 1_000), ("restored", 400), ("restored", 1_000)]


async def settled(shop: Shop, refund_id: Any, state: str) -> None:  # noqa: F811
    end = asyncio.get_running_loop().time() + 60
    while (seen := await shop.program.desk.refunds.view(refund_id)).state != state:
        assert asyncio.get_running_loop().time() < end, seen.state
        await shop.later(61)
        await shop.work()
        await asyncio.sleep(0.05)
