"""The living world of the demo: for each cause a fresh user is put into just that situation, with real orders and real payments."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from daozhang import __version__, agreements, clock
from daozhang.app import SHOP, Program
from daozhang.channels import console
from daozhang.demo.causes import Cause, causes, ways
from daozhang.demo.outage import Outage
from daozhang.goods import shelf
from daozhang.goods.model import Good
from daozhang.identity import LoggedIn, Visitor
from daozhang.identity.verify import Verifications
from daozhang.offers import campaigns
from daozhang.policy import regulation
from daozhang.providers.rows import Providers
from daozhang.recharge.model import Basket, OrderView, PlaceRequest
from daozhang.settings import Settings

PASSWORD = "daozhang-demo-2026"  # noqa: S105 -- of users that only the demo has
HOME_IP = "198.51.100.7"
"""Where the users of the demo are at home: an address of documentation, which the demo's own atlas puts in Zhejiang."""
NAME = "王小明"
HOME_REGION, CLOSED_REGION = "33", "46"
"""Where the users of the demo say to live, and the region in which a class of channels is closed (GB/T 2260)."""
PATIENCE_S = 8.0
LARGE_FEN = 50_000
"""From here on an order is large in the demo's shop, which may hold less than the sum of five of the usual large ones."""
CONFIRM_FEN = 300_000
"""Above this an order of the demo's shop, or a day of it, is confirmed by a code."""
LEAST_STOCK, FILL = 20, 200
AGREEMENT = (
    "《充值服务协议》演示第 {number} 版。充值的钱只能在本店购买商品；没有花掉的本金可以原路退回。规则以充值页上列出的为准。",
    "Recharge agreement of the demo, version {number}. Recharged money buys goods here; what is not spent goes back as it came.",
)
"""What the demo's shop has its users agree to, in Chinese and in English."""


@dataclass(frozen=True, slots=True)
class Ware:
    """A good of the demo's shelf."""

    name: str
    english: str
    goods_class: str
    price_fen: int


GOODS = {
    "trial": Ware("体验礼包", "Trial pack", "voucher", 100),
    "card": Ware("游戏点卡 50 元", "Game card ¥50", "game_card", 5_000),
}


def numbered(born: str) -> str:
    """A made-up identity number (GB 11643) of that day of birth."""
    body = f"110105{born}{secrets.randbelow(1_000):03d}"
    return body + "10X98765432"[sum(2**k % 11 * int(digit) for k, digit in zip(range(17, 0, -1), body, strict=True)) % 11]


class SceneTrouble(Exception):
    """A situation could not be made; the message says which step."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the demo."""

    user_id: int
    phone: str


@dataclass(frozen=True, slots=True)
class Staged:
    """A situation that is there now: who is in it, where it is met, and the session that was opened for the visitor."""

    person: Person
    path: str
    login: LoggedIn


Scene = Callable[["World", Person], Awaitable[str]]
"""Makes the situation of a user and answers the path where it is met."""


class Guide:
    """What the pages hold of the demo: its world, once that is there."""

    world: "World | None" = None

    def causes(self) -> tuple[Cause, ...]:
        """The causes that can be met, in order."""
        return self.world.causes() if self.world else ()

    async def stage(self, cause_id: str, visitor: Visitor) -> Staged:
        """A fresh user in that situation. Raises KeyError for an unknown cause, `SceneTrouble`."""
        if self.world is None:
            raise KeyError(cause_id)
        return await self.world.stage(cause_id, visitor)


