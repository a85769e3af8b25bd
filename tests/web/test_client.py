"""Whose address it is, when anybody may write a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.web.client import client

OURS = ("10.0.0.0/8", "fd00::/8")


def seen(peer: str | None, trusted: tuple[str, ...] = OURS, scheme: str = "http", **headers: str | list[str]) -> object:
    raw = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return client(peer, scheme, raw, trusted)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, not an address", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, not an address, 10.0.0.3", "10.0.0.3"),
        ("10.0.0.1", "10.0.0.5, 10.0.0.4", "10.0.0.5"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7:5123", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::7]:5123", "2001:db8::7"),
        ("10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", ", ".join(["10.0.0.9"] * 500), "10.0.0.9"),
        (None, "198.51.100.7", "0.0.0.0"),
    ],
)
def test_az_05_only_a_trusted_proxy_is_believed_up_to_the_first_stranger(
    peer: str | None, forwarded: str | list[str], expected: str
) -> None:
    assert seen(peer, x_forwarded_for=forwarded).ip == expected  # type: ignore[attr-defined]


def test_without_trusted_proxies_no_forwarded_header_counts() -> None:
    who = seen(
        "127.0.0.1",
        (),
        host="shop.example:8420",
        x_forwarded_for="8.8.8.8",
        x_forwarded_proto="https",
        x_forwarded_host="evil.example",
    )
    assert (who.ip, who.scheme, who.host, who.origin) == (  # type: ignore[attr-defined]
        "127.0.0.1",
        "http",
        "shop.example:8420",
        "http://shop.example:8420",
    )


def test_a_trusted_proxy_tells_scheme_and_host() -> None:
    who = seen("10.0.0.1", host="backend:8420", x_forwarded_proto="https", x_forwarded_host="Shop.Example:443")
    assert (who.scheme, who.host, who.host_name, who.origin) == (  # type: ignore[attr-defined]
        "https",
        "shop.example:443",
        "shop.example",
        "https://shop.example",
    )
    odd = seen("10.0.0.1", host="shop.example", x_forwarded_proto="gopher", x_forwarded_host="evil example/")
    assert (odd.scheme, odd.host) == ("http", "shop.example")  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["localhost", "localhost:8420", "127.0.0.1:8420", "127.9.9.9", "[::1]:8420", "shop.localhost"])
def test_loopback_names(host: str) -> None:
    assert seen("127.0.0.1", host=host).is_loopback  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "host", ["", "shop.example", "localhost.evil.example", "128.0.0.1", "0.0.0.0", "127.0.0.1.evil.example", "notlocalhost"]
)
def test_names_that_are_not_loopback(host: str) -> None:
    assert not seen("127.0.0.1", host=host).is_loopback  # type: ignore[attr-defined]


def test_a_network_is_what_one_stranger_has() -> None:
    assert seen("203.0.113.77").network == "203.0.113.0/24"  # type: ignore[attr-defined]
    assert seen("2001:db8:1:2ff::1").network == "2001:db8:1:200::/56"  # type: ignore[attr-defined]
    assert seen("::ffff:203.0.113.77").network == "203.0.113.0/24"  # type: ignore[attr-defined]


@given(
    st.text(max_size=60),
    st.text(st.characters(max_codepoint=255), max_size=80),
    st.text(st.characters(max_codepoint=255), max_size=80),
)
def test_in_11_any_bytes_in_headers_are_borne(peer: str, forwarded: str, host: str) -> None:
    for address in (peer, "10.0.0.1"):
        seen(address, host=host, x_forwarded_for=forwarded, x_forwarded_host=forwarded, x_forwarded_proto=host)
