"""Signatures of Epay against the rules as operators publish them, written once more from their text and judged by `openssl` for V2.

The published text, in our words: take every parameter that is not empty, without `sign`, `sign_type` and arrays; sort by the ASCII
codes of the names; write `a=b&c=d`, values not encoded; V1: append the key, lower-case MD5; V2: sign with SHA256WithRSA.
"""

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from daozhang.channels.kinds.epay.keys import EpayKeys, read_keys
from daozhang.channels.kinds.epay.signing import Md5, Rsa, Unsignable, canonical
from daozhang.reasons.refusal import Refusal

KEY = "k3yQ7wErTy9uIoP1aSdF5gHjKl2zXcVb"
FIELDS = {
    "pid": "1001",
    "type": "alipay",
    "out_trade_no": "20160806151343349",
    "notify_url": "https://shop.example/notify/epay/1",
    "return_url": "https://shop.example/back/1",
    "name": "余额充值",
    "money": "1.00",
    "param": "",
}


def published(fields: dict[str, object]) -> str:
    """The text to sign, from the published rule and from nothing of ours."""
    kept = {k: v for k, v in fields.items() if v not in ("", None) and k not in ("sign", "sign_type") and not isinstance(v, list)}
    return "&".join("=".join((k, str(kept[k]))) for k in sorted(kept, key=lambda name: [ord(letter) for letter in name]))


def test_v1_signs_as_published() -> None:
    signed = Md5([KEY]).signed(FIELDS)
    assert signed["sign"] == hashlib.md5((published(FIELDS) + KEY).encode()).hexdigest()
    assert signed["sign_type"] == "MD5"
    assert canonical(signed) == (
        "money=1.00&name=余额充值&notify_url=https://shop.example/notify/epay/1&out_trade_no=20160806151343349&pid=1001"
        "&return_url=https://shop.example/back/1&type=alipay"
    )


SAFE = st.text(st.characters(exclude_characters="&=", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), max_size=20)


@given(st.dictionaries(st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12), SAFE, min_size=1, max_size=12))
def test_v1_agrees_with_the_published_rule_on_any_fields(fields: dict[str, str]) -> None:
    signing = Md5([KEY])
    assert canonical(fields) == published(fields)
    assert signing.holds(fields, hashlib.md5((published(fields) + KEY).encode()).hexdigest())


@pytest.mark.parametrize("value", ["a&b", "a=b", "https://shop.example/?a=1", "&", "="])
def test_cb_23_nothing_is_signed_that_could_be_cut_into_other_fields(value: str, pair) -> None:
    for signing in (Md5([KEY]), Rsa(pair, [pair.public_key()])):
        with pytest.raises(Unsignable, match="name"):
            signing.signed(FIELDS | {"name": value})


def test_the_control_a_signature_over_an_ampersand_can_be_cut_again() -> None:
    """Why: with a query in the return address our own signature would be one over a message that says paid."""
    ours = FIELDS | {"return_url": "https://shop.example/back&trade_no=999&trade_status=TRADE_SUCCESS"}
    cut = FIELDS | {"return_url": "https://shop.example/back", "trade_no": "999", "trade_status": "TRADE_SUCCESS"}
    assert published(ours) == published(cut)


@pytest.mark.parametrize(
    "signature",
    ["", "0", "0e462097431906509019562988736854", "A" * 32, "é" * 32, "f" * 31, "f" * 33, "null", "[]", " " * 32],
    ids=["empty", "zero", "magic_hash", "upper", "latin", "short", "long", "null", "list", "blank"],
)
def test_cb_05_a_signature_of_a_strange_shape_does_not_hold(signature: str) -> None:
    assert not Md5([KEY]).holds(FIELDS, signature)


def test_an_operator_writes_its_signatures_in_one_case_only() -> None:
    right = hashlib.md5((published(FIELDS) + KEY).encode()).hexdigest()
    assert Md5([KEY]).holds(FIELDS, right)
    assert not Md5([KEY]).holds(FIELDS, right.upper())
    assert Md5([KEY], upper=True).holds(FIELDS, right.upper())
    assert not Md5([KEY], upper=True).holds(FIELDS, right)


def test_new_keys_overlap_with_old_ones() -> None:
    older = Md5([KEY]).signed(FIELDS)["sign"]
    both = Md5(["n3wQ7wErTy9uIoP1aSdF5gHjKl2zXcVb", KEY])
    assert both.holds(FIELDS, older)
    assert both.signed(FIELDS)["sign"] != older
    assert not Md5(["n3wQ7wErTy9uIoP1aSdF5gHjKl2zXcVb"]).holds(FIELDS, older)


def test_cb_02_the_length_of_md5_cannot_be_extended() -> None:
    """The key stands at the end, so what is appended to a signed text stands before the key and changes everything."""
    signed = Md5([KEY]).signed({"money": "1.00"})["sign"]
    padding = "\x80" + "\0" * (64 - len("money=1.00" + KEY) - 9) + chr(8 * len("money=1.00" + KEY)) + "\0" * 7
    assert not Md5([KEY]).holds({"money": "1.00" + padding + "9"}, signed)


