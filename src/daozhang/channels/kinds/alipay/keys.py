"""The keys of one Alipay application, as they are sealed in the channel row, and the check that refuses weak ones.

Two modes: in public key mode the merchant copies Alipay's public key; in certificate mode its own certificate, Alipay's and the
root's. Both may be there while one replaces the other: then requests go out in certificate mode and both keys verify.
"""

import binascii
import hashlib
import re
from base64 import b64decode
from datetime import datetime
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from daozhang.channels.kinds.alipay.signing import Signer, Verifier, certificate_serial, root_serial
from daozhang.channels.strict import named_field
from daozhang.reasons.refusal import Refusal

_LEAST_RSA_BITS, _LEAST_EXPONENT = 2048, 65537
_MOST_CERTIFICATES = 16
_BARE = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
PUBLISHED = frozenset({
    "200c073ef6cf4af9604656ed4cf309388d6618651c596a747e17485d81b327b6",
    "90ee8e97b8ea4264b67f07c1b8a9b59ece3a684486bf55782d2d608b6736c18e",
    "92416baea9f5c4c46c3d3659e2b8ce312a848d4bc833194c8ae1a7317b2580b0",
    "c577ffdcacf5756fa1f68699997d2ed27834e1147f34f0580557e5f2ae5f3cd4",
    "d72239530d2cb617f83bbafc1485313aedf8a35a137aecca7112597c00b8e1d2",
    "ff9b07cc0cb25213905f0dcfc4cdcb8924e99de2f16a9cab5fe2baad2ffedd96",
})  # fmt: skip
"""Keys that stand in the test suites of public libraries, by SHA-256 of the public half: whoever reads them can sign with them."""


class AlipayKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a merchant copies from the open platform: PEM texts, or the bare base64 that its key tool shows.

    `no_credit` asks Alipay itself to take no credit card and no credit line for payments of this channel.
    """

    private_key: str
    alipay_public_key: str = ""
    app_certificate: str = ""
    alipay_certificate: str = ""
    root_certificate: str = ""
    no_credit: bool = False

    def __repr__(self) -> str:
        """Never shows a key."""
        mode = "certificate" if self.app_certificate else "public_key"
        return f"AlipayKeys(mode={mode!r}, no_credit={self.no_credit!r})"

    def signer(self) -> Signer:
        """The application's key with what names it. Raises `Refusal`."""
        key = _private(self.private_key)
        if not self.app_certificate:
            return Signer(key)
        own = _certificates(self.app_certificate, "app_certificate")[0]
        if _key_of(own, "app_certificate") != key.public_key():
            raise Refusal("channel.malformed", field="app_certificate")
        return Signer(key, certificate_serial(own), root_serial(_certificates(self.root_certificate, "root_certificate")))

    def verifiers(self) -> tuple[Verifier, ...]:
        """Keys that verify what Alipay signs. Raises `Refusal`."""
        keys: list[Verifier] = []
        if self.alipay_certificate:
            theirs = _certificates(self.alipay_certificate, "alipay_certificate")
            _must_fit(theirs, _certificates(self.root_certificate, "root_certificate"))
            leaf = theirs[0]
            key = _strong(_key_of(leaf, "alipay_certificate"), "alipay_certificate")
            keys.append(Verifier(key, certificate_serial(leaf), leaf.not_valid_after_utc.timestamp()))
        if self.alipay_public_key:
            keys.append(Verifier(_public(self.alipay_public_key)))
        return tuple(keys)


