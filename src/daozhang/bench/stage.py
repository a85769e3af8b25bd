"""What the benches of a whole program stand on: a throwaway server with every law on, users, and one enabled WeChat Pay channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from daozhang.bench import seed
from daozhang.channels import console
from daozhang.postgres import Database
from daozhang.postgres.migrate import migrate
from daozhang.postgres.supervisor import Supervisor
from daozhang.postgres.throwaway import throwaway
from daozhang.settings import Settings
from daozhang.simulators.merchant import Merchant
from daozhang.vault import Vault


@dataclass(frozen=True, slots=True)
class Stage:
    """The server, the settings of programs that run on it, and its users' ids."""

    server: Supervisor
    settings: Settings
    app: Database
    owner: Database
    people: list[int]

    async def add_channel(self, merchant: Merchant, host: str) -> int:
        """An enabled channel for a simulated merchant whose interface is at `host`; its id."""
        vault = await Vault.open(self.app, self.settings)
        wanted = console.ChannelSettings(
            kind="wechatpay",
            merchant=merchant.mchid,
            app=merchant.appid,
            hosts=(host,),
            keys={
                "serial_no": merchant.serial_no,
                "private_key": merchant.private_key,
                "api_v3_key": merchant.api_v3_key,
                "platform_certificates": list(merchant.platform_certificates.values()),
                "public_key_id": merchant.public_key_id,
                "public_key": merchant.public_key,
            },
        )
        channel_id = await console.add(self.app, vault, self.settings, wanted)
        await console.enable(self.app, vault, self.settings, channel_id)
        return channel_id


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
