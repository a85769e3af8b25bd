"""Signatures of ACP 5.1.0 from UnionPay's side, and every wrong one that somebody on the road could make.

Source: the signature chapter of the ACP 5.1.0 specification: sorted `k=v&k=v` without empty values and without `signature`,
SHA-256 of it in lower-case hexadecimal, RSA with SHA-256 over that; answers carry the certificate inside (signPubKeyCert).
"""

import base64
import hashlib
from binascii import Error as NotBase64
from datetime import timedelta
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key

from daozhang import clock
from daozhang.simulators.unionpay.enrolment import OWNER, Enrolment, Merchant, issue, pem

_PADDING, _SHA256 = PKCS1v15(), hashes.SHA256()

Fields = dict[str, str]


def to_sign(fields: Fields) -> bytes:
    """The bytes that RSA signs: a hexadecimal digest of the sorted fields."""
    pairs = sorted((name, value) for name, value in fields.items() if value and name != "signature")
    return hashlib.sha256("&".join("=".join(pair) for pair in pairs).encode()).hexdigest().encode()


class Keyring:
    """UnionPay's signing key, and the public keys of its merchants by number."""

    def __init__(self, enrolment: Enrolment) -> None:
        self.enrolment = enrolment
        self.merchants: dict[str, Merchant] = {merchant.mer_id: merchant for merchant in enrolment.merchants}
        self._public = {merchant.mer_id: _public(merchant.certificate) for merchant in enrolment.merchants}
        self._key = _private(enrolment.signer_key)

    def verify(self, fields: Fields) -> bool:
        """Whether the merchant that a request names has made it: with its certId and its key."""
        merchant = self.merchants.get(fields.get("merId", ""))
        if merchant is None or fields.get("certId") != merchant.cert_id:
            return False
        try:
            signature = base64.b64decode(fields.get("signature", ""), validate=True)
            self._public[merchant.mer_id].verify(signature, to_sign(fields), _PADDING, _SHA256)
        except (InvalidSignature, NotBase64, ValueError):
            return False
        return True

    def sign(self, fields: Fields, how: str = "") -> Fields:
        """The fields with certificate and signature.

        `how`: `forge` signs with a stranger's key under UnionPay's certificate, `unknown_serial` with a certificate the stranger
        made himself in UnionPay's name, `stale` with one that has expired.
        """
        certificate, key = self.enrolment.signer, self._key
        if how in ("forge", "probe"):
            key = self._stranger
        elif how == "unknown_serial":
            certificate, key = self._self_made, self._stranger
        elif how == "stale":
            certificate, key = self._expired, self._stranger
        whole = {name: value for name, value in fields.items() if value} | {"signPubKeyCert": certificate}
        return whole | {"signature": base64.b64encode(key.sign(to_sign(whole), _PADDING, _SHA256)).decode()}

    @cached_property
    def _stranger(self) -> RSAPrivateKey:
        return generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def _self_made(self) -> str:
        return pem(issue(OWNER, self._stranger, "Simulated OCA31", self._stranger))

    @cached_property
    def _expired(self) -> str:
        middle = _private(self.enrolment.middle_key)
        start = clock.now() - timedelta(days=800)
        return pem(issue(OWNER, self._stranger, "Simulated OCA31", middle, start=start, lives=timedelta(days=700)))


def _private(text: str) -> RSAPrivateKey:
    # We made this key ourselves, and proving its primes again costs 0.1 s.
    key = serialization.load_pem_private_key(text.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key


def _public(certificate: str) -> RSAPublicKey:
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    assert isinstance(key, RSAPublicKey)
    return key
