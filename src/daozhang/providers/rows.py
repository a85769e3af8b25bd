"""Providers as rows with sealed secrets: added, enabled one per purpose, and made when they are needed."""

import logging
from datetime import datetime

import msgspec

from daozhang import clock
from daozhang.outbound import ForbiddenHost, Transport
from daozhang.outbound.hosts import check_base
from daozhang.postgres import Database, Tx, Unavailable, statements
from daozhang.providers.hearing import Heard
from daozhang.providers.port import EmailProvider, FaceProvider, IdentityProvider, Purpose, SmsProvider, SupplierProvider
from daozhang.providers.sandbox import KIND, LEAST_SECRET, Sandbox
from daozhang.reasons.refusal import Refusal
from daozhang.settings import Settings
from daozhang.vault import Unreadable, Vault

sql = statements("daozhang.providers")
log = logging.getLogger(__name__)

LOOK_S = 5.0
_FEWEST_LETTERS = 8


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator enters for a provider."""

    purpose: Purpose
    app: str
    host: str
    secret: str
    kind: str = KIND

    def __repr__(self) -> str:
        """Never shows the secret."""
        return f"ProviderSettings(purpose={self.purpose!r}, app={self.app!r})"


class InUse(msgspec.Struct, frozen=True):
    """A provider in a list: without its secret, with how it has answered. `good_at`: its first good answer, or after trouble."""

    purpose: str
    kind: str
    app: str
    host: str
    troubled_since: datetime | None
    troubles: int
    good_at: datetime | None


async def add(database: Database, vault: Vault, settings: Settings, shop_id: int, wanted: ProviderSettings) -> int:
    """Add or change a provider; it is used at once, instead of the one before it. Raises `Refusal` (`provider.*`)."""
    if wanted.kind != KIND or not (0 < len(wanted.app) <= 64 and wanted.app.isascii() and wanted.app.isprintable()):
        raise Refusal("provider.malformed")
    if len(wanted.secret) < LEAST_SECRET or len(set(wanted.secret)) < _FEWEST_LETTERS:
        raise Refusal("provider.secret_weak")
    try:
        host = check_base(wanted.host, loopback=settings.test_mode)
    except ForbiddenHost:
        raise Refusal("provider.malformed") from None
    place = _place(shop_id, wanted.purpose, wanted.app)

    async def work(tx: Tx) -> int:
        await _disable(tx, shop_id, wanted.purpose)
        return int(
            await tx.value(
                sql.put_provider,
                shop_id,
                wanted.purpose,
                wanted.kind,
                wanted.app,
                host,
                vault.seal(wanted.secret, place),
                clock.now(),
            )
        )

    return await database.transact(work)


async def end(database: Database, shop_id: int, purpose: Purpose) -> bool:
    """Use nobody for a purpose any more. False when nobody was in use."""
    return await database.transact(lambda tx: _disable(tx, shop_id, purpose))


async def listed(database: Database, shop_id: int) -> list[InUse]:
    """Who is in use, one for each purpose."""
    return [InUse(**dict(row)) for row in await database.rows(sql.listed_providers, shop_id)]


class Providers:
    """The enabled providers of a shop, made anew when their row changes."""

    def __init__(self, shop_id: int, database: Database, vault: Vault, settings: Settings) -> None:
        self._shop_id, self._database, self._vault, self._settings = shop_id, database, vault, settings
        self._made: dict[str, tuple[int, int, Heard]] = {}
        self._looked = float("-inf")

    async def sms(self) -> SmsProvider:
        """Who sends text messages. Raises `Refusal("provider.missing")`."""
        return await self._get("sms")

    async def email(self) -> EmailProvider:
        """Who sends letters. Raises `Refusal("provider.missing")`."""
        return await self._get("email")

    async def face(self) -> FaceProvider:
        """Who looks at faces. Raises `Refusal("provider.missing")`."""
        return await self._get("face")

    async def identity(self) -> IdentityProvider:
        """Who compares names. Raises `Refusal("provider.missing")`."""
        return await self._get("identity")

    async def supplier(self) -> SupplierProvider:
        """Who delivers direct top-ups. Raises `Refusal("provider.missing")`."""
        return await self._get("supplier")

    async def has(self, purpose: Purpose) -> bool:
        """Whether a provider is in use for a purpose."""
        await self._look()
        return purpose in self._made

    async def close(self) -> None:
        """Close every connection."""
        for _, _, made in self._made.values():
            await made.made.close_connections()
        self._made.clear()

    async def _get(self, purpose: Purpose) -> Heard:
        await self._look()
        found = self._made.get(purpose)
        if found is None:
            raise Refusal("provider.missing")
        return found[2]

    async def _look(self) -> None:
        if clock.now_s() - self._looked < LOOK_S and self._made:
            return
        try:
            rows = await self._database.rows(sql.enabled_providers, self._shop_id)
        except Unavailable:
            if self._made:
                return
            raise
        for row in rows:
            known = self._made.get(row["purpose"])
            if known is None or known[:2] != (row["id"], row["version"]):
                await self._make(row["purpose"], row)
        for gone in self._made.keys() - {row["purpose"] for row in rows}:
            await self._made.pop(gone)[2].made.close_connections()
        self._looked = clock.now_s()

    async def _make(self, purpose: str, row: object) -> None:
        record = dict(row)  # type: ignore[call-overload]
        try:
            secret = self._vault.unseal_text(record["secret_sealed"], _place(self._shop_id, purpose, record["app"]))
            transport = Transport([record["host"]], loopback=self._settings.test_mode)
        except (Unreadable, ForbiddenHost):
            log.error("the provider for %s cannot be used", purpose)  # noqa: TRY400 - a trace could show a secret.
            return
        old = self._made.get(purpose)
        made = Heard(self._database, self._shop_id, Sandbox(self._shop_id, record["app"], secret, record["host"], transport))
        self._made[purpose] = (record["id"], record["version"], made)
        if old is not None:
            await old[2].made.close_connections()


async def _disable(tx: Tx, shop_id: int, purpose: str) -> bool:
    ended = await tx.rows(sql.disable_providers, shop_id, purpose, clock.now())
    await tx.run(sql.heard_anew, shop_id, purpose)
    return bool(ended)


def _place(shop_id: int, purpose: str, app: str) -> str:
    return f"providers:secret:{shop_id}:{purpose}:{app}"
