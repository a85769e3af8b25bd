"""Nobody tells us: the chase asks on its schedule, closes before it gives up, and says when a person has to look."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.flows.shop import Shop

from daozhang.recharge import schedule


async def test_nf_02_charged_and_never_told_is_credited_within_a_minute_of_the_answer(shop: Shop) -> None:
    shop.sim.fault("notice", "silence", times=None)
    for fault in ("error", "hang", "garbage", "unsigned", "forge", "empty_503"):
        shop.sim.fault("query", fault, http=500, seconds=0)
    order = await shop.place()
    await shop.pay(order)
    waited_s = 0
    while (await shop.order(order.id)).state != "credited":
        await shop.later(5)
        waited_s += 5
        await shop.work()
        assert waited_s <= 600
    # The sixth question is the first with a good answer: 5, 15, 60, 120, 300 s, then 600 s after the beginning.
    assert await shop.program.database.value("select queries from attempts") <= 6
    assert await shop.cash() == 5_000


async def test_an_unpaid_order_is_asked_about_step_by_step_and_left_to_its_payer_until_it_expires(shop: Shop) -> None:
    order = await shop.place()
    number = await shop.number(order.id)
    for nth, step in enumerate(schedule.STEPS[:6], 1):
        await shop.later(step.total_seconds() + 1 - (schedule.STEPS[nth - 2].total_seconds() + 1 if nth > 1 else 0))
        await shop.work()
        assert await shop.program.database.value("select queries from attempts") == nth
        seen = await shop.order(order.id)
        assert (seen.state, seen.action) == ("awaiting_payment", "qr")
        at_channel = shop.sim.books.order(shop.sim.merchant.mchid, number)
        assert at_channel is not None
        assert at_channel.trade_state == "NOTPAY"
    await shop.pay(order)
    assert (await shop.reach(order.id, "credited")).money == "credited"


@pytest.mark.parametrize("fault", ["garbage", "unsigned", "forge", "stale", "truncate", "empty_503", "unknown_serial"])
async def test_nf_04_an_answer_that_does_not_hold_decides_nothing(shop: Shop, fault: str) -> None:
    shop.sim.fault("notice", "silence", times=None)
    order = await shop.place()
    await shop.pay(order)
    shop.sim.fault("query", fault)
    await shop.program.desk.look(order.id)
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await shop.program.desk.look(order.id)
    assert (await shop.order(order.id)).state == "credited"


async def test_nf_04_a_rightly_signed_answer_with_another_amount_is_a_misfit(shop: Shop) -> None:
    shop.sim.fault("notice", "silence", times=None)
    order = await shop.place()
    await shop.pay(order)
    shop.sim.fault("query", "alter", amount_fen=1)
    await shop.program.desk.look(order.id)
    assert (await shop.order(order.id)).state == "misfit"
    assert await shop.cash() == 0


async def test_an_unpaid_order_is_not_ended_while_the_channel_will_not_close_it(shop: Shop) -> None:
    order = await shop.place()
    await shop.later(16 * 60)
    shop.sim.fault("close", "error", http=500)
    await shop.work()
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await shop.later(10 * 60)
    await shop.work()
    assert (await shop.order(order.id)).state == "expired"


async def test_paid_in_the_last_moment_before_it_is_closed(shop: Shop) -> None:
    """The channel says "unpaid", then the payer pays, then we close: the close is refused and the money is credited."""
    shop.sim.fault("notice", "silence", times=None)
    order = await shop.place()
    number = await shop.number(order.id)
    channel = shop.program.registry.get(shop.channel_id)
    assert channel is not None
    close = channel.close

    async def pay_then_close(out_trade_no: str) -> object:
        shop.sim.phone.pay(number)
        return await close(out_trade_no)

    channel.close = pay_then_close  # type: ignore[method-assign, assignment]
    await shop.program.desk.cancel(shop.user_id, order.id)
    assert (await shop.order(order.id)).state == "credited"


async def test_after_a_day_of_silence_a_person_is_asked(shop: Shop) -> None:
    shop.sim.fault("api", "error", http=500, times=None)
    order = await shop.place()
    for _ in range(30):
        await shop.later(3_600)
        await shop.work()
    seen = await shop.order(order.id)
    assert (seen.money, seen.anomalies) == ("checking", ("unresolved",))
    # Asking goes on, once a day: a channel that comes back is heard.
    shop.sim.dial.clear()
    await shop.later(86_400)
    await shop.work()
    assert (await shop.order(order.id)).state == "expired"


async def test_a_fault_of_ours_keeps_the_message_and_tries_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is valid and settling breaks: it is kept alone, acknowledged, and settled by ourselves later."""
    order = await shop.place()

    async def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patched:
        patched.setattr(shop.program.settle, "_round", broken)
        number = await shop.pay(order)
        await shop.sim.quiet()
        assert [send.acknowledged for send in shop.sim.books.sends(number)] == [1]
        (row,) = await shop.program.database.rows("select state, why from notifications")
        assert (row["state"], row["why"]) == ("stored", "RuntimeError")
        await shop.later(6)
        await shop.program.dues[2].once()
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await shop.later(60)
    await shop.program.dues[2].once()
    assert (await shop.order(order.id)).state == "credited"
    (row,) = await shop.program.database.rows("select state, why, next_try_at from notifications")
    assert (row["state"], row["why"], row["next_try_at"]) == ("settled", "credited", None)


async def test_a_person_is_told_once_of_a_message_that_we_cannot_settle(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await shop.place()

    async def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patched:
        patched.setattr(shop.program.settle, "_round", broken)
        await shop.pay(order)
        await shop.sim.quiet()
        for _ in range(12):
            await shop.later(3_601)
            await shop.program.dues[2].once()
        told = await shop.program.database.rows("select kind, amount_fen, facts::text from anomalies")
        assert [(row["kind"], row["amount_fen"]) for row in told] == [("unresolved", order.amount_fen)]
        assert "RuntimeError" in told[0]["facts"]
    await shop.later(3_601)
    await shop.program.dues[2].once()
    assert (await shop.order(order.id)).state == "credited"


def test_the_schedule_is_the_published_one() -> None:
    assert [step.total_seconds() for step in schedule.STEPS] == [5, 15, 60, 120, 300, 600, 1200, 1800]
    began = datetime(2026, 1, 1, tzinfo=UTC)
    expires = began + timedelta(minutes=15)
    at, looks = began, []
    while (look := schedule.next_look(began, expires, at)) is not None and len(looks) < 200:
        looks.append((look - began).total_seconds())
        at = look
    assert looks[:10] == [5, 15, 60, 120, 300, 600, 900, 1020, 1200, 1800]
    assert looks[10:34] == [3_600 * n for n in range(1, 25)]
