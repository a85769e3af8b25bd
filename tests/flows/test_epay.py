"""Recharges through an operator of Epay, in both versions: what a message says is asked about, and only the answer is money."""

from typing import Any

import aiohttp
import pytest
from tests.flows.epay_till import Till, asked
from tests.flows.epay_till import operator as operator  # noqa: PLC0414 - the fixture
from tests.flows.epay_till import till as till  # noqa: PLC0414 - the fixture
from tests.flows.knocks import book, kept

from daozhang import alarms
from daozhang.reasons import catalogue


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_placed_paid_notified_asked_and_credited(till: Till, version: str) -> None:
    order = await till.place(getattr(till, version))
    assert (order.state, order.action) == ("awaiting_payment", "qr")
    await till.shop.pay(order)
    seen = await till.shop.reach(order.id, "credited")
    assert (seen.money, seen.anomalies) == ("credited", ())
    assert await till.shop.cash() == 5_000
    await till.shop.sim.quiet()
    number = await till.shop.number(order.id)
    assert [send.acknowledged for send in till.station.books.sends(number)] == [1]
    assert await asked(till, order) == ["order", "query"]
    assert till.station.sums()["paid"].sum_fen == till.station.sums()["balance_fen"] == 5_000


async def test_the_payers_page_by_link_and_by_form(till: Till) -> None:
    link = await till.place(till.v1, method="page")
    assert link.action == "link"
    assert "/epay/pay/submit/" in link.payload["text"]
    till.station.speak("classic")
    classic = await till.add(dialect="classic", app="alipayClassic")
    form = await till.place(classic, method="page")
    assert (form.action, set(form.payload["fields"]) >= {"pid", "sign", "money"}) == ("form", True)
    number = await till.shop.number(form.id)
    async with aiohttp.ClientSession() as session:
        async with session.post(form.payload["url"], data=form.payload["fields"], allow_redirects=False) as answer:
            assert answer.status == 303
            assert "/phone/pay/" in answer.headers["Location"]
        await till.shop.pay(form)
        await till.shop.reach(form.id, "credited")
        # The browser comes back with the very same signed message, and nothing of it is believed or kept.
        trade_no = till.station.hand.order(number).trade_no
        async with session.get(f"{till.shop.sim.url}/epay/pay/return/{trade_no}", allow_redirects=False) as answer:
            back = answer.headers["Location"]
        assert back.startswith(f"{till.shop.url}/back/{form.shown}?")
        assert "sign=" in back
        async with session.get(back, allow_redirects=False) as answer:
            assert answer.headers["Location"] == f"/orders/{form.shown}/back"
    assert await till.shop.cash() == 5_000


async def test_cb_28_a_forged_return_credits_nothing(till: Till) -> None:
    order = await till.place(till.v1)
    before = await book(till.shop.program.database)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{till.shop.url}/back/{order.shown}?{await till.message(order)}", allow_redirects=False) as answer,
    ):
        assert answer.status == 303
    assert await book(till.shop.program.database) == before


async def test_cb_02_forged_messages_change_nothing_and_ask_nothing(till: Till) -> None:
    order = await till.place(till.v1)
    database = till.shop.program.database
    before = await book(database)
    true = await till.message(order)
    for forged in (
        await till.message(order, key="0" * 32),
        true.replace("money=50", "money=5000"),
        f"{true}&money=9999",
        f"{true}&sign%5B%5D=",
        await till.message(order, pid="1002"),
        await till.message(order, type="wxpay"),
    ):
        status, body = await till.knock(till.v1, forged)
        assert status in (400, 401)
        assert body == b"fail"
    assert await book(database) == before
    assert len(await kept(database)) == 6
    assert await asked(till, order) == ["order"]


async def test_cb_19_a_true_signature_over_an_unpaid_order_credits_nothing(till: Till) -> None:
    order = await till.place(till.v1)
    before = (await book(till.shop.program.database))[:6]
    status, body = await till.knock(till.v1, await till.message(order))
    assert (status, body) == (200, b"success")
    assert (await book(till.shop.program.database))[:6] == before
    assert (await till.shop.order(order.id)).state == "awaiting_payment"
    assert await till.shop.cash() == 0
    # And a flood of them asks the operator no more than once a minute.
    with till.shop.still("callback.ask"):
        for n in range(20):
            await till.knock(till.v1, await till.message(order, name=f"goods{n}"))
    assert await asked(till, order) == ["order", "query"]


async def test_cb_19_another_amount_than_the_operators_rings_at_once_and_does_not_count(till: Till) -> None:
    order = await till.place(till.v1)
    till.shop.sim.fault("notice", "silence", times=None)
    till.shop.sim.phone.pay(await till.shop.number(order.id))
    assert (await till.knock(till.v1, await till.message(order, money="5000")))[0] == 200
    (alarm,) = [each for each in await alarms.open_alarms(till.shop.program.database) if each.kind == "channel.claim_denied"]
    assert alarm.facts["claimed_fen"] == 500_000
    await till.shop.reach(order.id, "credited")
    assert await till.shop.cash() == 5_000


