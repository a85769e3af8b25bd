"""Merchants of an operator: numbers, shared keys, key pairs, and the switches that the operator has for each of them."""

import base64
import secrets
import string
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import load_der_private_key

from daozhang.simulators.epay.signing import private_base64, public_base64
from daozhang.simulators.merchant import write_secret

_LETTERS = string.ascii_letters + string.digits


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant as the operator keeps it: its number, its key of V1, and its key pair of V2 in base64."""

    pid: str
    name: str
    key: str
    private_key: str


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody at one operator, and the operator's own private key, which signs V2 for all of them."""

    platform_key: str
    merchants: tuple[Merchant, ...]

    def save(self, path: Path) -> None:
        """Keep it in a file that only its owner can read."""
        write_secret(path, msgspec.json.format(msgspec.json.encode(self)))


def enrol(*pids: str) -> Enrolment:
    """An operator with fresh RSA-2048 keys and these merchants (1001 when none is named)."""
    merchants = tuple(
        Merchant(pid=pid, name="到账" if place == 0 else f"商户{pid}", key=_secret(), private_key=private_base64(_pair()))
        for place, pid in enumerate(pids or ("1001",))
    )
    return Enrolment(platform_key=private_base64(_pair()), merchants=merchants)


def kept_enrolment(folder: Path | None) -> Enrolment:
    """The same keys as last time, so that a channel that was registered once still fits after a restart."""
    if folder is None:
        return enrol()
    path = folder / "enrolment.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Enrolment)
    made = enrol()
    made.save(path)
    return made


def load(key: str) -> RSAPrivateKey:
    """A private key out of its base64."""
    loaded = load_der_private_key(base64.b64decode(key), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(loaded, RSAPrivateKey)
    return loaded


def card_of(enrolment: Enrolment, merchant: Merchant, url: str, *, version: str = "v1", kind_of_payment: str = "alipay",
            dialect: str = "rainbow", app: str = "") -> dict[str, Any]:  # fmt: skip
    """What a merchant copies out of the operator's page, as a channel's settings file has it."""
    keys: dict[str, Any] = {"version": version, "type": kind_of_payment, "dialect": dialect, "path": "/epay"}
    if version == "v1":
        keys["key"] = merchant.key
    else:
        keys |= {
            "private_key": merchant.private_key,
            "platform_public_key": public_base64(load(enrolment.platform_key).public_key()),
        }
    return {
        "kind": "epay",
        "name": "易支付",
        "merchant": merchant.pid,
        "app": app or kind_of_payment,
        "methods": ["qr", "page"],
        "hosts": [url],
        "keys": keys,
    }


def _pair() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _secret() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(32))
