"""Time-based one-time codes (RFC 6238 over RFC 4226): HMAC-SHA-1, thirty seconds, six digits, as authenticators know them.

Pure: who calls says what time it is, and remembers the step of the last code that was taken, so that a code opens once.
"""

import base64
import binascii
import hmac
import re
import secrets
import struct
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
AROUND = 1
"""Steps before and after the present one that still count: a telephone's clock may be half a minute off."""
_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_SECRET_BYTES = 20


def new_secret() -> str:
    """A fresh secret of 160 random bits in base 32 (RFC 4226 §4 asks for at least 128)."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def step_at(moment_s: float) -> int:
    """The number of the thirty-second step that holds a moment (seconds since 1970)."""
    return int(moment_s // STEP_S)


def code_of(secret: str, step: int) -> str:
    """The code of a step (RFC 4226 §5.3). Raises `ValueError` for a secret that is no base 32."""
    try:
        key = base64.b32decode(secret)
    except binascii.Error:
        raise ValueError("the secret is no base 32") from None
    digest = hmac.digest(key, struct.pack(">Q", step), "sha1")
    start = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def taken_step(secret: str, code: str, moment_s: float) -> int | None:
    """The step whose code this is, around a moment; None when it is none. Blanks between the digits do no harm."""
    plain = "".join(code.split())
    if not _CODE.fullmatch(plain):
        return None
    now, found = step_at(moment_s), None
    for step in range(now - AROUND, now + AROUND + 1):
        if hmac.compare_digest(code_of(secret, step), plain):
            found = step
    return found


def enrolment(secret: str, issuer: str, name: str) -> str:
    """The `otpauth:` address that an authenticator app scans."""
    return f"otpauth://totp/{quote(issuer)}:{quote(name)}?" + urlencode({"secret": secret, "issuer": issuer})
