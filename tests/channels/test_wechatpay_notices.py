"""What must not get through WeChat Pay's door. The messages are made by the simulator, a stranger to our code."""

import json
import secrets
import time
import tomllib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.channels.conftest import keys_of

from daozhang import clock
from daozhang.channels.kinds.wechatpay.adapter import WechatPay
from daozhang.channels.kinds.wechatpay.keys import read_certificate, read_keys
from daozhang.channels.kinds.wechatpay.signing import decrypt, read_seal, verify
from daozhang.channels.port import Invalid, Outcome
from daozhang.channels.rows import ChannelRow
from daozhang.outbound import Transport
from daozhang.reasons.refusal import Refusal
from daozhang.simulators.merchant import Enrolment, enrol
from daozhang.simulators.wechatpay.signing import Keyring

VECTOR = tomllib.loads((Path(__file__).parent / "vectors" / "wechatpay_notice.toml").read_text("utf-8"))


@pytest.fixture(scope="session")
def ring(enrolment: Enrolment) -> Keyring:
    return Keyring(enrolment)


@pytest.fixture(scope="module")
async def channel(enrolment: Enrolment) -> AsyncIterator[WechatPay]:
    """One adapter for all messages; its own calls go nowhere."""
    merchant, nowhere = enrolment.merchant, ("http://127.0.0.1:9",)
    row = ChannelRow(7, 1, "wechatpay", "微信支付", merchant.mchid, merchant.appid, ("native",), nowhere, enabled=True, version=1)
    made = WechatPay(row, [keys_of(merchant)], Transport(nowhere, loopback=True))
    yield made
    await made.close_connections()


def paid(ring: Keyring, **changes: object) -> dict[str, object]:
    merchant = ring.merchant
    return {
        "appid": merchant.appid,
        "mchid": merchant.mchid,
        "out_trade_no": "01K9ZZZZZZZZZZZZZZZZZZZZZZ",
        "transaction_id": "4200002900202609110000000001",
        "trade_type": "NATIVE",
        "trade_state": "SUCCESS",
        "success_time": "2026-09-11T10:34:56+08:00",
        "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        "amount": {"total": 5000, "payer_total": 4500, "currency": "CNY", "payer_currency": "CNY"},
    } | changes


def message(ring: Keyring, plain: object, event: str = "TRANSACTION.SUCCESS", stamp: float | None = None, **envelope: object):
    inside = plain if isinstance(plain, bytes) else json.dumps(plain, ensure_ascii=False).encode()
    whole = {
        "id": secrets.token_hex(16),
        "create_time": "2026-09-11T10:34:56+08:00",
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": "支付成功",
        "resource": ring.seal(inside, "transaction") | {"original_type": "transaction"},
    } | envelope
    return sealed(ring, json.dumps(whole, ensure_ascii=False).encode(), stamp)


def sealed(ring: Keyring, body: bytes, stamp: float | None = None):
    headers = ring.headers(body, ring.default_serial(), int(clock.now_s() if stamp is None else stamp))
    return {name.lower(): value for name, value in headers.items()}, body


async def refused(channel: WechatPay, headers: dict[str, str], body: bytes) -> Invalid:
    with pytest.raises(Invalid) as caught:
        await channel.read(headers, body)
    answer = channel.acknowledge(caught.value)
    if caught.value.code != "v2_notice":
        assert 400 <= answer.status < 600
        assert json.loads(answer.body)["code"] == "FAIL"
    return caught.value


async def test_the_published_vector_verifies_and_opens() -> None:
    serial, verifier = read_certificate(VECTOR["certificate"].strip().encode())
    key = verifier.key
    assert serial == VECTOR["headers"]["wechatpay-serial"]
    body = VECTOR["body"].encode()
    verify(read_seal(VECTOR["headers"], 1624523846), body, key)
    resource = json.loads(body)["resource"]
    cipher = (AESGCM(VECTOR["api_v3_key"].encode()),)
    assert decrypt(cipher, resource["nonce"], resource["associated_data"], resource["ciphertext"]).decode() == VECTOR["plain"]
    for spoilt in (body + b" ", body.replace(b"PAYSCORE", b"PAYSC0RE")):
        with pytest.raises(Invalid, match="signature"):
            verify(read_seal(VECTOR["headers"], 1624523846), spoilt, key)


