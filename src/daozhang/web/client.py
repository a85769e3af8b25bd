"""Who is asking: the client's address, and the scheme and host they used, as far as that can be believed.

Forwarded headers are what anybody can write. They count only when the connection itself comes from a network of
`DAOZHANG_TRUSTED_PROXIES`, and then only up to the first hop, counted from the right, that is not one of ours.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from litestar import Request

from daozhang.settings import Settings

Address = IPv4Address | IPv6Address

_HOST = re.compile(r"(?P<name>[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")
_HOPS = 32
_NOWHERE = "0.0.0.0"  # noqa: S104


@dataclass(frozen=True, slots=True)
class Client:
    """The client as we believe it. `network` is an IPv4 /24 or an IPv6 /56; `host` is lower case, with its port if it has one."""

    ip: str
    network: str
    scheme: str
    host: str

    @property
    def host_name(self) -> str:
        """The host without its port."""
        match = _HOST.fullmatch(self.host)
        return match["name"] if match else ""

    @property
    def origin(self) -> str:
        """What a browser on one of our pages writes into `Origin`."""
        port = {"http": ":80", "https": ":443"}.get(self.scheme, "")
        return f"{self.scheme}://{self.host.removesuffix(port) if port else self.host}"

    @property
    def is_loopback(self) -> bool:
        """Whether the browser used a name that browsers hold for this very machine, where plain http is safe."""
        name = self.host_name.strip("[]")
        if name == "localhost" or name.endswith(".localhost"):
            return True
        address = _address(name)
        return address is not None and address.is_loopback


def client(peer: str | None, scheme: str, headers: Iterable[tuple[bytes, bytes]], trusted_proxies: tuple[str, ...]) -> Client:
    """Work out the client from the connection's own address and the raw headers (ASGI form, lower-case names)."""
    hop = _address(peer or "")
    given = [(name, value.decode("latin-1")) for name, value in headers if name in _READ]
    host = _host(_last(given, b"host"))
    if hop is not None and _trusts(trusted_proxies, hop):
        scheme = _scheme(_last(given, b"x-forwarded-proto")) or scheme
        host = _host(_last(given, b"x-forwarded-host")) or host
        hop = _walk(hop, [value for name, value in given if name == b"x-forwarded-for"], trusted_proxies)
    return Client(_NOWHERE if hop is None else str(hop), network_of(hop), scheme, host)


_READ = frozenset({b"host", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"})


def client_of(request: Request[Any, Any, Any], settings: Settings) -> Client:
    """The client of a request."""
    peer = request.scope["client"]
    return client(peer[0] if peer else None, request.scope["scheme"], request.scope["headers"], settings.trusted_proxies)


def client_ip(request: Request[Any, Any, Any]) -> str:
    """The client's address, for channels that ask for it."""
    return client_of(request, request.state.house.settings).ip


def network_of(address: Address | None) -> str:
    """The neighbourhood that counts as one stranger: an IPv4 /24 or an IPv6 /56 (what one subscriber gets)."""
    if address is None:
        return _NOWHERE
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 56), strict=False))
    return str(ip_network((address, 24), strict=False))


def _walk(hop: Address, lines: list[str], trusted_proxies: tuple[str, ...]) -> Address:
    entries = [entry.strip() for line in lines for entry in line.split(",")]
    for entry in entries[: -_HOPS - 1 : -1]:
        address = _entry(entry)
        if address is None:
            return hop
        hop = address
        if not _trusts(trusted_proxies, hop):
            return hop
    return hop


def _entry(text: str) -> Address | None:
    """One hop of X-Forwarded-For; some proxies add a port or write IPv6 in brackets."""
    if text.startswith("["):
        return _address(text[1:].partition("]")[0])
    if text.count(":") == 1:
        text = text.partition(":")[0]
    return _address(text)


@lru_cache(4096)
def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        return IPv6Address(int(address))
    return address


@lru_cache(4096)
def _trusts(trusted_proxies: tuple[str, ...], address: Address) -> bool:
    return any(address in network for network in map(_network, trusted_proxies) if network.version == address.version)


@lru_cache(256)
def _network(text: str) -> Any:
    return ip_network(text, strict=False)


def _last(given: list[tuple[bytes, str]], name: bytes) -> str:
    """The right-most value: what the nearest proxy wrote."""
    values = [value for key, value in given if key == name]
    return values[-1].rpartition(",")[2].strip().lower() if values else ""


def _scheme(text: str) -> str:
    return text if text in {"http", "https"} else ""


def _host(text: str) -> str:
    match = _HOST.fullmatch(text)
    return text if match else ""
