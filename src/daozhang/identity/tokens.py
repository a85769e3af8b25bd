"""Random tokens for cookies: 32 bytes, 43 letters of base64url. The database knows only their SHA-256."""

import base64
import binascii
import re
import secrets
from hashlib import sha256

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def new_token() -> str:
    """A fresh token of 256 random bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes | None:
    """The hash under which a token is stored; None for a text that `new_token` cannot have made."""
    if not _TOKEN.fullmatch(token):
        return None
    try:
        raw = base64.urlsafe_b64decode(token + "=")
    except binascii.Error:
        return None
    return sha256(raw).digest()
