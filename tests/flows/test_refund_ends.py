"""What is left behind when money does not go back: somebody is asked, the books hold, and nothing is told twice for nothing."""

import pytest
from tests.flows.knocks import kept, knock
from tests.flows.shop import Shop, refuses
from tests.flows.test_amounts import balance, refunds_done
from tests.flows.test_late import tried_twice
from tests.flows.test_refunds import _notice, paid, refund, refunds_end, wallet

from daozhang import alarms, clock
from daozhang.ledger import accounts
from daozhang.recharge import anomalies
from daozhang.recharge.model import OrderView
from daozhang.recharge.refund_end import STUCK, payment_shown
from daozhang.recharge.release import reject


async def bounced(shop: Shop) -> OrderView:
    """Held money whose case was decided, and which the channel could not return."""
    order = await shop.place()
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk")
    await shop.pay(order)
    await shop.reach(order.id, "held")
    await reject(shop.program.database, shop.program.accounts, order.id, "staff:1", "no papers", cases=shop.program.house.cases)
    shop.sim.habits.refund_fates = ["CLOSED"]
    await refunds_end(shop)
    return await shop.order(order.id)


async def test_held_money_that_bounced_has_a_case_again_and_ends_by_it(shop: Shop) -> None:
    order = await bounced(shop)
    assert (order.state, order.anomalies) == ("held", ("unresolved",))
    cases = shop.program.house.cases
    case = await cases.open_about(1, "hold", order.shown)
    assert case is not None, "held money without anybody who is asked"
    assert (case.turn, case.facts["order"]) == ("staff", order.shown)
    assert case.id in {each.id for each in await cases.queue(1)}
    await cases.propose(case.id, "staff:1", "rejected", "try again")
    await cases.confirm(case.id, "staff:2")
    await refunds_end(shop)
    assert (await shop.order(order.id)).state == "refunded"
    assert shop.sim.books.refund_totals().sum_fen == 5_000
    assert await anomalies.waiting(shop.program.database) == [] or (await shop.order(order.id)).anomalies == ("unresolved",)


async def test_held_money_that_came_through_after_it_bounced_is_not_sent_again(shop: Shop) -> None:
    order = await bounced(shop)
    (refund_id,) = [each.id for each in order.refunds]
    assert (await knock(shop, _notice(shop, order, refund_id, "SUCCESS", amount=FULL))).status == 204
    seen = await shop.order(order.id)
    assert (seen.state, seen.refunded_fen) == ("refunded", 5_000)
    assert await balance(shop, accounts.review(shop.user_id)) == 0
    assert await shop.program.house.cases.open_about(1, "hold", order.shown) is None


FULL = {"total": 5_000, "refund": 5_000, "payer_total": 5_000, "payer_refund": 5_000}


async def test_nf_05_a_refund_that_comes_through_beyond_the_payment_is_told_and_its_message_is_settled(shop: Shop) -> None:
    """The first refund failed, the money went back by a second one, and then the channel says that the first came through too."""
    order = await paid(shop)
    shop.sim.habits.refund_fates = ["CLOSED"]
    first = await refund(shop, order)
    await refunds_done(shop)
    assert await wallet(shop) == (5_000, 0)
    await shop.later(61)
    await refund(shop, order, 5_000)
    await refunds_done(shop)
    await paid(shop)
    assert await wallet(shop) == (5_000, 0)
    assert (await knock(shop, _notice(shop, order, first, "SUCCESS"))).status == 204
    stored = await shop.program.database.value("select count(*) from notifications where state = 'stored'")
    assert stored == 0, "it would be tried for ever"
    seen = await shop.order(order.id)
    assert (seen.refunded_fen, "spent" in seen.anomalies) == (5_000, True)
    assert await wallet(shop) == (5_000, 0), "another order's money is not touched"
    assert await kept(shop.program.database) == []


