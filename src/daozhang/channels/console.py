"""What staff do to channels: add, enable, disable, give new keys, retire old ones. Secrets come in as file contents, not as words.

Settings are TOML (or the JSON of the same shape):

    kind = "wechatpay"
    name = "微信支付"
    merchant = "1900000001"
    app = "wx0000000000000000"
    methods = ["native", "h5"]        # default: all of the kind
    hosts = ["https://..."]           # default: the kind's own; of a kind that has none (epay) the operator's, and never left out
    no_credit = true                  # default: false; credit cards are not wanted
    [keys]
    serial_no = "..."
"""

import json
import tomllib
from typing import Any, NamedTuple

import msgspec

from daozhang import clock
from daozhang.channels.catalogue import KINDS
from daozhang.channels.kind import Kind
from daozhang.channels.registry import seal_place
from daozhang.channels.strict import named_field
from daozhang.outbound import ForbiddenHost
from daozhang.outbound.hosts import check_base
from daozhang.postgres import Database, Tx, statements
from daozhang.reasons.refusal import Refusal
from daozhang.settings import Settings
from daozhang.vault import Vault

_MOST_BYTES = 256 * 1024
MOST_VERSIONS = 8
"""Key versions that may be valid at once: as many as `valid_keys` reads."""


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A settings file, read."""

    kind: str
    merchant: str
    app: str
    keys: dict[str, Any]
    name: str = ""
    methods: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    no_credit: bool = False

    def __repr__(self) -> str:
        """Never shows a key."""
        return f"ChannelSettings(kind={self.kind!r}, merchant={self.merchant!r})"


class Listed(msgspec.Struct, frozen=True):
    """A channel as staff see it in a list."""

    id: int
    kind: str
    name: str
    merchant: str
    app: str
    methods: list[str]
    hosts: list[str]
    enabled: bool
    no_credit: bool
    keys: int
    notify_path: str


class NewKeys(NamedTuple):
    """New keys, and whose they are where the file says so."""

    keys: dict[str, Any]
    kind: str = ""
    merchant: str = ""
    app: str = ""

    def __repr__(self) -> str:
        """Never shows a key."""
        return f"NewKeys(merchant={self.merchant!r})"


class Turn(NamedTuple):
    """The version of the keys that sign; `fresh` when they are new."""

    version: int
    fresh: bool


def read_channel(text: str | bytes) -> ChannelSettings:
    """Read a settings file. Raises `Refusal("channel.malformed", field=...)`; the text itself is never part of an error."""
    try:
        return msgspec.convert(_table(text), ChannelSettings)
    except msgspec.ValidationError as fault:
        raise Refusal("channel.malformed", field=named_field(fault)) from None


def read_new_keys(text: str | bytes) -> NewKeys:
    """Read a file of new keys: the table `keys` by itself, under its name, or a whole settings file. Raises `Refusal`."""
    given = _table(text)
    keys = given.get("keys", given)
    if not isinstance(keys, dict) or not keys:
        raise Refusal("channel.malformed", field="keys")
    whole = keys is not given
    return NewKeys(keys, *(str(given[name]) if whole and name in given else "" for name in ("kind", "merchant", "app")))


def _table(text: str | bytes) -> dict[str, Any]:
    """TOML, or JSON of the same shape. Raises `Refusal` without a word of what is in it."""
    raw = text if isinstance(text, bytes) else text.encode()
    try:
        if len(raw) <= _MOST_BYTES:
            plain = raw.decode()
            given = json.loads(plain) if plain.lstrip()[:1] == "{" else tomllib.loads(plain)
            if isinstance(given, dict) and given:
                return given
    except (ValueError, RecursionError):
        pass
    raise Refusal("channel.malformed", field="file")


async def add(database: Database, vault: Vault, settings: Settings, wanted: ChannelSettings, shop_id: int = 1) -> int:
    """Add a channel, not enabled, with its first keys sealed; its id. Raises `Refusal`, also when the merchant is there already."""
    kind = _kind(wanted.kind)
    keys = kind.read_keys(wanted.keys)
    methods, hosts = _methods(kind, wanted.methods), _hosts(kind, wanted.hosts, settings)
    for field in ("merchant", "app"):
        value = getattr(wanted, field)
        if not (0 < len(value) <= 64 and value.isascii() and value.isalnum()):
            raise Refusal("channel.malformed", field=field)
    name = wanted.name or kind.name
    if len(name) > 64 or not name.isprintable():
        raise Refusal("channel.malformed", field="name")

    async def work(tx: Tx) -> int:
        sql, now = statements("daozhang.channels"), clock.now()
        channel_id: int | None = await tx.value(
            sql.add_channel,
            shop_id,
            kind.name,
            name,
            wanted.merchant,
            wanted.app,
            list(methods),
            list(hosts),
            now,
            wanted.no_credit,
        )
        if channel_id is None:
            raise Refusal("channel.exists", merchant=wanted.merchant)
        await _add_keys(tx, vault, channel_id, 1, keys)
        return channel_id

    return await database.transact(work)


async def enable(database: Database, vault: Vault, settings: Settings, channel_id: int, *, enabled: bool = True) -> None:
    """Let new orders use a channel, or stop that. Before enabling every key and host is checked again. Raises `Refusal`."""

    async def work(tx: Tx) -> None:
        sql = statements("daozhang.channels")
        row = await tx.row(sql.lock_channel, channel_id)
        if row is None:
            raise Refusal("channel.unknown", channel_id=channel_id)
        if enabled:
            kind = _kind(row["kind"])
            _hosts(kind, tuple(row["hosts"]), settings)
            sealed = await tx.rows(sql.valid_keys, channel_id)
            if not sealed:
                raise Refusal("channel.incomplete", field="keys")
            for record in sealed:
                kind.read_keys(json.loads(vault.unseal(record["sealed"], seal_place(channel_id, record["version"]))))
        await tx.run(sql.set_enabled, channel_id, enabled, clock.now())

    await database.transact(work)


async def point(database: Database, settings: Settings, channel_id: int, hosts: tuple[str, ...]) -> None:
    """Give a channel other hosts, in the order of preference; none means the kind's own. Raises `Refusal`."""

    async def work(tx: Tx) -> None:
        sql = statements("daozhang.channels")
        row = await tx.row(sql.lock_channel, channel_id)
        if row is None:
            raise Refusal("channel.unknown", channel_id=channel_id)
        await tx.run(sql.set_hosts, channel_id, list(_hosts(_kind(row["kind"]), hosts, settings)), clock.now())

    await database.transact(work)


