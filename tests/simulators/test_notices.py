"""Callbacks: what they say, how often they come back, and every way they go wrong on the road."""

import asyncio
import re
import time

import msgspec
import pytest
from tests.patience import MOST_S
from tests.simulators.till import Door, Till, until

from daozhang.simulators import ladder
from daozhang.simulators.habits import Habits
from daozhang.simulators.merchant import enrol
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.wechatpay.notices import LADDER_S


async def test_a_payment_is_told_signed_and_encrypted(sim: Simulator, till: Till, door: Door) -> None:
    number = await till.placed(attach="memo")
    sim.phone.pay(number)
    await sim.quiet()
    ((headers, body),) = door.messages
    assert till.verified(headers, body)
    outer = msgspec.json.decode(body)
    assert (outer["event_type"], outer["resource_type"]) == ("TRANSACTION.SUCCESS", "encrypt-resource")
    told = till.opened(body)
    assert told == (await till.asked(number)).content
    assert told["attach"] == "memo"
    (notice,) = sim.books.notices(number)
    assert notice.state == "acknowledged"


async def test_a_refused_callback_climbs_fifteen_rungs_and_is_given_up(sim: Simulator, till: Till, door: Door) -> None:
    sim.habits.time_scale = 0.000001
    door.answers = [(500, "")] * 99
    number = await till.placed()
    sim.phone.pay(number)
    await sim.quiet()
    assert len(door.messages) == 1 + len(LADDER_S) == 16
    assert sum(LADDER_S) == 24 * 3600 + 4 * 60
    assert len({msgspec.json.decode(body)["id"] for _, body in door.messages}) == 1
    assert len({headers["wechatpay-nonce"] for headers, _ in door.messages}) == 16
    assert all(till.verified(headers, body) for headers, body in door.messages)
    assert sim.books.notices(number)[0].state == "given_up"


@pytest.mark.parametrize(("status", "sends"), [(200, 1), (204, 1), (201, 2), (302, 2), (400, 2), (503, 2)])
async def test_only_200_and_204_are_a_yes(sim: Simulator, till: Till, door: Door, status: int, sends: int) -> None:
    door.answers = [(status, "")]
    number = await till.placed()
    sim.phone.pay(number)
    await sim.quiet()
    assert len(door.messages) == sends


async def test_the_ladder_waits_its_scaled_time_and_signs_afresh(sim: Simulator, till: Till, door: Door) -> None:
    sim.habits.time_scale = 0.1
    door.answers = [(500, "")]
    number = await till.placed()
    sim.phone.pay(number)
    await sim.quiet()
    first, second = sim.books.sends(number)
    assert second.at_s - first.at_s > 1.4
    assert door.messages[0][0]["wechatpay-timestamp"] != door.messages[1][0]["wechatpay-timestamp"]
    assert door.messages[0][1] == door.messages[1][1]


