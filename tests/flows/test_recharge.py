"""One recharge, from the wish to the wallet, and its money back."""

from tests.flows.shop import Shop, refuses
from tests.patience import until


async def test_callback_credits_the_order(shop: Shop) -> None:
    order = await shop.place(5_000)
    assert (order.state, order.money, order.action) == ("awaiting_payment", "none", "qr")
    assert order.payload["text"].startswith("weixin://wxpay/bizpayurl")
    await shop.pay(order)
    seen = await shop.reach(order.id, "credited")
    assert (seen.money, seen.reason, seen.anomalies) == ("credited", None, ())
    assert await shop.cash() == 5_000
    (line,) = await shop.program.desk.statement(shop.user_id)
    assert (line.amount_fen, line.balance_after_fen, line.what, line.order_shown) == (5_000, 5_000, "recharge", order.shown)
    await shop.sim.quiet()
    assert [send.acknowledged for send in shop.sim.books.sends(await shop.number(order.id))] == [True]


async def test_lost_callback_is_found_by_the_chase(shop: Shop) -> None:
    shop.sim.fault("notice", "silence")
    order = await shop.place()
    await shop.pay(order)
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await shop.later(6)
    assert await shop.work() == 1
    assert (await shop.order(order.id)).state == "credited"
    assert await shop.cash() == 5_000


async def test_unpaid_order_expires_after_it_was_closed_at_the_channel(shop: Shop) -> None:
    order = await shop.place()
    number = await shop.number(order.id)
    await shop.later(16 * 60)
    while await shop.work():
        pass
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.reason) == ("expired", "none", "operation.expired")
    at_channel = shop.sim.books.order(shop.sim.merchant.mchid, number)
    assert at_channel is not None
    assert at_channel.trade_state == "CLOSED"


async def test_refund_returns_the_money(shop: Shop) -> None:
    order = await shop.place()
    await shop.pay(order)
    await shop.reach(order.id, "credited")
    # Its fate comes when the clock has moved on, and not while we look.
    shop.sim.habits.refund_s = 100_000
    refund = await shop.program.desk.refund(order.id, 2_000, "不想要了", "staff:1")
    assert refund.state == "sent"
    wallet = await shop.program.desk.wallet(shop.user_id)
    assert (wallet.cash_fen, wallet.reserved_fen) == (3_000, 2_000)

    async def ended() -> bool:
        await shop.work()
        return (await shop.program.desk.refunds.view(refund.id)).state == "done"

    await shop.later(120)
    await shop.sim.quiet()
    await until(ended)
    wallet = await shop.program.desk.wallet(shop.user_id)
    assert (wallet.cash_fen, wallet.reserved_fen) == (3_000, 0)
    assert (await shop.order(order.id)).refunded_fen == 2_000
    with refuses("refund.exceeds"):
        await shop.program.desk.refund(order.id, 3_001, "更多", "staff:1")
