"""Signatures of the platform, from its published page: MD5 with the merchant's key, or SHA256WithRSA with the platform's."""

import base64
import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

EMPTY = " \t\n\r\0\x0b"


def text_of(fields: Mapping[str, object]) -> str:
    """What is signed. Arrays, empty values, `sign` and `sign_type` are left out; nothing is escaped."""
    kept = []
    for name in sorted(fields):
        value = fields[name]
        if name in ("sign", "sign_type") or isinstance(value, (list, dict)) or value is None or not str(value).strip(EMPTY):
            continue
        kept.append(f"{name}={value}")
    return "&".join(kept)


def md5(fields: Mapping[str, object], key: str) -> str:
    """The signature of V1, in small letters."""
    return hashlib.md5((text_of(fields) + key).encode()).hexdigest()  # noqa: S324 - the protocol's own choice.


def rsa(fields: Mapping[str, object], key: RSAPrivateKey) -> str:
    """The signature of V2."""
    return base64.b64encode(key.sign(text_of(fields).encode(), PKCS1v15(), hashes.SHA256())).decode()


def rsa_holds(fields: Mapping[str, object], signature: str, public: RSAPublicKey) -> bool:
    """Whether a merchant signed this."""
    try:
        public.verify(base64.b64decode(signature), text_of(fields).encode(), PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def private_base64(key: RSAPrivateKey) -> str:
    """A private key as operators show it: PKCS#8 in one line of base64."""
    return base64.b64encode(
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ).decode()


def public_base64(key: RSAPublicKey) -> str:
    """A public key as operators show it: one line of base64."""
    return base64.b64encode(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode()
