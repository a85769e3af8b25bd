"""Payments that are not what was asked: another amount, another merchant, an order nobody placed, a transaction told twice."""

import asyncio

import pytest
from tests.flows.knocks import book, kept, knock, payment, sealed, signed, told
from tests.flows.shop import Shop, add_channel, open_shop, refuses

from daozhang import ids
from daozhang.ledger import accounts
from daozhang.postgres import Database
from daozhang.proof import prove
from daozhang.recharge.release import reject, release
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment

CENTS = [4_999, 500_000]
OTHER_CURRENCY = {"total": 5_000, "payer_total": 5_000, "currency": "USD", "payer_currency": "USD"}


async def balance(shop: Shop, address: str) -> int:
    """The balance at an address in fen."""
    found: int | None = await shop.program.database.value("select balance_fen from accounts where address = $1", address)
    return found or 0


async def open_anomalies(shop: Shop) -> list[str]:
    """The kinds of what waits for a person."""
    return [
        row["kind"] for row in await shop.program.database.rows("select kind from anomalies where resolved_at is null order by at")
    ]


async def refunds_done(shop: Shop) -> None:
    """Let every refund that is under way come to its end."""
    for _ in range(100):
        if await shop.program.database.value("select count(*) from refunds where state in ('reserved', 'sent')") == 0:
            return
        await shop.later(60)
        await shop.work()
        await shop.sim.quiet()
    pytest.fail("a refund does not end")


@pytest.mark.parametrize("charged_fen", CENTS)
async def test_cb_07_another_amount_goes_to_suspense(shop: Shop, charged_fen: int) -> None:
    order = await shop.place()
    number = await shop.number(order.id)
    shop.sim.phone.pay(number, trick="charged_otherwise", amount_fen=charged_fen)
    seen = await shop.reach(order.id, "misfit")
    assert (seen.money, seen.anomalies) == ("received", ("amount",))
    assert await shop.cash() == 0
    assert await balance(shop, accounts.SUSPENSE) == charged_fen
    await shop.program.desk.look(order.id)
    assert await balance(shop, accounts.SUSPENSE) == charged_fen


@pytest.mark.parametrize("charged_fen", CENTS)
async def test_cb_07_a_misfit_may_be_kept(shop: Shop, charged_fen: int) -> None:
    order = await shop.place()
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=charged_fen)
    await shop.reach(order.id, "misfit")
    await release(shop.program.database, shop.program.accounts, order.id, "staff:1", "the buyer agrees")
    assert (await shop.order(order.id)).state == "credited"
    assert await shop.cash() == charged_fen
    assert await balance(shop, accounts.SUSPENSE) == 0
    with refuses("refund.exceeds"):
        await shop.program.desk.refund(order.id, charged_fen + 1, "too much", "staff:1")
    await shop.program.desk.refund(order.id, charged_fen, "all of it", "staff:1")
    await refunds_done(shop)
    assert (await shop.order(order.id)).refunded_fen == charged_fen
    assert shop.sim.books.refund_totals().sum_fen == charged_fen


@pytest.mark.parametrize("charged_fen", CENTS)
async def test_cb_07_a_misfit_may_be_sent_back(shop: Shop, charged_fen: int) -> None:
    order = await shop.place()
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=charged_fen)
    await shop.reach(order.id, "misfit")
    await reject(shop.program.database, shop.program.accounts, order.id, "staff:1", "not what was asked")
    assert (await shop.order(order.id)).money == "returning"
    await refunds_done(shop)
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.refunded_fen) == ("refunded", "returned", charged_fen)
    assert shop.sim.books.refund_totals().sum_fen == charged_fen
    assert await balance(shop, accounts.SUSPENSE) == 0
    assert await shop.cash() == 0
    for again in (release, reject):
        with refuses("operation.not_waiting"):
            await again(shop.program.database, shop.program.accounts, order.id, "staff:1", "twice")


@pytest.mark.parametrize("fault", ["other_mchid", "other_appid", "other_currency"])
async def test_cb_08_cb_09_a_callback_that_is_not_ours_changes_nothing(shop: Shop, fault: str) -> None:
    """Rightly signed, for another merchant, app or currency of the platform. What is true the query finds out."""
    shop.sim.fault("notice", fault)
    order = await shop.place()
    before = await book(shop.program.database)
    await shop.pay(order)
    await shop.sim.quiet()
    assert await book(shop.program.database) == before
    (row,) = await shop.program.database.rows("select state, why from notifications")
    assert (row["state"], row["why"]) == ("settled", "foreign")
    await shop.program.desk.look(order.id)
    assert (await shop.order(order.id)).state == "credited"


