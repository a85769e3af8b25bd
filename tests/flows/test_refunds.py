"""Money going back: set aside first, under one number however often it is told, and never more than was paid."""

import asyncio
from uuid import UUID

import aiohttp
import pytest
from tests.flows.knocks import Message, book, kept, knock, sealed, signed
from tests.flows.shop import Shop, refuses
from tests.flows.test_amounts import balance, refunds_done

from daozhang import clock, ids
from daozhang.ledger import Accounts, Line, Transfer, accounts, post
from daozhang.ledger.reserve import Hold
from daozhang.postgres import Tx
from daozhang.recharge.model import OrderView
from daozhang.recharge.release import reject, returned
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.watch import rfc3339


async def paid(shop: Shop, amount_fen: int = 5_000) -> OrderView:
    """A credited order."""
    order = await shop.place(amount_fen)
    await shop.pay(order)
    return await shop.reach(order.id, "credited")


async def refund(shop: Shop, order: OrderView, amount_fen: int = 2_000) -> UUID:
    """Begin a refund."""
    return (await shop.program.desk.refund(order.id, amount_fen, "不想要了", "staff:1")).id


async def wallet(shop: Shop) -> tuple[int, int]:
    """Cash and what is set aside, in fen."""
    seen = await shop.program.desk.wallet(shop.user_id)
    return seen.cash_fen, seen.reserved_fen


def sent_once(sim: Simulator, order: OrderView, number: str) -> int:
    """How many refunds the channel has for an order, all of them under the number we know."""
    at_channel = sim.books.order(sim.merchant.mchid, number)
    assert at_channel is not None
    return len(sim.books.refunds_of(at_channel))


async def test_only_credited_money_is_refunded_whatever_else_its_owner_has(shop: Shop) -> None:
    """Money that waits for a decision goes back by that decision: paid out of the balance as well, it would go back twice."""
    await paid(shop)
    order = await shop.place()
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=4_000)
    await shop.reach(order.id, "misfit")

    async def refused() -> None:
        before = await book(shop.program.database)
        with refuses("refund.not_paid"):
            await refund(shop, order)
        assert await book(shop.program.database) == before

    await refused()
    await reject(shop.program.database, shop.program.accounts, order.id, "staff:1", "not what was asked")
    await refused()
    await refunds_done(shop)
    await refused()
    assert (await wallet(shop), shop.sim.books.refund_totals().sum_fen) == ((5_000, 0), 4_000)


@pytest.mark.parametrize("fault", ["error", "booked_error", "empty_503", "truncate", "garbage", "unsigned", "forge"])
async def test_nf_05_an_unsure_answer_keeps_the_money_aside_and_the_same_number(shop: Shop, fault: str) -> None:
    order = await paid(shop)
    shop.sim.habits.refund_s = 100_000
    shop.sim.fault("refund", fault, http=500)
    refund_id = await refund(shop, order)
    assert (await shop.program.desk.refunds.view(refund_id)).state in ("reserved", "sent")
    assert await wallet(shop) == (3_000, 2_000)
    await shop.later(60)
    await shop.work()
    assert sent_once(shop.sim, order, await shop.number(order.id)) == 1
    assert shop.sim.books.refund(shop.sim.merchant.mchid, ids.text26(refund_id)) is not None
    await shop.later(120)
    await refunds_done(shop)
    assert await wallet(shop) == (3_000, 0)
    assert shop.sim.books.refund_totals().sum_fen == 2_000
    assert (await shop.order(order.id)).refunded_fen == 2_000


@pytest.mark.parametrize(("code", "http"), [("USER_ACCOUNT_ABNORMAL", 403), ("TRADE_OVERDUE", 403)])
async def test_nf_05_a_definite_refusal_gives_the_money_back(shop: Shop, code: str, http: int) -> None:
    order = await paid(shop)
    shop.sim.fault("refund", "error", code=code, http=http)
    refund_id = await refund(shop, order)
    view = await shop.program.desk.refunds.view(refund_id)
    assert (view.state, view.reason is not None) == ("failed", True)
    assert await wallet(shop) == (5_000, 0)
    assert (await shop.order(order.id)).refunded_fen == 0
    await shop.later(60)
    await refund(shop, order, 5_000)
    await refunds_done(shop)
    assert await wallet(shop) == (0, 0)


