"""Signatures of Epay: one canonical string, hashed with a shared key (V1, MD5) or signed with RSA and SHA-256 (V2).

Source: the signature rules that operators publish: every field that is not empty and no array, without `sign` and `sign_type`,
sorted by name, `name=value` joined by `&`, nothing escaped; V1 appends the key and takes the lower-case MD5.

Because nothing is escaped, a value with `&` in it is other fields to whoever cuts the string again, and in V1 the same key signs
what we send and what we are told: a form of ours could be turned into a "paid" message. So nothing with `&` or `=` is signed here.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

_PADDING, _HASH = PKCS1v15(), SHA256()
_UNSIGNED = ("sign", "sign_type")
_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)
_UPPER_MD5 = re.compile(r"[0-9A-F]{32}", re.ASCII)
_MOST_SIGNATURE = 1024
_BLANK = " \t\n\r\0\x0b"
"""What counts as empty to PHP's `trim`, with which operators decide what is left out."""


class Unsignable(ValueError):
    """A value of ours holds `&` or `=`. The text names the field."""


def canonical(fields: Mapping[str, str]) -> str:
    """The text that is signed."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name not in _UNSIGNED and fields[name].strip(_BLANK))


class Md5:
    """Version 1. `keys` hold at once, the newest first: it signs, all verify. `upper` operators write their signatures so."""

    word = "MD5"

    def __init__(self, keys: Iterable[str], *, upper: bool = False) -> None:
        self._keys = tuple(key.encode() for key in keys)
        self._shape = _UPPER_MD5 if upper else _MD5
        self._upper = upper

    def signed(self, fields: Mapping[str, str]) -> dict[str, str]:
        """The fields with their signature. Raises `Unsignable`."""
        digest = self._digest(_safe(fields), self._keys[0])
        return {**fields, "sign": digest.upper() if self._upper else digest, "sign_type": self.word}

    def holds(self, fields: Mapping[str, str], signature: str) -> bool:
        """Whether a message is signed with one of the keys; every key is tried in constant time."""
        if not self._shape.fullmatch(signature):
            return False
        told = signature.lower().encode()
        # All of them, so that how long it takes does not tell which key it was.
        fitting = [hmac.compare_digest(self._digest(fields, key).encode(), told) for key in self._keys]
        return any(fitting)

    @staticmethod
    def _digest(fields: Mapping[str, str], key: bytes) -> str:
        return hashlib.md5(canonical(fields).encode() + key).hexdigest()  # noqa: S324 - the protocol's own choice.


class Rsa:
    """Version 2: our private key signs, the operator's public keys verify. The digest is SHA-256, whatever a message says."""

    word = "RSA"

    def __init__(self, key: RSAPrivateKey, publics: Iterable[RSAPublicKey]) -> None:
        self._key, self._publics = key, tuple(publics)

    def signed(self, fields: Mapping[str, str]) -> dict[str, str]:
        """The fields with their signature. Raises `Unsignable`."""
        signature = self._key.sign(canonical(_safe(fields)).encode(), _PADDING, _HASH)
        return {**fields, "sign": b64encode(signature).decode(), "sign_type": self.word}

    def holds(self, fields: Mapping[str, str], signature: str) -> bool:
        """Whether a message is signed with one of the operator's keys."""
        if not 0 < len(signature) <= _MOST_SIGNATURE:
            return False
        try:
            raw = b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        message = canonical(fields).encode()
        return any(_verified(public, raw, message) for public in self._publics)


Signing = Md5 | Rsa


def _verified(public: RSAPublicKey, signature: bytes, message: bytes) -> bool:
    try:
        public.verify(signature, message, _PADDING, _HASH)
    except InvalidSignature:
        return False
    return True


def _safe(fields: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in fields.items():
        if "&" in value or "=" in value:
            raise Unsignable(name)
    return fields
