"""Whose signature counts at UnionPay: the recorded message, openssl as the judge both ways, and every wrong certificate."""

import base64
import hashlib
import subprocess
import time
import tomllib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.channels.unionpay_hand import NUMBER, Fields, body, key_of, listening, paid, refused, signed_by, stranger
from tests.channels.unionpay_rig import keys_of

from daozhang import clock
from daozhang.channels.kinds.unionpay.adapter import UnionPay
from daozhang.channels.kinds.unionpay.fields import read_form
from daozhang.channels.kinds.unionpay.signing import digest, verify
from daozhang.channels.kinds.unionpay.trust import Trust
from daozhang.channels.port import Invalid
from daozhang.outbound import Exchange
from daozhang.simulators.unionpay.enrolment import OWNER, Enrolment, enrol, issue, pem
from daozhang.simulators.unionpay.signing import Keyring, to_sign

VECTOR = tomllib.loads((Path(__file__).parent / "vectors" / "unionpay_message.toml").read_text("utf-8"))


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


def vector_trust(*, sandbox: bool = True) -> Trust:
    certificates = [load_pem_x509_certificate(VECTOR[name].strip().encode()) for name in ("root", "middle")]
    return Trust(certificates[:1], certificates[1:], sandbox=sandbox)


def test_the_recorded_message_verifies_with_two_hashes_and_not_with_one() -> None:
    fields = read_form(VECTOR["body"].encode())
    assert fields["tokenPayData"].startswith("{token=6235240000020757577&trId=")
    assert "\r\n" in fields["signPubKeyCert"]
    verify(fields, vector_trust(), VECTOR["at"])
    key = load_pem_x509_certificate(fields["signPubKeyCert"].encode()).public_key()
    signature = base64.b64decode(fields["signature"])
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "signature")
    key.verify(signature, hashlib.sha256(text.encode()).hexdigest().encode(), PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.verify(signature, text.encode(), PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"orderId": "20171030223624"}, "signature"),
        ({"respMsg": "Success"}, "signature"),
        ({"signature": ""}, "unsigned"),
        ({"signPubKeyCert": ""}, "unsigned"),
    ],
    ids=lambda change: str(change)[:24],
)
def test_a_changed_recorded_message_does_not_verify(change, code: str) -> None:
    with pytest.raises(Invalid, match=code):
        verify(read_form(VECTOR["body"].encode()) | change, vector_trust(), VECTOR["at"])


def test_the_recorded_chain_counts_at_the_sandbox_and_in_its_time_only() -> None:
    fields = read_form(VECTOR["body"].encode())
    for trust, at in (
        (vector_trust(), VECTOR["at"] + timedelta(days=60)),
        (vector_trust(), VECTOR["at"] - timedelta(days=800)),
        (vector_trust(sandbox=False), VECTOR["at"]),
        (Trust([], []), VECTOR["at"]),
    ):
        with pytest.raises(Invalid, match="certificate"):
            verify(fields, trust, at)
    assert vector_trust(sandbox=False).links() == 0


def _openssl(folder: Path, *words: str, **files: bytes) -> subprocess.CompletedProcess[bytes]:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=False)


def _openssl_digest(text: str) -> bytes:
    return subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=text.encode(), capture_output=True, check=True).stdout[:64]


def test_openssl_verifies_what_we_sign(enrolment: Enrolment, tmp_path: Path) -> None:
    merchant = enrolment.merchants[0]
    fields = keys_of(enrolment).signer.signed({"orderId": NUMBER, "txnAmt": "5000", "empty": "", "respMsg": "成功 & =%+😀{}[]"})
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "signature")
    digested = _openssl_digest(text)
    assert digested == digest(fields)
    assert fields["certId"] == merchant.cert_id
    key = _openssl(tmp_path, "x509", "-in", "c.pem", "-noout", "-pubkey", **{"c.pem": merchant.certificate.encode()}).stdout
    done = _openssl(
        tmp_path, "dgst", "-sha256", "-verify", "k.pem", "-signature", "s.bin", "h.txt",
        **{"k.pem": key, "s.bin": base64.b64decode(fields["signature"]), "h.txt": digested},
    )  # fmt: skip
    assert done.stdout.strip() == b"Verified OK"
    spoilt = _openssl(tmp_path, "dgst", "-sha256", "-verify", "k.pem", "-signature", "s.bin", "h.txt", **{"h.txt": digested[::-1]})
    assert spoilt.returncode != 0


