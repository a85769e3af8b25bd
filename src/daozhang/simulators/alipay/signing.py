"""Alipay's side of RSA2: verifying a merchant's parameters, signing the text of an answer and the parameters of a notice.

Source: "sign and verify" and "certificate mode" of the open platform. Written from the documents, apart from the product's own.
"""

import base64
import hashlib
import re
from binascii import Error as NotBase64

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from daozhang.simulators.alipay.enrolment import App, Enrolment

_PADDING, _SHA256 = PKCS1v15(), hashes.SHA256()
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


class Keyring:
    """The keys of one application at Alipay."""

    def __init__(self, enrolment: Enrolment) -> None:
        self.app: App = enrolment.app
        self._own = _private(self.app.private_key).public_key()
        self._signing = _private(enrolment.signing_key)
        self._stranger: RSAPrivateKey | None = None
        self.app_cert_sn = number_of(self.app.app_certificate)
        self.root_cert_sn = numbers_of(self.app.root_certificate)
        self.alipay_cert_sn = number_of(self.app.alipay_certificate)

    def verify(self, parameters: dict[str, str]) -> bool:
        """Whether the merchant signed these parameters: all that have a value but `sign`, `sign_type` among them."""
        pairs = sorted((name, value) for name, value in parameters.items() if name != "sign" and value != "")
        message = "&".join(f"{name}={value}" for name, value in pairs).encode()
        try:
            self._own.verify(base64.b64decode(parameters.get("sign", ""), validate=True), message, _PADDING, _SHA256)
        except (InvalidSignature, NotBase64, ValueError):
            return False
        return True

    def sign_text(self, text: bytes, *, forged: bool = False) -> str:
        """The signature of an answer's inner text."""
        key = self._forger() if forged else self._signing
        return base64.b64encode(key.sign(text, _PADDING, _SHA256)).decode()

    def sign_notice(self, parameters: dict[str, str], *, forged: bool = False, empty: bool = True) -> str:
        """The signature of a notice: all parameters but `sign` and `sign_type`; `empty`: also those without a value."""
        pairs = sorted(
            (name, value) for name, value in parameters.items() if name not in ("sign", "sign_type") and (value or empty)
        )
        return self.sign_text("&".join(f"{name}={value}" for name, value in pairs).encode(), forged=forged)

    def _forger(self) -> RSAPrivateKey:
        if self._stranger is None:
            self._stranger = generate_private_key(public_exponent=65537, key_size=2048)
        return self._stranger


def number_of(pem: str) -> str:
    """Alipay's number of the first certificate in a text; empty when there is none."""
    block = _BLOCK.search(pem)
    return _number(x509.load_pem_x509_certificate(block.group().encode())) if block else ""


def numbers_of(bundle: str) -> str:
    """The numbers of the RSA certificates of a bundle, joined by `_`."""
    certificates = [x509.load_pem_x509_certificate(block.encode()) for block in _BLOCK.findall(bundle)]
    return "_".join(
        _number(each) for each in certificates if each.signature_algorithm_oid.dotted_string.startswith("1.2.840.113549.1.1")
    )


def _number(certificate: x509.Certificate) -> str:
    short = {"2.5.4.3": "CN", "2.5.4.11": "OU", "2.5.4.10": "O", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST"}
    issuer = ",".join(f"{short[part.oid.dotted_string]}={part.value!s}" for part in list(certificate.issuer)[::-1])
    return hashlib.md5((issuer + str(certificate.serial_number)).encode(), usedforsecurity=False).hexdigest()


def _private(pem: str) -> RSAPrivateKey:
    # We made this key ourselves, and proving its primes again costs 0.1 s.
    key = serialization.load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key
