"""The keys of one WeChat Pay merchant, as they are sealed in the channel row, and the check that refuses weak ones."""

import re
from datetime import datetime
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from daozhang.channels.kinds.wechatpay.signing import Verifier
from daozhang.channels.strict import named_field
from daozhang.reasons.refusal import Refusal

_SERIAL = re.compile(r"[0-9A-F]{8,40}", re.ASCII)
_PUBLIC_KEY_ID = re.compile(r"PUB_KEY_ID_[0-9A-Za-z]{8,48}", re.ASCII)
_API_KEY = re.compile(r"[0-9A-Za-z]{32}", re.ASCII)
_LEAST_RSA_BITS = 2048
_FEWEST_LETTERS = 8


class WechatKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a merchant copies from the merchant platform. PEM texts; certificates and public key may both be there."""

    serial_no: str
    private_key: str
    api_v3_key: str
    platform_certificates: tuple[str, ...] = ()
    public_key_id: str = ""
    public_key: str = ""

    def __repr__(self) -> str:
        """Never shows a key."""
        return f"WechatKeys(serial_no={self.serial_no!r})"

    def signing_key(self) -> RSAPrivateKey:
        """The merchant's private key. Raises `Refusal`."""
        try:
            key = load_pem_private_key(_pem(self.private_key), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Refusal("channel.malformed", field="private_key") from None
        if not isinstance(key, RSAPrivateKey):
            raise Refusal("channel.malformed", field="private_key")
        if key.key_size < _LEAST_RSA_BITS:
            raise Refusal("channel.secret_weak", field="private_key")
        return key

    def verifiers(self) -> dict[str, Verifier]:
        """Keys that verify what WeChat Pay signs, by serial number or public key id. Raises `Refusal`."""
        keys: dict[str, Verifier] = {}
        for text in self.platform_certificates:
            serial, verifier = read_certificate(_pem(text))
            keys[serial] = verifier
        if self.public_key_id:
            try:
                public = load_pem_public_key(_pem(self.public_key))
            except (ValueError, UnsupportedAlgorithm):
                raise Refusal("channel.malformed", field="public_key") from None
            keys[self.public_key_id] = Verifier(_rsa(public, "public_key"))
        return keys


def read_keys(raw: Any) -> WechatKeys:
    """Check the keys of a settings file. Raises `Refusal` naming the field: `channel.malformed`, `.incomplete`, `.secret_weak`."""
    try:
        keys = msgspec.convert(raw, WechatKeys)
    except msgspec.ValidationError as fault:
        raise Refusal("channel.malformed", field=named_field(fault)) from None
    for name in ("serial_no", "private_key", "api_v3_key"):
        if not getattr(keys, name).strip():
            raise Refusal("channel.incomplete", field=name)
    if not _SERIAL.fullmatch(keys.serial_no):
        raise Refusal("channel.malformed", field="serial_no")
    if not _API_KEY.fullmatch(keys.api_v3_key) or len(set(keys.api_v3_key)) < _FEWEST_LETTERS:
        raise Refusal("channel.secret_weak", field="api_v3_key")
    if bool(keys.public_key_id) != bool(keys.public_key):
        raise Refusal("channel.incomplete", field="public_key" if keys.public_key_id else "public_key_id")
    if keys.public_key_id and not _PUBLIC_KEY_ID.fullmatch(keys.public_key_id):
        raise Refusal("channel.malformed", field="public_key_id")
    keys.signing_key()
    keys.verifiers()
    return keys


def expiries(keys: WechatKeys) -> list[tuple[str, datetime]]:
    """When each platform certificate ends, by its serial number."""
    certificates = [x509.load_pem_x509_certificate(_pem(text)) for text in keys.platform_certificates]
    return [(f"{certificate.serial_number:X}", certificate.not_valid_after_utc) for certificate in certificates]


def read_certificate(pem: bytes) -> tuple[str, Verifier]:
    """Serial number (40 hex digits, as WeChat Pay writes it) and key of a platform certificate. Raises `Refusal`."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = _rsa(certificate.public_key(), "platform_certificates")
        return f"{certificate.serial_number:X}", Verifier(key, certificate.not_valid_after_utc.timestamp())
    except (ValueError, UnsupportedAlgorithm):
        raise Refusal("channel.malformed", field="platform_certificates") from None


def _rsa(key: object, field: str) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey):
        raise Refusal("channel.malformed", field=field)
    if key.key_size < _LEAST_RSA_BITS:
        raise Refusal("channel.secret_weak", field=field)
    return key


def _pem(text: str) -> bytes:
    # A key copied through Windows or a form has CRLF and blanks around it.
    return "\n".join(line.strip() for line in text.strip().splitlines()).encode("ascii", "replace") + b"\n"
