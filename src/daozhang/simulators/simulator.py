"""The simulated channels at one port, with one phone and one fault dial, running in the event loop that enters it."""

import asyncio
import socket
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import uvicorn

from daozhang.simulators.control import Control
from daozhang.simulators.faults import Dial, Fault
from daozhang.simulators.habits import Habits
from daozhang.simulators.merchant import Enrolment, Merchant
from daozhang.simulators.pages import PhonePages
from daozhang.simulators.phone import Phone
from daozhang.simulators.prompt import PromptServer
from daozhang.simulators.services.sandbox import Sandbox
from daozhang.simulators.station import Maker, NotPayable, Station, World
from daozhang.simulators.stations import KNOWN
from daozhang.simulators.watch import Watch
from daozhang.simulators.wechatpay.books import Books, Refund
from daozhang.simulators.wechatpay.station import WeChatPay
from daozhang.simulators.wire import Answer, Receive, Scope, Send, write

S = TypeVar("S")


class Simulator:
    """`async with Simulator() as sim`: a WeChat Pay at `sim.url` that knows `sim.merchant` and answers until the block ends.

    `kinds` are the channels that stand there (`sim.stations`, each with its card, its books in sum, its payer's hand);
    `sim.dial` are their faults, `sim.phone` the payer's hand, `sim.habits` their pace, `sim.watch` their clock, `sim.calls` how
    many requests came to each; `sim.services` a messenger, a face service and a register of names. `sim.merchant`, `sim.books` and
    `sim.refund_by_hand` are those of WeChat Pay.

    `enrolment` are keys of WeChat Pay that were made before (making them takes about 0.3 s), `more` further merchants there;
    `makers` make other stations than `stations.KNOWN` would. In `folder` each station keeps keys and books; None: in memory.
    """

    def __init__(
        self,
        *,
        kinds: tuple[str, ...] = ("wechatpay",),
        enrolment: Enrolment | None = None,
        more: tuple[Enrolment, ...] = (),
        makers: Mapping[str, Maker] | None = None,
        folder: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        habits: Habits | None = None,
        offset_s: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.habits = habits or Habits(time_scale=0.001)
        self.watch = Watch(offset_s)
        self.dial = Dial(seed)
        self.calls: Counter[str] = Counter()
        self._socket = _listen(host, port)
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        given = {"wechatpay": lambda world: WeChatPay(world, enrolment, *more)} if enrolment is not None else {}
        known: dict[str, Maker] = KNOWN | given | dict(makers or {})
        try:
            self.stations: dict[str, Station] = {kind: known[kind](self._world(kind, folder)) for kind in kinds}
        except BaseException:
            self._socket.close()
            raise
        self.phone = Phone(self.stations, self.watch, self.dial)
        self.services = Sandbox(self.watch, self.url, _own(folder, "services"))
        self._pages = PhonePages(self.phone, self.services)
        self._control = Control(self)
        self._tasks: list[asyncio.Task[None]] = []
        self._server: PromptServer | None = None

    def station(self, wanted: type[S]) -> S:
        """The station of a class: `sim.station(WeChatPay).books`. Raises `LookupError`."""
        for station in self.stations.values():
            if isinstance(station, wanted):
                return station
        raise LookupError(wanted.__name__)

    @property
    def merchant(self) -> Merchant:
        """What the merchant of WeChat Pay knows of itself."""
        return self.station(WeChatPay).merchant

    @property
    def books(self) -> Books:
        """The books of WeChat Pay."""
        return self.station(WeChatPay).books

    def cards(self) -> list[dict[str, object]]:
        """What a merchant copies out of each channel's merchant platform."""
        return [station.card() for station in self.stations.values()]

    def look(self) -> None:
        """The clock or the pace has changed: let every station look again."""
        for station in self.stations.values():
            station.look()

    def _world(self, kind: str, folder: Path | None) -> World:
        return World(self.watch, self.dial.at(kind), self.habits, self.url, _own(folder, kind))

    async def __aenter__(self) -> Self:
        """Start answering."""
        config = uvicorn.Config(
            self, loop="none", http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
            date_header=True, timeout_graceful_shutdown=1, backlog=2048,
        )  # fmt: skip
        self._server = PromptServer(config)
        running = [asyncio.create_task(station.run()) for station in self.stations.values()]
        self._tasks = [asyncio.create_task(self._server.serve([self._socket])), *running]
        while not self._server.started:
            if self._tasks[0].done():
                await self._tasks[0]
                raise RuntimeError("the simulator's server ended before it began")
            await asyncio.sleep(0.005)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop answering and sending, and close the books."""
        assert self._server is not None
        self._server.end()
        for running in self._tasks[1:]:
            running.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()
        for station in self.stations.values():
            station.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application: the channels' own doors, the phone's pages, the dial's doors."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        for kind, station in self.stations.items():
            if path.startswith(station.prefixes):
                self.calls[kind] += 1
                try:
                    await station(scope, receive, send)
                except NotPayable as refusal:
                    await self._pages.sorry(scope, send, refusal.word, kind)
                return
        if path.startswith(self.services.prefixes):
            self.calls["services"] += 1
            await self.services(scope, receive, send)
        elif path.startswith(("/phone", "/static/")) or path == "/":
            await self._pages(scope, receive, send)
        elif path.startswith(("/dial", "/books", "/healthz")):
            await self._control(scope, receive, send)
        else:
            await write(send, Answer(404))

    def refund_by_hand(self, out_trade_no: str, out_refund_no: str, amount_fen: int) -> Refund:
        """Refund as a person does in WeChat Pay's merchant platform. Raises `ApiError` when the channel would refuse."""
        return self.station(WeChatPay).refund_by_hand(out_trade_no, out_refund_no, amount_fen)

    def fault(self, point: str, kind: str, **settings: object) -> Fault:
        """Set a fault on the dial in one line: `sim.fault("query", "hang", seconds=2)`."""
        return self.dial.set(Fault(point=point, kind=kind, **settings))  # type: ignore[arg-type]

    async def quiet(self, within_s: float = 60.0) -> None:
        """Wait until every callback is acknowledged or given up and every refund has met its fate. Raises `TimeoutError`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while any(station.busy() for station in self.stations.values()):
            if loop.time() > end:
                raise TimeoutError(f"still busy: {[station.sums()['notices'] for station in self.stations.values()]}")
            await asyncio.sleep(0.005)


def _own(folder: Path | None, name: str) -> Path | None:
    """A folder of its own for whoever keeps something."""
    own = folder / name if folder else None
    if own is not None:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
    return own


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    listener.settimeout(0)
    return listener
