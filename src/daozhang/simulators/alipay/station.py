"""Alipay as a station: one gateway for everything, and the addresses of its bills."""

from pathlib import Path
from typing import Any

from daozhang.simulators.alipay.bill import PATH, Bills
from daozhang.simulators.alipay.books import Books, Trade
from daozhang.simulators.alipay.enrolment import App, Enrolment, enrol, load_enrolment
from daozhang.simulators.alipay.errors import codes
from daozhang.simulators.alipay.gateway import Gateway
from daozhang.simulators.alipay.hand import REFUSALS, WAYS, Hand
from daozhang.simulators.alipay.notices import Notices
from daozhang.simulators.alipay.quirks import Quirks
from daozhang.simulators.alipay.refunds import Refunds
from daozhang.simulators.alipay.signing import Keyring
from daozhang.simulators.alipay.trades import Trades
from daozhang.simulators.faults import TRICKS
from daozhang.simulators.station import World
from daozhang.simulators.wire import Answer, Receive, Scope, Send, write

METHODS = ("qr", "page", "h5")


class AlipayStation:
    """See `daozhang.simulators.station.Station`. `enrolments` are keys made before: making them takes about 0.5 s."""

    kind = "alipay"
    prefixes = ("/gateway.do", PATH)
    ways = WAYS
    refusals = REFUSALS
    tricks = tuple(trick for trick in TRICKS if trick != "probe")
    codes = tuple(sorted(codes()))

    def __init__(self, world: World, *enrolments: Enrolment) -> None:
        enrolments = enrolments or (_enrolment(world.folder),)
        self._url = world.url
        self.app: App = enrolments[0].app
        self.quirks = Quirks()
        self.books = Books(str(world.folder / "books.sqlite") if world.folder else ":memory:", world.watch)
        self.keyrings = {each.app.app_id: Keyring(each) for each in enrolments}
        for app_id in self.keyrings:
            self.books.add_seller(app_id)
        self.notices = Notices(self.books, world.watch, world.habits, world.dial, self.quirks, self.keyrings)
        trades = Trades(self.books, world.watch)
        self._refunds = Refunds(self.books, world.watch, world.habits, trades)
        apps = {app_id: keyring.app for app_id, keyring in self.keyrings.items()}
        self.hand = Hand(self.books, world.watch, world.dial, self.notices, apps)
        self.bills = Bills(self.books, world.watch, world.url)
        self._gateway = Gateway(self.keyrings, self.books, world.dial, self.quirks, self.notices, trades, self._refunds, self.bills)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        if path == "/gateway.do":
            await self._gateway(scope, receive, send)
        elif path.startswith(PATH) and scope["method"] in ("GET", "HEAD"):
            bill = self.bills.fetch(path.removeprefix(PATH))
            await write(send, Answer(404) if bill is None else Answer(200, bill, {"Content-Type": "application/zip"}))
        else:
            await write(send, Answer(404))

    async def run(self) -> None:
        """Send what is due until cancelled."""
        await self.notices.run()

    def card(self) -> dict[str, Any]:
        """What a merchant copies out of the open platform."""
        return card_of(self.app, self._url)

    def sums(self) -> dict[str, Any]:
        """The books in sum."""
        return {
            "paid": self.books.paid_totals(),
            "refunded": self.books.refund_totals(),
            "balance_fen": sum(self.books.balance_fen(app_id) for app_id in self.keyrings),
            "orders": self.books.trade_counts(),
            "notices": self.books.notice_counts(),
        }

    def story(self, number: str) -> dict[str, Any]:
        """All about one payment."""
        trade = self.hand.trade(number)
        number = trade.out_trade_no
        return {
            "order": trade,
            "refunds": self.books.refunds_of(trade),
            "notices": [{"id": each.id, "state": each.state, "step": each.step} for each in self.books.notices(number)],
            "sends": self.books.sends(number),
        }

    def busy(self) -> bool:
        """Whether a notice or refund still waits, is held or is being sent."""
        return self.notices.busy()

    def look(self) -> None:
        """Something may be due earlier than before."""
        self.notices.look()

    def wake(self) -> None:
        """Make every waiting notice due now."""
        self.books.wake_notices()
        self.notices.look()

    def close(self) -> None:
        """Let go of the books."""
        self.books.close()

    def refund_by_hand(self, number: str, out_request_no: str, amount_fen: int) -> Trade:
        """Refund as a person does in the merchant platform. Raises `ApiError` when Alipay would refuse."""
        trade = self._refunds.by_hand(self.hand.trade(number), out_request_no, amount_fen)
        self.notices.refund(trade, out_request_no)
        return trade


def card_of(app: App, url: str) -> dict[str, Any]:
    """What a merchant whose channel is at `url` enters in the shop."""
    keys = {
        "private_key": app.private_key,
        "alipay_public_key": app.alipay_public_key,
        "app_certificate": app.app_certificate,
        "alipay_certificate": app.alipay_certificate,
        "root_certificate": app.root_certificate,
    }
    return {
        "kind": AlipayStation.kind,
        "name": "支付宝",
        "merchant": app.seller_id,
        "app": app.app_id,
        "methods": list(METHODS),
        "hosts": [url],
        "keys": {name: text for name, text in keys.items() if text},
    }


def _enrolment(folder: Path | None) -> Enrolment:
    """The same keys as last time, so that a channel that was registered once still fits after a restart."""
    if folder is None:
        return enrol()
    path = folder / "enrolment.json"
    if path.exists():
        return load_enrolment(path)
    enrolment = enrol()
    enrolment.save(path)
    return enrolment
