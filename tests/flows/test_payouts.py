"""Where the way back is closed: kept as balance, or paid by hand to the same person, by two people, and booked once."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from tests.flows.conftest import proved
from tests.flows.knocks import book
from tests.flows.shop import Shop, open_shop, refuses
from tests.flows.test_amounts import balance
from tests.flows.test_refunds import paid, refunds_end, spend, wallet

from daozhang import ids
from daozhang.ledger import accounts
from daozhang.ledger.reserve import Hold
from daozhang.postgres import Database
from daozhang.reasons.refusal import Refusal
from daozhang.recharge import anomalies
from daozhang.recharge.model import OrderView
from daozhang.recharge.payout import Payee, Payouts
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment

NAME = "买买提·吐尔逊"
ACCOUNT = Payee(name=" 买买提•吐尔逊 ", bank="工商银行北京分行", number="6222020200012345678")


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop whose user is verified."""
    async with open_shop(database, settings, enrolment=enrolment) as opened:
        await verified(opened, NAME)
        yield opened
        await proved(database)


async def verified(shop: Shop, name: str) -> None:
    """Keep a name as the register would have it: the register itself is another story."""
    vault, asked = shop.program.vault, ids.new_id()
    number = "11010519491231002X"
    await shop.program.database.value(
        "select verify_user($1, $2, 'identity', $3, $4, $5, null, clock_now())",
        asked,
        shop.user_id,
        vault.seal(name, f"verifications:name:{asked}"),
        vault.seal(number, f"verifications:number:{asked}"),
        vault.blind("identity", number),
    )


@pytest.fixture
def payouts(shop: Shop) -> Payouts:
    return shop.program.payouts


async def closed(shop: Shop, amount_fen: int = 5_000) -> OrderView:
    """A credited order whose payer's account is gone."""
    order = await paid(shop, amount_fen)
    shop.sim.fault("refund", "error", code="USER_ACCOUNT_ABNORMAL", http=403)
    view = await shop.program.desk.refund(order.id, amount_fen, "x", "staff:1")
    assert (view.state, view.reason) == ("failed", "refund.payer_account_closed")
    assert (await wallet(shop))[1] == 0
    return order


async def test_proposed_by_one_approved_by_another_paid_and_booked(shop: Shop, payouts: Payouts) -> None:
    order = await closed(shop)
    payout_id = await payouts.propose(order.id, 5_000, ACCOUNT, "原账户已注销", "anna")
    assert await wallet(shop) == (0, 5_000)
    with refuses("payout.not_now"):
        await payouts.paid(payout_id, "carl", "ICBC20261128001")
    with refuses("payout.same_person"):
        await payouts.approve(payout_id, "anna")
    with refuses("payout.not_now"):
        await payouts.payee(payout_id, "anna")
    await payouts.approve(payout_id, "ben")
    assert (await payouts.payee(payout_id, "carl")).number == ACCOUNT.number
    await payouts.paid(payout_id, "carl", "ICBC20261128001")
    assert (await wallet(shop), await balance(shop, accounts.PAYOUTS)) == ((0, 0), 5_000)
    assert await balance(shop, accounts.receivable(shop.channel_id)) == -5_000
    seen = await shop.order(order.id)
    assert [(each.state, each.amount_fen, each.tail, each.reference) for each in seen.payouts] == [
        ("paid", 5_000, "5678", "ICBC20261128001")
    ]
    with refuses("refund.not_paid"):
        await shop.program.desk.refund(order.id, 1, "x", "staff:1")
    looks = await shop.program.database.rows("select actor, what from personal_views")
    assert [tuple(row) for row in looks] == [("anna", "identity")]
    said = await shop.program.database.rows("select actor, kind from events where kind like 'payout.%' order by xact, seq")
    assert [tuple(row) for row in said] == [
        ("anna", "payout.proposed"), ("ben", "payout.approved"), ("carl", "payout.viewed"), ("carl", "payout.paid"),
    ]  # fmt: skip


async def test_the_account_stands_nowhere_in_clear(shop: Shop, payouts: Payouts) -> None:
    order = await closed(shop)
    await payouts.propose(order.id, 5_000, ACCOUNT, "x", "anna")
    row = await shop.program.database.row("select payee, payee_tail from payouts")
    assert row is not None
    assert b"6222" not in bytes(row["payee"])
    assert row["payee_tail"] == "5678"
    assert ACCOUNT.number not in repr(ACCOUNT)


async def moved(database: Database, payout_id: UUID, state: str, *, alone: bool) -> None:
    """What `anna`, who proposed it, tries at the database itself."""
    text = (
        "select move_payout(clock_now(), 'anna', $1, 'proposed', $2::text, $2::text, '', case when $2 = 'paid' then 'REF1' end, $3)"
    )
    await database.rows(text, payout_id, state, alone)


