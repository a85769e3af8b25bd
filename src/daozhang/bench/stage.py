"""What the benches of a whole program stand on: a throwaway server with every law on, users, and one enabled channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from daozhang.bench import seed
from daozhang.channels import console
from daozhang.channels.port import Channel
from daozhang.channels.registry import Registry
from daozhang.postgres import Database
from daozhang.postgres.migrate import migrate
from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.throwaway import throwaway
from daozhang.settings import Settings
from daozhang.vault import Vault


@dataclass(frozen=True, slots=True)
class Stage:
    """The server, the settings of programs that run on it, and its users' ids."""

    server: Supervisor
    settings: Settings
    app: Database
    owner: Database
    people: list[int]

    async def add_channel(self, card: dict[str, Any]) -> int:
        """An enabled channel with what a simulated merchant platform hands out; its id."""
        vault = await Vault.open(self.app, self.settings)
        channel_id = await console.add(self.app, vault, self.settings, msgspec.convert(card, console.ChannelSettings))
        await console.enable(self.app, vault, self.settings, channel_id)
        return channel_id

    @asynccontextmanager
    async def channel(self, channel_id: int) -> AsyncIterator[Channel]:
        """One of them as a program has it."""
        registry = Registry(self.app, await Vault.open(self.app, self.settings), self.settings)
        await registry.load()
        found = registry.get(channel_id)
        assert found is not None, channel_id
        yield found
        await registry.close()


@asynccontextmanager
async def stage(users: int) -> AsyncIterator[Stage]:
    """A server that is gone when the block ends; fsync is on."""
    with TemporaryDirectory(prefix="daozhang-") as folder:
        async with throwaway() as server:
            await migrate(server.dsn("owner"))
            settings = Settings(data=Path(folder), test_mode=True)
            app, owner = await Database.open(server.dsn("app")), await Database.open(server.dsn("owner"))
            try:
                yield Stage(server, settings, app, owner, await seed.make_users(owner, users))
            finally:
                await app.close()
                await owner.close()