async def test_a_frozen_account_is_not_refunded_and_the_decision_is_kept(shop: Shop) -> None:
    order = await paid(shop)
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    for checked in (False, True):
        with refuses("account.frozen"):
            await shop.program.desk.refund(order.id, 2_000, "不想要了", "staff:1", checked=checked)
    assert await wallet(shop) == (5_000, 0)
    row = await shop.program.database.row("select outcome, order_id from decisions where stage = 'refund'")
    assert row is not None
    assert (row["outcome"], row["order_id"]) == ("refuse", order.id)
    await shop.program.house.identity.unfreeze(shop.user_id, actor="staff:1", reason="checked")
    with refuses("risk.funds_unfrozen"):
        await refund(shop, order)
    await shop.program.desk.refund(order.id, 2_000, "不想要了", "staff:1", checked=True)
    await refunds_done(shop)
    assert await wallet(shop) == (3_000, 0)


async def stuck(shop: Shop) -> tuple[OrderView, str]:
    """An order whose second payment came back from its payer five times; how its case names it."""
    order, _, second = await tried_twice(shop)
    shop.sim.habits.refund_fates = ["CLOSED"] * 5
    shop.sim.phone.pay(second)
    await shop.sim.quiet()
    for _ in range(60):
        await shop.later(600)
        await shop.work()
        await shop.sim.quiet()
    number = await shop.program.database.value("select max(attempt_id::text)::uuid from refunds")
    return order, payment_shown(number)


@pytest.mark.parametrize("verdict", ["approved", "rejected"])
async def test_a_second_payment_that_cannot_go_back_is_a_case_and_not_forgotten(shop: Shop, verdict: str) -> None:
    order, about = await stuck(shop)
    cases = shop.program.house.cases
    case = await cases.open_about(1, STUCK, about)
    assert case is not None, "it would stay in suspense for ever"
    assert (case.turn, case.facts["order"]) == ("staff", order.shown)
    assert (await shop.order(order.id)).anomalies == ("twice", "unresolved")
    await cases.propose(case.id, "staff:1", verdict, "asked the payer")  # type: ignore[arg-type]
    await cases.confirm(case.id, "staff:2")
    if verdict == "rejected":
        await refunds_end(shop)
        assert shop.sim.books.refund_totals().sum_fen == 5_000
    assert await shop.cash() == (10_000 if verdict == "approved" else 5_000)
    assert await balance(shop, accounts.SUSPENSE) == 0
    rows = await anomalies.waiting(shop.program.database)
    assert {row.kind for row in rows} <= {"late"} | ({"unresolved"} if verdict == "rejected" else set())


async def test_odd_money_rings_once_for_its_kind_and_stops_when_nothing_waits(shop: Shop) -> None:
    database = shop.program.database
    for _ in range(3):
        order = await shop.place()
        shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=1)
        await shop.reach(order.id, "misfit")
    assert await anomalies.tell(database, 1) == 1
    assert await anomalies.tell(database, 1) == 0
    (alarm,) = await alarms.open_alarms(database)
    assert (alarm.kind, alarm.key, alarm.times) == ("anomaly.amount", f"channel:{shop.channel_id}", 1)
    assert (alarm.facts["waiting"], alarm.facts["order"]) == (3, order.shown)
    # A person closes it: nothing rings for what was told; something newer does.
    assert await alarms.close(database, alarm.id, clock.now(), "li", "on it")
    assert await anomalies.tell(database, 1) == 0
    order = await shop.place()
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=1)
    await shop.reach(order.id, "misfit")
    assert await anomalies.tell(database, 1) == 1
    for row in await anomalies.waiting(database):
        await anomalies.resolve(database, row.id, "li", "kept")
    await anomalies.tell(database, 1)
    assert await alarms.open_alarms(database) == []


async def test_what_ended_by_itself_waits_for_nobody(shop: Shop) -> None:
    """A payment that nobody knew the end of for a day, and a second payment that went back."""
    order, _, second = await tried_twice(shop)
    shop.sim.phone.pay(second)
    await shop.sim.quiet()
    await refunds_done(shop)
    assert "twice" in (await shop.order(order.id)).anomalies
    assert {row.kind for row in await anomalies.waiting(shop.program.database)} <= {"late"}