async def test_we_verify_what_openssl_signs(enrolment: Enrolment, ring: Keyring, channel: UnionPay, tmp_path: Path) -> None:
    fields = paid(ring) | {"signPubKeyCert": enrolment.signer}
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    digested = _openssl_digest(text)
    files = {"k.pem": enrolment.signer_key.encode(), "h.txt": digested}
    made = _openssl(tmp_path, "dgst", "-sha256", "-sign", "k.pem", "h.txt", **files).stdout
    notification = await channel.read({}, body(fields | {"signature": base64.b64encode(made).decode()}))
    assert notification.report is not None
    assert notification.report.amount_fen == 5000
    # The control: signed over the text itself (hashed once) it is another protocol.
    once = _openssl(tmp_path, "dgst", "-sha256", "-sign", "k.pem", "t.txt", **{"t.txt": text.encode()}).stdout
    assert (await refused(channel, body(fields | {"signature": base64.b64encode(once).decode()}))).code == "signature"


def test_openssl_finds_the_simulated_chain_whole(enrolment: Enrolment, tmp_path: Path) -> None:
    files = {name: text.encode() for name, text in (("r", enrolment.root), ("m", enrolment.middle), ("s", enrolment.signer))}
    done = _openssl(tmp_path, "verify", "-CAfile", "r", "-untrusted", "m", "s", **files)
    assert done.stdout.strip() == b"s: OK"


@pytest.mark.parametrize("how", ["forge", "unknown_serial", "stale"])
async def test_cb_02_strangers_signatures(channel: UnionPay, ring: Keyring, how: str) -> None:
    """A stranger's key under UnionPay's certificate, a certificate he made himself in its name, and an expired one."""
    assert (await refused(channel, body(ring.sign(paid(ring), how)))).code == ("signature" if how == "forge" else "certificate")


async def test_cb_08_a_certificate_of_the_true_chain_that_is_not_unionpays(channel: UnionPay, ring: Keyring) -> None:
    """Every merchant has a certificate of the same middle authority: only the common name tells UnionPay from them."""
    merchant = ring.enrolment.merchants[0]
    key = key_of(merchant.private_key)
    invalid = await refused(channel, signed_by(paid(ring), key, merchant.certificate))
    assert (invalid.code, invalid.detail) == ("certificate", "not made out to UnionPay")


@pytest.mark.parametrize(
    "name",
    [
        "中国银联股份有限公司",
        "041@Z2026@中国银联股份有限公司 @1",
        "041@中国银联股份有限公司@Z2026@1",
        "041@Z2026@中国银联股份有限公司2@1",
        "041@Z12@00040000:SIGN@00000062",
        "x",
    ],
)
async def test_cb_08_other_names_of_the_true_chain(channel: UnionPay, ring: Keyring, name: str) -> None:
    key = stranger()
    middle_key = key_of(ring.enrolment.middle_key)
    certificate = pem(issue(name, key, "Simulated OCA31", middle_key))
    assert (await refused(channel, signed_by(paid(ring), key, certificate))).code == "certificate"


async def test_cb_08_chains_that_are_cut_short_or_too_long(channel: UnionPay, ring: Keyring) -> None:
    """Issued by the root itself, by a leaf, by an authority of the same name, an authority's own key, and a key of 1024 bits."""
    kept = ring.enrolment
    key = stranger()
    root_key, middle_key, signer_key = (key_of(text) for text in (kept.root_key, kept.middle_key, kept.signer_key))
    weak = generate_private_key(public_exponent=65537, key_size=1024)
    made = [
        (key, issue(OWNER, key, "Simulated CS CA", root_key)),
        (key, issue(OWNER, key, OWNER, signer_key)),
        (key, issue(OWNER, key, "Simulated OCA31", key)),
        (key, issue(OWNER, key, OWNER, key)),
        (key, issue(OWNER, key, "Simulated OCA31", middle_key, authority=True)),
        (key, issue(OWNER, key, "Simulated OCA31", middle_key, start=clock.now() + timedelta(days=1))),
        (weak, issue(OWNER, weak, "Simulated OCA31", middle_key)),
    ]
    for own, certificate in made:
        assert (await refused(channel, signed_by(paid(ring), own, pem(certificate)))).code == "certificate"
    # The control: one that is all right in the same way.
    good = issue(OWNER, key, "Simulated OCA31", middle_key)
    assert (await channel.read({}, signed_by(paid(ring), key, pem(good)))).report is not None


