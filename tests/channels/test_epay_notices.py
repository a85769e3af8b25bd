"""The door of Epay: the attack list as cases. Whatever is not exactly one published message of this channel is refused."""

import hashlib
import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from tests.channels.test_epay_signing import published

from daozhang.channels.kinds.epay.dialects import Dialect, dialects
from daozhang.channels.kinds.epay.notices import Reader, acknowledge
from daozhang.channels.kinds.epay.signing import Md5, Rsa
from daozhang.channels.port import Invalid, Outcome

KEY = "k3yQ7wErTy9uIoP1aSdF5gHjKl2zXcVb"
TRUE = {
    "pid": "1001",
    "trade_no": "2026112700000012345",
    "out_trade_no": "06DZ4X8N3W7K2QF5T9B1C6M0YR",
    "type": "alipay",
    "name": "余额充值",
    "money": "50",
    "trade_status": "TRADE_SUCCESS",
}


def reader(dialect: str | Dialect = "rainbow", key: str = KEY, kind: str = "alipay") -> Reader:
    speech = dialects()[dialect] if isinstance(dialect, str) else dialect
    return Reader((7, "1001", "alipay"), kind, Md5([key], upper=speech.upper), speech)


def sign(fields: dict[str, str], key: str = KEY) -> str:
    return hashlib.md5((published(fields) + key).encode()).hexdigest()


def message(key: str = KEY, **changes: str) -> bytes:
    """A message signed with the key over whatever it says: what somebody with the key could send."""
    fields = TRUE | changes
    return urlencode(fields | {"sign": sign(fields, key), "sign_type": "MD5"}).encode()


def refused(body: bytes, by: Reader | None = None) -> str:
    with pytest.raises(Invalid) as caught:
        (by or reader()).read(body)
    said = acknowledge(caught.value)
    assert said.status >= 400
    assert b"success" not in said.body.lower()
    return caught.value.code


def test_a_true_message_is_a_claim_with_its_facts() -> None:
    told = reader().read(message())
    report = told.report
    assert told.key == "2026112700000012345:TRADE_SUCCESS"
    assert (report.number, report.amount_fen, report.currency, report.outcome) == (
        TRUE["out_trade_no"],
        5000,
        "CNY",
        Outcome.SUCCESS,
    )
    assert (report.merchant, report.app, report.channel_id, report.channel_txn) == ("1001", "alipay", 7, TRUE["trade_no"])
    assert acknowledge(None).body == b"success"


@pytest.mark.parametrize(
    ("money", "fen"), [("1", 100), ("1.0", 100), ("1.00", 100), ("0.01", 1), ("0.1", 10), ("99999999.99", 9999999999)]
)
def test_amounts_as_operators_write_them(money: str, fen: int) -> None:
    assert reader().read(message(money=money)).report.amount_fen == fen


