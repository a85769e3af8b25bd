"""The keys of one UnionPay merchant, as they are sealed in the channel row, and the check that refuses weak and published ones."""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from cryptography.x509.oid import NameOID

from daozhang.channels.kinds.unionpay.signing import Signer
from daozhang.channels.kinds.unionpay.trust import Trust
from daozhang.channels.strict import named_field
from daozhang.reasons.refusal import Refusal

_CERT_ID = re.compile(r"[1-9][0-9]{3,48}", re.ASCII)
_LEAST_RSA_BITS = 2048
_TEST_PASSWORDS = frozenset({"", "000000", "111111", "123456", "12345678", "password", "changeit"})
"""What test files are published with; a real one is chosen when it is exported."""
_TEST_NAMES = ("TEST", "测试")


class UnionKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """What a merchant copies from UnionPay's merchant platform.

    Either `pfx` (base64) with `pfx_password`, or `private_key` and `certificate` (PEM); the certificate's serial number in decimal
    is the certId, and `cert_id` is only needed where the certificate itself is not at hand. `root_certificates` and
    `middle_certificates` (PEM) verify what UnionPay signs. `sandbox` keys work at UnionPay's test environment and nowhere else.
    """

    pfx: str = ""
    pfx_password: str = ""
    private_key: str = ""
    certificate: str = ""
    cert_id: str = ""
    root_certificates: tuple[str, ...] = ()
    middle_certificates: tuple[str, ...] = ()
    sandbox: bool = False

    def __repr__(self) -> str:
        """Never shows a key."""
        return f"UnionKeys(sandbox={self.sandbox})"

    @cached_property
    def signer(self) -> Signer:
        """The merchant's private key with its certId. Raises `Refusal`."""
        key, certificate = self._from_pfx() if self.pfx else (self._from_pem(), self._own_certificate())
        if key.key_size < _LEAST_RSA_BITS:
            raise Refusal("channel.secret_weak", field="private_key")
        if certificate is not None and certificate.public_key() != key.public_key():
            raise Refusal("channel.malformed", field="certificate")
        serial = str(certificate.serial_number) if certificate is not None else self.cert_id
        if self.cert_id and serial != self.cert_id:
            raise Refusal("channel.malformed", field="cert_id")
        return Signer(serial, key)

    @cached_property
    def trust(self) -> Trust:
        """What tells UnionPay's certificates from everybody else's. Raises `Refusal`."""
        roots = [_certificate(text, "root_certificates") for text in self.root_certificates]
        middles = [_certificate(text, "middle_certificates") for text in self.middle_certificates]
        if not self.sandbox and any(_is_test(each) for each in (*roots, *middles)):
            # Anybody can have a certificate below a published test root.
            raise Refusal("channel.secret_weak", field="root_certificates")
        trust = Trust(roots, middles, sandbox=self.sandbox)
        if not trust.links():
            raise Refusal("channel.malformed", field="middle_certificates")
        return trust

    def certificates(self) -> Iterable[tuple[str, x509.Certificate]]:
        """Every certificate of the set with the name of its field."""
        own = self._from_pfx()[1] if self.pfx else self._own_certificate()
        if own is not None:
            yield "certificate", own
        for name in ("root_certificates", "middle_certificates"):
            for text in getattr(self, name):
                yield name, _certificate(text, name)

    def _from_pfx(self) -> tuple[RSAPrivateKey, x509.Certificate]:
        try:
            key, certificate, _ = pkcs12.load_key_and_certificates(
                b64decode("".join(self.pfx.split()), validate=True), self.pfx_password.encode() or None
            )
        except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
            raise Refusal("channel.malformed", field="pfx") from None
        if not isinstance(key, RSAPrivateKey) or certificate is None:
            raise Refusal("channel.malformed", field="pfx")
        return key, certificate

    def _from_pem(self) -> RSAPrivateKey:
        try:
            key = load_pem_private_key(_pem(self.private_key), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Refusal("channel.malformed", field="private_key") from None
        if not isinstance(key, RSAPrivateKey):
            raise Refusal("channel.malformed", field="private_key")
        return key

    def _own_certificate(self) -> x509.Certificate | None:
        return _certificate(self.certificate, "certificate") if self.certificate else None


def read_keys(raw: Any) -> UnionKeys:
    """Check the keys of a settings file. Raises `Refusal` naming the field: `channel.malformed`, `.incomplete`, `.secret_weak`."""
    try:
        keys = msgspec.convert(raw, UnionKeys)
    except msgspec.ValidationError as fault:
        raise Refusal("channel.malformed", field=named_field(fault)) from None
    if not keys.pfx.strip() and not keys.private_key.strip():
        raise Refusal("channel.incomplete", field="private_key")
    if keys.pfx and keys.private_key:
        raise Refusal("channel.malformed", field="private_key")
    if keys.pfx and keys.pfx_password in _TEST_PASSWORDS and not keys.sandbox:
        raise Refusal("channel.secret_weak", field="pfx_password")
    if not keys.pfx and not keys.certificate and not keys.cert_id:
        raise Refusal("channel.incomplete", field="cert_id")
    if keys.cert_id and not _CERT_ID.fullmatch(keys.cert_id):
        raise Refusal("channel.malformed", field="cert_id")
    for name in ("root_certificates", "middle_certificates"):
        if not getattr(keys, name):
            raise Refusal("channel.incomplete", field=name)
    _ = keys.signer, keys.trust
    if not keys.sandbox and any(field == "certificate" and _is_test(each) for field, each in keys.certificates()):
        raise Refusal("channel.secret_weak", field="certificate")
    return keys


def expiries(keys: UnionKeys) -> list[tuple[str, datetime]]:
    """When each certificate ends, the merchant's own one first, by its serial number in decimal (the certId)."""
    return [(str(certificate.serial_number), certificate.not_valid_after_utc) for _, certificate in keys.certificates()]


def _certificate(text: str, field: str) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(_pem(text))
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Refusal("channel.malformed", field=field) from None
    if not isinstance(key, RSAPublicKey):
        raise Refusal("channel.malformed", field=field)
    if key.key_size < _LEAST_RSA_BITS:
        raise Refusal("channel.secret_weak", field=field)
    return certificate


def _is_test(certificate: x509.Certificate) -> bool:
    """Whether its subject or issuer says that it is from a test environment."""
    names = [
        str(name.value)
        for holder in (certificate.subject, certificate.issuer)
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
        for name in holder.get_attributes_for_oid(oid)
    ]
    return any(word in name.upper() for name in names for word in _TEST_NAMES)


def _pem(text: str) -> bytes:
    # A key copied through Windows or a form has CRLF, blanks around it and empty lines in it.
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()).encode("ascii", "replace") + b"\n"