async def test_a_certificate_is_forgotten_when_it_ends(channel: UnionPay, ring: Keyring) -> None:
    key = stranger()
    middle_key = key_of(ring.enrolment.middle_key)
    certificate = pem(issue(OWNER, key, "Simulated OCA31", middle_key, lives=timedelta(days=2)))
    message = signed_by(paid(ring), key, certificate)
    assert (await channel.read({}, message)).report is not None
    clock.shift(2 * 86_400)
    try:
        assert (await refused(channel, message)).code == "certificate"
    finally:
        clock.shift(0)


@pytest.mark.parametrize(
    "certificate",
    ["x", "-----BEGIN CERTIFICATE-----\r\nAAAA\r\n-----END CERTIFICATE-----", "证书", "A" * 50_000, "two", "\x00", "key"],
    ids=lambda text: ascii(text)[:12],
)
async def test_cb_21_certificates_of_any_shape(channel: UnionPay, ring: Keyring, certificate: str) -> None:
    made = {"two": ring.enrolment.signer + "\r\n" + ring.enrolment.middle, "key": ring.enrolment.signer_key}.get(
        certificate, certificate
    )
    fields = ring.sign(paid(ring)) | {"signPubKeyCert": made}
    assert 400 <= (await refused(channel, body(fields))).http < 500


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
async def test_certificates_with_either_line_end(channel: UnionPay, ring: Keyring, line_end: str) -> None:
    """The certificate is part of what is signed, line ends and all."""
    key = key_of(ring.enrolment.signer_key)
    certificate = ring.enrolment.signer.replace("\r\n", line_end)
    assert (await channel.read({}, signed_by(paid(ring), key, certificate))).report is not None
    other = certificate.replace(line_end, "\n" if line_end == "\r\n" else "\r\n")
    fields = dict(read_form(signed_by(paid(ring), key, certificate))) | {"signPubKeyCert": other}
    assert (await refused(channel, body(fields))).code == "signature"


@pytest.mark.parametrize(
    "change",
    [{"signMethod": "11"}, {"signMethod": "12"}, {"signMethod": ""}, {"version": "5.0.0"}, {"version": ""}, {"encoding": "GBK"}],
    ids=str,
)
async def test_what_is_said_of_the_signature_chooses_nothing(channel: UnionPay, ring: Keyring, change: Fields) -> None:
    assert (await refused(channel, body(ring.sign(paid(ring, **change))))).code == "malformed"


@pytest.mark.parametrize("weaker", ["sha1", "md5", "once", "shared key"])
async def test_weaker_signatures_are_none(channel: UnionPay, ring: Keyring, weaker: str) -> None:
    key = key_of(ring.enrolment.signer_key)
    whole = paid(ring) | {"signPubKeyCert": ring.enrolment.signer}
    text = "&".join(f"{name}={whole[name]}" for name in sorted(whole)).encode()
    if weaker == "once":
        signature = base64.b64encode(key.sign(text, PKCS1v15(), hashes.SHA256())).decode()
    elif weaker == "shared key":
        signature = hashlib.sha256(text + b"&" + hashlib.sha256(b"").hexdigest().encode()).hexdigest()
    else:
        algorithm = hashes.SHA1() if weaker == "sha1" else hashes.MD5()
        signature = base64.b64encode(key.sign(to_sign(whole), PKCS1v15(), algorithm)).decode()
    assert (await refused(channel, body(whole | {"signature": signature}))).code == "signature"


async def test_cb_27_a_flood_of_unknown_certificates_calls_nobody(channel: UnionPay, ring: Keyring, calls: list[Exchange]) -> None:
    key = stranger()
    made = [pem(issue(OWNER, key, "Simulated OCA31", key)) for _ in range(50)]
    started = time.process_time()
    for certificate in made:
        assert (await refused(channel, signed_by(paid(ring), key, certificate))).code == "certificate"
    assert time.process_time() - started < 5
    assert calls == []
    assert len(channel._caller._trusts[0]._known) <= 32


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-zA-Z][a-zA-Z0-9]{0,12}", fullmatch=True), st.text(max_size=40), max_size=6))
async def test_two_hands_sign_the_same_bytes(ring: Keyring, fields: Fields) -> None:
    try:
        "".join(fields.values()).encode()
    except UnicodeEncodeError:
        return
    assert digest(fields) == to_sign(fields)
