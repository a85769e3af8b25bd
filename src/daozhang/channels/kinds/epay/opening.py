"""What an operator gives a payer to pay with: a code to scan or a page to open, and nothing else that our pages would lead to."""

from datetime import datetime
from urllib.parse import urlsplit

from daozhang.channels.kinds.epay.caller import clip
from daozhang.channels.port import Native, Outcome, Prepay
from daozhang.channels.strict import Unclear
from daozhang.outbound.hosts import is_loopback

_MOST_CODE = 1024
_MOST_LINK = 2048


def scan(text: object, expires_at: datetime, native: Native | None) -> Prepay:
    """A code to draw. Raises `Unclear`."""
    if type(text) is str and 0 < len(text) <= _MOST_CODE and text.isascii() and text.isprintable() and " " not in text:
        return Prepay(Outcome.SUCCESS, "qr", {"text": text}, expires_at, native=native)
    raise Unclear("the code to scan")


def lead(text: object, expires_at: datetime, native: Native | None, *, loopback: bool) -> Prepay:
    """A page to open: https, or this machine's own simulator. Raises `Unclear`, so that no other scheme reaches a page."""
    link = clip(text, _MOST_LINK + 1)
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError:
        raise Unclear("the page to open") from None
    plain = 0 < len(link) <= _MOST_LINK and link.isascii() and link.isprintable() and not set(link) & set(" \"'<>\\")
    right = parts.scheme == "https" or (loopback and parts.scheme == "http" and is_loopback(host))
    if plain and right and host and "@" not in parts.netloc:
        return Prepay(Outcome.SUCCESS, "link", {"text": link}, expires_at, native=native)
    raise Unclear("the page to open")
