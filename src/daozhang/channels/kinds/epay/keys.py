"""The keys and settings of one Epay merchant, as they are sealed in the channel row, and the check that refuses weak ones.

Which version is spoken, which type of payment and which dialect stand here: nothing of it is ever taken from a message.
"""

import hashlib
import re
from base64 import b64decode
from typing import Any, Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from daozhang.channels.kinds.epay.dialects import dialects
from daozhang.channels.strict import named_field
from daozhang.reasons.refusal import Refusal

TYPES = ("alipay", "wxpay", "qqpay", "bank")

_KEY = re.compile(r"[0-9A-Za-z_-]{16,128}", re.ASCII)
_PATH = re.compile(r"(/[0-9A-Za-z_~-]{1,40}){0,4}", re.ASCII)
_CHANNEL = re.compile(r"[0-9]{0,10}", re.ASCII)
_PEM_LINE = re.compile(r"-----[A-Z ]{1,40}-----")
_LEAST_RSA_BITS = 2048
_FEWEST_LETTERS = 8
_PUBLISHED = frozenset({
    # Digests of keys that stand in the platform's documents and demonstration files, or that anybody would try first.
    "a8352b5229197ff40278ce46a4b982bd1aeb4a1c9340b87336787ee770e84fba",
    "0069d42e0216851b802a2c68b73507e898522d4e3e82d4af88f2038d9762a491",
    "65829e542dd151f443cc997270c61e78c042a82d687cc13844bf2c1813714600",
    "cdf4a007e2b02a0c49fc9b7ccfbb8a10c644f635e1765dcf2a7ab794ddc7edac",
    "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9",
    "465c194afb65670f38322df087f0a9bb225cc257e43eb4ac5a0c98ef5b3173ac",
    "4f5f282e7e716424bcd5b5a10a82d7acabc87a0ae07ee88d9fd8ae69bbfbbfc9",
    "e013633d3aa6041cad8b04c8c90a2d913ff058cb75684d8c2b95d227b46f2cf1",
})  # fmt: skip


class EpayKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a merchant copies from its operator: `key` for V1, or both RSA keys for V2 (PEM, or base64 as operators show them)."""

    version: Literal["v1", "v2"]
    type: Literal["alipay", "wxpay", "qqpay", "bank"]
    dialect: str = "rainbow"
    path: str = ""
    """Where the operator's doors begin below its host: empty, or such as `/pay`."""
    channel: str = ""
    """The number of a channel at the operator, where it gave one."""
    key: str = ""
    private_key: str = ""
    platform_public_key: str = ""

    def __repr__(self) -> str:
        """Never shows a key."""
        return f"EpayKeys(version={self.version!r}, type={self.type!r}, dialect={self.dialect!r})"

    def signing_key(self) -> RSAPrivateKey:
        """The merchant's private key (V2). Raises `Refusal`."""
        try:
            key = load_der_private_key(_der(self.private_key), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Refusal("channel.malformed", field="private_key") from None
        if not isinstance(key, RSAPrivateKey):
            raise Refusal("channel.malformed", field="private_key")
        if key.key_size < _LEAST_RSA_BITS:
            raise Refusal("channel.secret_weak", field="private_key")
        return key

    def platform_key(self) -> RSAPublicKey:
        """The operator's public key (V2). Raises `Refusal`."""
        try:
            key = load_der_public_key(_der(self.platform_public_key))
        except (ValueError, UnsupportedAlgorithm):
            raise Refusal("channel.malformed", field="platform_public_key") from None
        if not isinstance(key, RSAPublicKey):
            raise Refusal("channel.malformed", field="platform_public_key")
        if key.key_size < _LEAST_RSA_BITS:
            raise Refusal("channel.secret_weak", field="platform_public_key")
        return key


def read_keys(raw: Any) -> EpayKeys:
    """Check the keys of a settings file. Raises `Refusal` naming the field: `channel.malformed`, `.incomplete`, `.secret_weak`."""
    try:
        keys = msgspec.convert(raw, EpayKeys)
    except msgspec.ValidationError as fault:
        raise Refusal("channel.malformed", field=named_field(fault)) from None
    dialect = dialects().get(keys.dialect)
    if dialect is None:
        raise Refusal("channel.malformed", field="dialect")
    for name, shape in (("path", _PATH), ("channel", _CHANNEL)):
        if not shape.fullmatch(getattr(keys, name)):
            raise Refusal("channel.malformed", field=name)
    if keys.version == "v1":
        _check_shared(keys)
    elif not dialect.v2:
        raise Refusal("channel.malformed", field="version")
    else:
        _check_pair(keys)
    return keys


def _check_shared(keys: EpayKeys) -> None:
    _only(keys, "private_key", "platform_public_key")
    if not keys.key.strip():
        raise Refusal("channel.incomplete", field="key")
    weak = not _KEY.fullmatch(keys.key) or len(set(keys.key)) < _FEWEST_LETTERS
    if weak or hashlib.sha256(keys.key.encode()).hexdigest() in _PUBLISHED:
        raise Refusal("channel.secret_weak", field="key")


def _check_pair(keys: EpayKeys) -> None:
    _only(keys, "key")
    for name in ("private_key", "platform_public_key"):
        if not getattr(keys, name).strip():
            raise Refusal("channel.incomplete", field=name)
    # The operator shows the merchant's own public key next to its own: taken for it, everybody with our key could speak for it.
    if keys.signing_key().public_key().public_numbers() == keys.platform_key().public_numbers():
        raise Refusal("channel.malformed", field="platform_public_key")


def _only(keys: EpayKeys, *others: str) -> None:
    """Keys of the other version beside these would leave it to a message which of them counts."""
    for name in others:
        if getattr(keys, name):
            raise Refusal("channel.malformed", field=name)


def _der(text: str) -> bytes:
    """PEM, or the bare base64 in one line that operators show. Raises `ValueError`."""
    return b64decode("".join(_PEM_LINE.sub("", text).split()), validate=True)
