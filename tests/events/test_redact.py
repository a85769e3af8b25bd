"""Canaries go in every way a channel or a person could send them, and none comes out (reliability.md PD-01)."""

import base64
import json
import time
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.events import redact

PHONE, CARD, IDENTITY = "13812345678", "6222021234567890123", "11010519491231002X"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
SIGNATURE = base64.b64encode(bytes(range(256))).decode()
SECRET = "Zk3PqW8xN5vB2mT7yR4cL9sD6fG1hJ0a"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n-----END PRIVATE KEY-----"
CANARIES = (PHONE, CARD, IDENTITY, OPENID, SIGNATURE, SECRET, PEM)
CORES = (PHONE, CARD, IDENTITY, OPENID, SIGNATURE[:80], SECRET, "MIIEvQIBADANBg")


def clean(plain: str) -> None:
    for core in CORES:
        assert core not in plain, core


@pytest.mark.parametrize("canary", CANARIES, ids=["phone", "card", "identity", "openid", "signature", "secret", "pem"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda canary: canary,
        lambda canary: f"用户{canary}付款失败",
        lambda canary: json.dumps({"message": canary}),
        lambda canary: json.dumps({"a": [{"b": {"c": [f"x {canary} y"]}}]}, ensure_ascii=False),
        lambda canary: json.dumps({"attach": json.dumps({"note": canary})}),
        lambda canary: json.dumps({canary: 1}),
        lambda canary: "".join(["{", '"message":"', *(f"\\u{ord(letter):04x}" for letter in canary), '"}']),
        lambda canary: json.dumps({"message": canary})[:-1],
        lambda canary: urlencode({"note": canary, "a": "b"}),
        lambda canary: f"note={quote(canary, safe='')}",
        lambda canary: f"<xml><return_msg><![CDATA[{canary}]]></return_msg></xml>",
        lambda canary: f"<html><body>{canary}</body></html>",
    ],
)
def test_pd_01_a_canary_in_a_body(canary: str, wrap) -> None:
    clean(redact.body(wrap(canary).encode()))


@pytest.mark.parametrize(
    "name",
    [
        "openid",
        "sub_openid",
        "sign",
        "paySign",
        "signature",
        "key",
        "private_key",
        "api_v3_key",
        "card_no",
        "accNo",
        "bank_account",
        "real_name",
        "phone",
        "mobile",
        "id_card",
        "identityNo",
        "password",
        "pwd",
        "token",
        "access_token",
        "ciphertext",
        "Authorization",
        "Cookie",
        "cvn2",
        "buyer_logon_id",
        "buyer_open_id",
    ],
)
def test_pd_01_a_field_whose_name_is_secret_is_dropped_whole(name: str) -> None:
    for body in (
        json.dumps({name: "plain-canary"}),
        json.dumps({"x": {name: ["plain-canary"]}}),
        urlencode({name: "plain-canary"}),
        urlencode({"biz_content": json.dumps({name: "plain-canary"})}),
        f"<x><{name}>plain-canary</{name}></x>",
    ):
        assert "plain-canary" not in redact.body(body.encode()), body


def test_pd_01_headers_and_addresses() -> None:
    headers = redact.headers(
        {
            "Authorization": f'WECHATPAY2-SHA256-RSA2048 mchid="1",signature="{SIGNATURE}"',
            "Wechatpay-Signature": SIGNATURE,
            "Cookie": "sid=canary",
            "X-Note": f"{PHONE} {OPENID}",
            "Wechatpay-Serial": "PUB_KEY_ID_0119000072912026091100",
            "Request-ID": "08F78BB5AF0610D302",
        }
    )
    clean(headers)
    assert "canary" not in headers
    assert "PUB_KEY_ID_0119000072912026091100" in headers
    url = redact.url(f"https://pay.example/api.php?act=order&key={SECRET}&pid=1&phone={PHONE}#frag")
    clean(url)
    assert "act=order" in url


@pytest.mark.parametrize(
    "phone",
    [
        "138 1234 5678",
        "138-1234-5678",
        "+8613812345678",
        "86 13812345678",
        "１３８１２３４５６７８",
        "tel13812345678,",
        "١٣٨١٢٣٤٥٦٧٨",
    ],
)
def test_pd_01_phones_in_other_spellings(phone: str) -> None:
    plain = redact.body(json.dumps({"m": phone}).encode())
    assert "5678" not in plain
    assert "５６７８" not in plain


def test_numbers_as_numbers() -> None:
    assert PHONE not in redact.body(json.dumps({"contact": int(PHONE)}).encode())
    assert redact.body(b'{"amount":{"total":5000}}') == '{"amount":{"total":5000}}'


def test_what_staff_needs_stays_readable() -> None:
    told = {
        "code": "NO_AUTH",
        "message": "商户号该产品权限未开通",
        "out_trade_no": "01K9ZZZZZZZZZZZZZZZZZZZZZZ",
        "transaction_id": "4200002900202609110000000001",
    }
    assert json.loads(redact.body(json.dumps(told).encode())) == told
    assert redact.trace("08F78BB5AF0610D302-0") == "08F78BB5AF0610D302-0"
    assert PHONE not in redact.trace(PHONE)


@given(st.binary(max_size=600))
def test_any_bytes_become_text_that_postgresql_takes(body: bytes) -> None:
    plain = redact.bounded(redact.body(body))
    assert "\0" not in plain
    assert len(plain.encode()) <= redact.MOST_BYTES


@given(st.text(max_size=4000), st.integers(64, 400))
def test_bounded_cuts_whole_characters(text: str, most: int) -> None:
    cut = redact.bounded(text, most)
    assert len(cut.encode()) <= most


@pytest.mark.parametrize(
    "body",
    [
        b"-----BEGIN A-----" * 15000,
        b'sign="' * 40000,
        b"<a>" * 80000,
        b"1" * 256000,
        b"13" * 128000,
        b"o" * 256000,
        b"a=b&" * 60000,
        b"[" * 200000,
        b'{"a":' * 40000,
        b"Bearer " * 30000,
        b"<a><![CDATA[" * 20000,
        b"\xff" * 256000,
        b"138-" * 60000,
    ],
    ids=range(13),
)
def test_in_10_hostile_bodies_take_little_time(body: bytes) -> None:
    started = time.process_time()
    redact.bounded(redact.body(body))
    assert time.process_time() - started < 1.0


def test_pd_01_what_was_dropped_stays_nowhere_in_memory() -> None:
    """The log remembers what is said each time; a word that it had to change is not among them, whatever its place."""
    for canary in CANARIES:
        for _ in range(2):
            redact.body(urlencode({"note": canary, "plain": "TRADE_SUCCESS", canary: "x"}).encode())
            redact.body(json.dumps({"note": canary, "key": canary, canary: 1}).encode())
            redact.headers({"Authorization": f"Bearer {canary}", "X-Note": canary, canary: "x"})
    kept = [vars(redact)[name] for name in vars(redact) if isinstance(vars(redact)[name], dict) and name.startswith("_plain")]
    assert any("TRADE_SUCCESS" in words for words in kept)
    clean(repr(kept))
    assert not [name for name in vars(redact) if hasattr(vars(redact)[name], "cache_info")], "a cache that keeps what it is given"