async def test_cb_19_the_control_a_door_that_believes_the_signature_would_have_paid(till: Till) -> None:
    order = await till.place(till.v1)
    channel = till.shop.program.registry.get(till.v1)
    assert channel is not None
    claim = (await channel.read({}, (await till.message(order)).encode())).report
    assert claim is not None
    assert (claim.outcome, claim.amount_fen, claim.number) == ("success", 5_000, await till.shop.number(order.id))


async def test_a_callback_that_is_faster_than_the_operators_books_is_found_later(till: Till) -> None:
    order = await till.place(till.v1)
    till.shop.sim.phone.pay(await till.shop.number(order.id), trick="early")
    await till.shop.sim.quiet()
    assert (await till.shop.order(order.id)).state == "awaiting_payment"
    await till.shop.later(70)
    await till.shop.work()
    await till.shop.reach(order.id, "credited")
    assert await till.shop.cash() == 5_000


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_nf_02_a_lost_callback_is_found_by_the_chase(till: Till, version: str) -> None:
    till.shop.sim.fault("notice", "silence")
    order = await till.place(getattr(till, version))
    await till.shop.pay(order)
    await till.shop.later(6)
    await till.shop.work()
    await till.shop.reach(order.id, "credited")
    assert await till.shop.cash() == 5_000


@pytest.mark.parametrize(
    "trick",
    ["duplicate", "forge", "tamper", "stale", "extra", "polluted", "other_key", "replay", "drop", "reorder", "alter", "cut"],
)
async def test_cb_12_whatever_an_operator_sends_the_money_comes_once(till: Till, trick: str) -> None:
    order = await till.place(till.v1)
    till.shop.sim.phone.pay(await till.shop.number(order.id), trick=trick)
    await till.shop.reach(order.id, "credited")
    await till.shop.sim.quiet()
    assert await till.shop.cash() == 5_000


async def test_cb_07_another_amount_than_ordered_is_kept_apart(till: Till) -> None:
    order = await till.place(till.v1)
    till.shop.sim.phone.pay(await till.shop.number(order.id), trick="charged_otherwise", amount_fen=4_999)
    seen = await till.shop.reach(order.id, "misfit")
    assert seen.anomalies == ("amount",)
    assert await till.shop.cash() == 0


async def test_cb_10_two_merchants_of_an_operator_never_cross(till: Till) -> None:
    """A message that is true for one channel, at the door of another, with either key: nothing moves."""
    first, second = till.station.enrolment.merchants
    mine, theirs = await till.place(till.v1), await till.place(till.other)
    await till.shop.sim.quiet()
    database = till.shop.program.database
    till.shop.sim.fault("notice", "silence", times=None)
    till.shop.sim.phone.pay(await till.shop.number(theirs.id))
    before = await book(database)
    for channel_id, message in (
        (till.v1, await till.message(theirs, key=second.key)),
        (till.v1, await till.message(theirs, key=first.key)),
        (till.v1, await till.message(theirs, key=first.key, pid=first.pid)),
        (till.other, await till.message(mine, key=first.key)),
        (till.other, await till.message(mine, key=second.key, pid=second.pid)),
        (till.v2, await till.message(mine, key=first.key)),
        (till.v2, await till.message(mine, key=first.key, type="wxpay")),
    ):
        await till.knock(channel_id, message)
        after = await book(database)
        assert after == before, (channel_id, message)
    # The payment itself is credited where it belongs.
    await till.knock(till.other, await till.message(theirs, key=second.key))
    await till.shop.reach(theirs.id, "credited")
    assert (await till.shop.order(mine.id)).state == "awaiting_payment"


async def test_cb_06_the_same_merchant_by_two_channels_moves_only_the_channel_that_was_asked(till: Till) -> None:
    """Both channels of one merchant can be asked about each other's numbers; the order belongs to the one it was placed at."""
    order = await till.place(till.v2)
    till.shop.sim.fault("notice", "silence", times=None)
    till.shop.sim.phone.pay(await till.shop.number(order.id))
    before = await book(till.shop.program.database)
    status, _ = await till.knock(till.v1, await till.message(order, type="alipay"))
    assert status == 200
    assert await book(till.shop.program.database) == before
    await till.shop.later(6)
    await till.shop.work()
    await till.shop.reach(order.id, "credited")


async def test_an_unpaid_order_of_v1_is_watched_until_nothing_can_be_paid_any_more(till: Till) -> None:
    order = await till.place(till.v1)
    await till.shop.later(20 * 60)
    while await till.shop.work():
        pass
    assert (await till.shop.order(order.id)).state == "awaiting_payment"
    await till.shop.later(126 * 60)
    while await till.shop.work():
        pass
    seen = await till.shop.order(order.id)
    assert (seen.state, seen.reason) == ("expired", "operation.expired")