async def test_cb_08_a_closed_try_that_a_message_does_not_fit_is_asked_about(shop: Shop) -> None:
    """The channel said "too often", had placed it all the same, and its message names another merchant: nobody watches this try."""
    shop.sim.fault("order", "booked_error", http=429, code="FREQUENCY_LIMITED")
    shop.sim.fault("notice", "other_mchid")
    order = await shop.place()
    assert (order.state, order.reason) == ("failed", "channel.busy")
    shop.sim.fault("query", "error", http=500)
    await shop.pay(order)
    await shop.sim.quiet()
    # It did not say what is true when it was asked, so its message was not acknowledged, and came again.
    seen = await shop.order(order.id)
    assert (seen.state, await shop.cash()) == ("credited", seen.amount_fen)


async def test_cb_08_a_flood_about_a_closed_try_asks_its_channel_once_a_minute(shop: Shop) -> None:
    """Whatever does not fit a closed try makes us ask: no more often than any claim, and what is not asked is not acknowledged."""
    shop.sim.fault("order", "booked_error", http=429, code="FREQUENCY_LIMITED")
    order = await shop.place()
    number, database = await shop.number(order.id), shop.program.database
    before = await book(database)

    async def told() -> int:
        return (await knock(shop, payment(shop.enrolment, number, mchid="1900009999"))).status

    with shop.still("callback.ask"):
        assert [await told() for _ in range(8)] == [204] + [503] * 7
    await shop.program.interface_log.drain()
    asked = "select count(*) from interface_log where operation = 'query' and attempt_id = $1"
    assert await database.value(asked, ids.parse26(number)) == 1
    assert await book(database) == before, "it is not paid: the channel says so itself"


@pytest.mark.parametrize("changes", [{"mchid": "1900009999"}, {"appid": "wx9999999999999999"}, {"amount": OTHER_CURRENCY}], ids=str)
async def test_cb_08_nobodys_number_of_another_merchant_is_no_money_of_ours(shop: Shop, changes: dict[str, object]) -> None:
    """Rightly signed by the platform, under a number that we never gave out: what came to somebody else is not ours to keep."""
    before = await book(shop.program.database)
    assert (await knock(shop, payment(shop.enrolment, ids.text26(ids.new_id()), **changes))).status == 204
    assert await book(shop.program.database) == before
    assert [why for why, _ in await kept(shop.program.database, "settled")] == ["foreign"]


async def test_cb_09_nobodys_transaction_is_kept_once_whatever_number_it_is_told_under(shop: Shop) -> None:
    first, second = (ids.text26(each) for each in ids.new_ids(2))
    for number in (first, first, second):
        assert (await knock(shop, payment(shop.enrolment, number, txn="4200000000209901010000000009"))).status == 204
    assert await balance(shop, accounts.SUSPENSE) == 5_000
    assert sorted(why for why, _ in await kept(shop.program.database, "settled")) == ["again", "again", "unknown_order"]
    assert await kept(shop.program.database, "stored") == [], "it is known what each of them means"


async def test_cb_10_another_channels_key_cannot_pay_this_channels_order(
    database: Database, settings: Settings, enrolment: Enrolment, stranger: Enrolment
) -> None:
    """Two channels of one shop: what is signed for the second says nothing about orders of the first, whatever it names."""
    async with open_shop(database, settings, enrolment=enrolment, others=(stranger,)) as shop:
        second = await add_channel(database, shop.program.vault, settings, shop.sim, stranger.merchant)
        await shop.program.registry.load()
        order = await shop.place()
        number = await shop.number(order.id)
        before = await book(database)
        lie = {"mchid": enrolment.merchant.mchid, "appid": enrolment.merchant.appid}
        for message in (payment(stranger, number), payment(stranger, number, **lie)):
            assert (await knock(shop, message, channel_id=second)).status == 204
            assert (await knock(shop, message)).status in (401, 503)
        assert await book(database) == before
        assert (await knock(shop, payment(enrolment, number), channel_id=second)).status in (401, 503)
        assert await book(database) == before


async def test_cb_06_a_number_nobody_placed_goes_to_suspense_once(shop: Shop) -> None:
    message = payment(shop.enrolment, ids.text26(ids.new_id()))
    foreign = payment(shop.enrolment, "SOMEBODYS-OWN-NUMBER-7")
    for each in (message, message, foreign, foreign):
        assert (await knock(shop, each)).status == 204
    heard = await asyncio.gather(*(knock(shop, message) for _ in range(20)))
    assert {each.status for each in heard} == {204}
    assert await balance(shop, accounts.SUSPENSE) == 10_000
    assert await open_anomalies(shop) == ["unknown_order", "unknown_order"]
    assert await shop.cash() == 0


async def test_cb_06_one_transaction_told_about_an_unknown_number_in_many_messages_at_once(shop: Shop) -> None:
    number = ids.text26(ids.new_id())
    messages = [payment(shop.enrolment, number, txn="42001") for _ in range(30)]
    heard = await asyncio.gather(*(knock(shop, message) for message in messages))
    assert {each.status for each in heard} == {204}
    await shop.later(30)
    await shop.work()
    assert await balance(shop, accounts.SUSPENSE) == 5_000
    assert await open_anomalies(shop) == ["unknown_order"]