async def test_nf_05_accepted_and_later_closed_gives_the_money_back(shop: Shop) -> None:
    order = await paid(shop)
    shop.sim.habits.refund_fates.append("CLOSED")
    refund_id = await refund(shop, order)
    await refunds_done(shop)
    assert (await shop.program.desk.refunds.view(refund_id)).state == "failed"
    assert await wallet(shop) == (5_000, 0)
    assert (await shop.order(order.id)).refunded_fen == 0


async def test_nf_05_abnormal_is_not_an_end(shop: Shop) -> None:
    """The bank card is gone: the channel keeps the money until a person in the merchant platform decides. It stays set aside."""
    order = await paid(shop)
    shop.sim.habits.refund_fates.append("ABNORMAL")
    refund_id = await refund(shop, order)
    for _ in range(5):
        await shop.later(300)
        await shop.sim.quiet()
        await shop.work()
    assert (await shop.program.desk.refunds.view(refund_id)).state == "sent"
    assert await wallet(shop) == (3_000, 2_000)
    seen = await shop.order(order.id)
    assert (seen.anomalies, seen.refunds[0].waits, seen.going_fen) == (("unresolved",), True, 2_000)


@pytest.mark.parametrize("status", ["SUCCESS", "CLOSED"])
async def test_nf_05_the_same_notice_many_times_ends_it_once(shop: Shop, status: str) -> None:
    order = await paid(shop)
    shop.sim.habits.refund_s = 100_000
    refund_id = await refund(shop, order)
    messages = [_notice(shop, order, refund_id, status) for _ in range(3)] * 10
    async with aiohttp.ClientSession() as session:
        heard = await asyncio.gather(*(knock(shop, message, session=session) for message in messages))
    assert {each.status for each in heard} == {204}
    done = status == "SUCCESS"
    assert await wallet(shop) == ((3_000, 0) if done else (5_000, 0))
    assert (await shop.program.desk.refunds.view(refund_id)).state == ("done" if done else "failed")
    # The opposite told later: a person is asked once, and money that went back after all is taken from the cash it was released to.
    for _ in range(3):
        other = _notice(shop, order, refund_id, "CLOSED" if done else "SUCCESS")
        assert (await knock(shop, other)).status == 204
    assert await wallet(shop) == (3_000, 0)
    seen = await shop.order(order.id)
    assert (seen.refunded_fen, seen.anomalies) == (2_000, ("unresolved",))
    assert (await shop.program.desk.refunds.view(refund_id)).state == "done"


@pytest.mark.parametrize(
    "wrong", [{"amount": {"refund": 1, "total": 5_000}}, {"mchid": "1900000109"}, {"out_refund_no": "NOBODYS-REFUND"}]
)
async def test_nf_05_a_notice_about_something_else_changes_nothing(shop: Shop, wrong: dict[str, object]) -> None:
    order = await paid(shop)
    shop.sim.habits.refund_s = 100_000
    refund_id = await refund(shop, order)
    assert (await knock(shop, _notice(shop, order, refund_id, "SUCCESS", **wrong))).status == 204
    assert (await shop.program.desk.refunds.view(refund_id)).state == "sent"
    assert await wallet(shop) == (3_000, 2_000)
    # Our own refund with another amount is for a person to see; what is not ours is not.
    assert (await shop.order(order.id)).anomalies == (("unresolved",) if "amount" in wrong else ())


async def test_money_that_went_back_after_it_was_spent_is_seen(shop: Shop) -> None:
    order = await paid(shop)
    shop.sim.habits.refund_s = 100_000
    refund_id = await refund(shop, order)
    assert (await knock(shop, _notice(shop, order, refund_id, "CLOSED"))).status == 204
    assert await wallet(shop) == (5_000, 0)
    spending = Hold(ids.new_id(), 1, accounts.cash(shop.user_id), accounts.SALES, 4_000)
    await shop.program.database.transact(lambda tx: spend(tx, spending))
    assert (await knock(shop, _notice(shop, order, refund_id, "SUCCESS"))).status == 204
    seen = await shop.order(order.id)
    assert (await wallet(shop), seen.refunded_fen, seen.anomalies) == ((1_000, 0), 0, ("spent",))