async def test_rc_18_who_proposed_it_cannot_approve_it_even_in_the_database(
    shop: Shop, payouts: Payouts, database: Database
) -> None:
    order = await closed(shop)
    payout_id = await payouts.propose(order.id, 5_000, ACCOUNT, "x", "anna")
    with pytest.raises(asyncpg.CheckViolationError, match="payouts_need_two"):
        await moved(database, payout_id, "approved", alone=False)
    with pytest.raises(asyncpg.CheckViolationError):
        await moved(database, payout_id, "paid", alone=False)
    with pytest.raises(asyncpg.CheckViolationError, match="payouts_alone_wait"):
        await moved(database, payout_id, "approved", alone=True)


async def test_rejected_or_sent_back_it_is_balance_again(shop: Shop, payouts: Payouts) -> None:
    order = await closed(shop)
    first = await payouts.propose(order.id, 5_000, ACCOUNT, "x", "anna")
    await payouts.reject(first, "ben", "不是本人的卡")
    assert await wallet(shop) == (5_000, 0)
    second = await payouts.propose(order.id, 2_000, ACCOUNT, "x", "anna")
    await payouts.approve(second, "ben")
    await payouts.paid(second, "carl", "REF-2")
    await payouts.bounced(second, "carl", "账号不存在")
    assert (await wallet(shop), await balance(shop, accounts.PAYOUTS)) == ((5_000, 0), 0)
    for wrong in (payouts.reject(second, "ben", "x"), payouts.bounced(second, "carl", "x"), payouts.approve(first, "ben")):
        with refuses("payout.not_now"):
            await wrong


async def test_only_to_the_same_person_and_only_where_the_way_back_is_closed(shop: Shop, payouts: Payouts) -> None:
    order = await paid(shop)
    with refuses("payout.way_open"):
        await payouts.propose(order.id, 5_000, ACCOUNT, "x", "anna")
    order = await closed(shop)
    with refuses("payout.other_name"):
        await payouts.propose(order.id, 5_000, Payee(name="别人", bank="工商银行", number="622202020001"), "x", "anna")
    for wrong in (Payee(name=NAME, bank="", number="622202020001"), Payee(name=NAME, bank="工商银行", number="1; drop")):
        with refuses("payout.malformed"):
            await payouts.propose(order.id, 5_000, wrong, "x", "anna")
    with refuses("refund.exceeds"):
        await payouts.propose(order.id, 5_001, ACCOUNT, "x", "anna")
    assert await wallet(shop) == (10_000, 0)


async def test_nobody_who_is_not_verified_is_paid_by_hand(
    database: Database, owner_database: Database, settings: Settings, enrolment: Enrolment
) -> None:
    async with open_shop(database, settings, enrolment=enrolment) as shop:
        order = await closed(shop)
        with refuses("payout.unverified"):
            await shop.program.payouts.propose(order.id, 5_000, ACCOUNT, "x", "anna")


async def test_after_the_channels_time_the_way_back_is_closed_too(shop: Shop, payouts: Payouts) -> None:
    order = await paid(shop)
    await shop.later(366 * 86_400)
    with refuses("refund.too_old"):
        await shop.program.desk.refund(order.id, 5_000, "x", "staff:1")
    assert await payouts.propose(order.id, 5_000, ACCOUNT, "x", "anna")


async def test_money_that_waits_for_a_decision_is_not_paid_by_hand(shop: Shop, payouts: Payouts) -> None:
    """Its owner has as much elsewhere, and the way back is closed by time: it would be paid and be decided about as well."""
    await paid(shop)
    order = await shop.place()
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=4_000)
    await shop.reach(order.id, "misfit")
    await shop.later(366 * 86_400)
    before = await book(shop.program.database)
    with refuses("refund.not_paid"):
        await payouts.propose(order.id, 4_000, ACCOUNT, "x", "anna")
    assert await book(shop.program.database) == before


async def test_what_is_spent_is_not_paid_by_hand(shop: Shop, payouts: Payouts) -> None:
    order = await closed(shop)
    spending = Hold(ids.new_id(), 1, accounts.cash(shop.user_id), accounts.SALES, 4_500)
    await shop.program.database.transact(lambda tx: spend(tx, spending))
    with pytest.raises(Refusal) as caught:
        await payouts.propose(order.id, 5_000, ACCOUNT, "x", "anna")
    assert (caught.value.reason, caught.value.facts) == ("refund.spent", {"left_fen": 500})


