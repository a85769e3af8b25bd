"""Signatures and encryption of WeChat Pay API v3, from the channel's side.

Source: the "signature generation", "signature verification" and "certificate and callback decryption" pages of the v3 documents.
"""

import base64
import hashlib
import os
import re
import secrets
from binascii import Error as NotBase64
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daozhang.simulators.merchant import Enrolment, Merchant

SCHEMA = "WECHATPAY2-SHA256-RSA2048"
PROBE = "WECHATPAY/SIGNTEST/"

_PADDING, _SHA256 = PKCS1v15(), hashes.SHA256()
_FIELD = re.compile(r'([a-z_]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Credential:
    """The five values of an Authorization header."""

    mchid: str
    nonce: str
    signature: str
    timestamp: str
    serial_no: str


def read_authorization(header: str) -> Credential | None:
    """Take an Authorization header apart; None when the schema, a field or the form is not as the documents say."""
    schema, _, rest = header.partition(" ")
    if schema != SCHEMA:
        return None
    fields = dict(_FIELD.findall(rest))
    if set(fields) != {"mchid", "nonce_str", "signature", "timestamp", "serial_no"} or not all(fields.values()):
        return None
    return Credential(fields["mchid"], fields["nonce_str"], fields["signature"], fields["timestamp"], fields["serial_no"])


def request_message(method: str, target: str, credential: Credential, body: bytes) -> bytes:
    """The text a merchant signs; `target` is path and query exactly as they came over the wire."""
    return f"{method}\n{target}\n{credential.timestamp}\n{credential.nonce}\n".encode() + body + b"\n"


class Keyring:
    """The keys of one merchant at the channel: its public key to verify with, the channel's private keys to sign with."""

    def __init__(self, enrolment: Enrolment) -> None:
        self.merchant: Merchant = enrolment.merchant
        certificate = x509.load_pem_x509_certificate(self.merchant.certificate.encode())
        key = certificate.public_key()
        assert isinstance(key, RSAPublicKey)
        self._merchant_key = key
        self._signers = {serial: _private(pem) for serial, pem in enrolment.signing_keys.items()}
        self._v3 = AESGCM(self.merchant.api_v3_key.encode())
        self._stranger: RSAPrivateKey | None = None

    @property
    def certificate_serials(self) -> list[str]:
        """Serial numbers of the platform certificates in force, the newest last."""
        return list(self.merchant.platform_certificates)

    def default_serial(self) -> str:
        """The key that signs when nobody asked for another: the newest certificate, or the public key where there is none."""
        serials = self.certificate_serials
        return serials[-1] if serials else self.merchant.public_key_id

    def knows(self, serial: str) -> bool:
        """Whether the channel can sign with the key of that serial number or public key id."""
        return serial in self._signers

    def verify(self, message: bytes, signature: str) -> bool:
        """Whether the merchant's key made this base64 signature."""
        try:
            self._merchant_key.verify(base64.b64decode(signature, validate=True), message, _PADDING, _SHA256)
        except (InvalidSignature, NotBase64, ValueError):
            return False
        return True

    def headers(self, body: bytes, serial: str, timestamp: int, *, probe: bool = False, forged: bool = False) -> dict[str, str]:
        """The `Wechatpay-*` headers for an answer or callback. A probe carries a SIGNTEST signature, which never verifies."""
        nonce = secrets.token_hex(16)
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        key = self._forger() if forged else self._signers[serial]
        signature = base64.b64encode(key.sign(message, _PADDING, _SHA256)).decode()
        if probe:
            # The real probe is the prefix in front of what would have been a signature, at an unchanged length.
            signature = PROBE + signature[len(PROBE) :]
        return {
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": serial,
            "Wechatpay-Signature": signature,
            "Wechatpay-Signature-Type": SCHEMA,
            "Wechatpay-Timestamp": str(timestamp),
        }

    def seal(self, plain: bytes, associated: str) -> dict[str, str]:
        """Encrypt for the merchant with AEAD_AES_256_GCM under its APIv3 key: nonce, ciphertext with tag, associated data."""
        nonce = secrets.token_hex(6)
        sealed = self._v3.encrypt(nonce.encode(), plain, associated.encode())
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "associated_data": associated,
            "ciphertext": base64.b64encode(sealed).decode(),
            "nonce": nonce,
        }

    def seal_v2(self, plain: str) -> str:
        """Encrypt a v2 refund notice: AES-256-ECB with PKCS#7 under the lower-case MD5 of the APIv2 key (the v2 documents)."""
        key = hashlib.md5(self.merchant.api_v2_key.encode(), usedforsecurity=False).hexdigest().encode()
        padder = padding.PKCS7(128).padder()
        padded = padder.update(plain.encode()) + padder.finalize()
        cipher = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305 - the old protocol is what it is.
        return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()

    def _forger(self) -> RSAPrivateKey:
        if self._stranger is None:
            self._stranger = generate_private_key(public_exponent=65537, key_size=2048)
        return self._stranger


def new_nonce() -> str:
    """32 random characters as the channel uses them in request numbers."""
    return os.urandom(16).hex().upper()


def _private(pem: str) -> RSAPrivateKey:
    # We made this key ourselves, and proving its primes again costs 0.1 s.
    key = serialization.load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key
