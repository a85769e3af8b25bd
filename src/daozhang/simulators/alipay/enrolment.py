"""Enrolling an application at Alipay: what the merchant copies out of the open platform, and the key that only Alipay has."""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from daozhang import clock
from daozhang.simulators.merchant import write_secret

Mode = Literal["both", "certificate", "public_key"]
_AnyKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class App(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant knows of its application. Keys and certificates are PEM texts; those of the other mode are empty."""

    app_id: str
    seller_id: str
    name: str
    mode: Mode
    private_key: str
    alipay_public_key: str
    app_certificate: str
    alipay_certificate: str
    root_certificate: str


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """An application as Alipay keeps it: with the private key (PEM) that signs for it."""

    app: App
    signing_key: str

    def save(self, path: Path) -> None:
        """Keep it in a file that only its owner can read, so that a restarted simulator has the same keys."""
        write_secret(path, msgspec.json.format(msgspec.json.encode(self)))


def load_enrolment(path: Path) -> Enrolment:
    """Read what `save` wrote. Raises `OSError` or `msgspec.ValidationError`."""
    return msgspec.json.decode(path.read_bytes(), type=Enrolment)


def enrol(
    app_id: str = "2021003128600001", seller_id: str = "2088102147948060", name: str = "到账", mode: Mode = "both"
) -> Enrolment:
    """Enrol an application with fresh RSA-2048 keys."""
    own, theirs = _key(), _key()
    certificates = {"app_certificate": "", "alipay_certificate": "", "root_certificate": ""}
    if mode != "public_key":
        root, authority = _key(), _key()
        root_certificate = _certificate("Ant Financial Certification Authority R1", root, "", root)
        between = _certificate("Ant Financial Certification Authority Class 2 R1", authority, _name_of(root_certificate), root)
        certificates["app_certificate"] = _pem(_certificate(f"{name}-{app_id}", own, _name_of(between), authority))
        leaf = _certificate("支付宝(中国)网络技术有限公司-2088101122136669", theirs, _name_of(between), authority)
        certificates["alipay_certificate"] = _pem(leaf) + _pem(between)
        # The bundle holds a root of another algorithm too, which does not count for its number.
        other = ec.generate_private_key(ec.SECP256R1())
        certificates["root_certificate"] = _pem(_certificate("Another Root", other, "", other)) + _pem(root_certificate)
    app = App(
        app_id=app_id,
        seller_id=seller_id,
        name=name,
        mode=mode,
        private_key=_private_pem(own),
        alipay_public_key="" if mode == "certificate" else _public_pem(theirs),
        **certificates,
    )
    return Enrolment(app=app, signing_key=_private_pem(theirs))


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _certificate(name: str, key: _AnyKey, issuer: x509.Name | str, signer: _AnyKey) -> x509.Certificate:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ant Financial"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification Authority"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    start = clock.now() - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer if isinstance(issuer, x509.Name) else subject)
    return (
        builder.public_key(key.public_key())
        .serial_number((1 << 120) + secrets.randbelow(1 << 120))
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=5 * 365))
        .sign(signer, hashes.SHA256())
    )


def _name_of(certificate: x509.Certificate) -> x509.Name:
    return certificate.subject


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _public_pem(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
