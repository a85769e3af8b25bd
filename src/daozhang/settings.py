"""Everything that can be set, read once from the environment (`DAOZHANG_*`, or `DAOZHANG_*_FILE` for secrets) and frozen."""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

_AT = re.compile(r"`\$\.(\w+)`")
_SHOP_NAME = re.compile(r"\w[\w .'-]{0,19}")
"""What every channel takes within an order's description, and every messenger within a text."""
LONGEST_URL = 200
"""Of the public address: a channel has room for 255 letters of an address of ours (WeChat Pay)."""


class BadSetting(ValueError):
    """A setting cannot be understood; the message names it and never shows a secret."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process. Names here are the environment's names in lower case without `DAOZHANG_`."""

    data: Path
    """Folder of the embedded server, the master key and local files. Default: under the user's data home."""
    database: str | None = None
    """DSN of an external PostgreSQL (several hosts allowed) for the role `daozhang_app`; unset = the embedded server."""
    database_owner: str | None = None
    """DSN of the role that migrates; only with `database`."""
    database_direct: str | None = None
    """DSN past a transaction pooler, for LISTEN; only with `database`."""
    database_pooled: bool = False
    """The DSN points at a transaction pooler: prepared statements are not kept."""
    postgres_bin: Path | None = None
    """Folder with `postgres` and `initdb` for the embedded server. Default: the system's newest, else the wheel's."""
    host: str = "127.0.0.1"
    port: int = 8420
    public_url: str = ""
    """Address that people and channels reach us at; default `http://127.0.0.1:<port>`."""
    shop_name: str = ""
    """What pages, messages and payments call the shop; default the name of the house. As its payers' wallets show it."""
    master_key_file: Path | None = None
    """File with the 32-byte master key (64 hex digits). Default: made at first start in the data folder, mode 0600."""
    insecure_http: bool = False
    """Allow logging in over plain http on a name that is not loopback, with an unprefixed cookie."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose forwarded headers count. Default none."""
    test_mode: bool = False
    """Let the test clock be shifted and the simulators' addresses be used."""
    simulator_port: int = 8421
    """Where `demo` puts the simulated channels and the phone."""

    def url(self) -> str:
        """The public address without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    def key_file(self) -> Path:
        """Where the master key is."""
        return self.master_key_file or self.data / "master.key"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment. Raises `BadSetting` naming the variable."""
    given: dict[str, object] = {}
    for name in Settings.__struct_fields__:
        text = _text(environment, f"DAOZHANG_{name.upper()}")
        if text is not None:
            given[name] = tuple(part.strip() for part in text.split(",") if part.strip()) if name == "trusted_proxies" else text
    given.setdefault("data", str(_data_home(environment)))
    try:
        settings = msgspec.convert(given, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as fault:
        raise BadSetting(_AT.sub(lambda found: f"`DAOZHANG_{found[1].upper()}`", str(fault))) from None
    for port in ("port", "simulator_port"):
        if not 1 <= getattr(settings, port) <= 65_535:
            raise BadSetting(f"DAOZHANG_{port.upper()} must be a port, from 1 to 65535")
    if settings.public_url and not _is_address(settings.public_url):
        raise BadSetting("DAOZHANG_PUBLIC_URL must be an address such as https://pay.example.com")
    if settings.shop_name and not _SHOP_NAME.fullmatch(settings.shop_name):
        raise BadSetting("DAOZHANG_SHOP_NAME must be at most 20 letters, digits, blanks or any of - . _ '")
    for network in settings.trusted_proxies:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise BadSetting("DAOZHANG_TRUSTED_PROXIES must hold networks such as 10.0.0.0/8, parted by commas") from None
    return settings


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and " " not in url and not parts.query and not parts.fragment
        reached = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        return plain and reached and len(url) <= LONGEST_URL
    except ValueError:
        return False


def _text(environment: Mapping[str, str], name: str) -> str | None:
    path = environment.get(f"{name}_FILE")
    if path and name != "DAOZHANG_MASTER_KEY":
        try:
            return Path(path).read_text("utf-8").strip()
        except OSError as fault:
            raise BadSetting(f"{name}_FILE cannot be read: {fault.strerror}") from None
    return environment.get(name) or None


def _data_home(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "daozhang"