async def test_refunds_and_payouts_at_once_give_no_more_than_was_paid(shop: Shop, payouts: Payouts) -> None:
    """The wallet holds more than this order, so the order's own bound is what stops them."""
    order = await closed(shop)
    await paid(shop, 50_000)
    await shop.later(61)

    async def one(number: int) -> str:
        try:
            if number % 2:
                await payouts.propose(order.id, 3_000, ACCOUNT, "x", "anna")
            else:
                await shop.program.desk.refund(order.id, 3_000, "x", "staff:1")
        except Refusal as refusal:
            return refusal.reason
        return "begun"

    said = await asyncio.gather(*(one(number) for number in range(20)))
    assert said.count("begun") == 1, said
    assert set(said) <= {"begun", "refund.exceeds", "refund.apart"}
    await refunds_end(shop)


async def test_twenty_approvals_and_rejections_at_once_decide_it_once(shop: Shop, payouts: Payouts) -> None:
    order = await closed(shop)
    payout_id = await payouts.propose(order.id, 5_000, ACCOUNT, "x", "anna")
    await payouts.approve(payout_id, "ben")
    acts = [payouts.paid(payout_id, "carl", "REF-9") if n % 2 else payouts.reject(payout_id, "ben", "x") for n in range(20)]
    done = [each for each in await asyncio.gather(*acts, return_exceptions=True) if each is None]
    assert len(done) == 1
    cash, aside = await wallet(shop)
    assert aside == 0
    assert cash + await balance(shop, accounts.PAYOUTS) == 5_000


async def test_a_refund_that_is_stuck_is_kept_as_balance_by_decision(shop: Shop, payouts: Payouts) -> None:
    order = await paid(shop)
    # The channel says so when the clock has moved on, and not while we ask.
    shop.sim.habits.refund_s = 100_000
    shop.sim.habits.refund_fates.append("ABNORMAL")
    refund_id = (await shop.program.desk.refund(order.id, 2_000, "x", "staff:1")).id
    with refuses("refund.in_progress"):
        await shop.program.desk.refunds.keep(refund_id, "x", "anna")
    for _ in range(3):
        await shop.later(300)
        await shop.sim.quiet()
        await shop.work()
    assert (await shop.order(order.id)).anomalies == ("unresolved",)
    assert await shop.program.desk.refunds.keep(refund_id, "卡已注销", "anna") == "failed"
    seen = await shop.order(order.id)
    assert seen.anomalies == ()
    assert await anomalies.waiting(shop.program.database) == []
    assert [step.actor for step in seen.steps if step.what == "refund.failed"] == ["anna"]
    assert [(refund.state, refund.reason) for refund in seen.refunds] == [("failed", "refund.kept_as_balance")]
    assert (await wallet(shop), seen.refunded_fen) == ((5_000, 0), 0)
    with refuses("refund.not_stuck"):
        await shop.program.desk.refunds.keep(refund_id, "x", "anna")
    assert await payouts.propose(order.id, 2_000, ACCOUNT, "x", "anna")


async def test_alone_one_waits_a_day_and_a_day_has_a_sum_however_many_at_once(
    shop: Shop, payouts: Payouts, database: Database
) -> None:
    """Without a second person: a day, a notice, a bound that no splitting gets around, and all of it on record."""
    first, second = await closed(shop, 260_000), await closed(shop, 260_000)
    made = [await payouts.propose(order.id, 250_000, ACCOUNT, "x", "anna") for order in (first, second)]
    made.append(await payouts.propose(first.id, 1_000, ACCOUNT, "x", "Anna "))
    with refuses("payout.same_person"):
        await payouts.approve(made[2], "anna")
    await shop.later(86_401)

    async def one(payout_id: UUID) -> str:
        try:
            await payouts.approve(payout_id, "anna")
        except Refusal as refusal:
            return refusal.reason
        return "approved"

    assert sorted(await asyncio.gather(*(one(each) for each in made))) == ["approved", "approved", "payout.alone_capped"]
    rows = await database.rows("select alone, amount_fen from payouts where state = 'approved'")
    assert all(row["alone"] for row in rows)
    assert sum(row["amount_fen"] for row in rows) <= 500_000
    late: UUID = await database.value("select id from payouts where state = 'proposed'")
    with pytest.raises(asyncpg.CheckViolationError, match="too much for one person"):
        await moved(database, late, "approved", alone=True)
    await shop.later(86_401)
    assert await one(late) == "approved", "the next day has a sum of its own"


async def test_a_frozen_account_is_paid_nothing_by_hand(shop: Shop, payouts: Payouts) -> None:
    order = await closed(shop)
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk_review")
    with refuses("account.frozen"):
        await payouts.propose(order.id, 5_000, ACCOUNT, "原账户已注销", "anna")
    assert await wallet(shop) == (5_000, 0)
    assert await shop.program.database.value("select count(*) from decisions where stage = 'refund' and outcome = 'refuse'") == 1
