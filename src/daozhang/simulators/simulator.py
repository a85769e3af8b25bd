"""One simulated channel with its phone and its fault dial, running in the event loop that enters it."""

import asyncio
import contextlib
import socket
from collections.abc import Generator
from types import TracebackType
from typing import Self

import uvicorn

from daozhang.simulators.control import Control
from daozhang.simulators.faults import Dial, Fault
from daozhang.simulators.merchant import Enrolment, Merchant, enrol
from daozhang.simulators.pages import PhonePages
from daozhang.simulators.phone import Phone
from daozhang.simulators.watch import Watch
from daozhang.simulators.wechatpay.books import Books, Refund
from daozhang.simulators.wechatpay.habits import Habits
from daozhang.simulators.wechatpay.notices import Notices
from daozhang.simulators.wechatpay.orders import Orders
from daozhang.simulators.wechatpay.refunds import Refunds
from daozhang.simulators.wechatpay.server import ApiServer
from daozhang.simulators.wechatpay.signing import Keyring
from daozhang.simulators.wire import Answer, Receive, Scope, Send, write


class Simulator:
    """`async with Simulator() as sim`: a WeChat Pay at `sim.url` that knows `sim.merchant` and answers until the block ends.

    `sim.books` are its own books, `sim.dial` its faults, `sim.phone` the payer's hand, `sim.habits` its pace,
    `sim.watch` its clock.

    Pass `enrolment` to use keys that were made before (making them takes about 0.3 s), `more` for further merchants.
    """

    def __init__(
        self,
        *,
        enrolment: Enrolment | None = None,
        more: tuple[Enrolment, ...] = (),
        books: str = ":memory:",
        host: str = "127.0.0.1",
        port: int = 0,
        habits: Habits | None = None,
        offset_s: float = 0.0,
        seed: int = 0,
    ) -> None:
        enrolment = enrolment or enrol()
        self.merchant: Merchant = enrolment.merchant
        self.habits = habits or Habits(time_scale=0.001)
        self.watch = Watch(offset_s)
        self.dial = Dial(seed)
        self.books = Books(books, self.watch)
        self._keyrings = {each.merchant.mchid: Keyring(each) for each in (enrolment, *more)}
        for mchid in self._keyrings:
            self.books.add_merchant(mchid)
        self._socket = _listen(host, port)
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        self.notices = Notices(self.books, self.watch, self.habits, self.dial, self._keyrings)
        self._refunds = Refunds(self.books, self.watch, self.habits)
        merchants = {mchid: keyring.merchant for mchid, keyring in self._keyrings.items()}
        self.phone = Phone(self.books, self.watch, self.dial, self.notices, merchants)
        orders = Orders(self.books, self.watch, self.url)
        self._api = ApiServer(self._keyrings, self.books, self.watch, self.habits, self.dial, orders, self._refunds)
        self._pages = PhonePages(self.phone, self._keyrings)
        self._control = Control(self)
        self._tasks: list[asyncio.Task[None]] = []
        self._server: _Server | None = None

    async def __aenter__(self) -> Self:
        """Start answering."""
        config = uvicorn.Config(
            self, loop="none", http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
            date_header=True, timeout_graceful_shutdown=1, backlog=2048,
        )  # fmt: skip
        self._server = _Server(config)
        self._tasks = [asyncio.create_task(self._server.serve([self._socket])), asyncio.create_task(self.notices.run())]
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
        self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()
        self.books.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application: the channel's API, the phone's pages, the dial's doors."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path.startswith("/v3/"):
            await self._api(scope, receive, send)
        elif path.startswith(("/phone", "/cgi-bin/", "/static/")) or path == "/":
            await self._pages(scope, receive, send)
        elif path.startswith(("/dial", "/books", "/healthz")):
            await self._control(scope, receive, send)
        else:
            await write(send, Answer(404))

    def refund_by_hand(self, out_trade_no: str, out_refund_no: str, amount_fen: int) -> Refund:
        """Refund as a person does in the merchant platform. Raises `ApiError` when the channel would refuse."""
        order = self.books.order(self.merchant.mchid, out_trade_no)
        if order is None:
            raise LookupError(out_trade_no)
        refund = self._refunds.by_hand(self.merchant, order, out_refund_no, amount_fen)
        self.notices.look()
        return refund

    def fault(self, point: str, kind: str, **settings: object) -> Fault:
        """Set a fault on the dial in one line: `sim.fault("query", "hang", seconds=2)`."""
        return self.dial.set(Fault(point=point, kind=kind, **settings))  # type: ignore[arg-type]

    async def quiet(self, within_s: float = 10.0) -> None:
        """Wait until every callback is acknowledged or given up and every refund has met its fate. Raises `TimeoutError`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while self.notices.busy():
            if loop.time() > end:
                raise TimeoutError(f"still busy: {self.books.notice_counts()}")
            await asyncio.sleep(0.005)


class _Server(uvicorn.Server):
    """A server that ends when it is told to, and not at its next look a tenth of a second later."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._tick = asyncio.Event()

    def end(self) -> None:
        """Stop answering now."""
        self.should_exit = True
        self._tick.set()

    async def main_loop(self) -> None:
        """Keep the Date header current until told to end."""
        count = 0
        while not await self.on_tick(count):
            count = (count + 1) % 864_000
            self._tick.clear()
            alarm = asyncio.get_running_loop().call_later(0.1, self._tick.set)
            try:
                await self._tick.wait()
            finally:
                alarm.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to whoever owns the process."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    listener.settimeout(0)
    return listener