async def test_an_answer_that_takes_too_long_is_a_no(sim: Simulator, till: Till, door: Door) -> None:
    sim.habits.answer_within_s = 0.2
    silent = await asyncio.start_server(lambda _r, _w: asyncio.sleep(5), "127.0.0.1", 0)
    number = await till.placed(notify_url=f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/n")
    sim.habits.time_scale = 1
    sim.phone.pay(number)
    await until(lambda: bool(sim.books.sends(number)))
    (send,) = sim.books.sends(number)
    assert (send.status, send.acknowledged) == (0, 0)
    assert send.took_ms > 190
    silent.close()


async def test_a_shifted_clock_brings_the_next_rung_forward(sim: Simulator, till: Till, door: Door) -> None:
    sim.habits.time_scale = 1
    door.answers = [(500, "")]
    number = await till.placed()
    sim.phone.pay(number)
    # The next rung is reckoned when the first answer has been read, a moment after the send was written down.
    await until(lambda: bool(sim.books.sends(number)) and bool(sim.books.notice_counts().get("waiting")))
    sim.watch.offset_s = 16
    sim.look()
    await sim.quiet()
    assert len(door.messages) == 2


async def test_both_key_modes_sign_callbacks_by_their_share(sim: Simulator, till: Till, door: Door) -> None:
    for share, expected in ((0.0, {True}), (1.0, {False}), (0.5, {True, False})):
        sim.habits.public_key_share = share
        door.messages.clear()
        for _ in range(32):
            sim.phone.pay(await till.placed())
        await sim.quiet()
        assert {headers["wechatpay-serial"] in till.merchant.platform_certificates for headers, _ in door.messages} == expected
        assert all(till.verified(headers, body) for headers, body in door.messages)


async def test_a_probe_comes_before_the_truth_and_is_expected_to_be_refused(sim: Simulator, till: Till, door: Door) -> None:
    sim.habits.probe_every = 1
    number = await till.placed()
    sim.phone.pay(number)
    await sim.quiet()
    (probe, body), (headers, again) = door.messages
    assert probe["wechatpay-signature"].startswith("WECHATPAY/SIGNTEST/")
    assert not till.verified(probe, body)
    assert till.verified(headers, again)
    assert [send.flavour for send in sim.books.sends(number)] == ["probe", "true"]


async def test_nothing_is_told_of_a_payment_that_failed(sim: Simulator, till: Till, door: Door) -> None:
    numbers = [await till.placed() for _ in range(4)]
    sim.phone.decline(numbers[0])
    sim.phone.leave(numbers[1])
    sim.phone.refuse(numbers[2], "bank_limit")
    sim.phone.refuse(numbers[3], "ANY_NATIVE:CODE")
    await sim.quiet()
    assert door.messages == []
    for number in numbers:
        told = await till.asked(number)
        assert told.content["trade_state"] == "NOTPAY"
        assert "bank_limit" not in told.body.decode()
    sim.phone.pay(numbers[2])
    await sim.quiet()
    assert len(door.messages) == 1


@pytest.mark.parametrize(
    ("trick", "flavours"),
    [
        ("drop", ["drop", "true"]),
        ("silence", []),
        ("delay", ["true"]),
        ("duplicate", ["true"] * 5),
        ("forge", ["forge", "true"]),
        ("tamper", ["tamper", "true"]),
        ("stale", ["stale", "true"]),
        ("unknown_order", ["unknown_order"]),
        ("alter", ["alter"]),
        ("cut", ["cut", "true"]),
        ("booked_error", []),
    ],
)
async def test_each_trick_makes_its_sends(sim: Simulator, till: Till, door: Door, trick: str, flavours: list[str]) -> None:
    number = await till.placed()
    sim.phone.pay(number, trick=trick, amount_fen=1)
    await sim.quiet()
    assert [send.flavour for send in sim.books.sends(number)] == flavours
    false = [name in ("forge", "tamper", "stale") for name in flavours if name not in ("drop", "cut")]
    assert [not till.verified(headers, body) for headers, body in door.messages] == false
    assert sim.books.paid_totals().sum_fen == 5_000, "no trick on the road changes what was paid"


async def test_an_altered_callback_lies_and_the_query_tells_the_truth(sim: Simulator, till: Till, door: Door) -> None:
    number = await till.placed()
    sim.phone.pay(number, trick="alter", amount_fen=1)
    await sim.quiet()
    assert till.opened(door.messages[0][1])["amount"]["total"] == 1
    assert (await till.asked(number)).content["amount"]["total"] == 5_000


async def test_charged_otherwise_is_the_same_everywhere(sim: Simulator, till: Till, door: Door) -> None:
    number = await till.placed()
    sim.phone.pay(number, trick="charged_otherwise", amount_fen=4_999)
    await sim.quiet()
    assert till.opened(door.messages[0][1])["amount"]["total"] == 4_999
    assert (await till.asked(number)).content["amount"]["total"] == 4_999
    assert sim.books.balance_fen(till.merchant.mchid) == 4_999


async def test_charged_but_not_notified_fails_the_first_query(sim: Simulator, till: Till, door: Door) -> None:
    number = await till.placed()
    sim.phone.pay(number, trick="booked_error")
    await sim.quiet()
    first, second = await till.asked(number), await till.asked(number)
    assert (first.status, first.code) == (500, "SYSTEM_ERROR")
    assert second.content["trade_state"] == "SUCCESS"
    assert door.messages == []


async def test_reorder_lets_the_next_callback_pass(sim: Simulator, till: Till, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where none comes it is let go by itself; here one comes, and may take its time.
    monkeypatch.setattr(ladder, "HELD_S", MOST_S / sim.habits.time_scale)
    first, second = await till.placed(), await till.placed()
    sim.phone.pay(first, trick="reorder")
    await until(lambda: any(notice.state == "held" for notice in sim.books.notices(first)))
    sim.phone.pay(second)
    await sim.quiet()
    assert [till.opened(body)["out_trade_no"] for _, body in door.messages] == [second, first]


async def test_a_refund_without_a_notify_url_is_told_in_the_old_xml(sim: Simulator, till: Till, door: Door) -> None:
    sim.habits.refund_callback_url = door.url
    number = await till.placed()
    sim.phone.pay(number)
    await sim.quiet()
    door.messages.clear()
    door.answers = [(204, ""), (200, "<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>")]
    sim.refund_by_hand(number, "HAND1", 100)
    await sim.quiet()
    assert len(door.messages) == 2, "a v2 notice is acknowledged in XML only"
    headers, body = door.messages[0]
    assert headers["content-type"] == "text/xml"
    assert re.search(rb"<req_info>[A-Za-z0-9+/=]+</req_info>", body)
    assert b"<mch_id>" + till.merchant.mchid.encode() in body


async def test_a_restarted_simulator_goes_on_with_its_ladder(
    sim: Simulator, door: Door, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, enrolment = tmp_path_factory.mktemp("sim"), enrol(mchid="1900000300")
    values = dict.fromkeys(("product", "description", "attach", "openid", "client_ip", "fingerprint"), "native")
    values |= {"mchid": "1900000300", "appid": enrolment.merchant.appid, "out_trade_no": "KEPT0001", "notify_url": door.url}
    async with Simulator(enrolment=enrolment, folder=path, habits=Habits(time_scale=1)) as first:
        first.books.add_order(values | {"total_fen": 100, "expires_s": time.time() + 60})
        first.fault("notice", "drop")
        first.phone.pay("KEPT0001")
        await until(lambda: bool(first.books.sends("KEPT0001")))
    assert door.messages == []
    async with Simulator(enrolment=enrolment, folder=path, offset_s=20) as second:
        await second.quiet()
        assert second.books.paid_totals().sum_fen == 100
    assert len(door.messages) == 1
