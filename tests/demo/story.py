"""One cause being lived through: the shop, its world, and the user who is in it."""

import secrets
from dataclasses import dataclass

from tests.flows.shop import Shop

from daozhang import __version__
from daozhang.demo.world import HOME_IP, Person, World
from daozhang.goods.buy import Purchases
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.reasons import Refusal
from daozhang.recharge.model import Basket, OrderView, PlaceRequest
from daozhang.settings import Settings

ELSEWHERE = "203.0.113.9"


@dataclass
class Story:
    """One cause being lived through: the shop, the world that makes situations, and the user who is in it."""

    shop: Shop
    world: World
    settings: Settings
    person: Person
    owner: Database
    order: OrderView | None = None

    async def place(
        self, amount_fen: int = 5_000, *, kind: str = "wechatpay", method: str = "native", version: str = __version__,
        instrument: str | None = None, ip: str = HOME_IP, offer: int | None = None, coupon: str = "", agreement: int | None = None,
    ) -> OrderView:  # fmt: skip
        """Recharge as the page would."""
        bank = "icbc" if instrument else None
        self.order = await self.world.program.desk.place(
            PlaceRequest(
                1, self.person.user_id, amount_fen, self.shop.channels[kind], method, secrets.token_hex(16), version, ip,
                bank=bank, instrument=instrument, offer=offer, coupon=coupon, agreement=agreement,
            )
        )  # fmt: skip
        return self.order

    async def buy(self) -> str:
        """Buy the card from the balance; the reason of the refusal, or nothing."""
        program, good = self.world.program, await self.world.good("card")
        books = Books(program.database)
        try:
            purchases = Purchases(1, program.database, program.vault, program.accounts, books)
            await purchases.buy(self.person.user_id, Basket(good.id, 1, good.price_fen), secrets.token_hex(8))
        except Refusal as refusal:
            return refusal.reason
        return ""

    async def reviewed(self) -> None:
        """A person lets the order go that waits for one."""
        assert self.order is not None
        await self.world.program.desk.resume.approve(self.order.id, "staff:2", "asked him on the phone")

    async def seen(self) -> OrderView:
        """The order as it is now."""
        assert self.order is not None
        order = await self.world.program.desk.order(self.person.user_id, self.order.id)
        assert order is not None
        return order

    async def newest(self) -> OrderView:
        """The order that the scene itself placed."""
        (line,) = await self.world.program.desk.orders(self.person.user_id, limit=1)
        order = await self.world.program.desk.order(self.person.user_id, line.id)
        assert order is not None
        self.order = order
        return order
