"""A whole shop on loopback: the program with its doors, PostgreSQL behind it, simulated channels that really call back."""

import asyncio
import functools
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import msgspec
import pytest
import uvicorn
from msgspec.structs import replace

from daozhang import __version__, app, clock, ids
from daozhang.app import Program, open_program
from daozhang.channels import console
from daozhang.identity import Bucket, Hasher, Visitor
from daozhang.outbound import Transport, transport
from daozhang.policy.book import ConfirmRules, EligibilityRules, OpenRules, Parameters, defaults
from daozhang.policy.books import Books
from daozhang.postgres import Database
from daozhang.reasons.refusal import Refusal
from daozhang.recharge.model import OrderView, PlaceRequest
from daozhang.settings import Settings
from daozhang.simulators.alipay.enrolment import enrol as enrol_alipay
from daozhang.simulators.alipay.station import AlipayStation
from daozhang.simulators.epay.enrolment import enrol as enrol_epay
from daozhang.simulators.epay.station import Epay
from daozhang.simulators.habits import Habits
from daozhang.simulators.merchant import Enrolment, Merchant, enrol
from daozhang.simulators.prompt import PromptServer
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import Maker
from daozhang.simulators.unionpay.enrolment import enrol as enrol_unionpay
from daozhang.simulators.unionpay.station import UnionPay
from daozhang.status import History
from daozhang.vault import Vault
from daozhang.web.wire import Wire

LICENSED = replace(
    defaults(),
    amount=replace(defaults().amount, ask_odd=False),
    confirm=ConfirmRules(from_fen=9_999_999_999, day_fen=9_999_999_999, strengths=()),
    open=OpenRules(most_count=10_000),
    eligibility=EligibilityRules(
        mode="licensed_psp", licence="Z0000000000000", name_from_fen=9_999_999_999, name_warn_fen=9_999_999_999
    ),
)
"""The book of most stories: as the defaults, but asking for no name and nothing else, without a ceiling."""
CHANNEL_S = 60.0
"""How long shop and channel wait for each other: they stand side by side and answer. Who tests how long that is says so."""
PHONE, PASSWORD = "13800138000", "correct horse 7 battery"

# One merchant at each channel for all stories: a key takes 40 ms, and all of them half a second.
_wechatpay, _alipay, _unionpay, _epay = (functools.cache(made) for made in (enrol, enrol_alipay, enrol_unionpay, enrol_epay))
MAKERS: Mapping[str, Maker] = {
    "alipay": lambda world: AlipayStation(world, _alipay()),
    "unionpay": lambda world: UnionPay(world, _unionpay()),
    "epay": lambda world: Epay(world, _epay()),
}


@dataclass
class Shop:
    """The program and the simulator beside it. `work` runs what is due once, as the program's own loops would."""

    program: Program
    sim: Simulator
    url: str
    channel_id: int
    user_id: int
    enrolment: Enrolment
    channels: dict[str, int]
    """The id of each kind's channel; `channel_id` is the one of WeChat Pay."""

    async def place(
        self, amount_fen: int = 5_000, *, key: str = "", user_id: int = 0, method: str = "native", offer: int | None = None
    ) -> OrderView:
        """Place an order as a door would."""
        return await self.program.desk.place(
            PlaceRequest(
                1,
                user_id or self.user_id,
                amount_fen,
                self.channel_id,
                method,
                key or secrets.token_hex(16),
                __version__,
                "203.0.113.9",
                offer=offer,
            )
        )

    async def place_at(self, kind: str, method: str, amount_fen: int = 5_000) -> OrderView:
        """Place an order at the channel of a kind."""
        key = secrets.token_hex(16)
        request = PlaceRequest(1, self.user_id, amount_fen, self.channels[kind], method, key, __version__, "203.0.113.9")
        return await self.program.desk.place(request)

    async def number(self, order_id: UUID) -> str:
        """The number under which the channel knows the order's newest attempt."""
        row = await self.program.database.row("select id from attempts where order_id = $1 order by id desc limit 1", order_id)
        assert row is not None
        return ids.text26(row["id"])

    async def pay(self, order: OrderView) -> str:
        """Approve the order on the phone; the channel's callback is on its way. The number at the channel."""
        number = await self.number(order.id)
        self.sim.phone.pay(number)
        return number

    async def order(self, order_id: UUID) -> OrderView:
        """The order as it is now."""
        seen = await self.program.desk.order(self.user_id, order_id)
        assert seen is not None
        return seen

    async def reach(self, order_id: UUID, state: str, within_s: float = 60.0) -> OrderView:
        """Wait until the order is in a state."""
        end = asyncio.get_running_loop().time() + within_s
        while (seen := await self.order(order_id)).state != state:
            assert asyncio.get_running_loop().time() < end, f"{seen.state}, not {state}"
            await asyncio.sleep(0.02)
        return seen

    async def cash(self, user_id: int = 0) -> int:
        """The user's cash in fen."""
        return (await self.program.desk.wallet(user_id or self.user_id)).cash_fen

    async def later(self, seconds: float) -> None:
        """Let time pass for everybody: the database, the program and the channel read one offset."""
        offset_s = clock.now_s() - time.time() + seconds
        await self.program.database.value("select shift_clock($1)", offset_s)
        clock.shift(offset_s)

    @contextmanager
    def still(self, *names: str) -> Iterator[None]:
        """Nothing flows back into these buckets meanwhile: a busy machine takes a minute for what is meant to come at once."""
        limiter = self.program.house.limiter
        before = limiter.buckets
        limiter.buckets = before | {name: Bucket(before[name].capacity, before[name].per_s / 1_000) for name in names}
        yield
        limiter.buckets = before

    async def work(self) -> int:
        """Do everything that is due now; how many rows that was."""
        return sum([await due.once() for due in self.program.dues])


