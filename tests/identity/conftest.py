"""A vault, a limiter and an identity on a fresh database. The hash is a light one of the same kind, so that races are quick."""

from collections.abc import AsyncIterator

import pytest

from daozhang.identity import Hasher, Identity, Limiter, Visitor
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.vault import Vault

PHONE = "13800138000"
PASSWORD = "correct horse 7 battery"


@pytest.fixture
async def vault(database: Database, settings: Settings) -> Vault:
    """The keys of the fresh database."""
    return await Vault.open(database, settings)


@pytest.fixture
async def identity(database: Database, vault: Vault) -> AsyncIterator[Identity]:
    """The room under test."""
    hasher = Hasher(memory_kib=256, passes=1)
    yield Identity(database, vault, Limiter(database), hasher)
    hasher.close()


@pytest.fixture
async def user_id(identity: Identity) -> int:
    """A registered user."""
    await identity.register(1, PHONE, PASSWORD, Visitor("203.0.113.9", "203.0.113.0/24"))
    found = await identity.find(1, PHONE)
    assert found is not None
    return found
