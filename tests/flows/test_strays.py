"""Money that no refund of ours can name, that came with another amount, or whose refund is stuck: each has somebody and an end."""

import msgspec
from tests.flows.knocks import knock, payment
from tests.flows.shop import Shop
from tests.flows.test_amounts import balance
from tests.flows.test_refunds import paid, refunds_end

from daozhang import ids
from daozhang.ledger import accounts
from daozhang.recharge import anomalies
from daozhang.recharge.release import reject
from daozhang.recharge.settlement import Arrival


async def test_money_of_an_unknown_number_that_went_back_by_hand_leaves_the_books(shop: Shop) -> None:
    message = payment(shop.enrolment, ids.text26(ids.new_id()))
    assert (await knock(shop, message)).status == 204
    database, ledger = shop.program.database, shop.program.accounts
    (row,) = await anomalies.waiting(database)
    assert await anomalies.returned(database, ledger, row.id, "li", "5030000001")
    assert not await anomalies.returned(database, ledger, row.id, "li", "5030000001"), "once"
    assert (await balance(shop, accounts.SUSPENSE), await balance(shop, accounts.receivable(shop.channel_id))) == (0, 0)
    assert await anomalies.waiting(database) == []
    # Told again it is known, and comes into no account.
    assert (await knock(shop, message)).status == 204
    assert await balance(shop, accounts.SUSPENSE) == 0


async def test_a_second_transaction_of_one_number_says_that_a_person_sends_it_back(shop: Shop) -> None:
    order = await shop.place()
    number = await shop.pay(order)
    await shop.reach(order.id, "credited")
    channel = shop.program.registry.get(shop.channel_id)
    assert channel is not None
    first = (await channel.query(number)).report
    assert first is not None
    second = msgspec.structs.replace(first, channel_txn="4200000000209901010000000001")
    assert (await shop.program.settle(Arrival(1, second))).effect == "twice"
    assert (await shop.order(order.id)).anomalies == ("unresolved",), "it does not go back by itself, so nobody says so"
    (row,) = await anomalies.waiting(shop.program.database)
    assert await anomalies.returned(shop.program.database, shop.program.accounts, row.id, "li", "5030000002")
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_000, 0)


async def test_another_amount_has_a_case_that_keeps_or_returns_it(shop: Shop) -> None:
    cases = shop.program.house.cases
    order = await shop.place()
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=4_000)
    await shop.reach(order.id, "misfit")
    case = await cases.open_about(1, "hold", order.shown)
    assert case is not None
    assert (case.turn, case.question, case.facts["amount_fen"]) == ("staff", "other_amount", 4_000)
    await cases.propose(case.id, "staff:1", "approved", "asked the buyer")
    await cases.confirm(case.id, "staff:2")
    assert ((await shop.order(order.id)).state, await shop.cash()) == ("credited", 4_000)


async def test_a_refund_of_held_money_that_is_refused_for_ever_is_given_up_and_decided_anew(shop: Shop) -> None:
    order = await shop.place()
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk")
    await shop.pay(order)
    await shop.reach(order.id, "held")
    shop.sim.fault("refund", "error", code="NOT_ENOUGH", http=403, times=None)
    await reject(shop.program.database, shop.program.accounts, order.id, "staff:1", "no papers", shop.program.house.cases)
    for _ in range(4):
        await shop.work()
        await shop.later(120)
    seen = await shop.order(order.id)
    assert (seen.state, seen.refunds[0].state) == ("refunding", "reserved")
    assert await shop.program.desk.refunds.keep(seen.refunds[0].id, "goes back by hand", "anna") == "failed"
    assert (await shop.order(order.id)).state == "held"
    assert await shop.program.house.cases.open_about(1, "hold", order.shown) is not None
    shop.sim.dial.clear()
    await refunds_end(shop)


async def test_stray_is_only_what_no_refund_can_name(shop: Shop) -> None:
    order = await paid(shop)
    await shop.program.database.transact(
        lambda tx: tx.run(
            "insert into anomalies (id, shop_id, kind, order_id, channel_id, amount_fen, facts, at)"
            " values ($1, 1, 'unresolved', $2, 1, 5000, '{}', clock_now())",
            ids.new_id(),
            order.id,
        )
    )
    (row,) = await anomalies.waiting(shop.program.database)
    assert not await anomalies.returned(shop.program.database, shop.program.accounts, row.id, "li", "x")