async def test_cb_06_money_of_an_unknown_number_is_found_again_by_the_query(shop: Shop) -> None:
    """The callback named a number nobody placed; the query tells whose payment it is: it leaves suspense, and is credited once."""
    shop.sim.fault("notice", "unknown_order")
    order = await shop.place()
    await shop.pay(order)
    await shop.sim.quiet()
    assert await balance(shop, accounts.SUSPENSE) == 5_000
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await asyncio.gather(*(shop.program.desk.look(order.id) for _ in range(5)))
    assert (await shop.order(order.id)).state == "credited"
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_000, 0)
    assert await open_anomalies(shop) == []
    await shop.program.desk.look(order.id)
    assert await shop.cash() == 5_000


async def test_one_transaction_of_two_orders_pays_one(shop: Shop) -> None:
    orders = [await shop.place() for _ in range(2)]
    messages = [payment(shop.enrolment, await shop.number(order.id), txn="42002") for order in orders]
    heard = await asyncio.gather(*(knock(shop, message) for message in messages))
    assert {each.status for each in heard} == {204}
    await shop.later(30)
    await shop.work()
    states = sorted([(await shop.order(order.id)).state for order in orders])
    assert states == ["awaiting_payment", "credited"]
    assert await shop.cash() == 5_000


async def test_one_number_with_two_transactions_credits_the_first_and_keeps_the_second_apart(shop: Shop) -> None:
    order = await shop.place()
    number = await shop.number(order.id)
    for txn in ("42003", "42004", "42004"):
        assert (await knock(shop, payment(shop.enrolment, number, txn=txn))).status == 204
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_000, 5_000)
    assert await open_anomalies(shop) == ["unresolved"]
    # No refund can name it: one of this number would return the first, which was rightly credited.
    assert await shop.program.database.value("select count(*) from refunds") == 0
    assert (await shop.order(order.id)).state == "credited"


async def test_cb_06_money_found_again_in_another_amount_is_the_orders_misfit(shop: Shop) -> None:
    order = await shop.place()
    shop.sim.fault("notice", "unknown_order")
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=5_100)
    await shop.sim.quiet()
    await shop.later(30)
    await shop.program.desk.look(order.id)
    seen = await shop.order(order.id)
    assert (seen.state, "amount" in seen.anomalies) == ("misfit", True)
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (0, 5_100)
    proof = await prove(shop.program.database)
    assert proof.ok, [check for check in proof.checks if check.wrong]
    await release(shop.program.database, shop.program.accounts, order.id, "staff:1", "the payer keeps it")
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_100, 0)
    proof = await prove(shop.program.database)
    assert proof.ok, [check for check in proof.checks if check.wrong]


async def test_cb_06_money_found_again_whose_order_was_paid_before_waits_for_a_person_as_a_second_payment(shop: Shop) -> None:
    order = await shop.place()
    number = await shop.pay(order)
    await shop.reach(order.id, "credited")
    await shop.sim.quiet()
    for each in (ids.text26(ids.new_id()), number, number):
        assert (await knock(shop, payment(shop.enrolment, each, txn="42005"))).status == 204
    assert (await shop.cash(), await balance(shop, accounts.SUSPENSE)) == (5_000, 5_000)
    assert await open_anomalies(shop) == ["unresolved"]
    assert await kept(shop.program.database, "stored") == []


@pytest.mark.parametrize("event", ["TRANSACTION.CLOSED", "REFUND.SUCCESS", "COUPON.USE", "PAYSCORE.USER_PAID"])
async def test_a_message_about_something_else_is_noted_or_refused(shop: Shop, event: str) -> None:
    order = await shop.place()
    before = await book(shop.program.database)
    content = told(shop.enrolment, await shop.number(order.id))
    heard = await knock(shop, signed(shop.enrolment, sealed(shop.enrolment, content, event=event)))
    assert heard.status in (204, 400)
    assert await book(shop.program.database) == before


async def test_money_that_went_back_by_hand_is_held_and_not_credited(shop: Shop) -> None:
    """Paid, never told to us, and refunded in the merchant platform: the query says REFUND. Nobody may get it twice."""
    shop.sim.fault("notice", "silence", times=None)
    order = await shop.place()
    number = await shop.pay(order)
    shop.sim.refund_by_hand(number, "BYHAND1", 5_000)
    await shop.program.desk.look(order.id)
    seen = await shop.order(order.id)
    assert (seen.state, seen.reason, seen.money) == ("held", "operation.refunded", "received")
    assert await shop.cash() == 0
    assert await balance(shop, accounts.review(shop.user_id)) == 5_000
    # Its owner has nothing to explain, and a week of silence does not send back what has gone back already.
    case = await shop.program.house.cases.open_about(1, "hold", order.shown)
    assert case is not None
    assert (case.turn, case.question) == ("staff", "looked_at")
    await shop.later(8 * 86_400)
    await shop.work()
    assert (await shop.order(order.id)).state == "held"
