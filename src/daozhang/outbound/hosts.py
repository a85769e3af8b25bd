"""Where a transport may call: bases such as `https://api.example.com`, fixed when it is made, and never a private address.

A name that resolves to a loopback, private, link-local or otherwise special address is refused at the moment of connecting, so
that changing the name's records later does not lead inside (reliability.md R12).
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit


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


class PublicResolver:
    """Resolves names and drops every address that is not public."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Public addresses of a name, asked in a thread with the system's resolver. Raises `OSError` when there is none."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found)
        public = [address for address in addresses if ipaddress.ip_address(address).is_global]
        if not public:
            raise OSError(None, f"{host} has no public address")
        return public