async def test_a_good_message_is_read_in_full(channel, ring) -> None:
    notification = await channel.read(*message(ring, paid(ring)))
    report = notification.report
    assert (report.outcome, report.amount_fen, report.currency, report.payer) == (
        Outcome.SUCCESS,
        5000,
        "CNY",
        "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    )
    assert report.happened_at.isoformat() == "2026-09-11T02:34:56+00:00"
    assert channel.acknowledge(None).status == 204


async def test_an_event_nobody_knows_is_acknowledged_without_a_report(channel, ring) -> None:
    notification = await channel.read(*message(ring, {"anything": 1}, event="PAYSCORE.USER_OPEN_SERVICE"))
    assert notification.report is None


@pytest.mark.parametrize("missing", ["wechatpay-timestamp", "wechatpay-nonce", "wechatpay-serial", "wechatpay-signature"])
async def test_cb_01_a_missing_signature_header(channel, ring, missing: str) -> None:
    headers, body = message(ring, paid(ring))
    del headers[missing]
    assert (await refused(channel, headers, body)).code == "unsigned"


async def test_cb_02_a_wrong_signature(channel, ring) -> None:
    headers, body = message(ring, paid(ring))
    other = message(ring, paid(ring))[0]["wechatpay-signature"]
    assert (await refused(channel, headers | {"wechatpay-signature": other}, body)).code == "signature"
    assert (await refused(channel, headers | {"wechatpay-nonce": "x"}, body)).code == "signature"
    assert (await refused(channel, headers, body.replace(b"TRANSACTION.SUCCESS", b"TRANSACTION.SUCCES5"))).code == "signature"


async def test_cb_03_signtest_is_a_word_of_its_own(channel, ring) -> None:
    headers, body = message(ring, paid(ring))
    probe = "WECHATPAY/SIGNTEST/" + headers["wechatpay-signature"][19:]
    invalid = await refused(channel, headers | {"wechatpay-signature": probe}, body)
    assert (invalid.code, invalid.http) == ("signtest", 401)


@pytest.mark.parametrize("key", ["", "changeme", "a" * 32, "0" * 31, "０" * 32, "testMchAPIv3Key0", "abcdefgh" * 4 + "x"])
async def test_cb_04_an_empty_short_or_default_secret_is_no_key(enrolment, key: str) -> None:
    merchant = enrolment.merchant
    with pytest.raises(Refusal) as refusal:
        read_keys({"serial_no": merchant.serial_no, "private_key": merchant.private_key, "api_v3_key": key})
    assert refusal.value.reason in ("channel.secret_weak", "channel.incomplete")
    assert refusal.value.facts == {"field": "api_v3_key"}


@pytest.mark.parametrize(
    "change",
    [
        {"wechatpay-signature": "签名"},
        {"wechatpay-signature": "A" * 1_000_000},
        {"wechatpay-signature": "ÿ" * 344},
        {"wechatpay-signature": "not base64!"},
        {"wechatpay-signature": "QQ"},
        {"wechatpay-timestamp": "9" * 400},
        {"wechatpay-timestamp": "１６２４５２３８４６"},
        {"wechatpay-timestamp": "-1"},
        {"wechatpay-timestamp": "1e9"},
        {"wechatpay-nonce": "n" * 10_000},
        {"wechatpay-serial": "'; drop table orders --"},
        {"wechatpay-serial": "S" * 10_000},
        {"wechatpay-signature-type": "WECHATPAY2-SM2-WITH-SM3"},
        {"wechatpay-signature-type": "MD5"},
    ],
    ids=lambda change: next(iter(change)) + ":" + ascii(next(iter(change.values())))[:12],
)
async def test_cb_05_cb_21_headers_of_any_shape_are_4xx_and_never_more(channel, ring, change: dict[str, str]) -> None:
    headers, body = message(ring, paid(ring))
    assert 400 <= (await refused(channel, headers | change, body)).http < 500


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second passes between a message and its reading, however busy the machine."""
    at_s = clock.now_s()
    monkeypatch.setattr(clock, "now_s", lambda: at_s)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("age_s", [301, 86_400, -302, -86_400])
async def test_cb_15_old_and_future_messages_are_stale(channel, ring, age_s: int) -> None:
    headers, body = message(ring, paid(ring), stamp=clock.now_s() - age_s)
    assert (await refused(channel, headers, body)).code == "stale"


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("age_s", [0, 298, -298])
async def test_cb_15_within_300_seconds_is_fresh(channel, ring, age_s: int) -> None:
    headers, body = message(ring, paid(ring), stamp=clock.now_s() - age_s)
    assert (await channel.read(headers, body)).report is not None


async def test_cb_08_cb_11_a_message_of_another_merchants_keys(channel, enrolment) -> None:
    other = Keyring(enrol(enrolment.merchant.mchid, enrolment.merchant.appid))
    headers, body = message(other, paid(other))
    invalid = await refused(channel, headers, body)
    assert (invalid.code, invalid.http) == ("unknown_serial", 503)
    own = Keyring(enrolment).default_serial()
    assert (await refused(channel, headers | {"wechatpay-serial": own}, body)).code == "signature"


BODIES = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "truncated": b'{"id":"x"',
    "duplicate key": b'{"id":"a","id":"b","event_type":"x","resource":{}}',
    "nan": b'{"id":"a","event_type":"x","resource":{"a":NaN}}',
    "infinity": b'{"id":"a","event_type":"x","resource":{"a":-Infinity}}',
    "deep": b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "utf-8": b'{"id":"\xff\xfe"}',
    "bom": b'\xef\xbb\xbf{"id":"a"}',
    "surrogate": b'{"id":"\\ud800","event_type":"x","resource":{}}',
    "nul": b'{"id":"a\\u0000b","event_type":"x","resource":{}}',
    "no resource": b'{"id":"a","event_type":"x"}',
    "number as id": b'{"id":1,"event_type":"x","resource":{}}',
    "algorithm none": b'{"id":"a","event_type":"x","resource":{"algorithm":"none","ciphertext":"","nonce":""}}',
    "gbk": '{"id":"支付"}'.encode("gbk"),
    "huge number": b'{"id":' + b"9" * 20_000 + b"}",
}


@pytest.mark.parametrize("name", BODIES)
async def test_cb_24_a_signed_body_that_is_not_one_clear_message(channel, ring, name: str) -> None:
    assert (await refused(channel, *sealed(ring, BODIES[name]))).http == 400


async def test_cb_24_a_body_above_64_kib_is_not_even_verified(channel, ring) -> None:
    assert (await refused(channel, *sealed(ring, b'{"a":"' + b"x" * 70_000 + b'"}'))).http == 413


@pytest.mark.parametrize(
    "body",
    [
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><mch_id>&e;</mch_id></xml>',
        b'<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><xml>&b;</xml>',
        b"<xml><mch_id>&#49;</mch_id></xml>",
        b"<xml>" * 5_000,
        b"<xml><mch_id>someone else</mch_id><req_info>x</req_info></xml>",
        b"<" * 60_000,
        b"<a><![CDATA[" * 5_000,
    ],
    ids=["xxe", "laughs", "reference", "open", "stranger", "angles", "cdata"],
)
async def test_cb_25_xml_is_never_parsed(channel, body: bytes) -> None:
    started = time.process_time()
    assert (await refused(channel, {}, body)).http == 400
    assert time.process_time() - started < 1.0


async def test_cb_25_the_v2_refund_notice_is_answered_in_its_own_form(channel, ring) -> None:
    inside = f"<mch_id><![CDATA[{ring.merchant.mchid}]]></mch_id><req_info><![CDATA[YWJj]]></req_info>"
    body = f"<xml><return_code>SUCCESS</return_code>{inside}</xml>"
    invalid = await refused(channel, {}, body.encode())
    answer = channel.acknowledge(invalid)
    assert (invalid.code, answer.status, answer.content_type) == ("v2_notice", 200, "text/xml")
    assert b"SUCCESS" in answer.body


@pytest.mark.parametrize("part", ["nonce", "associated_data", "ciphertext", "tag", "key", "short", "not base64"])
async def test_cb_26_a_resource_that_does_not_open(channel, ring, part: str) -> None:
    resource = ring.seal(json.dumps(paid(ring)).encode(), "transaction")
    raw = bytearray(b64decode(resource["ciphertext"]))
    if part in ("nonce", "associated_data"):
        resource[part] = "x" * 12
    elif part == "key":
        resource["ciphertext"] = b64encode(AESGCM(b"k" * 32).encrypt(resource["nonce"].encode(), b"{}", b"transaction")).decode()
    elif part == "short":
        resource["ciphertext"] = "QUJD"
    elif part == "not base64":
        resource["ciphertext"] = "支付"
    else:
        raw[-1 if part == "tag" else 0] ^= 1
        resource["ciphertext"] = b64encode(raw).decode()
    invalid = await refused(channel, *message(ring, {}, resource=resource))
    assert (invalid.code, invalid.http) == ("undecipherable", 400)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {"total": value, "currency": "CNY"}}
        for value in (1.0, "1", "1.00", 1e3, -1, True, None, [1], {"a": 1}, 10**13, 5000.5)
    ]
    + [{"amount": None}, {"amount": {}}, {"amount": []}, {"trade_state": 1}, {"trade_state": ""}, {"out_trade_no": ""}]
    + [{"out_trade_no": "x" * 65}, {"transaction_id": None}, {"transaction_id": ""}, {"mchid": None}, {"appid": 5}]
    + [
        {"success_time": value}
        for value in ("", "yesterday", "2026-09-11", "2026-09-11T10:34:56", "2026-13-11T10:34:56+08:00", 5, "2026-W37-5T10:00:00Z")
    ],
    ids=lambda change: json.dumps(change)[:40],
)
async def test_am_strict_fields_inside_a_signed_payment(channel, ring, change: dict[str, object]) -> None:
    assert (await refused(channel, *message(ring, paid(ring, **change)))).code == "malformed"


@pytest.mark.parametrize("plain", [b"", b"[]", b'{"trade_state":"SUCCESS","trade_state":"NOTPAY"}', b"{" * 1_000, b"\xff"])
async def test_cb_24_what_is_inside_is_read_as_strictly(channel, ring, plain: bytes) -> None:
    assert (await refused(channel, *message(ring, plain))).http == 400


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=400), max_size=5), st.binary(max_size=400))
async def test_cb_05_junk_is_invalid_and_nothing_else(channel, given_headers: dict[str, str], body: bytes) -> None:
    named = dict(
        zip(
            ("wechatpay-timestamp", "wechatpay-nonce", "wechatpay-serial", "wechatpay-signature", "x"),
            given_headers.values(),
            strict=False,
        )
    )
    for headers in (given_headers, named, named | {"wechatpay-timestamp": str(int(clock.now_s()))}):
        with pytest.raises(Invalid):
            await channel.read(headers, body)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=100), st.sampled_from(["attach", "bank_type", "trade_state_desc", "summary"]))
async def test_texts_of_any_kind_do_not_disturb_the_facts(channel, ring, text: str, name: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    plain = json.dumps(paid(ring, **{name: text.replace("\0", "")}), ensure_ascii=False).encode()
    assert (await channel.read(*message(ring, plain))).report.amount_fen == 5000


async def test_two_vouchers_do_not_change_what_was_ordered(channel, ring) -> None:
    report = (await channel.read(*message(ring, paid(ring, amount={"total": 5000, "payer_total": 1, "currency": "CNY"})))).report
    assert report.amount_fen == 5000


async def test_in_10_hostile_xml_takes_linear_time(channel) -> None:
    started = time.process_time()
    for body in (b"<a>" * 20_000, b"<a><![CDATA[" + b"]" * 60_000, b"<" + b"a" * 60_000, b"<a>" + b"b" * 60_000):
        with pytest.raises(Invalid):
            await channel.read({}, body)
    assert time.process_time() - started < 2.0


async def test_an_expired_certificate_verifies_nothing(channel, ring, enrolment) -> None:
    try:
        clock.shift(6 * 365 * 86_400)
        serial = next(iter(enrolment.merchant.platform_certificates))
        body = message(ring, paid(ring))[1]
        headers = {name.lower(): value for name, value in ring.headers(body, serial, int(clock.now_s())).items()}
        assert (await refused(channel, headers, body)).code == "unknown_serial"
        # The public key has no end of its own, so the other mode goes on.
        headers = {
            name.lower(): value for name, value in ring.headers(body, enrolment.merchant.public_key_id, int(clock.now_s())).items()
        }
        assert (await channel.read(headers, body)).report is not None
    finally:
        clock.shift(0)


def test_keys_copied_through_windows_are_read(enrolment) -> None:
    merchant = enrolment.merchant
    mangled = {name: f"  {getattr(merchant, name)} ".replace("\n", " \r\n") for name in ("private_key", "public_key")}
    certificates = [pem.replace("\n", "\r\n") for pem in merchant.platform_certificates.values()]
    keys = keys_of(merchant, platform_certificates=certificates, **mangled)
    assert set(keys.verifiers()) == {*merchant.platform_certificates, merchant.public_key_id}