@pytest.fixture(scope="module")
def pair() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def test_v2_openssl_verifies_what_we_sign(pair, tmp_path: Path) -> None:
    signed = Rsa(pair, [pair.public_key()]).signed(FIELDS | {"timestamp": "1721206072"})
    assert signed["sign_type"] == "RSA"
    (tmp_path / "public.pem").write_text(public_pem(pair))
    (tmp_path / "signature").write_bytes(base64.b64decode(signed["sign"], validate=True))
    (tmp_path / "message").write_text(published(FIELDS | {"timestamp": "1721206072"}))
    judged = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "message"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.stdout.strip() == "Verified OK", judged


@pytest.mark.parametrize(("digest", "holds"), [("-sha256", True), ("-sha1", False), ("-md5", False), ("-sha512", False)])
def test_cb_21_v2_we_verify_what_openssl_signs_and_only_with_sha256(pair, tmp_path: Path, digest: str, *, holds: bool) -> None:
    (tmp_path / "key.pem").write_text(pem(pair))
    (tmp_path / "message").write_text(published(FIELDS))
    made = subprocess.run(["openssl", "dgst", digest, "-sign", "key.pem", "message"], cwd=tmp_path, capture_output=True, check=True)
    signing = Rsa(pair, [pair.public_key()])
    assert signing.holds(FIELDS, base64.b64encode(made.stdout).decode()) is holds
    assert not signing.holds(FIELDS | {"money": "2.00"}, base64.b64encode(made.stdout).decode())


@pytest.mark.parametrize("signature", ["", "=", "A", "é", "A" * 2_000, "not base64!", "QUJD\nQUJD"])
def test_cb_05_v2_a_signature_of_a_strange_shape_does_not_hold(pair, signature: str) -> None:
    assert not Rsa(pair, [pair.public_key()]).holds(FIELDS, signature)


V1 = {"version": "v1", "type": "alipay", "key": KEY}


def refused(raw: dict[str, object]) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        read_keys(raw)
    return caught.value.reason, caught.value.facts["field"]


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"key": ""}, "channel.incomplete", "key"),
        ({"key": " "}, "channel.incomplete", "key"),
        ({"key": "short"}, "channel.secret_weak", "key"),
        ({"key": "a" * 32}, "channel.secret_weak", "key"),
        ({"key": "12121212121212121212121212121212"}, "channel.secret_weak", "key"),
        ({"key": KEY + "\n"}, "channel.secret_weak", "key"),
        ({"key": hashlib.md5(b"123456").hexdigest()}, "channel.secret_weak", "key"),
        ({"key": 7}, "channel.malformed", "key"),
        ({"version": "v3"}, "channel.malformed", "version"),
        ({"type": "bitcoin"}, "channel.malformed", "type"),
        ({"dialect": "martian"}, "channel.malformed", "dialect"),
        ({"path": "pay"}, "channel.malformed", "path"),
        ({"path": "/../x"}, "channel.malformed", "path"),
        ({"path": "/a?b=c"}, "channel.malformed", "path"),
        ({"channel": "one"}, "channel.malformed", "channel"),
        ({"private_key": "x"}, "channel.malformed", "private_key"),
        ({"platform_public_key": "x"}, "channel.malformed", "platform_public_key"),
        ({"surprise": "x"}, "channel.malformed", "surprise"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_cb_04_weak_or_broken_keys_are_refused_by_name(change, reason, field) -> None:
    assert refused(V1 | change) == (reason, field)


def test_cb_04_weak_or_broken_pairs_are_refused_by_name(pair) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    good = {"version": "v2", "type": "wxpay", "private_key": pem(pair), "platform_public_key": public_pem(other)}
    assert isinstance(read_keys(good), EpayKeys)
    bare = "".join(line for line in pem(pair).splitlines() if "-----" not in line)
    assert read_keys(good | {"private_key": bare}).signing_key().private_numbers() == pair.private_numbers()
    elliptic = ec.generate_private_key(ec.SECP256R1())
    for change, reason, field in (
        ({"private_key": ""}, "channel.incomplete", "private_key"),
        ({"platform_public_key": ""}, "channel.incomplete", "platform_public_key"),
        ({"private_key": "nonsense"}, "channel.malformed", "private_key"),
        ({"private_key": pem(elliptic)}, "channel.malformed", "private_key"),  # type: ignore[arg-type]
        ({"platform_public_key": "nonsense"}, "channel.malformed", "platform_public_key"),
        ({"private_key": pem(small)}, "channel.secret_weak", "private_key"),
        ({"platform_public_key": public_pem(small)}, "channel.secret_weak", "platform_public_key"),
        # The merchant's own public key, which the operator shows beside its own.
        ({"platform_public_key": public_pem(pair)}, "channel.malformed", "platform_public_key"),
        # Both versions at once would leave the choice to a message.
        ({"key": KEY}, "channel.malformed", "key"),
        ({"dialect": "classic"}, "channel.malformed", "version"),
    ):
        assert refused(good | change) == (reason, field)


def test_in_12_keys_are_never_shown(pair) -> None:
    assert KEY not in repr(read_keys(V1))
