"""Enrolling a merchant: what the channel hands out and what it keeps.

A `Merchant` is all that a shop copies out of the merchant platform (numbers, its own key, the APIv3 key, the channel's
public keys of both modes). An `Enrolment` adds the private keys only the channel has. Every key is made when it is needed.
"""

import os
import secrets
import string
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from daozhang import clock

KeyMode = Literal["both", "certificate", "public_key"]

_LETTERS = string.ascii_letters + string.digits


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant knows of itself. Keys and certificates are PEM texts; `platform_certificates` goes by serial number."""

    mchid: str
    appid: str
    name: str
    mode: KeyMode
    serial_no: str
    private_key: str
    certificate: str
    api_v3_key: str
    api_v2_key: str
    platform_certificates: dict[str, str]
    public_key_id: str
    public_key: str


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant as the channel keeps it: with the private keys (PEM, by serial number or public key id) that sign for it."""

    merchant: Merchant
    signing_keys: dict[str, str]

    def save(self, path: Path) -> None:
        """Keep the enrolment in a file that only its owner can read, so that a restarted simulator has the same keys."""
        write_secret(path, msgspec.json.format(msgspec.json.encode(self)))


def load_enrolment(path: Path) -> Enrolment:
    """Read what `save` wrote. Raises `OSError` or `msgspec.ValidationError`."""
    return msgspec.json.decode(path.read_bytes(), type=Enrolment)


def enrol(
    mchid: str = "1900007291",
    appid: str = "wx8888888888888888",
    name: str = "到账",
    mode: KeyMode = "both",
    certificates: int = 1,
) -> Enrolment:
    """Enrol a merchant with fresh RSA-2048 keys; `certificates` platform certificates are valid at once (key change-over)."""
    own, (own_serial, own_certificate) = _key_and_certificate(mchid, name)
    signing_keys: dict[str, str] = {}
    platform: dict[str, str] = {}
    if mode != "public_key":
        for _ in range(certificates):
            key, (serial, certificate) = _key_and_certificate("Tenpay.com sign", "Tenpay.com")
            signing_keys[serial], platform[serial] = _private_pem(key), certificate
    public_key_id, public_key = "", ""
    if mode != "certificate":
        key = _key()
        public_key_id = f"PUB_KEY_ID_01{mchid}{clock.now():%Y%m%d}00{secrets.randbelow(10**8):08d}"
        public_key = (
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        )
        signing_keys[public_key_id] = _private_pem(key)
    merchant = Merchant(
        mchid=mchid,
        appid=appid,
        name=name,
        mode=mode,
        serial_no=own_serial,
        private_key=_private_pem(own),
        certificate=own_certificate,
        api_v3_key=_secret(32),
        api_v2_key=_secret(32),
        platform_certificates=platform,
        public_key_id=public_key_id,
        public_key=public_key,
    )
    return Enrolment(merchant=merchant, signing_keys=signing_keys)


def write_secret(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.replace(path)


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _key_and_certificate(common_name: str, organisation: str) -> tuple[rsa.RSAPrivateKey, tuple[str, str]]:
    key = _key()
    # WeChat Pay shows serial numbers as 40 hex digits, so the first one must not be zero; DER wants the top bit clear.
    serial = (1 << 156) + secrets.randbelow((1 << 159) - (1 << 156))
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    )
    start = clock.now() - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated Tenpay.com Root CA")]))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=5 * 365))
        .sign(key, hashes.SHA256())
    )
    return key, (f"{serial:040X}", certificate.public_bytes(serialization.Encoding.PEM).decode())


def _private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _secret(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
