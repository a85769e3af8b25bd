"""A UnionPay merchant's keys: from a PFX or from PEM, whole or refused; and the fields of messages, read one way only."""

import base64
import io
import zipfile
import zlib
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.channels.unionpay_hand import key_of
from tests.channels.unionpay_rig import row_of

from daozhang import clock
from daozhang.channels.kinds.unionpay import KIND
from daozhang.channels.kinds.unionpay.adapter import SANDBOX_HOSTS, UnionPay
from daozhang.channels.kinds.unionpay.fields import encode, read_answer, read_form
from daozhang.channels.kinds.unionpay.files import unpack
from daozhang.channels.kinds.unionpay.keys import expiries, read_keys
from daozhang.channels.strict import Unclear
from daozhang.outbound import Transport
from daozhang.reasons.refusal import Refusal
from daozhang.simulators.unionpay.enrolment import Enrolment, enrol, issue, pem, private_pem
from daozhang.simulators.unionpay.station import card_of


@pytest.fixture(scope="module")
def enrolment() -> Enrolment:
    return enrol()


@pytest.fixture(scope="module")
def raw(enrolment: Enrolment) -> dict[str, object]:
    return card_of(enrolment, enrolment.merchants[0], "")["keys"]


def pfx_of(enrolment: Enrolment, password: str) -> str:
    """What UnionPay's merchant platform exports."""
    merchant = enrolment.merchants[0]
    certificate = load_pem_x509_certificate(merchant.certificate.encode())
    lock = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    content = pkcs12.serialize_key_and_certificates(b"own", key_of(merchant.private_key), certificate, None, lock)
    return base64.b64encode(content).decode()


def without(raw: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in raw.items() if name not in names}


def test_a_pfx_and_pem_files_are_the_same_key(enrolment: Enrolment, raw: dict[str, object]) -> None:
    pfx = pfx_of(enrolment, "a-long-export-password")
    wrapped = "\r\n".join(pfx[at : at + 64] for at in range(0, len(pfx), 64))
    from_pfx = read_keys(without(raw, "private_key", "certificate") | {"pfx": wrapped, "pfx_password": "a-long-export-password"})
    from_pem = read_keys(raw)
    bare = read_keys(without(raw, "certificate") | {"cert_id": enrolment.merchants[0].cert_id})
    signed = [keys.signer.signed({"orderId": "A" * 26}) for keys in (from_pfx, from_pem, bare)]
    assert signed[0] == signed[1] == signed[2]
    assert signed[0]["certId"] == enrolment.merchants[0].cert_id


def test_keys_survive_the_vault_and_show_nothing(raw: dict[str, object]) -> None:
    keys = read_keys(raw)
    again = read_keys(msgspec.json.decode(msgspec.json.encode(keys)))
    assert again == keys
    assert "PRIVATE" not in repr(keys)
    assert "BEGIN" not in str(keys)


def test_keys_copied_through_windows_are_the_same(raw: dict[str, object]) -> None:
    changed = {name: f"  {text}\r\n".replace("\n", "\r\n") if isinstance(text, str) else text for name, text in raw.items()}
    assert read_keys(changed).signer.cert_id == read_keys(raw).signer.cert_id