async def test_held_money_that_the_channel_cannot_return_waits_for_a_decision_again(shop: Shop) -> None:
    order = await shop.place()
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk")
    await shop.pay(order)
    await shop.reach(order.id, "held")
    shop.sim.fault("refund", "error", code="NOT_ENOUGH", http=403)
    await reject(shop.program.database, shop.program.accounts, order.id, "staff:1", "no papers")
    await shop.work()
    assert (await shop.order(order.id)).state == "refunding"
    # Our account at the channel was empty; the same refund is asked for again, and the channel ends it as failed.
    shop.sim.habits.refund_fates = ["CLOSED"]
    await refunds_end(shop)
    assert (await shop.order(order.id)).state == "held"
    await reject(shop.program.database, shop.program.accounts, order.id, "staff:1", "no papers")
    await refunds_end(shop)
    assert (await shop.order(order.id)).state == "refunded"
    assert shop.sim.books.refund_totals().sum_fen == 5_000


async def test_held_money_that_was_returned_by_hand_is_booked_so(shop: Shop) -> None:
    order = await shop.place()
    await shop.program.house.identity.freeze(shop.user_id, actor="staff:1", reason="risk")
    await shop.pay(order)
    await shop.reach(order.id, "held")
    await returned(shop.program.database, shop.program.accounts, order.id, "staff:1", "in the merchant platform")
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.refunded_fen) == ("refunded", "returned", 5_000)
    assert await balance(shop, accounts.receivable(shop.channel_id)) == 0


async def refunds_end(shop: Shop) -> None:
    """Let time pass until no refund is under way."""
    for _ in range(40):
        await shop.later(120)
        await shop.work()
        await shop.sim.quiet()
        if not await shop.program.database.value("select count(*) from refunds where state in ('reserved', 'sent')"):
            return
    raise AssertionError("a refund has not ended")


async def spend(tx: Tx, hold: Hold) -> None:
    """Move money out of the user's cash."""
    known = Accounts()
    found = await known.ids(tx, 1, (hold.source, hold.aside))
    lines = (Line(hold.source, -hold.amount_fen), Line(hold.aside, hold.amount_fen))
    await post(tx, 1, clock.now(), "test", [Transfer(hold.id, "purchase", hold.id, clock.now(), lines)], found)


async def test_nf_05_a_v2_notice_is_answered_in_its_form_and_believed_in_nothing(shop: Shop) -> None:
    """Whoever refunds in the merchant platform makes the channel send the old XML, which nobody signs."""
    order = await paid(shop)
    shop.sim.habits.refund_callback_url = f"{shop.url}/notify/wechatpay/{shop.channel_id}"
    before = await book(shop.program.database)
    shop.sim.refund_by_hand(await shop.number(order.id), "BYHAND7", 5_000)
    await shop.sim.quiet()
    (send,) = shop.sim.books.sends("BYHAND7")
    assert (send.status, send.acknowledged) == (200, 1)
    assert await book(shop.program.database) == before
    assert [why.split(":")[0] for why, _ in await kept(shop.program.database)] == ["v2_notice"]
    forged = Message({"Content-Type": "text/xml"}, b"<xml><mch_id>1900000109</mch_id><req_info>x</req_info></xml>")
    assert (await knock(shop, forged)).status == 400
    assert await book(shop.program.database) == before


async def test_twenty_refunds_at_once_never_return_more_than_was_paid(shop: Shop) -> None:
    """Wherever they meet: each sees the others' under the order's lock, and the channel wants a minute between two."""
    order = await paid(shop)
    for _ in range(4):
        done = await asyncio.gather(*(refund(shop, order, 1_500) for _ in range(20)), return_exceptions=True)
        assert sum(not isinstance(each, BaseException) for each in done) <= 1
        assert {str(each) for each in done if isinstance(each, BaseException)} <= {"refund.exceeds", "refund.apart"}
        await shop.later(61)
        await refunds_done(shop)
    assert shop.sim.books.refund_totals().sum_fen == 4_500 == (await shop.order(order.id)).refunded_fen
    assert await wallet(shop) == (500, 0)


