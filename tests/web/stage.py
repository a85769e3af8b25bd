"""The whole shop of the flow tests, as the page and browser tests see it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from tests.flows.shop import PASSWORD, PHONE, Shop, open_shop

from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.simulator import Simulator
from daozhang.web.house import House

__all__ = ["PASSWORD", "PHONE", "Stage", "open_stage"]


@dataclass(frozen=True)
class Stage:
    """The shop, and the hand on the simulated phone."""

    shop: Shop

    @property
    def house(self) -> House:
        """The services behind the doors."""
        return self.shop.program.house

    @property
    def sim(self) -> Simulator:
        """The channel."""
        return self.shop.sim

    @property
    def channel_id(self) -> int:
        """The one channel."""
        return self.shop.channel_id

    async def pay(self, order_id: UUID) -> None:
        """Approve the order's newest payment on the phone and wait for the channel's callback to be booked."""
        self.sim.phone.pay(await self.shop.number(order_id))
        await self.shop.reach(order_id, "credited")


@asynccontextmanager
async def open_stage(
    database: Database, settings: Settings, *, enrolment: Enrolment | None = None, work: bool = False
) -> AsyncIterator[Stage]:
    """The shop in demo dress: its cashier leads to the simulated phone. `work=True` runs what is due by itself."""
    async with open_shop(database, settings, enrolment=enrolment, work=work) as shop:
        scan = f"{shop.sim.url}/phone/scan?code_url="
        # The house is frozen for everybody else; a demo is given its phone when it is built.
        object.__setattr__(shop.program.house, "phone_url", lambda payload: scan + quote(payload, safe=""))
        yield Stage(shop)
