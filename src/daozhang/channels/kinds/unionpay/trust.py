"""Whose signature counts: every message brings its certificate, and anybody can make one, so it must be of the configured chain.

The certificate has to be issued by a configured middle certificate, that one by a configured root, all valid now, and its common
name must say that it signs for UnionPay (its third part between `@`). Source: the signature chapter of the ACP 5.1.0 specification.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.x509.oid import NameOID

from daozhang.channels.port import Invalid

OWNER = "中国银联股份有限公司"
SANDBOX_OWNER = "00040000:SIGN"
_STRONG: tuple[type[HashAlgorithm], ...] = (SHA256, SHA384, SHA512)
_LEAST_RSA_BITS = 2048
_MOST_PEM = 8192
_REMEMBERED = 32


class Trust:
    """Decides which certificates sign for UnionPay.

    `sandbox` is UnionPay's own test environment: another owner's name, and a chain that is signed with SHA-1.
    """

    def __init__(self, roots: Sequence[x509.Certificate], middles: Sequence[x509.Certificate], *, sandbox: bool = False) -> None:
        """Middle certificates without a root among `roots` count for nothing."""
        self._owner = SANDBOX_OWNER if sandbox else OWNER
        self._hashes: tuple[type[HashAlgorithm], ...] = (*_STRONG, SHA1) if sandbox else _STRONG
        self._links = [(middle, root) for middle in middles for root in roots if middle != root and self._issued(middle, root)]
        self._known: OrderedDict[bytes, tuple[RSAPublicKey, datetime]] = OrderedDict()

    def links(self) -> int:
        """How many ways lead from a middle certificate to a root."""
        return len(self._links)

    def key_of(self, pem: str, at: datetime) -> RSAPublicKey:
        """The key of a certificate that signs for UnionPay at a moment. Raises `Invalid("certificate")` saying what is missing."""
        name = hashlib.sha256(pem.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(name)
        if known is not None and at < known[1]:
            return known[0]
        try:
            key, until = self._judged(_read(pem), at)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension):
            # Parts of a certificate are read only when they are asked for, and a stranger's may be broken anywhere.
            raise Invalid("certificate", "not readable") from None
        self._known[name] = (key, until)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return key

    def _judged(self, certificate: x509.Certificate, at: datetime) -> tuple[RSAPublicKey, datetime]:
        """Its key, and until when it counts."""
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_RSA_BITS:
            raise Invalid("certificate", "not an RSA key of 2048 bits or more")
        if self._owner_of(certificate) != self._owner or _is_authority(certificate):
            raise Invalid("certificate", "not made out to UnionPay")
        link = next((link for link in self._links if self._issued(certificate, link[0])), None)
        if link is None:
            raise Invalid("certificate", "not issued by the configured chain")
        chain = (certificate, *link)
        if not all(each.not_valid_before_utc <= at < each.not_valid_after_utc for each in chain):
            raise Invalid("certificate", "not valid now")
        return key, min(each.not_valid_after_utc for each in chain)

    def _issued(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        if certificate.issuer != issuer.subject:
            return False
        key, algorithm = issuer.public_key(), certificate.signature_hash_algorithm
        if not isinstance(key, RSAPublicKey) or not isinstance(algorithm, self._hashes):
            return False
        try:
            if not isinstance(certificate.signature_algorithm_parameters, PKCS1v15):
                return False
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, PKCS1v15(), algorithm)
        except (InvalidSignature, UnsupportedAlgorithm):
            return False
        return True

    @staticmethod
    def _owner_of(certificate: x509.Certificate) -> str:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        parts = str(names[0].value).split("@") if len(names) == 1 else []
        return parts[2] if len(parts) > 2 else ""


def _read(pem: str) -> x509.Certificate:
    if len(pem) > _MOST_PEM or pem.count("-----BEGIN") != 1:
        raise Invalid("certificate", "not one certificate")
    return x509.load_pem_x509_certificate(pem.encode("ascii"))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
