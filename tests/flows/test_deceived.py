"""A payer who was talked into paying: what is left is set aside, two decide, and whoever tries numbers out learns nothing."""

import asyncio

import pytest
from tests.flows.shop import Shop, refuses
from tests.flows.test_amounts import refunds_done

from daozhang import notices
from daozhang.ledger import accounts
from daozhang.policy import losses
from daozhang.policy.facts import Wish, gather
from daozhang.proof import prove
from daozhang.recharge.deceived import Statement
from daozhang.recharge.model import OrderView


async def paid(shop: Shop, amount_fen: int = 5_000) -> tuple[OrderView, str]:
    """A credited order and the channel's own number of its payment."""
    order = await shop.place(amount_fen)
    await shop.pay(order)
    await shop.reach(order.id, "credited")
    number = await shop.program.database.value("select channel_txn from attempts where order_id = $1", order.id)
    return order, str(number)


async def reserved(shop: Shop) -> int:
    row = await shop.program.database.row("select balance_fen from accounts where address = $1", accounts.reserved(shop.user_id))
    return int(row["balance_fen"]) if row else 0


async def decide(shop: Shop, shown: str, verdict: str) -> None:
    cases = shop.program.house.cases
    case = await shop.program.house.deceived.standing(shown)
    assert case is not None
    await cases.propose(case.id, "staff:1", verdict, "looked at the talk")  # type: ignore[arg-type]
    with refuses("cases.second_person"):
        await cases.confirm(case.id, "staff:1")
    await cases.confirm(case.id, "staff:2")


async def test_what_is_left_is_kept_and_goes_back_when_two_agree(shop: Shop) -> None:
    order, number = await paid(shop)
    shown = await shop.program.house.deceived.report(Statement(f" {number[:10]} {number[10:]}", 5_000, "he said it was a job"))
    assert (await shop.cash(), await reserved(shop)) == (0, 5_000)
    assert [each.kind for each in await notices.unread(shop.program.database, shop.user_id)] == ["money_questioned"]
    await decide(shop, shown, "approved")
    await refunds_done(shop)
    seen = await shop.order(order.id)
    assert (seen.refunded_fen, await shop.cash(), await reserved(shop)) == (5_000, 0, 0)
    assert shop.sim.books.refund_totals().sum_fen == 5_000
    proof = await prove(shop.program.database)
    assert proof.ok, [check for check in proof.checks if check.wrong]


async def test_it_is_free_again_when_two_do_not(shop: Shop) -> None:
    _, number = await paid(shop)
    shown = await shop.program.house.deceived.report(Statement(number, 5_000, "mine"))
    await decide(shop, shown, "rejected")
    assert (await shop.cash(), await reserved(shop)) == (5_000, 0)
    assert {each.kind for each in await notices.unread(shop.program.database, shop.user_id)} == {"money_questioned", "money_free"}


async def test_only_what_is_left_of_that_payment_is_kept(shop: Shop) -> None:
    first, number = await paid(shop)
    await shop.program.desk.refund(first.id, 3_000, "part", "staff:1")
    await refunds_done(shop)
    await paid(shop, 9_000)
    await shop.program.house.deceived.report(Statement(number, 5_000, "mine"))
    assert (await shop.cash(), await reserved(shop)) == (9_000, 2_000)


@pytest.mark.parametrize(("number", "amount_fen"), [("4200000000000000000000000001", 5_000), ("", 4_999)])
async def test_az_trying_numbers_out_holds_nothing_and_reads_the_same(shop: Shop, number: str, amount_fen: int) -> None:
    _, known = await paid(shop)
    shown = await shop.program.house.deceived.report(Statement(number or known, amount_fen, "mine"))
    case = await shop.program.house.deceived.standing(shown)
    assert case is not None
    assert (case.state, await shop.cash(), await reserved(shop)) == ("need_staff", 5_000, 0)
    await decide(shop, shown, "approved")
    assert await shop.cash() == 5_000


async def test_am_twenty_reports_at_once_keep_the_money_once(shop: Shop) -> None:
    _, number = await paid(shop)
    report = shop.program.house.deceived.report
    shown = await asyncio.gather(*(report(Statement(number, 5_000, f"mine {n}")) for n in range(20)))
    assert (len(set(shown)), await reserved(shop), await shop.cash()) == (1, 5_000, 0)


@pytest.mark.parametrize("number", ["", "1", "x" * 65, "4200 0000; drop", "１２３４５６７８"])
async def test_what_is_no_number_is_refused(shop: Shop, number: str) -> None:
    with refuses("deceived.number_malformed"):
        await shop.program.house.deceived.report(Statement(number, 5_000, "mine"))


async def test_another_case_is_not_shown_by_its_number(shop: Shop) -> None:
    deceived = shop.program.house.deceived
    assert await deceived.standing("CA-" + "0" * 26) is None
    assert await deceived.standing("RC-x") is None


async def test_what_two_people_found_to_be_fraud_is_a_confirmed_loss_and_a_payer_can_be_held(shop: Shop) -> None:
    """It takes the account's small-amount budget away, and teaches the loss gate and the back-tests; what two reject does not."""
    database = shop.program.database
    order, number = await paid(shop)
    kept, other = await paid(shop)
    await decide(shop, await shop.program.house.deceived.report(Statement(other, 5_000, "mine")), "rejected")
    await decide(shop, await shop.program.house.deceived.report(Statement(number, 5_000, "a job")), "approved")
    rows = await database.rows("select order_id, label, actor from policy_losses")
    assert [tuple(row) for row in rows] == [(order.id, "fraud", "staff:2")]
    (facts,) = await gather(database, [Wish(1, shop.user_id, 5_000)], book=await shop.program.house.books.current(1))
    assert facts.signals is not None
    assert facts.signals.tolerance_fen == 0
    # By hand, and with it whoever paid: the next payment of theirs waits for people.
    with refuses("risk.loss_confirmed"):
        await losses.confirm(database, 1, order.id, "again", "rui")
    await losses.confirm(database, 1, kept.id, "charged back", "rui", payer_too=True)
    said = await losses.of_order(database, kept.id)
    assert (said["fraud_by"], said["payer_known"], said["flagged"]) == ("rui", True, True)
    unpaid = await shop.place(5_100)
    with refuses("refund.not_paid"):
        await losses.confirm(database, 1, unpaid.id, "x", "rui")
    kinds = {row["kind"] for row in await database.rows("select kind from events where kind like 'risk.%'")}
    assert kinds == {"risk.loss_confirmed", "risk.payer_flagged"}
