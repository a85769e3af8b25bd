"""Signatures of WeChat Pay API v3: RSA-2048 with SHA-256 and PKCS#1 v1.5, and AES-256-GCM for what is sealed inside.

Source: the API v3 specification ("签名生成", "签名验证", "证书和回调报文解密"). Every key object is made once; a signature
costs 0.4 ms and a verification 30 us, so both run in the event loop.
"""

import binascii
import secrets
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from daozhang.channels.port import Invalid

SCHEME = "WECHATPAY2-SHA256-RSA2048"
FRESH_S = 300
_PROBE = "WECHATPAY/SIGNTEST/"
_PADDING, _HASH = PKCS1v15(), SHA256()
_MOST_SIGNATURE = 1024


@dataclass(frozen=True, slots=True)
class Signer:
    """The merchant's own key: signs requests and the invocation of the payment sheet."""

    merchant: str
    serial: str
    key: RSAPrivateKey

    def sign(self, message: bytes) -> str:
        """Signature in base64 without line breaks."""
        return b64encode(self.key.sign(message, _PADDING, _HASH)).decode()

    def authorization(self, method: str, target: str, body: bytes, now_s: float) -> str:
        """The Authorization header over exactly the bytes that are sent; `target` is the encoded path with its query."""
        stamp, nonce = str(int(now_s)), secrets.token_hex(16)
        signature = self.sign(b"%s\n%s\n%s\n%s\n%s\n" % (method.encode(), target.encode(), stamp.encode(), nonce.encode(), body))
        return (
            f'{SCHEME} mchid="{self.merchant}",nonce_str="{nonce}",signature="{signature}",'
            f'timestamp="{stamp}",serial_no="{self.serial}"'
        )

    def invocation(self, app: str, prepay_id: str, now_s: float) -> dict[str, str]:
        """What `wx.requestPayment` and the JSAPI bridge need. `signType` itself is not signed."""
        stamp, nonce, package = str(int(now_s)), secrets.token_hex(16), f"prepay_id={prepay_id}"
        signature = self.sign(f"{app}\n{stamp}\n{nonce}\n{package}\n".encode())
        return {"appId": app, "timeStamp": stamp, "nonceStr": nonce, "package": package, "signType": "RSA", "paySign": signature}


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that verifies, and until when its certificate is valid (seconds since 1970); a bare public key has no end."""

    key: RSAPublicKey
    until_s: float = float("inf")


class Seal(msgspec.Struct, frozen=True):
    """The signature headers of an answer or a callback, shaped right and not yet verified."""

    stamp: str
    nonce: str
    serial: str
    signature: str


def read_seal(headers: Mapping[str, str], now_s: float) -> Seal:
    """Read the `Wechatpay-*` headers (names in lower case). Raises `Invalid`: `unsigned`, `signtest`, `malformed`, `stale`.

    WeChat re-signs each re-send with a fresh time, so 300 s in either direction are safe.
    """
    stamp, nonce = headers.get("wechatpay-timestamp", ""), headers.get("wechatpay-nonce", "")
    serial, signature = headers.get("wechatpay-serial", ""), headers.get("wechatpay-signature", "")
    if not (stamp and nonce and serial and signature):
        raise Invalid("unsigned", "a Wechatpay-* header is missing")
    if signature.startswith(_PROBE):
        # A deliberate probe: it must fail like any wrong signature and alarm nobody.
        raise Invalid("signtest")
    if headers.get("wechatpay-signature-type", SCHEME) != SCHEME:
        raise Invalid("malformed", "signature type", 400)
    if len(stamp) > 12 or not (stamp.isascii() and stamp.isdigit()) or len(nonce) > 128 or len(serial) > 64:
        raise Invalid("malformed", "a Wechatpay-* header is out of shape", 400)
    if len(signature) > _MOST_SIGNATURE or not (signature.isascii() and nonce.isascii() and serial.isascii()):
        raise Invalid("malformed", "a Wechatpay-* header is out of shape", 400)
    if abs(now_s - int(stamp)) > FRESH_S:
        raise Invalid("stale", f"signed at {stamp}")
    return Seal(stamp, nonce, serial, signature)


def verify(seal: Seal, body: bytes, key: RSAPublicKey) -> None:
    """Check the signature over the raw body. Raises `Invalid("signature")`."""
    try:
        signature = a2b_base64(seal.signature, strict_mode=True)
        key.verify(signature, b"%s\n%s\n%s\n" % (seal.stamp.encode(), seal.nonce.encode(), body), _PADDING, _HASH)
    except (InvalidSignature, binascii.Error, ValueError):
        raise Invalid("signature") from None


def decrypt(ciphers: tuple[AESGCM, ...], nonce: str, aad: str, ciphertext: str) -> bytes:
    """Open a sealed resource with the first APIv3 key that fits (two are valid while the key changes). Raises `Invalid`."""
    try:
        sealed = a2b_base64(ciphertext, strict_mode=True)
        nonce_bytes, aad_bytes = nonce.encode(), aad.encode()
    except (binascii.Error, ValueError):
        raise Invalid("undecipherable", http=400) from None
    for cipher in ciphers:
        try:
            return cipher.decrypt(nonce_bytes, sealed, aad_bytes)
        except (InvalidTag, ValueError):
            continue
    raise Invalid("undecipherable", "no APIv3 key opens the resource", 400)