async def test_what_a_channel_told_by_itself_is_read_by_order_beside_what_it_answered(shop: Shop) -> None:
    """Every request and every answer, theirs too: the payment's message and the refund's, each once, without their secrets."""
    other = await paid(shop)
    order = await paid(shop)
    refund_id = await refund(shop, order)
    await refunds_end(shop)
    said = await shop.program.interface_log.of_order(order.id)
    assert [each.operation for each in said if each.direction == "out"][:2] == ["order", "refund"]
    told = [each for each in said if each.direction == "in"]
    attempt_id = await shop.program.database.value("select id from attempts where order_id = $1", order.id)
    about = [(attempt_id, None), (None, refund_id)]
    assert [(each.attempt_id, each.refund_id) for each in told] == about, "nothing of the other order, which is as young"
    assert [(each.operation, each.result) for each in told] == [("notice", "credited"), ("notice", "done")]
    for each in told:
        assert "wechatpay-signature: ***" in each.request
        assert '"resource_type":"encrypt-resource"' in each.request
        assert ":number" not in each.request
        assert 0 <= each.duration_us < 3_600_000_000, "the clock may be shifted by minutes while a message is under way"
    assert [each.direction for each in await shop.program.interface_log.of_order(other.id)] == ["out", "in"]


@pytest.mark.parametrize("amount_fen", [0, -1, 5_001, 2**62])
async def test_am_03_a_refund_of_an_impossible_amount_is_refused(shop: Shop, amount_fen: int) -> None:
    order = await paid(shop)
    before = await book(shop.program.database)
    with refuses("refund.exceeds"):
        await refund(shop, order, amount_fen)
    assert await book(shop.program.database) == before


async def test_rc_08_spent_money_cannot_go_back(shop: Shop) -> None:
    order = await paid(shop)
    await _spend(shop, 4_000)
    before = await book(shop.program.database)
    with refuses("refund.spent"):
        await refund(shop, order, 2_000)
    assert await book(shop.program.database) == before
    assert sent_once(shop.sim, order, await shop.number(order.id)) == 0
    await refund(shop, order, 1_000)
    await refunds_done(shop)
    assert await wallet(shop) == (0, 0)


async def test_rc_08_a_refund_races_spending(shop: Shop) -> None:
    order = await paid(shop)

    async def spend() -> None:
        await _spend(shop, 3_000)

    done = await asyncio.gather(refund(shop, order, 4_000), spend(), return_exceptions=True)
    assert sum(isinstance(each, BaseException) for each in done) == 1
    await refunds_done(shop)
    assert await wallet(shop) in ((1_000, 0), (2_000, 0))


async def test_a_refund_of_an_order_that_was_not_paid_is_refused(shop: Shop) -> None:
    order = await shop.place()
    for order_id in (order.id, ids.new_id()):
        with refuses("refund.not_paid"):
            await shop.program.desk.refund(order_id, 100, "nothing was paid", "staff:1")


async def test_a_late_payment_can_be_refunded(shop: Shop) -> None:
    shop.sim.fault("notice", "silence", times=None)
    order = await shop.place()
    await shop.pay(order)
    shop.sim.fault("query", "error", http=500)
    await shop.later(20)
    await shop.program.desk.look(order.id)
    await shop.program.desk.look(order.id)
    await refund(shop, await shop.order(order.id), 5_000)
    await refunds_done(shop)
    assert await wallet(shop) == (0, 0)


async def _spend(shop: Shop, amount_fen: int) -> None:
    async def work(tx: Tx) -> None:
        at, addresses = clock.now(), (accounts.cash(shop.user_id), accounts.SALES)
        found = await shop.program.accounts.ids(tx, 1, addresses)
        lines = (Line(addresses[0], -amount_fen), Line(addresses[1], amount_fen))
        await post(tx, 1, at, "test", [Transfer(ids.new_id(), "purchase", ids.new_id(), at, lines)], found)

    await shop.program.database.transact(work)


def _notice(shop: Shop, order: OrderView, refund_id: UUID, status: str, **changes: object) -> Message:
    content: dict[str, object] = {
        "mchid": shop.sim.merchant.mchid,
        "transaction_id": order.channel_txn,
        "out_trade_no": ids.text26(order.id),
        "refund_id": "50000000000000000000000000001",
        "out_refund_no": ids.text26(refund_id),
        "refund_status": status,
        "user_received_account": "支付用户零钱",
        "amount": {"total": 5_000, "refund": 2_000, "payer_total": 5_000, "payer_refund": 2_000},
        "success_time": rfc3339(clock.now_s()),
    }
    return signed(shop.enrolment, sealed(shop.enrolment, content | changes, event=f"REFUND.{status}"))
