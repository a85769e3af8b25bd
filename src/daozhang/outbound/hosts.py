"""Where a transport may call: bases such as `https://api.example.com`, fixed when it is made, and never a private address.

A name that resolves to a loopback, private, link-local or otherwise special address is refused at the moment of connecting, so
that changing the name's records later does not lead inside (reliability.md R12).
"""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult


class ForbiddenHost(ValueError):
    """The base is not `https://name[:port]` of a public host, nor a loopback one where that is allowed."""


def pin(bases: Iterable[str], *, loopback: bool) -> frozenset[str]:
    """Check bases and answer them in their one written form. `loopback` allows plain http, and only to this machine."""
    pinned = frozenset(check_base(base, loopback=loopback) for base in bases)
    if not pinned:
        raise ForbiddenHost("no host given")
    return pinned


def check_base(base: str, *, loopback: bool) -> str:
    """One base without path, query, user or trailing slash. Raises `ForbiddenHost`."""
    try:
        parts = urlsplit(base.rstrip("/"))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ForbiddenHost(base[:80]) from None
    exact = f"{parts.scheme}://{parts.netloc}" == base.rstrip("/")
    if not host or "@" in parts.netloc or not exact or not base.isascii() or not base.isprintable():
        raise ForbiddenHost(base[:80])
    if loopback and is_loopback(host) and parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    if parts.scheme != "https" or port not in (None, 443) or _is_address(host) or "." not in host:
        raise ForbiddenHost(base[:80])
    return f"https://{host}"


def is_loopback(host: str) -> bool:
    """Whether a literal host is this machine: `127.0.0.0/8`, `::1` or `localhost`, in their plain spelling."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Old spellings such as 0x7f.1 or 2130706433 are addresses to the resolver, so a name must end in letters.
        return not host.rsplit(".", 1)[-1][:1].isalpha()
    return True


class PublicResolver(AbstractResolver):
    """Resolves names and drops every address that is not public."""

    def __init__(self) -> None:
        """Resolve in threads with the system's resolver."""
        self._inner = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Public addresses of a name. Raises `OSError` when there is none."""
        found = await self._inner.resolve(host, port, family)
        public = [result for result in found if ipaddress.ip_address(result["host"]).is_global]
        if not public:
            raise OSError(None, f"{host} has no public address")
        return public

    async def close(self) -> None:
        """Nothing is held open."""
        await self._inner.close()