@asynccontextmanager
async def open_shop(
    database: Database,
    settings: Settings,
    *,
    enrolment: Enrolment | None = None,
    others: tuple[Enrolment, ...] = (),
    work: bool = False,
    certificates: int | None = None,
    kinds: tuple[str, ...] = (),
    makers: Mapping[str, Maker] | None = None,
    direct: str = "",
    rules: Parameters = LICENSED,
) -> AsyncIterator[Shop]:
    """One shop with an enabled channel at a simulated WeChat Pay and at each of `kinds`, and one user.

    `work=True` lets the program's own loops run. `certificates` is how many of the channel's platform certificates the shop
    was told of; it may ask for the others.
    `direct` is the DSN for listening, when that of the database is a pooler's.
    """
    enrolment, makers = enrolment or _wechatpay(), MAKERS | dict(makers or {})
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = replace(settings, port=listener.getsockname()[1])
    await Books(database).publish(1, rules, version=1, author="tester", note="the book of the story")
    kinds = ("wechatpay", *(kind for kind in kinds if kind != "wechatpay"))
    habits = Habits(time_scale=0.001, answer_within_s=CHANNEL_S)
    channels_there = Simulator(kinds=kinds, enrolment=enrolment, more=others, makers=makers, habits=habits)
    async with channels_there as sim, _patches() as patches:
        vault = await Vault.open(database, settings)
        channel_id = await add_channel(database, vault, settings, sim, sim.merchant, certificates)
        channels = {"wechatpay": channel_id}
        for kind in kinds[1:]:
            wanted = msgspec.convert(sim.stations[kind].card(), console.ChannelSettings)
            channels[kind] = await console.add(database, vault, settings, wanted)
            await console.enable(database, vault, settings, channels[kind])
        # A password is hashed as always, but lightly: how heavily is the business of `tests/identity/test_hashing.py`.
        for name, light in (("memory_kib", 256), ("passes", 1)):
            patches.setitem(Hasher.__init__.__kwdefaults__, name, light)
        waits = Transport.__init__.__kwdefaults__
        for name, usual_s in (("connect_s", transport.CONNECT_S), ("total_s", transport.TOTAL_S)):
            if waits[name] == usual_s:
                patches.setitem(waits, name, CHANNEL_S)
        _still(patches, work=work)
        async with open_program(settings, database.dsn, direct or database.dsn, work=work, public_url=url) as program:
            await program.house.identity.register(1, PHONE, PASSWORD, Visitor("192.0.2.1", "192.0.2.0/24"))
            user_id = await program.house.identity.find(1, PHONE)
            assert user_id is not None
            config = uvicorn.Config(
                program.asgi,
                loop="none",
                http=Wire,
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=2,
            )
            server = PromptServer(config)
            serving = asyncio.create_task(server.serve([listener]))
            while not server.started:  # noqa: ASYNC110 - uvicorn tells it no other way
                await asyncio.sleep(0.005)
            try:
                yield Shop(program, sim, url, channel_id, user_id, enrolment, channels)
            finally:
                clock.shift(0)
                program.house.closing.set()
                server.end()
                await serving


@asynccontextmanager
async def _patches() -> AsyncIterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patches:
        yield patches


def _still(patches: pytest.MonkeyPatch, *, work: bool) -> None:
    """Loops of the program that stand still in a story."""
    # `later` moves the clock for everybody at once; a look at the row that began before it would set it back for a moment.
    patches.setattr(app, "follow_clock", _stand_still)
    if not work:
        # Read and planned ahead for whoever may come: in a story somebody comes at once, and what he needs is read for him.
        patches.setattr(app, "keep_warm", _stand_still)
        patches.setattr(History, "watch", _stand_still)


async def _stand_still(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


async def add_channel(
    database: Database, vault: Vault, settings: Settings, sim: Simulator, merchant: Merchant, certificates: int | None = None
) -> int:
    """An enabled channel for one of the simulator's merchants."""
    wanted = console.ChannelSettings(
        kind="wechatpay",
        merchant=merchant.mchid,
        app=merchant.appid,
        methods=("native", "h5", "jsapi"),
        hosts=(sim.url,),
        keys={
            "serial_no": merchant.serial_no,
            "private_key": merchant.private_key,
            "api_v3_key": merchant.api_v3_key,
            "platform_certificates": list(merchant.platform_certificates.values())[:certificates],
            "public_key_id": merchant.public_key_id,
            "public_key": merchant.public_key,
        },
    )
    channel_id = await console.add(database, vault, settings, wanted)
    await console.enable(database, vault, settings, channel_id)
    return channel_id


async def make_users(server_dsn: str, count: int) -> list[int]:
    """More users, without a login."""
    connection = await asyncpg.connect(server_dsn)
    rows = await connection.fetch(
        """insert into users (shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at)
        select 1, '\\x00', sha256(convert_to('flow' || n, 'UTF8')), 'zh', clock_now(), clock_now(), clock_now()
        from generate_series(1, $1::integer) as n returning id""",
        count,
    )
    await connection.close()
    return [row["id"] for row in rows]


def refuses(code: str) -> "pytest.RaisesExc[Refusal]":
    """The reason with that code is given."""
    return pytest.raises(Refusal, match=f"^{re.escape(code)}$")
