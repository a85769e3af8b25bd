"""What must not get through Alipay's door. The messages are made by the simulator's keys, a stranger to our code."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.channels.alipay_rig import alipay_keys, enrolled, keys_of

from daozhang import clock
from daozhang.channels.kinds.alipay.adapter import Alipay
from daozhang.channels.kinds.alipay.keys import AlipayKeys
from daozhang.channels.port import Invalid, Outcome
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Transport
from daozhang.simulators.alipay.enrolment import Enrolment, enrol
from daozhang.simulators.alipay.signing import Keyring
from daozhang.simulators.alipay.trades import beijing

__all__ = ["alipay_keys", "enrolled"]
NUMBER, REFUND = "01K9ZZZZZZZZZZZZZZZZZZZZZZ", "01K9YYYYYYYYYYYYYYYYYYYYYY"
NOWHERE = ("http://127.0.0.1:9",)


@pytest.fixture(scope="module")
def ring(enrolled: Enrolment) -> Keyring:
    return Keyring(enrolled)


@pytest.fixture(scope="module")
async def channel(enrolled: Enrolment, alipay_keys: AlipayKeys) -> AsyncIterator[Alipay]:
    """One adapter for all messages; its own calls go nowhere."""
    made = adapter(enrolled, alipay_keys)
    yield made
    await made.close_connections()


def adapter(enrolment: Enrolment, *keys: AlipayKeys) -> Alipay:
    app = enrolment.app
    row = ChannelRow(7, 1, "alipay", "支付宝", app.seller_id, app.app_id, ("qr",), NOWHERE, enabled=True, version=1)
    return Alipay(row, keys, Transport(NOWHERE, loopback=True))


def paid(ring: Keyring, **changes: str | None) -> dict[str, str]:
    """What Alipay tells of a payment of 50 yuan; None leaves a parameter away."""
    now = beijing(clock.now_s())
    told: dict[str, str | None] = {
        "app_id": ring.app.app_id,
        "auth_app_id": ring.app.app_id,
        "buyer_id": "2088622147948061",
        "charset": "utf-8",
        "fund_bill_list": '[{"amount":"50.00","fundChannel":"ALIPAYACCOUNT"}]',
        "gmt_create": now,
        "gmt_payment": now,
        "notify_id": "2026112800222103000000000000000001",
        "notify_time": now,
        "notify_type": "trade_status_sync",
        "out_trade_no": NUMBER,
        "receipt_amount": "50.00",
        "seller_id": ring.app.seller_id,
        "subject": "到账 · 余额充值",
        "total_amount": "50.00",
        "trade_no": "2026112822001400001234567890",
        "trade_status": "TRADE_SUCCESS",
        "version": "1.0",
    }
    return {name: value for name, value in (told | changes).items() if value is not None}


def sealed(ring: Keyring, told: dict[str, str], *, empty: bool = True, **after: str) -> bytes:
    """The message as it travels; `after` is what somebody changed on the way."""
    signed = told | {"sign": ring.sign_notice(told, empty=empty), "sign_type": "RSA2"} | after
    return urlencode(signed).encode()


async def refused(channel: Alipay, body: bytes) -> Invalid:
    with pytest.raises(Invalid) as caught:
        await channel.read({}, body)
    answer = channel.acknowledge(caught.value)
    assert 400 <= answer.status < 600
    assert answer.body == b"fail"
    return caught.value


async def test_a_good_message_is_read_in_full(channel: Alipay, ring: Keyring) -> None:
    notification = await channel.read({}, sealed(ring, paid(ring)))
    report = notification.report
    assert report is not None
    assert (report.number, report.outcome, report.amount_fen, report.currency) == (NUMBER, Outcome.SUCCESS, 5000, "CNY")
    assert (report.merchant, report.app, report.payer) == (ring.app.seller_id, ring.app.app_id, "2088622147948061")
    assert report.happened_at is not None
    assert abs((report.happened_at - clock.now()).total_seconds()) < 60
    yes = channel.acknowledge(None)
    assert (yes.status, yes.body, yes.content_type) == (200, b"success", "text/plain")


@pytest.mark.parametrize("state", ["TRADE_SUCCESS", "TRADE_FINISHED"])
async def test_both_words_for_paid_are_paid(channel: Alipay, ring: Keyring, state: str) -> None:
    report = (await channel.read({}, sealed(ring, paid(ring, trade_status=state)))).report
    assert report is not None
    assert (report.outcome, report.reason) == (Outcome.SUCCESS, None)


@pytest.mark.parametrize(("state", "outcome"), [("WAIT_BUYER_PAY", Outcome.PENDING), ("TRADE_CLOSED", Outcome.FAILURE)])
async def test_what_waits_or_was_closed_unpaid_is_told_as_that(
    channel: Alipay, ring: Keyring, state: str, outcome: Outcome
) -> None:
    report = (await channel.read({}, sealed(ring, paid(ring, trade_status=state, gmt_payment=None)))).report
    assert report is not None
    assert report.outcome is outcome


async def test_a_payment_that_went_back_in_full_still_came(channel: Alipay, ring: Keyring) -> None:
    told = paid(ring, trade_status="TRADE_CLOSED", gmt_refund=beijing(clock.now_s()), refund_fee="50.00", out_biz_no="BYHAND1")
    report = (await channel.read({}, sealed(ring, told))).report
    assert report is not None
    assert (report.subject, report.outcome, report.reason) == ("payment", Outcome.SUCCESS, "operation.refunded")


async def test_a_refund_of_ours_is_told_under_its_own_number(channel: Alipay, ring: Keyring) -> None:
    told = paid(ring, gmt_refund=f"{beijing(clock.now_s())}.123", refund_fee="20.00", out_biz_no=REFUND)
    report = (await channel.read({}, sealed(ring, told))).report
    assert report is not None
    # `refund_fee` is the sum of all refunds: how much this one was it does not tell.
    assert (report.subject, report.number, report.outcome, report.amount_fen) == ("refund", REFUND, Outcome.SUCCESS, None)


async def test_another_kind_of_notice_is_acknowledged_without_a_report(channel: Alipay, ring: Keyring) -> None:
    assert (await channel.read({}, sealed(ring, paid(ring, notify_type="batch_trans_notify")))).report is None


async def test_cb_01_without_a_signature(channel: Alipay, ring: Keyring) -> None:
    assert (await refused(channel, urlencode(paid(ring)).encode())).code == "unsigned"
    assert (await refused(channel, sealed(ring, paid(ring), sign=""))).code == "unsigned"


@pytest.mark.parametrize("name", ["total_amount", "out_trade_no", "seller_id", "app_id", "trade_status", "notify_id", "subject"])
async def test_cb_02_a_parameter_changed_on_the_way(channel: Alipay, ring: Keyring, name: str) -> None:
    assert (await refused(channel, sealed(ring, paid(ring), **{name: "1"}))).code == "signature"


async def test_cb_02_a_parameter_added_or_taken_away(channel: Alipay, ring: Keyring) -> None:
    assert (await refused(channel, sealed(ring, paid(ring), refund_fee="50.00"))).code == "signature"
    whole = paid(ring)
    short = {name: value for name, value in whole.items() if name != "receipt_amount"}
    assert (await refused(channel, sealed(ring, short, sign=ring.sign_notice(whole)))).code == "signature"


async def test_cb_08_cb_11_signed_with_another_applications_keys(channel: Alipay, ring: Keyring) -> None:
    other = Keyring(enrol(ring.app.app_id, ring.app.seller_id))
    assert (await refused(channel, sealed(other, paid(ring)))).code == "signature"


async def test_signed_with_our_own_key_is_a_strangers_signature(channel: Alipay, enrolled: Enrolment, ring: Keyring) -> None:
    own = Keyring(Enrolment(app=enrolled.app, signing_key=enrolled.app.private_key))
    assert (await refused(channel, sealed(own, paid(ring)))).code == "signature"


@pytest.mark.parametrize("kind", ["RSA", "MD5", "HMAC-SHA256", "none", ""])
async def test_the_message_does_not_choose_its_algorithm(channel: Alipay, ring: Keyring, kind: str) -> None:
    assert (await refused(channel, sealed(ring, paid(ring), sign_type=kind))).code == "downgrade"


async def test_a_sha_1_signature_is_none(channel: Alipay, ring: Keyring) -> None:
    from base64 import b64encode  # noqa: PLC0415

    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA1  # noqa: PLC0415

    told = paid(ring)
    message = "&".join(f"{name}={told[name]}" for name in sorted(told)).encode()
    weak = b64encode(ring._signing.sign(message, PKCS1v15(), SHA1())).decode()
    assert (await refused(channel, sealed(ring, told, sign=weak))).code == "signature"
    assert (await refused(channel, sealed(ring, told, sign=weak, sign_type="RSA"))).code == "downgrade"


@pytest.mark.parametrize("sign", ["签名", "A" * 10_000, "not base64!", "QQ", " ", "==", "%00"])
async def test_cb_05_a_signature_of_a_strange_shape(channel: Alipay, ring: Keyring, sign: str) -> None:
    assert (await refused(channel, sealed(ring, paid(ring), sign=sign))).code in ("signature", "malformed")


@pytest.mark.parametrize("empty", [True, False])
async def test_parameters_without_a_value_may_or_may_not_be_signed(channel: Alipay, ring: Keyring, empty: bool) -> None:  # noqa: FBT001
    told = paid(ring, passback_params="", body="")
    assert (await channel.read({}, sealed(ring, told, empty=empty))).report is not None


@pytest.mark.parametrize(
    "text",
    ["100% ＋ 充值", "a+b c", "😀 表情", '{"a":[}', "'\"\\", "a&b=c", "换\n行", "％25", "　全角", "<script>", "ñ ß"],
    ids=ascii,
)
async def test_any_text_of_a_payer_verifies(channel: Alipay, ring: Keyring, text: str) -> None:
    assert (await channel.read({}, sealed(ring, paid(ring, subject=text, body=text)))).report is not None


@pytest.mark.parametrize(("hours", "stale"), [(0, False), (25, False), (49, True), (24 * 365, True), (-1, True)])
async def test_cb_15_a_copy_of_long_ago_or_from_the_future(channel: Alipay, ring: Keyring, hours: int, stale: bool) -> None:  # noqa: FBT001
    body = sealed(ring, paid(ring, notify_time=beijing(clock.now_s() - hours * 3600)))
    if stale:
        assert (await refused(channel, body)).code == "stale"
    else:
        assert (await channel.read({}, body)).report is not None


@pytest.mark.parametrize(
    "amount",
    ["1e3", "01", "-1.00", "+1.00", "1.001", "1,000.00", " 1.00", "1.00 ", "１.00", "0x10", "NaN", "", ".5", "1.", "1" * 10,
     "1_0", "五"],
)  # fmt: skip
async def test_am_an_amount_that_is_none(channel: Alipay, ring: Keyring, amount: str) -> None:
    assert (await refused(channel, sealed(ring, paid(ring, total_amount=amount)))).code == "malformed"


@pytest.mark.parametrize(("amount", "fen"), [("1", 100), ("1.0", 100), ("1.00", 100), ("0.01", 1), ("100000000.00", 10**10)])
async def test_am_an_amount_with_one_meaning(channel: Alipay, ring: Keyring, amount: str, fen: int) -> None:
    report = (await channel.read({}, sealed(ring, paid(ring, total_amount=amount)))).report
    assert report is not None
    assert report.amount_fen == fen


@pytest.mark.parametrize(
    "change",
    [{"out_trade_no": None}, {"trade_no": None}, {"seller_id": None}, {"app_id": None}, {"trade_status": None}, {"notify_id": None},
     {"notify_time": None}, {"notify_time": "yesterday"}, {"gmt_payment": "2026-13-40 00:00:00"}, {"total_amount": None},
     {"out_trade_no": "x" * 65}, {"charset": "GBK"}, {"notify_type": None}],
    ids=str,
)  # fmt: skip
async def test_am_strict_fields_inside_a_signed_message(channel: Alipay, ring: Keyring, change: dict[str, Any]) -> None:
    assert (await refused(channel, sealed(ring, paid(ring, **change)))).code == "malformed"


async def test_an_unknown_state_is_no_payment(channel: Alipay, ring: Keyring) -> None:
    report = (await channel.read({}, sealed(ring, paid(ring, trade_status="TRADE_PENDING")))).report
    assert report is not None
    assert report.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("field", "change", "attribute"),
    [("seller_id", "2088000000000009", "merchant"), ("app_id", "2021000000000009", "app"), ("trans_currency", "USD", "currency")],
)
async def test_cb_06_cb_07_cb_08_a_signed_lie_is_told_as_it_is_so_that_settle_sees_it(
    channel: Alipay, ring: Keyring, field: str, change: str, attribute: str
) -> None:
    report = (await channel.read({}, sealed(ring, paid(ring, **{field: change})))).report
    assert getattr(report, attribute) == change


BODIES = {
    "empty": b"",
    "json": b'{"trade_status":"TRADE_SUCCESS"}',
    "xml": b"<xml><sign>x</sign></xml>",
    "no equals": b"a&b&c",
    "no name": b"=1&sign=x",
    "upper name": b"Sign=x&A=1",
    "half an escape": b"subject=100%&sign=x",
    "bad escape": b"subject=%zz&sign=x",
    "not utf-8": b"subject=%ff%fe&sign=x",
    "gbk": b"subject=" + quote_plus("支付".encode("gbk")).encode() + b"&sign=x",
    "nul": b"subject=%00&sign=x",
    "raw bytes": "subject=支付&sign=x".encode(),
    "crlf": b"a=1\r\n&sign=x",
    "many": b"&".join(b"a%d=1" % n for n in range(1000)),
    "semicolon": b"a=1;sign=x",
}


@pytest.mark.parametrize("name", BODIES)
async def test_cb_24_a_body_that_is_not_one_clear_form(channel: Alipay, name: str) -> None:
    assert (await refused(channel, BODIES[name])).http in (400, 401)


@pytest.mark.parametrize("name", ["total_amount", "sign", "out_trade_no", "trade_status"])
async def test_cb_24_a_parameter_twice_is_no_parameter(channel: Alipay, ring: Keyring, name: str) -> None:
    body = sealed(ring, paid(ring))
    for twice in (body + b"&" + name.encode() + b"=1", name.encode() + b"=1&" + body):
        assert (await refused(channel, twice)).code == "malformed"


async def test_cb_24_a_body_above_64_kib_is_not_even_read(channel: Alipay, ring: Keyring) -> None:
    assert (await refused(channel, sealed(ring, paid(ring, body="x" * 70_000)))).http == 413


async def test_key_versions_hold_at_once_while_keys_change(enrolled: Enrolment, ring: Keyring) -> None:
    newer = enrol(enrolled.app.app_id, enrolled.app.seller_id)
    both = adapter(enrolled, keys_of(newer.app), keys_of(enrolled.app))
    for each in (ring, Keyring(newer)):
        assert (await both.read({}, sealed(each, paid(each)))).report is not None
    only = adapter(enrolled, keys_of(newer.app))
    await refused(only, sealed(ring, paid(ring)))


async def test_a_certificate_that_has_ended_verifies_nothing(enrolled: Enrolment, ring: Keyring) -> None:
    only = adapter(enrolled, keys_of(enrolled.app, alipay_public_key=""))
    assert (await only.read({}, sealed(ring, paid(ring)))).report is not None
    try:
        clock.shift(6 * 365 * 86_400)
        assert (await refused(only, sealed(ring, paid(ring)))).code == "signature"
    finally:
        clock.shift(0)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=600), st.dictionaries(st.text(max_size=20), st.text(max_size=100), max_size=8))
async def test_cb_05_junk_is_invalid_and_nothing_else(channel: Alipay, body: bytes, form: dict[str, str]) -> None:
    encoded = urlencode({name.encode("utf-8", "ignore"): value.encode("utf-8", "ignore") for name, value in form.items()})
    for junk in (body, encoded.encode(), b"sign=eA==&" + encoded.encode()):
        with pytest.raises(Invalid):
            await channel.read({}, junk)
