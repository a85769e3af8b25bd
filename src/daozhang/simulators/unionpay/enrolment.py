"""Enrolling merchants at UnionPay: a chain of its own (root, middle, signing certificate) and a certificate for each merchant.

All keys are made when they are needed. Serial numbers and names have the shapes of the real ones; nothing else of them is real.
"""

import secrets
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from daozhang import clock
from daozhang.simulators.merchant import write_secret

OWNER = "041@Z2026@中国银联股份有限公司@00000001"
"""The common name of the certificate that signs answers and notices: its third part says whose it is."""

_YEARS = 5


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant knows of itself. `cert_id` is its certificate's serial number in decimal."""

    mer_id: str
    name: str
    cert_id: str
    private_key: str
    certificate: str


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """UnionPay's own keys (PEM) and its merchants, the first one being the shop's."""

    root: str
    root_key: str
    middle: str
    middle_key: str
    signer: str
    signer_key: str
    merchants: tuple[Merchant, ...]

    def save(self, path: Path) -> None:
        """Keep it in a file that only its owner can read, so that a restarted simulator has the same keys."""
        write_secret(path, msgspec.json.format(msgspec.json.encode(self)))


def load_enrolment(path: Path) -> Enrolment:
    """Read what `save` wrote. Raises `OSError` or `msgspec.ValidationError`."""
    return msgspec.json.decode(path.read_bytes(), type=Enrolment)


def enrol(*named: tuple[str, str]) -> Enrolment:
    """A fresh chain with merchants (number, name); without any, one that sells point cards."""
    root_key, middle_key, signer_key = _key(), _key(), _key()
    root = issue("Simulated CS CA", root_key, "Simulated CS CA", root_key, authority=True)
    middle = issue("Simulated OCA31", middle_key, "Simulated CS CA", root_key, authority=True)
    signer = issue(OWNER, signer_key, "Simulated OCA31", middle_key)
    return Enrolment(
        root=pem(root),
        root_key=private_pem(root_key),
        middle=pem(middle),
        middle_key=private_pem(middle_key),
        signer=pem(signer),
        signer_key=private_pem(signer_key),
        merchants=tuple(_merchant(*each, middle_key) for each in named or (("777290058100001", "到账"),)),
    )


def issue(
    name: str,
    key: rsa.RSAPrivateKey,
    issuer: str,
    issuer_key: rsa.RSAPrivateKey,
    *,
    authority: bool = False,
    start: datetime | None = None,
    lives: timedelta = timedelta(days=365 * _YEARS),
) -> x509.Certificate:
    """A certificate for a key, valid from `start` (default: yesterday)."""
    start = start or clock.now() - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(issuer)).public_key(key.public_key())
    builder = builder.serial_number((1 << 36) + secrets.randbelow(1 << 36)).not_valid_before(start).not_valid_after(start + lives)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    """A certificate as UnionPay puts it into messages: PEM with CRLF."""
    text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return text.strip().replace("\n", "\r\n")


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """A private key, not encrypted."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _merchant(mer_id: str, name: str, middle_key: rsa.RSAPrivateKey) -> Merchant:
    key = _key()
    certificate = issue(f"041@{mer_id}@{name}@00000002", key, "Simulated OCA31", middle_key)
    return Merchant(
        mer_id=mer_id, name=name, cert_id=str(certificate.serial_number), private_key=private_pem(key), certificate=pem(certificate)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulated Financial Certification"),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ])  # fmt: skip


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
