"""What every adapter must do against its simulator over real HTTP, and what must not get through its door.

A kind's tests take these by a star import. Where channels differ, the kind says so in its `Traits` and its `Pen`; nothing here
names a channel. A kind gives two fixtures: `rig`, and `target` for the attacks.
"""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from tests.channels.attacks import REFUSED, TEXTS, Target, lies_about, refused, weak_key
from tests.channels.elsewhere import leading_elsewhere
from tests.channels.rig import Rig, closed_port

from daozhang import clock, ids
from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import Answer, Invalid, Outcome
from daozhang.reasons.refusal import Refusal


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each fault that leaves this kind without a believable answer is a case of its own."""
    if "silence" in metafunc.fixturenames:
        metafunc.parametrize("silence", metafunc.module.TRAITS.silences)


async def test_an_order_is_placed_and_asking_again_gives_the_same(rig: Rig) -> None:
    order = rig.wish()
    first = await rig.channel.order(order)
    assert first.outcome is Outcome.SUCCESS
    assert first.payload
    assert first.expires_at is not None
    assert first.expires_at <= order.expires_at
    again = await rig.channel.order(order)
    assert (again.outcome, again.action, again.payload) == (Outcome.SUCCESS, first.action, first.payload)


async def test_a_method_the_channel_does_not_offer_is_refused_here(rig: Rig) -> None:
    rig.exchanges.clear()
    for method in ("telepathy", "" if "" not in rig.channel.methods else "?"):
        prepay = await rig.channel.order(rig.wish(method=method))
        assert (prepay.outcome, prepay.reason) == (Outcome.FAILURE, "channel.method_unsupported")
    assert rig.exchanges == []


async def test_unpaid_is_pending_and_never_a_failure(rig: Rig) -> None:
    order = await rig.placed()
    unseen = await rig.channel.query(order.out_trade_no)
    if not rig.traits.unseen_is_known:
        assert (unseen.outcome, unseen.report, unseen.exists) == (Outcome.UNKNOWN, None, False)
    rig.see(order.out_trade_no)
    answer = await rig.channel.query(order.out_trade_no)
    assert (answer.outcome, answer.exists) == (Outcome.PENDING, True)
    assert answer.report is not None
    assert answer.report.number == order.out_trade_no


async def test_an_unknown_order_does_not_exist_and_has_not_failed(rig: Rig) -> None:
    answer = await rig.channel.query(ids.text26(ids.new_id()))
    assert (answer.exists, answer.report) == (False, None)
    assert answer.outcome is Outcome.UNKNOWN


async def test_a_payment_is_found_by_asking(rig: Rig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    answer = await rig.channel.query(order.out_trade_no)
    report = answer.report
    assert report is not None, answer
    assert (report.witness, report.subject, report.outcome) == ("query", "payment", Outcome.SUCCESS)
    assert (report.number, report.amount_fen, report.currency) == (order.out_trade_no, 5000, "CNY")
    assert (report.merchant, report.app, report.channel_id) == (rig.channel.merchant, rig.channel.app, rig.channel.id)
    assert report.channel_txn
    assert report.happened_at is not None
    assert abs((report.happened_at - clock.now()).total_seconds()) < 60


async def test_a_payment_is_told_at_the_door_with_the_same_facts(rig: Rig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    await rig.quiet()
    told = rig.door.read[0].report
    asked = (await rig.channel.query(order.out_trade_no)).report
    assert told is not None
    assert asked is not None
    assert told.witness == "notification"
    for name in rig.traits.facts:
        assert getattr(told, name) == getattr(asked, name), name
    assert rig.acknowledged() == 1


async def test_a_resent_callback_has_the_same_key(rig: Rig) -> None:
    order = await rig.placed()
    rig.fault("notice", "duplicate", copies=5)
    rig.pay(order.out_trade_no)
    await rig.quiet()
    assert len(rig.door.read) >= 5
    assert len({notification.key for notification in rig.door.read}) == 1


async def test_closing_is_re_entrant_and_refused_once_paid(rig: Rig) -> None:
    if not rig.traits.closes:
        pytest.skip("this channel has no close")
    unpaid, paid = await rig.seen(), await rig.placed()
    rig.pay(paid.out_trade_no)
    assert (await rig.channel.close(unpaid.out_trade_no)).outcome is Outcome.SUCCESS
    assert (await rig.channel.close(unpaid.out_trade_no)).outcome is Outcome.SUCCESS
    after = (await rig.channel.query(unpaid.out_trade_no)).outcome
    assert after is (Outcome.FAILURE if rig.traits.shows_closed else Outcome.PENDING)
    refused = await rig.channel.close(paid.out_trade_no)
    assert (refused.outcome, refused.reason) == (Outcome.FAILURE, "operation.already_paid")


async def test_closing_what_never_was_is_as_good_as_closed_or_nobody_knows(rig: Rig) -> None:
    answer = await rig.channel.close(ids.text26(ids.new_id()))
    assert (answer.outcome, answer.exists) == (Outcome.SUCCESS if rig.traits.closes_unseen else Outcome.UNKNOWN, False)


async def test_a_channel_without_a_close_never_says_closed_of_what_can_be_paid(rig: Rig) -> None:
    if rig.traits.closes:
        pytest.skip("this channel has a close")
    order = await rig.placed()
    assert (await rig.channel.close(order.out_trade_no)).outcome is Outcome.UNKNOWN
    rig.pay(order.out_trade_no)
    assert (await rig.channel.close(order.out_trade_no)).outcome in (Outcome.UNKNOWN, Outcome.FAILURE)


async def test_a_refund_is_accepted_done_and_told_once_per_number(rig: Rig) -> None:
    if not rig.traits.numbers_refunds:
        pytest.skip("this channel knows no numbers of refunds")
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    await rig.quiet()
    refund = rig.back(order, txn, amount_fen=2000)
    accepted = await rig.channel.refund(refund)
    assert accepted.outcome is rig.traits.refund_first
    again = await rig.channel.refund(refund)
    assert again.outcome in (Outcome.PENDING, Outcome.SUCCESS, Outcome.UNKNOWN)
    await rig.quiet()
    done = await rig.channel.query_refund(refund.out_refund_no, order.out_trade_no)
    assert done.outcome is Outcome.SUCCESS
    assert done.report is not None
    assert (done.report.subject, done.report.number, done.report.amount_fen) == ("refund", refund.out_refund_no, 2000)
    told = [each.report for each in rig.door.read if each.report and each.report.subject == "refund"]
    expected = (refund.out_refund_no, 2000 if rig.traits.tells_refund_amount else None, Outcome.SUCCESS)
    heard = [(report.number, report.amount_fen, report.outcome) for report in told]
    assert heard == ([expected] if rig.traits.tells_refunds else [])
    assert rig.refunded_fen() == 2000


async def test_without_numbers_a_refund_is_asked_for_once_and_found_by_asking_about_the_payment(rig: Rig) -> None:
    if rig.traits.numbers_refunds:
        pytest.skip("this channel knows numbers of refunds")
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    await rig.quiet()
    rig.fault("refund", "booked_error")
    refund = rig.back(order, txn, amount_fen=2000)
    assert (await rig.channel.refund(refund)).outcome is Outcome.UNKNOWN
    assert (await rig.channel.query_refund(refund.out_refund_no, order.out_trade_no)).exists is False
    for _ in range(3):
        found = await rig.channel.refund(replace(refund, again=True))
        assert found.outcome is Outcome.SUCCESS
        assert found.report is not None
        assert (found.report.subject, found.report.number, found.report.amount_fen) == ("refund", refund.out_refund_no, 2000)
    assert rig.refunded_fen() == 2000


async def test_several_refunds_add_up_and_never_exceed_what_was_paid(rig: Rig) -> None:
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    await rig.quiet()
    returned_fen = 0
    for amount_fen in (1000, 1500, 2500):
        clock.shift(120.0 * (1 + returned_fen / 1000))
        refund = rig.back(order, txn, amount_fen=amount_fen, refunded_fen=returned_fen)
        answer = await rig.channel.refund(refund)
        assert answer.outcome in (Outcome.PENDING, Outcome.SUCCESS), answer
        await rig.quiet()
        if rig.traits.numbers_refunds:
            answer = await rig.channel.query_refund(refund.out_refund_no, order.out_trade_no)
        assert answer.outcome is Outcome.SUCCESS
        returned_fen += amount_fen
    clock.shift(3600)
    over = await rig.channel.refund(rig.back(order, txn, amount_fen=1, refunded_fen=returned_fen))
    assert over.outcome in (Outcome.FAILURE, Outcome.UNKNOWN)
    await rig.quiet()
    assert rig.refunded_fen() == 5000
    clock.shift(0)


async def test_a_refunded_payment_still_counts_as_paid(rig: Rig) -> None:
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    await rig.quiet()
    part_fen = 1 if rig.traits.shows_part_refund else order.amount_fen
    await rig.channel.refund(rig.back(order, txn, amount_fen=part_fen))
    await rig.quiet()
    report = (await rig.channel.query(order.out_trade_no)).report
    assert report is not None
    assert (report.outcome, report.amount_fen) == (Outcome.SUCCESS, 5000)
    assert report.reason == ("operation.refunded" if rig.traits.shows_refunds else None)


async def test_nf_05_an_unknown_refund_does_not_exist_so_it_is_repeated(rig: Rig) -> None:
    order = await rig.placed()
    rig.pay(order.out_trade_no)
    await rig.quiet()
    answer = await rig.channel.query_refund(ids.text26(ids.new_id()), order.out_trade_no)
    assert (answer.outcome, answer.exists) == (Outcome.UNKNOWN, False)


async def test_nf_04_no_believable_answer_is_unknown_and_never_failed(rig: Rig, silence: str) -> None:
    # Whoever is kept waiting gives up soon; what has to get through has all the time it needs.
    channel = rig.make(total_s=0.4) if silence == "hang" else rig.channel
    order = rig.wish()
    rig.fault("order", silence, seconds=60, times=3)
    prepay = await channel.order(order)
    assert (prepay.outcome, prepay.action) == (Outcome.UNKNOWN, None)
    rig.calm()
    await rig.channel.order(order)
    rig.see(order.out_trade_no)
    for point in ("close", "query"):
        if (point, silence) in rig.traits.wordless or (point == "close" and not rig.traits.closes):
            continue
        rig.fault(point, silence, seconds=60, times=3)
        answer: Answer = await (channel.close if point == "close" else channel.query)(order.out_trade_no)
        assert (answer.outcome, answer.report, answer.exists) == (Outcome.UNKNOWN, None, None), point
        rig.calm()
    paid = await rig.placed()
    txn = rig.pay(paid.out_trade_no)
    rig.fault("refund", silence, seconds=60, times=3)
    assert (await channel.refund(rig.back(paid, txn))).outcome is Outcome.UNKNOWN
    rig.calm()


async def test_nf_01_an_order_that_timed_out_is_found_by_its_number(rig: Rig) -> None:
    order = rig.wish()
    rig.fault("order", "hang", seconds=60)
    assert (await rig.make(total_s=1.0).order(order)).outcome is Outcome.UNKNOWN
    rig.calm()
    rig.see(order.out_trade_no)
    assert (await rig.channel.query(order.out_trade_no)).exists is True


async def test_nobody_at_home_is_a_plain_no_for_an_order_and_unknown_for_all_else(rig: Rig) -> None:
    channel = rig.make(hosts=(closed_port(), closed_port()))
    order = rig.wish()
    prepay = await channel.order(order)
    assert (prepay.outcome, prepay.reason) == (Outcome.FAILURE, "channel.unreachable")
    answers, refund = [await channel.query(order.out_trade_no)], await channel.refund(rig.back(order, "1"))
    if rig.traits.numbers_refunds:
        answers.append(refund)
    else:
        # It was to be asked only once, so it is good to know that it was not asked at all.
        assert (refund.outcome, refund.reason) == (Outcome.FAILURE, "refund.not_sent")
    if rig.traits.closes:
        answers.append(await channel.close(order.out_trade_no))
    for answer in answers:
        assert (answer.outcome, answer.reason, answer.exists) == (Outcome.UNKNOWN, "channel.unreachable", None)


async def test_calls_in_parallel_do_not_disturb_each_other(rig: Rig) -> None:
    orders = [rig.wish(amount_fen=fen) for fen in range(101, 131)]
    prepays = await asyncio.gather(*(rig.channel.order(order) for order in orders))
    assert {prepay.outcome for prepay in prepays} == {Outcome.SUCCESS}
    for order in orders:
        rig.pay(order.out_trade_no)
    answers = await asyncio.gather(*(rig.channel.query(order.out_trade_no) for order in orders))
    assert [answer.report.amount_fen for answer in answers if answer.report] == [order.amount_fen for order in orders]


@pytest.mark.parametrize("attack", REFUSED)
async def test_cb_01_to_cb_27_what_must_not_get_through(target: Target, attack: str) -> None:
    """Whatever arrives, at most one call is made for all of it; the true message gets through before and after."""
    messages = REFUSED[attack](target.pen)
    target.calls.clear()
    assert (await target.channel.read(*target.pen.message())).report is not None
    for message in messages:
        await refused(target, message)
    assert (await target.channel.read(*target.pen.message())).report is not None
    # A serial that nobody knows may belong to the channel's next key: it is asked for once a minute, whatever arrives.
    assert len(target.calls) <= 1


async def test_cb_15_messages_without_a_moment_are_only_claims(target: Target) -> None:
    assert target.pen.stale_s or KINDS[target.channel.kind].asks_first


async def test_cb_12_a_copy_has_the_key_of_the_first(target: Target) -> None:
    message = target.pen.message()
    keys = {(await target.channel.read(*message)).key for _ in range(3)}
    assert len(keys) == 1


@pytest.mark.parametrize("fact", ["number", "amount", "merchant", "app", "currency"])
async def test_cb_06_to_cb_11_a_signed_lie_is_told_as_it_is_so_that_settle_sees_it(target: Target, fact: str) -> None:
    pen, attribute = target.pen, "amount_fen" if fact == "amount" else fact
    if fact not in (*pen.lies, "number", "amount"):
        pytest.skip("no message of this kind tells it")
    truth = (await target.channel.read(*pen.message())).report
    assert truth is not None
    for lie in lies_about(fact, yuan=pen.yuan):
        with contextlib.suppress(Invalid):
            report = (await target.channel.read(*pen.message(**{fact: lie}))).report
            assert report is not None
            assert getattr(report, attribute) != getattr(truth, attribute), lie


@pytest.mark.parametrize("name", TEXTS)
async def test_texts_of_a_payer_change_nothing_of_what_was_paid(target: Target, name: str) -> None:
    told = (await target.channel.read(*target.pen.message(text=TEXTS[name]))).report
    truth = (await target.channel.read(*target.pen.message())).report
    for fact in ("subject", "number", "outcome", "amount_fen", "currency", "merchant", "app"):
        assert getattr(told, fact) == getattr(truth, fact), fact


@pytest.mark.parametrize("cut", ["a&{amount}=1", "a={amount}=1&", "&", "=", "a&b=c"])
async def test_cb_23_a_text_that_could_be_cut_into_fields_never_becomes_one(target: Target, cut: str) -> None:
    try:
        report = (await target.channel.read(*target.pen.message(text=cut.format(amount=target.pen.amount_name)))).report
    except Invalid:
        return
    assert report is not None
    assert report.amount_fen == 5000


async def test_amounts_with_one_meaning_have_it(target: Target) -> None:
    spelled = {"1": 100, "1.0": 100, "1.00": 100, "0.01": 1} if target.pen.yuan else {"1": 1, "100": 100}
    for text, fen in spelled.items():
        report = (await target.channel.read(*target.pen.message(amount=text))).report
        assert report is not None
        assert report.amount_fen == fen


async def test_both_versions_of_the_keys_hold_while_they_change_and_only_they(target: Target) -> None:
    for pen in (target.pen, target.next_pen):
        assert (await target.renewed.read(*pen.message())).report is not None
    with pytest.raises(Invalid):
        await target.renewed.read(*target.pen.message(who="stranger"))
    with pytest.raises(Invalid):
        await target.channel.read(*target.next_pen.message())


@pytest.mark.parametrize("secret", ["", "x", "changeme", "1" * 32, "password", "a key of 1024 bits"])
def test_cb_04_an_empty_short_or_default_secret_is_no_key(target: Target, secret: str) -> None:
    if secret.startswith("a key"):
        secret = weak_key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()  # fmt: skip
        if target.pen.secret == "key":
            pytest.skip("this channel's key is a shared text")
    with pytest.raises(Refusal) as caught:
        target.read_keys(**{target.pen.secret: secret})
    assert caught.value.facts == {"field": target.pen.secret}
    assert target.pen.secret in target.raw_keys


async def test_in_07_an_answer_that_leads_elsewhere_is_not_followed(rig: Rig) -> None:
    async with leading_elsewhere() as (url, came):
        channel = rig.make(hosts=(url,))
        order = rig.wish()
        assert (await channel.order(order)).outcome is Outcome.UNKNOWN
        assert (await channel.query(order.out_trade_no)).outcome is Outcome.UNKNOWN
    assert came.count("here") >= 2
    assert "elsewhere" not in came