class World:
    """What scenes are made with: the program, and the dials of the simulated channels."""

    password = PASSWORD
    large_fen = LARGE_FEN
    confirm_fen = CONFIRM_FEN

    def __init__(self, program: Program, settings: Settings, simulators: str, scenes: dict[str, Scene]) -> None:
        """`simulators` is the address of the simulated channels, whose dial is turned as a tester would."""
        self.program, self.simulators, self._scenes = program, simulators, scenes
        self.url, self._outage = settings.url(), Outage(program.database, program.tills)
        providers = Providers(SHOP, program.database, program.vault, settings)
        self.verifications = Verifications(program.database, program.vault, program.house.limiter, providers)

    def causes(self) -> tuple[Cause, ...]:
        """The causes that can be met here, in order."""
        return tuple(cause for cause in causes() if cause.id in self._scenes)

    async def stage(self, cause_id: str, visitor: Visitor) -> Staged:
        """A fresh user in that situation, logged in for `visitor`. Raises KeyError for an unknown cause, `SceneTrouble`."""
        scene = self._scenes[cause_id]
        await self._outage.end()
        person = await self.person()
        if cause_id != "new_account":
            await self.buy_trial(person)
        # The visitor's browser stands for a different person each time: it gets a device of its own.
        stranger = Visitor(ip=visitor.ip, network=visitor.network, agent=visitor.agent)
        login = await self.program.house.identity.login(SHOP, person.phone, PASSWORD, stranger)
        path = await scene(self, person)
        return Staged(person, path, login)

    async def welcome(self, phone: str) -> None:
        """The user whose login the terminal shows: registered, and with the first purchase behind him."""
        user_id = await self.program.house.identity.find(SHOP, phone)
        person = Person(user_id, phone) if user_id is not None else await self.person(phone)
        if not await self.program.desk.orders(person.user_id, limit=1):
            await self.buy_trial(person)

    async def person(self, phone: str = "") -> Person:
        """A user that nobody had before."""
        identity, visitor = self.program.house.identity, Visitor(HOME_IP, secrets.token_hex(6))
        phone = phone or f"139{secrets.randbelow(10**8):08d}"
        await identity.register(SHOP, phone, PASSWORD, visitor)
        user_id = await identity.find(SHOP, phone)
        if user_id is None:
            raise SceneTrouble("no new user")
        await regulation.declare(self.program.database, SHOP, user_id, HOME_REGION, "demo")
        return Person(user_id, phone)

    async def campaign(self, form: str) -> int:
        """The running campaign of a form: `bonus` or `coupon`. Raises `SceneTrouble`."""
        for each in await campaigns.listed(self.program.database, SHOP):
            if each.form == form and each.state == "running":
                return each.id
        raise SceneTrouble(f"no {form} runs")

    async def give_coupon(self, person: Person) -> str:
        """A coupon for this user alone; its code."""
        (made,) = await campaigns.issue(
            self.program.database, SHOP, await self.campaign("coupon"), 1, "demo", user_id=person.user_id
        )  # fmt: skip
        return made.code

    async def verify(self, person: Person) -> None:
        """The user proves a name at the simulated register, with a number that nobody has."""
        await self.verifications.verify(
            person.user_id, NAME, numbered(f"19{70 + secrets.randbelow(30)}0{1 + secrets.randbelow(9)}{10 + secrets.randbelow(18)}")
        )

    async def channel(self, kind: str) -> int:
        """The id of the enabled channel of a kind."""
        for row in await console.listed(self.program.database):
            if row.kind == kind and row.enabled:
                return row.id
        raise SceneTrouble(f"no channel of {kind}")

    async def read_only(self, seconds: float) -> None:
        """Our database can only be read for so long, or until somebody enters a situation."""
        await self._outage.begin(seconds)

    async def renew_agreement(self) -> None:
        """Put the next version of the demo's agreement in force; whoever is made afterwards ticks it with his first purchase."""
        number = len(await agreements.listed(self.program.database, SHOP)) + 1
        zh, en = (text.format(number=number) for text in AGREEMENT)
        await agreements.publish(self.program.database, SHOP, zh, en, author="demo")

    async def place(
        self, person: Person, amount_fen: int, way: tuple[str, str] | None = None, basket: Basket | None = None
    ) -> OrderView:
        """Place an order as its page would, from where the user is at home; `way` is a kind and a method."""
        kind, method = way or ways().main
        agreed = await agreements.present(self.program.database, SHOP)
        return await self.program.desk.place(
            PlaceRequest(
                SHOP, person.user_id, amount_fen, await self.channel(kind), method, secrets.token_hex(16), __version__, HOME_IP,
                basket=basket, agreement=agreed.version if agreed else None,
            )
        )  # fmt: skip

    async def buy_trial(self, person: Person) -> None:
        """The first purchase, which opens recharging: one trial item, paid at the channel and delivered."""
        good = await self.good("trial")
        await self.paid(person, await self.place(person, good.price_fen, basket=Basket(good.id, 1, good.price_fen)))

    async def good(self, which: str) -> Good:
        """A good of the demo's shelf: `trial`, or `card` for 50 yuan; it has stock afterwards. Raises `SceneTrouble`."""
        wanted = GOODS[which]
        found = next((good for good in await shelf.shelf(self.program.database, SHOP) if good.name == wanted.name), None)
        if found is None:
            raise SceneTrouble(f"no good {wanted.name}")
        if found.left_count is not None and found.left_count < LEAST_STOCK:
            codes = [secrets.token_hex(8).upper() for _ in range(FILL)]
            await shelf.add_codes(self.program.database, self.program.vault, SHOP, found.id, codes)
        return found

    async def credit(self, person: Person, amount_fen: int) -> OrderView:
        """Recharge for real: placed, paid on the simulated phone, called back, credited. Raises `SceneTrouble`."""
        return await self.paid(person, await self.place(person, amount_fen))

    async def paid(self, person: Person, order: OrderView, *, payer: str = "", state: str = "credited") -> OrderView:
        """Pay a placed order and wait until it is credited, or in another `state`. Raises `SceneTrouble`."""
        await self.pay(order, payer=payer)
        end_s = clock.now_s() + PATIENCE_S
        while clock.now_s() < end_s:
            await self.program.desk.look(order.id)
            seen = await self.program.desk.order(person.user_id, order.id)
            if seen is not None and seen.state == state:
                return seen
        raise SceneTrouble(f"an order did not become {state}: {order.reason or order.state}")

    async def pay(self, order: OrderView, trick: str = "", payer: str = "") -> None:
        """Scan the order's code with the simulated phone and approve. Raises `SceneTrouble`.

        `trick` is what goes wrong, `payer` somebody else whose phone it is.
        """
        if order.state != "awaiting_payment" or order.action != "qr":
            raise SceneTrouble(f"an order cannot be paid: {order.reason or order.state}")
        found = f"{self.simulators}/phone/scan?{urlencode({'code_url': order.payload['text']})}"
        async with aiohttp.ClientSession(trust_env=False) as client, client.get(found, allow_redirects=False) as answer:
            code = answer.headers.get("location", "").split("?")[0].rpartition("/")[2]
        await self._control("POST", "/dial/pay", {"number": code, "trick": trick, "payer": payer})

    async def fault(self, **fields: Any) -> None:
        """Turn the fault dial of the simulated channels (the fields of its `Fault`)."""
        await self._control("POST", "/dial", fields)

    async def calm(self) -> None:
        """Turn the dial back, and let our database be written: nothing fails any more."""
        await self._outage.end()
        await self._control("DELETE", "/dial", {})

    async def _control(self, method: str, path: str, content: dict[str, Any]) -> Any:
        async with (
            aiohttp.ClientSession(trust_env=False) as client,
            client.request(method, self.simulators + path, json=content) as answer,
        ):
            told = await answer.json()
            if answer.status >= 400:
                raise SceneTrouble(f"the simulated channels refused {path}: {told}")
            return told
