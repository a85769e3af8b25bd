"""Keys that may not be enabled, and what the real Alipay signed and numbered."""

import json
import tomllib
from base64 import b64decode
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_der_public_key
from cryptography.x509 import load_pem_x509_certificate
from tests.channels.alipay_rig import CERTIFICATES, alipay_keys, enrolled, keys_of

from daozhang import clock
from daozhang.channels.kinds.alipay import keys
from daozhang.channels.kinds.alipay.keys import AlipayKeys, _certificates, expiries, read_keys
from daozhang.channels.kinds.alipay.messages import told_payment
from daozhang.channels.kinds.alipay.notices import parameters
from daozhang.channels.kinds.alipay.signing import Verifier, canonical, certificate_serial, root_serial
from daozhang.channels.port import Outcome
from daozhang.reasons.refusal import Refusal
from daozhang.simulators.alipay.enrolment import Enrolment, enrol
from daozhang.simulators.alipay.signing import number_of

__all__ = ["alipay_keys", "enrolled"]
NO_CERTIFICATES = dict.fromkeys(CERTIFICATES, "")
VECTORS = tomllib.loads((Path(__file__).parent / "vectors" / "alipay.toml").read_text("utf-8"))


class TestKeys:
    """Keys that may not be enabled."""

    @pytest.mark.parametrize(
        ("change", "reason", "field"),
        [
            ({"private_key": ""}, "channel.incomplete", "private_key"),
            ({"private_key": "changeme"}, "channel.malformed", "private_key"),
            ({"alipay_public_key": "changeme"} | NO_CERTIFICATES, "channel.malformed",
             "alipay_public_key"),
            ({"alipay_public_key": ""} | NO_CERTIFICATES, "channel.incomplete",
             "alipay_public_key"),
            ({"root_certificate": ""}, "channel.incomplete", "root_certificate"),
            ({"app_certificate": "x"}, "channel.malformed", "app_certificate"),
            ({"no_credit": "yes"}, "channel.malformed", "no_credit"),
            ({"password": "x"}, "channel.malformed", "password"),
        ],
        ids=lambda value: str(value)[:40],
    )  # fmt: skip
    def test_cb_04_missing_or_malformed(self, enrolled: Enrolment, change: dict[str, Any], reason: str, field: str) -> None:
        with pytest.raises(Refusal) as refusal:
            keys_of(enrolled.app, **change)
        assert (refusal.value.reason, refusal.value.facts) == (reason, {"field": field})

    @pytest.mark.parametrize("bits", [1024, 1536])
    def test_cb_04_a_short_key_is_no_key(self, enrolled: Enrolment, bits: int) -> None:
        weak = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        bare = NO_CERTIFICATES
        for change in ({"private_key": _private(weak), **bare}, {"alipay_public_key": _public(weak), **bare}):
            with pytest.raises(Refusal, match="secret_weak"):
                keys_of(enrolled.app, **change)

    def test_cb_04_a_small_exponent_is_no_key(self, enrolled: Enrolment) -> None:
        weak = rsa.generate_private_key(public_exponent=3, key_size=2048)
        with pytest.raises(Refusal, match="secret_weak"):
            keys_of(enrolled.app, alipay_public_key=_public(weak), **NO_CERTIFICATES)

    def test_a_key_of_another_kind(self, enrolled: Enrolment) -> None:
        other = ec.generate_private_key(ec.SECP256R1())
        with pytest.raises(Refusal, match="malformed"):
            keys_of(enrolled.app, alipay_public_key=_public(other), **NO_CERTIFICATES)

    def test_our_own_public_key_in_the_place_of_alipays(self, enrolled: Enrolment) -> None:
        own = keys_of(enrolled.app).signer().key
        with pytest.raises(Refusal, match="malformed") as refusal:
            keys_of(enrolled.app, alipay_public_key=_public(own), **NO_CERTIFICATES)
        assert refusal.value.facts == {"field": "alipay_public_key"}

    def test_a_certificate_of_another_authority(self, enrolled: Enrolment) -> None:
        stranger = enrol().app
        for change in ({"alipay_certificate": stranger.alipay_certificate}, {"root_certificate": stranger.root_certificate}):
            with pytest.raises(Refusal, match="malformed"):
                keys_of(enrolled.app, **change)
        with pytest.raises(Refusal, match="malformed"):
            keys_of(enrolled.app, app_certificate=stranger.app_certificate)

    @pytest.mark.parametrize("form", ["pkcs8", "pkcs1", "bare", "crlf"])
    def test_keys_are_read_as_merchants_copy_them(self, enrolled: Enrolment, form: str) -> None:
        key = keys_of(enrolled.app).signer().key
        traditional = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
        text = {
            "pkcs8": _private(key),
            "pkcs1": traditional,
            "bare": "".join(traditional.strip().splitlines()[1:-1]),
            "crlf": "  " + _private(key).replace("\n", " \r\n "),
        }[form]
        public = (
            "".join(enrolled.app.alipay_public_key.strip().splitlines()[1:-1]) if form == "bare" else enrolled.app.alipay_public_key
        )
        read = keys_of(enrolled.app, private_key=text, alipay_public_key=public, **NO_CERTIFICATES)
        assert read.signer().key.private_numbers() == key.private_numbers()

    def test_certificates_are_read_through_windows_and_forms(self, enrolled: Enrolment) -> None:
        plain = keys_of(enrolled.app)
        changed = {name: "  " + getattr(enrolled.app, name).replace("\n", " \r\n") for name in CERTIFICATES}
        assert keys_of(enrolled.app, **changed).signer().root_cert_sn == plain.signer().root_cert_sn
        assert [each.serial for each in keys_of(enrolled.app, **changed).verifiers()] == [each.serial for each in plain.verifiers()]

    def test_certificates_end_and_say_when(self, alipay_keys: AlipayKeys) -> None:
        ends = dict(expiries(alipay_keys))
        assert {name.split()[0] for name in ends} == {"app_certificate", "alipay_certificate"}
        assert all(timedelta(days=1800) < end - clock.now() < timedelta(days=1900) for end in ends.values())

    def test_nothing_shows_a_key(self, alipay_keys: AlipayKeys) -> None:
        assert "BEGIN" not in repr(alipay_keys)

    def test_what_was_read_can_be_read_again(self, alipay_keys: AlipayKeys) -> None:
        import msgspec  # noqa: PLC0415

        assert read_keys(json.loads(msgspec.json.encode(alipay_keys))) == alipay_keys