async def test_an_unpaid_order_of_v2_is_closed_at_the_wallet_and_ends(till: Till) -> None:
    order = await till.place(till.v2)
    await till.shop.later(16 * 60)
    while await till.shop.work():
        pass
    assert (await till.shop.order(order.id)).state == "expired"
    assert till.station.hand.order(await till.shop.number(order.id)).closed


async def test_cb_17_a_form_that_is_brought_and_paid_after_its_order_ended_is_still_money(till: Till) -> None:
    till.station.speak("classic")
    classic = await till.add(dialect="classic", app="alipayClassic")
    order = await till.place(classic, method="page")
    await till.shop.later(20 * 60)
    while await till.shop.work():
        pass
    assert (await till.shop.order(order.id)).state == "expired"
    async with aiohttp.ClientSession() as session:
        await session.post(order.payload["url"], data=order.payload["fields"], allow_redirects=False)
    await till.shop.pay(order)
    seen = await till.shop.reach(order.id, "credited")
    assert await till.shop.cash() == 5_000
    assert seen.anomalies == ("late",)


async def test_a_frozen_payment_is_held_with_its_reason(till: Till) -> None:
    till.shop.sim.fault("notice", "silence")
    order = await till.place(till.v1)
    await till.shop.pay(order)
    till.station.freeze(await till.shop.number(order.id))
    await till.shop.later(6)
    await till.shop.work()
    seen = await till.shop.reach(order.id, "held")
    assert seen.reason == "channel.payment_frozen"
    assert await till.shop.cash() == 0


async def test_operators_that_post_are_heard_too(till: Till) -> None:
    till.station.speak("exact")
    exact = await till.add(dialect="exact", app="alipayExact")
    order = await till.place(exact)
    await till.shop.pay(order)
    await till.shop.reach(order.id, "credited")
    status, body = await till.knock(exact, await till.message(order), "POST")
    assert (status, body) == (200, b"success")
    for method in ("PUT", "HEAD", "OPTIONS"):
        assert (await till.knock(exact, "", method))[0] == 405
    assert await till.shop.cash() == 5_000


async def test_nf_01_an_order_that_timed_out_is_found_and_paid_once(till: Till) -> None:
    till.shop.sim.fault("order", "booked_error")
    order = await till.place(till.v1)
    assert order.money == "checking"
    await till.shop.later(6)
    await till.shop.work()
    seen = await till.shop.order(order.id)
    assert seen.state == "awaiting_payment"
    await till.shop.pay(order)
    await till.shop.reach(order.id, "credited")
    assert till.station.sums()["paid"].count == 1


STOPS: dict[str, tuple[dict[str, Any], str]] = {
    "banned": ({"banned": True}, "channel.receiving_limited"),
    "unapproved": ({"unapproved": True}, "channel.product_not_enabled"),
    "unverified": ({"unverified": True}, "channel.receiving_limited"),
    "domain": ({"domain_unknown": True}, "channel.misconfigured"),
    "deposit": ({"deposit_short": True}, "channel.receiving_limited"),
    "balance": ({"balance_short": True}, "channel.receiving_limited"),
    "maximum": ({"most_fen": 4_000}, "channel.limit.single"),
    "minimum": ({"least_fen": 6_000}, "channel.limit.min"),
    "type_maximum": ({"type_most_fen": 4_000}, "channel.limit.single"),
    "type_minimum": ({"type_least_fen": 6_000}, "channel.limit.min"),
    "broken": ({"broken": True}, "channel.busy"),
    "count": ({"payer_count_used": True}, "channel.payer_quota_used"),
    "sum": ({"payer_sum_used": True}, "channel.payer_quota_used"),
    "blocked": ({"payer_blocked": True}, "channel.payer_blocked"),
    "crowded": ({"crowded": True}, "channel.busy"),
    "page": ({"wants_page": True}, "channel.page_required"),
    "goods": ({"goods_forbidden": True}, "channel.trade_refused"),
    "plugin": ({"plugin_down": "上游维护"}, "channel.trade_refused"),
    "rsa_only": ({"rsa_only": True}, "channel.misconfigured"),
}
"""What an operator may have switched on, and the reason that the user reads on the order's page."""


async def test_nf_07_every_stop_of_an_operator_reaches_the_user_with_its_cure(till: Till) -> None:
    for name, (rules, reason) in STOPS.items():
        for rule, value in rules.items():
            usual = getattr(till.station.rules, rule)
            setattr(till.station.rules, rule, value)
            seen = await till.place(till.v1)
            assert (seen.state, seen.reason) == ("failed", reason), name
            assert seen.money == "none", name
            for locale in ("zh", "en"):
                assert catalogue().get(reason).told(locale, seen.reason_facts).cure
            setattr(till.station.rules, rule, usual)
    assert till.station.sums()["paid"].count == 0