@pytest.mark.parametrize(
    "money",
    [
        "1e3",
        "01",
        "-1",
        "+1",
        "1.001",
        "1,000",
        "１",
        "1 ",
        " 1",
        "0x10",
        "1.",
        ".5",
        "NaN",
        "Infinity",
        "1_0",
        "٣",
        "100000000",
        "00.10",
    ],
)
def test_cb_07_amounts_of_a_strange_shape_are_refused(money: str) -> None:
    assert refused(message(money=money)) == "malformed"


ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "unsigned": (lambda: urlencode(TRUE).encode(), "unsigned"),
    "empty_sign": (lambda: urlencode(TRUE | {"sign": ""}).encode(), "unsigned"),
    "empty_key": (lambda: message(key=""), "signature"),
    "published_key": (lambda: message(key="89unJUB8HZ54Hj7x4nUj56HN4nUzUJ8i"), "signature"),
    "another_merchants_key": (lambda: message(key="z" + KEY[1:]), "signature"),
    "altered_amount": (lambda: message().replace(b"money=50", b"money=5000"), "signature"),
    "altered_number": (lambda: message().replace(b"out_trade_no=0", b"out_trade_no=1"), "signature"),
    "magic_hash": (lambda: urlencode(TRUE | {"sign": "0e462097431906509019562988736854"}).encode(), "signature"),
    "array_sign": (lambda: urlencode(TRUE).encode() + b"&sign[]=", "malformed"),
    "encoded_array_sign": (lambda: urlencode(TRUE).encode() + b"&sign%5B%5D=x", "malformed"),
    "array_money": (lambda: message() + b"&money[]=1", "malformed"),
    "indexed_array": (lambda: message() + b"&money[0]=1", "malformed"),
    "null_byte_name": (lambda: message() + b"&money%00=1", "malformed"),
    "same_field_twice": (lambda: message() + b"&money=50", "malformed"),
    "other_amount_behind": (lambda: message() + b"&money=9999", "malformed"),
    "other_amount_before": (lambda: b"money=9999&" + message(), "malformed"),
    "two_signatures": (lambda: message() + b"&sign=" + b"0" * 32, "malformed"),
    "unsigned_extra": (lambda: message() + b"&admin=1", "malformed"),
    "v2_field_in_v1": (lambda: message() + b"&timestamp=1721206072", "malformed"),
    "capital_name": (lambda: message() + b"&MONEY=9999", "malformed"),
    "blank_behind_a_name": (lambda: message() + b"&money%20=9999", "malformed"),
    "semicolon": (lambda: message() + b";money=9999", "malformed"),
    "rsa_chosen_by_the_message": (lambda: message().replace(b"sign_type=MD5", b"sign_type=RSA"), "sign_type"),
    "no_way_of_signing": (lambda: message().replace(b"sign_type=MD5", b"sign_type=none"), "sign_type"),
    "another_pid": (lambda: message(pid="1002"), "foreign"),
    "pid_with_a_zero": (lambda: message(pid="01001"), "foreign"),
    "pid_as_a_float": (lambda: message(pid="1001.0"), "foreign"),
    "another_type": (lambda: message(type="wxpay"), "foreign"),
    "no_pid": (lambda: message(pid=""), "malformed"),
    "no_status": (lambda: message(trade_status=""), "malformed"),
    "param_never_sent": (lambda: message(param="x"), "malformed"),
    "ampersand_in_a_value": (lambda: message(name="a&money=1"), "malformed"),
    "equals_in_a_value": (lambda: message(name="a=b"), "malformed"),
    "entity_elsewhere": (lambda: message(trade_no="1&amp;2"), "malformed"),
    "control_characters": (lambda: message(name="a\r\nb"), "malformed"),
    "null_byte": (lambda: message(name="a\0b"), "malformed"),
    "not_utf8": (lambda: message().replace(b"name=", b"name=%FF%FE"), "malformed"),
    "gbk": (lambda: message().replace(quote("余额充值").encode(), quote("余额充值".encode("gbk")).encode()), "malformed"),
    "broken_escape": (lambda: message() + b"&param=%zz", "malformed"),
    "no_equals": (lambda: message() + b"&param", "malformed"),
    "raw_equals": (lambda: message() + b"&param=a=b", "malformed"),
    "empty": (lambda: b"", "malformed"),
    "json": (lambda: b'{"pid":"1001"}', "malformed"),
    "xml": (lambda: b"<xml></xml>", "malformed"),
    "many_fields": (lambda: b"&".join(b"a=1" for _ in range(500)), "malformed"),
    "oversize": (lambda: message(name="x" * 9_000), "too_large"),
    "number_with_a_quote": (lambda: message(out_trade_no="1' or '1'='1"), "malformed"),
    "number_with_a_path": (lambda: message(out_trade_no="../../etc/passwd"), "malformed"),
    "long_number": (lambda: message(out_trade_no="9" * 65), "malformed"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_cb_01_to_cb_24_attacks_on_the_door_of_v1(name: str) -> None:
    forged, code = ATTACKS[name]
    assert refused(forged()) == code


def test_cb_23_our_own_signed_order_is_no_message() -> None:
    """The published hole: an order whose return address held `&` would be a valid message; ours is none, however it is cut."""
    order = {
        "pid": "1001", "type": "alipay", "out_trade_no": TRUE["out_trade_no"], "notify_url": "https://shop.example/notify/epay/7",
        "return_url": "https://shop.example/back/1", "name": "余额充值", "money": "50.00",
    }  # fmt: skip
    signed = Md5([KEY]).signed(order)
    assert refused(urlencode(signed).encode()) == "malformed"
    kept = {name: value for name, value in signed.items() if not name.endswith("_url")}
    assert refused(urlencode(kept | {"trade_no": "999", "trade_status": "TRADE_SUCCESS"}).encode()) == "signature"


def test_the_control_the_published_hole_is_open_to_a_naive_reader() -> None:
    """A reader that cuts the query as it comes and looks at the signature alone believes our own order."""
    order = TRUE | {"return_url": "https://shop.example/back&trade_no=999&trade_status=TRADE_SUCCESS"}
    del order["trade_no"], order["trade_status"]
    cut = order | {"return_url": "https://shop.example/back", "trade_no": "999", "trade_status": "TRADE_SUCCESS"}
    assert sign(order) == sign(cut)
    assert refused(urlencode(cut | {"sign": sign(order)}).encode()) == "malformed"


def test_the_goods_may_carry_the_entities_that_operators_write() -> None:
    assert reader().read(message(name="a&amp;b &quot;c&quot; &#039;d&#039;")).report
    assert refused(message(name="a&b;")) == "malformed"


def test_a_message_about_something_else_is_noted_and_moves_nothing() -> None:
    told = reader().read(message(trade_status="TRADE_CLOSED"))
    assert (told.report, told.kind) == (None, "TRADE_CLOSED")


def test_cb_21_dialects_are_chosen_by_the_channel_and_not_by_the_message() -> None:
    fields = TRUE | {"trade_status": "TRADE_FINISHED"}
    upper = urlencode(fields | {"sign": sign(fields).upper(), "sign_type": "MD5"}).encode()
    assert reader("words").read(upper).report
    assert refused(upper) == "signature"
    lower = urlencode(fields | {"sign": sign(fields), "sign_type": "MD5"}).encode()
    assert refused(lower, reader("words")) == "signature"
    assert reader().read(lower).report is None
    assert reader(Dialect(param=True)).read(message(param="x")).report


@pytest.fixture(scope="module")
def operator() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed_v2(operator: rsa.RSAPrivateKey, **changes: str) -> bytes:
    fields = TRUE | {"timestamp": str(int(time.time())), "api_trade_no": "4200001", "buyer": "2088"} | changes
    return urlencode(Rsa(operator, []).signed(fields)).encode()


def test_cb_15_cb_21_v2_a_true_message_and_the_attacks_on_it(operator) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ours = Reader((7, "1001", "alipay"), "alipay", Rsa(stranger, [operator.public_key()]), dialects()["rainbow"])
    report = ours.read(signed_v2(operator)).report
    assert (report.amount_fen, report.payer, report.merchant) == (5000, "2088", "1001")
    assert refused(signed_v2(stranger), ours) == "signature"
    assert refused(signed_v2(operator).replace(b"money=50", b"money=51"), ours) == "signature"
    # The operator has one key for all its merchants: a true message of another one.
    assert refused(signed_v2(operator, pid="1002"), ours) == "foreign"
    for age_s in (301, 86_400, -360):
        assert refused(signed_v2(operator, timestamp=str(int(time.time()) - age_s)), ours) == "stale"
    for stamp in ("0", "now", "1e9", "17212060721", ""):
        assert refused(signed_v2(operator, timestamp=stamp), ours) == "malformed"
    # The shared key of V1 opens no door of V2, and the other way round.
    assert refused(message(), ours) == "sign_type"
    assert refused(message().replace(b"sign_type=MD5", b"sign_type=RSA"), ours) == "signature"
    assert refused(signed_v2(operator)) == "malformed"


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")))
def test_no_bytes_are_a_message_by_chance(body: bytes) -> None:
    refused(body)


@given(st.sampled_from(sorted(TRUE)), st.text(max_size=30))
def test_cb_02_no_field_can_be_changed_behind_the_signature(name: str, value: str) -> None:
    fields = TRUE | {"sign": sign(TRUE), "sign_type": "MD5"}
    body = urlencode(fields | {name: value.encode("utf-8", "ignore").decode()}).encode()
    if value == TRUE[name]:
        return
    refused(body)
