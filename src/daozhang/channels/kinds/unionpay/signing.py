"""Signatures of ACP 5.1.0: RSA-2048 with SHA-256 and PKCS#1 v1.5 over the hexadecimal SHA-256 of the sorted fields (hashed twice).

Source: the signature chapter of the ACP 5.1.0 interface specification (signMethod 01). Which method and which version hold is
fixed here and never taken from a message.
"""

import binascii
import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from daozhang.channels.kinds.unionpay.fields import Fields
from daozhang.channels.kinds.unionpay.trust import Trust
from daozhang.channels.port import Invalid

VERSION, ENCODING, SIGN_METHOD = "5.1.0", "UTF-8", "01"
_PADDING, _HASH = PKCS1v15(), SHA256()
_MOST_SIGNATURE = 1024
_UNSIGNED = frozenset({"signature"})


def digest(fields: Fields) -> bytes:
    """What is signed: the lower-case hexadecimal SHA-256 of every field that is not empty, sorted by name, as `k=v&k=v`, raw."""
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name not in _UNSIGNED)
    return hashlib.sha256(text.encode()).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class Signer:
    """The merchant's own key; `cert_id` is its certificate's serial number in decimal."""

    cert_id: str
    key: RSAPrivateKey

    def signed(self, fields: Fields) -> Fields:
        """The fields with what every request carries, and with the signature. The same fields always give the same bytes."""
        whole = {"version": VERSION, "encoding": ENCODING, "signMethod": SIGN_METHOD, "certId": self.cert_id, **fields}
        whole["signature"] = b64encode(self.key.sign(digest(whole), _PADDING, _HASH)).decode()
        return whole


def verify(fields: Fields, trust: Trust, at: datetime) -> None:
    """Check a message's signature with the certificate inside it, once that is known to be UnionPay's.

    Raises `Invalid`: `unsigned`, `malformed`, `certificate`, `signature`.
    """
    signature, certificate = fields.get("signature", ""), fields.get("signPubKeyCert", "")
    if not signature or not certificate:
        raise Invalid("unsigned", "signature or signPubKeyCert is missing")
    if fields.get("version") != VERSION or fields.get("signMethod") != SIGN_METHOD:
        raise Invalid("malformed", "version or signMethod", 400)
    if fields.get("encoding", "").upper() != ENCODING or len(signature) > _MOST_SIGNATURE:
        raise Invalid("malformed", "encoding or signature", 400)
    key = trust.key_of(certificate, at)
    try:
        key.verify(b64decode(signature, validate=True), digest(fields), _PADDING, _HASH)
    except (InvalidSignature, binascii.Error, ValueError):
        raise Invalid("signature") from None
