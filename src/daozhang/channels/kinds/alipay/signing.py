"""Signatures of Alipay's gateway: RSA2 alone, that is RSA of at least 2048 bits with SHA-256 and PKCS#1 v1.5, in base64.

Source: "sign and verify" of the open platform. A request is signed over its sorted parameters, an answer over the raw text of its
inner object, a notice over its sorted decoded parameters. What a message says of its own algorithm is never looked at.
"""

import binascii
import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from daozhang.channels.strict import Unclear

_PADDING, _HASH = PKCS1v15(), SHA256()
_MOST_SIGNATURE = 2048
_STRING = rb'"(?:[^"\\\x00-\x1f]|\\.)*"'
_KEY = re.compile(rb"\s*(" + _STRING + rb")\s*:\s*")
_TEXT = re.compile(_STRING)
_SCALAR = re.compile(rb"[A-Za-z0-9+.\-]+")
_MARK = re.compile(_STRING + rb'|[{}\[\]"]')
_OPENS, _CLOSES = {b"{": b"}", b"[": b"]"}, frozenset((b"}", b"]"))
_MOST_MEMBERS, _DEEPEST = 8, 32
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RSA_SIGNATURES = "1.2.840.113549.1.1."
_SHORT_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.COUNTRY_NAME: "C",
}


def canonical(parameters: Mapping[str, str], without: Iterable[str] = ("sign",), *, empty: bool = False) -> bytes:
    """`k=v` joined by `&` in the order of the names' bytes, not encoded. `empty` keeps parameters that have no value."""
    left_out = frozenset(without)
    names = sorted(name for name, value in parameters.items() if name not in left_out and (value or empty))
    return "&".join(f"{name}={parameters[name]}" for name in names).encode()


@dataclass(frozen=True, slots=True)
class Signer:
    """The application's own key, and in certificate mode the serial numbers that say which key and which root it trusts."""

    key: RSAPrivateKey
    app_cert_sn: str = ""
    root_cert_sn: str = ""

    def sign(self, parameters: Mapping[str, str]) -> str:
        """Signature in base64 over everything but `sign`; `sign_type` is part of it."""
        return b64encode(self.key.sign(canonical(parameters), _PADDING, _HASH)).decode()


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key of Alipay's. `serial` is the number of its certificate; empty in public key mode. `until_s`: seconds since 1970."""

    key: RSAPublicKey
    serial: str = ""
    until_s: float = float("inf")

    def holds(self, message: bytes, signature: str, now_s: float) -> bool:
        """Whether this key made the signature and is still in force."""
        if now_s >= self.until_s or not 0 < len(signature) <= _MOST_SIGNATURE or not signature.isascii():
            return False
        try:
            self.key.verify(b64decode(signature, validate=True), message, _PADDING, _HASH)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def members(body: bytes) -> dict[str, bytes]:
    """The outer object of an answer as names and raw values, exactly the bytes that came: they are what was signed.

    Strings are stepped over whole, so that braces and quotes inside them end nothing. Raises `Unclear`.
    """
    return _members_at_once(body) or _members_one_by_one(body)


def _members_at_once(body: bytes) -> dict[str, bytes] | None:
    """The members of an answer without blanks, escapes in names or a name twice: what gives back the same bytes had none of them.

    That is how the gateway writes; it costs a tenth of stepping through. Everything else is None and is gone through with care.
    """
    if body.count(b"{") + body.count(b"[") > _DEEPEST:
        return None
    try:
        found = {name.encode(): bytes(raw) for name, raw in _RAW.decode(body).items()}
    except (ValueError, RecursionError):
        return None
    again = b"{%s}" % b",".join(b'"%s":%s' % pair for pair in found.items())
    return {name.decode(): raw for name, raw in found.items()} if again == body and len(found) <= _MOST_MEMBERS else None


def _members_one_by_one(body: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    at = _skip(body, 0)
    if body[at : at + 1] != b"{":
        raise Unclear("not an object")
    at += 1
    while True:
        key = _KEY.match(body, at)
        if key is None or len(found) >= _MOST_MEMBERS:
            raise Unclear("not an answer of the gateway")
        end = _end_of_value(body, key.end())
        name = key.group(1)[1:-1].decode("utf-8", "replace")
        if name in found:
            raise Unclear("a key appears twice")
        found[name] = body[key.end() : end]
        at = _skip(body, end)
        mark = body[at : at + 1]
        at += 1
        if mark == b"}":
            break
        if mark != b",":
            raise Unclear("not an answer of the gateway")
    if body[at:].strip():
        raise Unclear("more than one object")
    return found


def escaped_otherwise(raw: bytes) -> bytes | None:
    r"""The same text with its slashes escaped the other way (`/` and `\/`): some gateways sign one and send the other."""
    if b"\\/" in raw:
        return raw.replace(b"\\/", b"/")
    return raw.replace(b"/", b"\\/") if b"/" in raw else None


def certificate_serial(certificate: x509.Certificate) -> str:
    """Alipay's number of a certificate: MD5 in hex of the issuer's name (last part first) followed by the serial in decimal."""
    parts = [f"{_short(attribute)}={attribute.value!s}" for attribute in reversed(list(certificate.issuer))]
    return hashlib.md5(f"{','.join(parts)}{certificate.serial_number}".encode(), usedforsecurity=False).hexdigest()


def root_serial(chain: Iterable[x509.Certificate]) -> str:
    """The number of a root bundle: those of its certificates that are signed with RSA, joined by `_`."""
    rsa = (each for each in chain if each.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES))
    return "_".join(certificate_serial(each) for each in rsa)


def _short(attribute: x509.NameAttribute) -> str:  # type: ignore[type-arg] # the value may be text or bytes.
    return _SHORT_NAMES.get(attribute.oid, attribute.oid.dotted_string)


def _skip(body: bytes, at: int) -> int:
    while body[at : at + 1] in (b" ", b"\t", b"\r", b"\n"):
        at += 1
    return at


def _end_of_value(body: bytes, at: int) -> int:
    first = body[at : at + 1]
    if first not in _OPENS:
        value = (_TEXT if first == b'"' else _SCALAR).match(body, at)
        if value is None:
            raise Unclear("a value that is none")
        return value.end()
    open_ones: list[bytes] = []
    for mark in _MARK.finditer(body, at):
        sign = mark.group()
        if sign in _OPENS:
            open_ones.append(_OPENS[sign])
            if len(open_ones) > _DEEPEST:
                raise Unclear("nested too deeply")
        elif sign in _CLOSES:
            if not open_ones or open_ones.pop() != sign:
                raise Unclear("brackets that do not match")
            if not open_ones:
                return mark.end()
        elif sign == b'"':
            break
    raise Unclear("an answer that does not end")