async def refuse_credit(database: Database, channel_id: int, *, no_credit: bool = True) -> None:
    """Take no credit cards at a channel, or take them again: buyers read it, and a kind that can be told is told with every order.

    What a credit card pays all the same is held and goes back. Raises `Refusal`.
    """

    async def work(tx: Tx) -> None:
        sql = statements("daozhang.channels")
        if await tx.row(sql.lock_channel, channel_id) is None:
            raise Refusal("channel.unknown", channel_id=channel_id)
        await tx.run(sql.set_no_credit, channel_id, no_credit, clock.now())

    await database.transact(work)


async def rotate(database: Database, vault: Vault, channel_id: int, wanted: NewKeys) -> Turn:
    """Give a channel new keys. Older versions go on verifying and decrypting until `retire`. Raises `Refusal`.

    The keys that it signs with already are no new ones: giving them again changes nothing.
    """

    async def work(tx: Tx) -> Turn:
        sql = statements("daozhang.channels")
        row = await tx.row(sql.lock_channel, channel_id)
        if row is None:
            raise Refusal("channel.unknown", channel_id=channel_id)
        kind = _kind(row["kind"])
        for field in ("kind", "merchant", "app"):
            if getattr(wanted, field) not in ("", row[field]):
                raise Refusal("channel.keys_of_another", field=field, ours=row[field])
        checked, valid = kind.read_keys(wanted.keys), await tx.rows(sql.valid_keys, channel_id)
        if valid:
            newest = valid[0]
            if checked == kind.read_keys(json.loads(vault.unseal(newest["sealed"], seal_place(channel_id, newest["version"])))):
                return Turn(newest["version"], fresh=False)
        if len(valid) >= MOST_VERSIONS:
            raise Refusal("channel.keys_many", count=len(valid))
        version = 1 + (await tx.value(sql.last_key_version, channel_id) or 0)
        await _add_keys(tx, vault, channel_id, version, checked)
        await tx.run(sql.touch_channel, channel_id, clock.now())
        return Turn(version, fresh=True)

    return await database.transact(work)


async def retire(database: Database, channel_id: int, before_version: int) -> int:
    """End the validity of every key version below `before_version`; how many. The last valid one always stays."""

    async def work(tx: Tx) -> int:
        sql = statements("daozhang.channels")
        if await tx.row(sql.lock_channel, channel_id) is None:
            raise Refusal("channel.unknown", channel_id=channel_id)
        retired = await tx.run(sql.retire_keys, channel_id, before_version, clock.now())
        await tx.run(sql.touch_channel, channel_id, clock.now())
        return retired

    return await database.transact(work)


async def listed(database: Database) -> list[Listed]:
    """Every channel, oldest first, without its keys."""
    rows = await database.rows(statements("daozhang.channels").listed_channels)
    return [Listed(**dict(row), notify_path=f"/notify/{row['kind']}/{row['id']}") for row in rows]


def _kind(name: str) -> Kind:
    kind = KINDS.get(name)
    if kind is None:
        raise Refusal("channel.malformed", field="kind")
    return kind


def _methods(kind: Kind, wanted: tuple[str, ...]) -> tuple[str, ...]:
    if set(wanted) - set(kind.methods) or len(set(wanted)) != len(wanted):
        raise Refusal("channel.malformed", field="methods")
    return wanted or kind.methods


def _hosts(kind: Kind, wanted: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    if not wanted and not kind.hosts:
        raise Refusal("channel.incomplete", field="hosts")
    hosts = []
    for host in wanted or kind.hosts:
        try:
            base = check_base(host, loopback=settings.test_mode)
        except ForbiddenHost:
            raise Refusal("channel.host_forbidden", host=host[:80]) from None
        # A loopback host passed only because test mode allows it; any other one must be the kind's own, if the kind has any.
        if base.startswith("https://") and kind.hosts and base not in kind.hosts and not settings.test_mode:
            raise Refusal("channel.host_forbidden", host=host[:80])
        hosts.append(base)
    return tuple(hosts)


async def _add_keys(tx: Tx, vault: Vault, channel_id: int, version: int, keys: Any) -> None:
    sealed = vault.seal(msgspec.json.encode(keys), seal_place(channel_id, version))
    await tx.run(statements("daozhang.channels").add_keys, channel_id, version, sealed, clock.now())