def test_every_certificate_tells_when_it_ends(enrolment: Enrolment, raw: dict[str, object]) -> None:
    found = expiries(read_keys(raw))
    assert next(name for name, _ in found) == enrolment.merchants[0].cert_id
    assert len(found) == 3
    assert all(timedelta(days=1_800) < end - clock.now() < timedelta(days=1_830) for _, end in found)


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"private_key": ""}, "channel.incomplete", "private_key"),
        ({"private_key": "  \n"}, "channel.incomplete", "private_key"),
        ({"private_key": "x"}, "channel.malformed", "private_key"),
        ({"certificate": "x"}, "channel.malformed", "certificate"),
        ({"certificate": ""}, "channel.incomplete", "cert_id"),
        ({"certificate": "", "cert_id": "0"}, "channel.malformed", "cert_id"),
        ({"certificate": "", "cert_id": "1E240"}, "channel.malformed", "cert_id"),
        ({"cert_id": "68759585097"}, "channel.malformed", "cert_id"),
        ({"root_certificates": []}, "channel.incomplete", "root_certificates"),
        ({"middle_certificates": []}, "channel.incomplete", "middle_certificates"),
        ({"middle_certificates": ["x"]}, "channel.malformed", "middle_certificates"),
        ({"root_certificates": "x"}, "channel.malformed", "root_certificates"),
        ({"pfx": "AAAA", "pfx_password": "a-long-export-password"}, "channel.malformed", "private_key"),
        ({"private_key": "", "pfx": "AAAA", "pfx_password": "a-long-export-password"}, "channel.malformed", "pfx"),
        ({"private_key": "", "pfx": "签名", "pfx_password": "a-long-export-password"}, "channel.malformed", "pfx"),
        ({"colour": "red"}, "channel.malformed", "colour"),
        ({"sandbox": "yes"}, "channel.malformed", "sandbox"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_cb_04_keys_that_are_missing_or_malformed(raw, change: dict[str, object], reason: str, field: str) -> None:
    with pytest.raises(Refusal) as refusal:
        read_keys(raw | change)
    assert (refusal.value.reason, refusal.value.facts) == (reason, {"field": field})


@pytest.mark.parametrize("password", ["", "000000", "123456", "111111"])
def test_cb_04_a_pfx_under_a_published_password_is_refused(enrolment: Enrolment, raw, password: str) -> None:
    given = without(raw, "private_key", "certificate") | {"pfx": pfx_of(enrolment, password), "pfx_password": password}
    with pytest.raises(Refusal, match="secret_weak"):
        read_keys(given)


def test_cb_04_weak_keys_and_other_peoples_certificates(enrolment: Enrolment, raw) -> None:
    weak = generate_private_key(public_exponent=65537, key_size=1024)
    small = pem(issue("041@1@x@1", weak, "Simulated OCA31", key_of(enrolment.middle_key)))
    for change, field in (
        ({"private_key": private_pem(weak), "certificate": "", "cert_id": "68759585097"}, "private_key"),
        ({"certificate": small}, "certificate"),
        ({"root_certificates": [small]}, "root_certificates"),
    ):
        with pytest.raises(Refusal) as refusal:
            read_keys(raw | change)
        assert (refusal.value.reason, refusal.value.facts["field"]) == ("channel.secret_weak", field)
    with pytest.raises(Refusal, match="malformed"):
        read_keys(raw | {"certificate": enrolment.signer})


def test_cb_04_a_chain_that_does_not_hold_together(enrolment: Enrolment, raw) -> None:
    other = enrol()
    for change in (
        {"root_certificates": [other.root]},
        {"middle_certificates": [other.middle]},
        {"middle_certificates": [enrolment.root]},
    ):
        with pytest.raises(Refusal) as refusal:
            read_keys(raw | change)
        assert refusal.value.facts == {"field": "middle_certificates"}


@pytest.mark.parametrize("name", ["CFCA TEST CS CA", "cfca test", "测试根证书"])
def test_cb_04_a_test_chain_is_no_chain_outside_of_the_sandbox(enrolment: Enrolment, raw, name: str) -> None:
    """Published test roots have published keys below them: anybody could sign for UnionPay."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    root = pem(issue(name, key, name, key, authority=True))
    middle = pem(issue("Simulated OCA31", key, name, key, authority=True))
    with pytest.raises(Refusal, match="secret_weak"):
        read_keys(raw | {"root_certificates": [root], "middle_certificates": [middle]})
    sandbox = read_keys(raw | {"root_certificates": [root], "middle_certificates": [middle], "sandbox": True})
    assert sandbox.trust.links() == 1


async def test_sandbox_keys_work_at_the_sandbox_and_nowhere_else(enrolment: Enrolment, raw) -> None:
    real, sandbox = read_keys(raw), read_keys(raw | {"sandbox": True})
    row = row_of(enrolment.merchants[0], *KIND.hosts)
    there = replace(row, hosts=SANDBOX_HOSTS)
    for keys, place in ((sandbox, row), (real, there)):
        with pytest.raises(ValueError, match="sandbox"):
            UnionPay(place, [keys], Transport(place.hosts))
    for keys, place in ((real, row), (sandbox, there)):
        await UnionPay(place, [keys], Transport(place.hosts)).close_connections()
    assert KIND.asks_first
    assert not set(SANDBOX_HOSTS) & set(KIND.hosts)


# The fields of answers.


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a=x=y&b==", {"a": "x=y", "b": "="}),
        ("a=1&b={c=2&d=3}&e=4", {"a": "1", "b": "{c=2&d=3}", "e": "4"}),
        ("b={c={d=1&e=2}&f=[g&h]}&z=1", {"b": "{c={d=1&e=2}&f=[g&h]}", "z": "1"}),
        ("a=[1&2]", {"a": "[1&2]"}),
        ("respMsg=成功[0000000]&b=1", {"respMsg": "成功[0000000]", "b": "1"}),
        ("respMsg=a]b}c&b=1", {"respMsg": "a]b}c", "b": "1"}),
        ("a=%26&b=+", {"a": "%26", "b": "+"}),
        ("a=1\r\n", {"a": "1"}),
    ],
)
def test_an_answer_is_cut_outside_of_its_brackets(text: str, fields: dict[str, str]) -> None:
    assert read_answer(text.encode()) == fields


ANSWERS = {
    "empty": b"",
    "a name alone": b"a=1&b",
    "twice": b"a=1&a=2",
    "no name": b"=1",
    "nothing between": b"a=1&&b=2",
    "open": b"a={b=1",
    "crossed": b"a={b=1]}",
    "more behind the bracket": b"a={b=1&c=2}x&d=3",
    "not utf-8": b"\xff=1",
    "gbk": b"a=\xb3\xc9",
    "nul": b"a=\0",
    "a name with a blank": b"a b=1",
    "html": b"<html>x=1</html>",
    "deep": b"a=" + b"{" * 40 + b"}" * 40,
    "long": b"a=" + b"x" * 300_000,
    "many": b"&".join(b"a%d=1" % n for n in range(200)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_cb_24_an_answer_that_is_not_one_clear_list_of_fields(name: str) -> None:
    with pytest.raises(Unclear):
        read_answer(ANSWERS[name])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-zA-Z][a-zA-Z0-9]{0,12}", fullmatch=True), st.text(max_size=40), max_size=6))
def test_what_we_send_is_read_back_the_same(fields: dict[str, str]) -> None:
    kept = {name: value.replace("&", "").replace("\0", "").encode("utf-8", "ignore").decode() for name, value in fields.items()}
    if kept:
        assert read_form(encode(kept)) == kept


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab=&{}[]\r\n成", max_size=60))
def test_any_answer_has_one_meaning_or_none(text: str) -> None:
    try:
        fields = read_answer(text.encode())
    except Unclear:
        return
    assert "&".join(f"{name}={value}" for name, value in fields.items()) == text.strip("\r\n")


def _packed(files: dict[str, bytes]) -> str:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return base64.b64encode(zlib.compress(content.getvalue())).decode()


def test_a_settlement_file_is_unpacked_with_plain_names() -> None:
    assert unpack(_packed({"INN1": "行".encode("gbk"), "a/b": b"2"})) == {"INN1": "行".encode("gbk"), "b": b"2"}
    assert unpack(_packed({})) == {}


@pytest.mark.parametrize(
    "content",
    ["", "!", "QUJD", base64.b64encode(zlib.compress(b"no zip")).decode(), _packed({"../..": b"", "..": b"x"})[:-40]],
    ids=["empty", "letters", "no zlib", "no zip", "cut"],
)
def test_cb_24_a_settlement_file_of_another_shape(content: str) -> None:
    with pytest.raises(Unclear):
        unpack(content)


def test_cb_24_a_settlement_file_that_would_fill_the_memory() -> None:
    bomb = base64.b64encode(zlib.compress(b"\0" * (32 * 1024 * 1024))).decode()
    zipped = _packed({"a": b"\0" * (65 * 1024 * 1024)})
    for content in (bomb, zipped, _packed({f"f{n}": b"" for n in range(100)})):
        with pytest.raises(Unclear):
            unpack(content)
