"""What must not get through UnionPay's door. The messages are made by the simulator, a stranger to our code."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.channels.unionpay_hand import NUMBER, Fields, body, listening, paid, refused

from daozhang import clock
from daozhang.channels.kinds.unionpay.adapter import UnionPay
from daozhang.channels.kinds.unionpay.signing import digest
from daozhang.channels.port import Invalid, Outcome
from daozhang.outbound import Exchange
from daozhang.simulators.unionpay.enrolment import Enrolment, enrol
from daozhang.simulators.unionpay.signing import Keyring


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol()


@pytest.fixture(scope="module")
def ring(enrolment: Enrolment) -> Keyring:
    return Keyring(enrolment)


@pytest.fixture(scope="module")
def calls() -> list[Exchange]:
    return []


@pytest.fixture(scope="module")
async def channel(enrolment: Enrolment, calls: list[Exchange]) -> AsyncIterator[UnionPay]:
    async with listening(enrolment, calls) as made:
        yield made


async def test_a_good_message_is_read_in_full(channel: UnionPay, ring: Keyring) -> None:
    notification = await channel.read({"content-type": "anything"}, body(ring.sign(paid(ring))))
    report = notification.report
    assert (report.subject, report.number, report.outcome, report.amount_fen) == ("payment", NUMBER, Outcome.SUCCESS, 5000)
    assert (report.currency, report.merchant, report.channel_txn) == ("CNY", channel.merchant, "202605211034561000018")
    assert (report.payer, report.happened_at.isoformat()) == ("6226********0018", "2026-05-21T02:34:56+00:00")
    assert notification.key == "01:202605211034561000018:00"
    answer = channel.acknowledge(None)
    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize(("kind", "subject"), [("04", "refund"), ("31", "refund"), ("79", None)])
async def test_every_kind_of_notice_is_told_apart(channel: UnionPay, ring: Keyring, kind: str, subject: str | None) -> None:
    notification = await channel.read({}, body(ring.sign(paid(ring, txnType=kind))))
    assert (notification.report.subject if notification.report else None) == subject
    assert notification.kind == kind


async def test_a6_is_a_success_and_anything_else_is_not(channel: UnionPay, ring: Keyring) -> None:
    for code, outcome in (("A6", "success"), ("03", "pending"), ("05", "pending"), ("64", "failure"), ("ZZ", "unknown")):
        report = (await channel.read({}, body(ring.sign(paid(ring, respCode=code))))).report
        assert (report.outcome, report.native.code) == (outcome, code)


@pytest.mark.parametrize(
    ("traced", "at"),
    [("1231235959", "2026-12-31T15:59:59+00:00"), ("0101000001", "2026-12-31T16:00:01+00:00")],
)
async def test_a_payment_over_new_year_gets_the_right_year(channel: UnionPay, ring: Keyring, traced: str, at: str) -> None:
    fields = ring.sign(paid(ring, txnTime="20261231235900", traceTime=traced))
    assert (await channel.read({}, body(fields))).report.happened_at.isoformat() == at


async def test_cb_09_a_message_for_another_merchant_is_not_ours_though_rightly_signed(channel: UnionPay, ring: Keyring) -> None:
    invalid = await refused(channel, body(ring.sign(paid(ring, merId="777290058100009"))))
    assert (invalid.code, invalid.http) == ("other_merchant", 400)


async def test_another_currency_is_told_as_it_is(channel: UnionPay, ring: Keyring) -> None:
    assert (await channel.read({}, body(ring.sign(paid(ring, currencyCode="840"))))).report.currency == "840"


@pytest.mark.parametrize(
    "change",
    [{"txnAmt": value} for value in ("", "1.0", "1.00", "1e3", "01", "-1", "+5", "5000 ", "５０００", "0x10", "9" * 14, "NaN")]
    + [{"queryId": value} for value in ("", "x", "1 2 3 4 5 6 7 8", "Q" * 64)]
    + [{"orderId": value} for value in ("", "short", "A" * 41, "01K9-ZZZZZZ", "'; drop table orders --", "../../etc/passwd")]
    + [{"txnTime": "20261332250000"}, {"traceTime": "1332250000"}, {"traceTime": "now"}, {"currencyCode": ""}, {"respCode": ""}],
    ids=str,
)
async def test_am_strict_fields_inside_a_signed_message(channel: UnionPay, ring: Keyring, change: Fields) -> None:
    assert (await refused(channel, body(ring.sign(paid(ring, **change))))).code == "malformed"


BODIES = {
    "empty": b"",
    "no form": b"hello",
    "json": b'{"orderId":"1"}',
    "xml": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "raw utf-8": "orderId=1&respMsg=成功".encode(),
    "gbk": b"orderId=1&respMsg=%B3%C9%B9%A6",
    "broken utf-8": b"orderId=1&respMsg=%E6%88",
    "broken percent": b"orderId=1&respMsg=100%",
    "bare percent": b"orderId=%&x=%zz",
    "nul": b"orderId=1&respMsg=a%00b",
    "no value": b"orderId",
    "no name": b"=1&orderId=2",
    "a name of another shape": b"order%20Id=1",
    "many": b"&".join(b"a%d=1" % n for n in range(1_000)),
    "an ampersand": b"orderId=1&respMsg=a%26txnAmt%3D1",
    "semicolons": b"orderId=1;txnAmt=5",
}


@pytest.mark.parametrize("name", BODIES)
async def test_cb_24_a_body_that_is_not_one_clear_message(channel: UnionPay, name: str) -> None:
    assert 400 <= (await refused(channel, BODIES[name])).http < 500


@pytest.mark.parametrize("name", ["txnAmt", "orderId", "signature", "merId", "respCode"])
async def test_cb_24_a_field_twice_has_two_meanings(channel: UnionPay, ring: Keyring, name: str) -> None:
    fields = ring.sign(paid(ring))
    for raw in (body(fields) + f"&{name}=1".encode(), f"{name}=1&".encode() + body(fields)):
        assert (await refused(channel, raw)).code == "malformed"


async def test_cb_24_a_body_above_64_kib_is_not_even_read(channel: UnionPay) -> None:
    assert (await refused(channel, b"a=" + b"x" * 70_000)).http == 413


async def test_cb_24_a_recut_of_signed_text_is_no_other_message(channel: UnionPay, ring: Keyring) -> None:
    """`a=1&b=2` is signed the same as one field `a` with the value `1&b=2`: outside of brackets no value may hold `&`."""
    fields = ring.sign(paid(ring))
    merged = {name: value for name, value in fields.items() if name != "orderId"}
    merged["merId"] = f"{fields['merId']}&orderId={NUMBER}"
    assert digest(merged) == digest(fields)
    assert (await refused(channel, body(merged))).code == "malformed"


async def test_our_own_return_parameters_do_not_reach_the_signature(channel: UnionPay, ring: Keyring) -> None:
    fields = ring.sign(paid(ring))
    assert (await refused(channel, body(fields | {"shop": "1"}))).code == "signature"
    assert (await channel.read({}, body(fields | {"blank": ""}))).report is not None


@pytest.mark.parametrize(
    "text", ["%", "+", "a b", "100%25", "😀", "{}", "{a=1", "[x]", '"', "<b>", "it's", "\\", "　", "a=b=c", "\r\n"]
)
async def test_texts_of_any_kind_do_not_disturb_the_facts(channel: UnionPay, ring: Keyring, text: str) -> None:
    report = (await channel.read({}, body(ring.sign(paid(ring, respMsg=text))))).report
    assert (report.amount_fen, report.native.message) == (5000, text)


async def test_empty_values_are_not_signed(channel: UnionPay, ring: Keyring) -> None:
    raw = body(ring.sign(paid(ring, accNo="", reserved=""))) + b"&reserved=&accNo="
    assert (await channel.read({}, raw)).report.payer == ""


async def test_cb_13_a_replay_has_the_same_key_and_a_refund_of_it_another(channel: UnionPay, ring: Keyring) -> None:
    first = await channel.read({}, body(ring.sign(paid(ring))))
    clock.shift(86_400)
    try:
        assert (await channel.read({}, body(ring.sign(paid(ring))))).key == first.key
    finally:
        clock.shift(0)
    assert (await channel.read({}, body(ring.sign(paid(ring, txnType="04"))))).key != first.key


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=600), st.dictionaries(st.text(max_size=12), st.text(max_size=60), max_size=8))
async def test_cb_05_junk_is_invalid_and_nothing_else(channel: UnionPay, raw: bytes, fields: Fields) -> None:
    try:
        form = urlencode(fields).encode()
    except UnicodeEncodeError:
        form = b""
    for junk in (raw, form, form + b"&signature=QQ==&signPubKeyCert=x&version=5.1.0&signMethod=01&encoding=UTF-8"):
        with pytest.raises(Invalid):
            await channel.read({}, junk)