def read_keys(raw: Any) -> AlipayKeys:
    """Check the keys of a settings file. Raises `Refusal` naming the field: `channel.malformed`, `.incomplete`, `.secret_weak`."""
    try:
        keys = msgspec.convert(raw, AlipayKeys)
    except msgspec.ValidationError as fault:
        raise Refusal("channel.malformed", field=named_field(fault)) from None
    if not keys.private_key.strip():
        raise Refusal("channel.incomplete", field="private_key")
    certificates = {name: getattr(keys, name).strip() for name in ("app_certificate", "alipay_certificate", "root_certificate")}
    if any(certificates.values()):
        for name, text in certificates.items():
            if not text:
                raise Refusal("channel.incomplete", field=name)
    elif not keys.alipay_public_key.strip():
        raise Refusal("channel.incomplete", field="alipay_public_key")
    own = keys.signer().key.public_key()
    for verifier in keys.verifiers():
        if verifier.key == own:
            # The application's public key instead of Alipay's is the usual mistake: with it, whatever we sign would verify.
            raise Refusal("channel.malformed", field="alipay_certificate" if verifier.serial else "alipay_public_key")
    return keys


def expiries(keys: AlipayKeys) -> list[tuple[str, datetime]]:
    """When each certificate ends, by its field and Alipay's number of it."""
    ends = []
    for name in ("app_certificate", "alipay_certificate"):
        text = getattr(keys, name)
        if text:
            leaf = _certificates(text, name)[0]
            ends.append((f"{name} {certificate_serial(leaf)}", leaf.not_valid_after_utc))
    return ends


def _private(text: str) -> RSAPrivateKey:
    try:
        pem = "-----BEGIN" in text
        key = load_pem_private_key(_lines(text), None) if pem else load_der_private_key(_bare(text), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refusal("channel.malformed", field="private_key") from None
    if not isinstance(key, RSAPrivateKey):
        raise Refusal("channel.malformed", field="private_key")
    _strong(key.public_key(), "private_key")
    return key


def _public(text: str) -> RSAPublicKey:
    try:
        key = load_pem_public_key(_lines(text)) if "-----BEGIN" in text else load_der_public_key(_bare(text))
    except (ValueError, UnsupportedAlgorithm):
        raise Refusal("channel.malformed", field="alipay_public_key") from None
    return _strong(key, "alipay_public_key")


def _strong(key: object, field: str) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey):
        raise Refusal("channel.malformed", field=field)
    if key.key_size < _LEAST_RSA_BITS or key.public_numbers().e < _LEAST_EXPONENT or fingerprint(key) in PUBLISHED:
        raise Refusal("channel.secret_weak", field=field)
    return key


def fingerprint(key: RSAPublicKey) -> str:
    """SHA-256 in hex of the key as SubjectPublicKeyInfo."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _certificates(text: str, field: str) -> list[x509.Certificate]:
    """The certificates of a text, the first of which must be readable. Raises `Refusal`.

    Alipay's root bundle holds certificates for SM2 whose encoding is not strict DER; they sign nothing here and are passed over.
    """
    found = []
    for block in _BLOCK.findall(text)[:_MOST_CERTIFICATES]:
        try:
            found.append(x509.load_pem_x509_certificate(_lines(block)))
        except ValueError:
            continue
    if not found:
        raise Refusal("channel.malformed", field=field)
    return found


def _key_of(certificate: x509.Certificate, field: str) -> object:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Refusal("channel.malformed", field=field) from None


def _must_fit(chain: list[x509.Certificate], roots: list[x509.Certificate]) -> None:
    """No certificate claims an issuer that is here and did not issue it. What Alipay hands out may leave the one between away."""
    known = [*chain, *roots]
    for certificate in chain:
        named = [each for each in known if each.subject == certificate.issuer]
        if named and not any(_issued(certificate, each) for each in named):
            raise Refusal("channel.malformed", field="alipay_certificate")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _bare(text: str) -> bytes:
    joined = "".join(text.split())
    if not _BARE.fullmatch(joined):
        raise ValueError("not base64")
    try:
        return b64decode(joined, validate=True)
    except binascii.Error as fault:
        raise ValueError("not base64") from fault


def _lines(text: str) -> bytes:
    # A key copied through Windows or a form has CRLF and blanks around it.
    return "\n".join(line.strip() for line in text.strip().splitlines()).encode("ascii", "replace") + b"\n"