def test_a_notice_that_the_real_gateway_signed_verifies() -> None:
    told = VECTORS["notice"]["parameters"]
    read = parameters(urlencode(told).encode())
    assert read == told
    key = Verifier(load_der_public_key(b64decode(VECTORS["notice"]["key"])))  # type: ignore[arg-type]
    assert key.holds(canonical(read, ("sign", "sign_type"), empty=True), read["sign"], 0)
    for name in read.keys() - {"sign", "sign_type"}:
        assert not key.holds(canonical(read | {name: "1"}, ("sign", "sign_type"), empty=True), read["sign"], 0), name
    report = told_payment(read, 7)
    assert (report.number, report.amount_fen, report.outcome) == ("20190815155618536-564-57", 10, Outcome.SUCCESS)
    assert report.happened_at is not None
    assert report.happened_at.isoformat() == "2019-08-15T07:56:24+00:00"


def test_certificates_have_the_numbers_that_alipay_gives_them() -> None:
    given = VECTORS["certificates"]
    for name in ("app", "alipay"):
        assert certificate_serial(load_pem_x509_certificate(given[name].strip().encode())) == given[f"{name}_serial"]
        assert number_of(given[name]) == given[f"{name}_serial"]
    # The bundle holds SM2 certificates too, one of which is not strict DER: they do not count.
    assert root_serial(_certificates(given["root"], "root_certificate")) == given["root_serial"]


def test_cb_04_a_published_key_is_no_key(enrolled: Enrolment, monkeypatch: pytest.MonkeyPatch) -> None:
    own = keys_of(enrolled.app).signer().key.public_key()
    monkeypatch.setattr(keys, "PUBLISHED", frozenset({keys.fingerprint(own)}))
    with pytest.raises(Refusal, match="secret_weak"):
        keys_of(enrolled.app)
    assert all(len(each) == 64 for each in keys.PUBLISHED)


def _private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
