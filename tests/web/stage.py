"""A whole shop for browser and page tests: PostgreSQL, the real desk, and a WeChat Pay simulator with its phone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from msgspec.structs import replace

from daozhang import ids
from daozhang.channels import console
from daozhang.channels.registry import Registry
from daozhang.events.hub import Hub
from daozhang.identity import Hasher, Identity, Limiter, Visitor
from daozhang.ledger import Accounts
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.recharge.desk import Desk
from daozhang.recharge.settle import Settle
from daozhang.settings import Settings
from daozhang.simulators.phone import Way
from daozhang.simulators.simulator import Simulator
from daozhang.vault import Vault
from daozhang.web.house import House

PHONE, PASSWORD = "13800138000", "correct horse 7 battery"


@dataclass(frozen=True)
class Stage:
    """The shop, and the hand on the simulated phone."""

    house: House
    sim: Simulator
    channel_id: int

    async def pay(self, order_id: UUID, way: Way = "balance") -> None:
        """Approve the order's newest payment on the phone, then let us ask the channel, as the chase would."""
        self.sim.phone.pay(await self._number(order_id), way=way)
        await self.house.desk.look(order_id)
        self.house.hub.tell()

    async def _number(self, order_id: UUID) -> str:
        row = await self.house.database.row("select id from attempts where order_id = $1 order by id desc limit 1", order_id)
        assert row is not None
        return ids.text26(row["id"])


@asynccontextmanager
async def open_stage(database: Database, settings: Settings, *, sim: Simulator) -> AsyncIterator[Stage]:
    """One shop with one enabled channel that points at the simulator, and one registered user."""
    vault = await Vault.open(database, settings)
    hasher = Hasher(memory_kib=256, passes=1)
    limiter = Limiter(database)
    identity = Identity(database, vault, limiter, hasher)
    await identity.register(1, PHONE, PASSWORD, Visitor("192.0.2.1", "192.0.2.0/24"))
    merchant = sim.merchant
    wanted = console.ChannelSettings(
        kind="wechatpay",
        merchant=merchant.mchid,
        app=merchant.appid,
        methods=("native", "h5"),
        hosts=(sim.url,),
        keys={
            "serial_no": merchant.serial_no,
            "private_key": merchant.private_key,
            "api_v3_key": merchant.api_v3_key,
            "platform_certificates": list(merchant.platform_certificates.values()),
            "public_key_id": merchant.public_key_id,
            "public_key": merchant.public_key,
        },
    )
    channel_id = await console.add(database, vault, settings, wanted)
    await console.enable(database, vault, settings, channel_id)
    registry = Registry(database, vault, settings)
    await registry.load()
    books, accounts = Books(database), Accounts()
    settle = Settle(database, books, vault, accounts)
    hub = Hub(database, database.dsn)
    desk = Desk(1, database, books, vault, registry, accounts, settle, public_url=settings.url(), page_version="test-1")
    house = House(
        settings=replace(settings, test_mode=True),
        database=database,
        identity=identity,
        limiter=limiter,
        desk=desk,
        hub=hub,
        channels=registry,
        phone_url=lambda payload: f"{sim.url}/phone/scan?code_url={quote(payload, safe='')}",
    )
    listening = asyncio.create_task(hub.run())
    try:
        yield Stage(house, sim, channel_id)
    finally:
        house.closing.set()
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        await desk.drain()
        await registry.close()
        hasher.close()
