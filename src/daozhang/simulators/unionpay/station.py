"""UnionPay as a station: its gateway below `/gateway/`, its file service below `/filedownload/`."""

from pathlib import Path
from typing import Any

from daozhang.simulators.faults import TRICKS
from daozhang.simulators.station import World
from daozhang.simulators.unionpay.books import Books
from daozhang.simulators.unionpay.codes import CODES, DETAILS
from daozhang.simulators.unionpay.enrolment import Enrolment, Merchant, enrol, load_enrolment
from daozhang.simulators.unionpay.files import Files
from daozhang.simulators.unionpay.gateway import Gateway
from daozhang.simulators.unionpay.hand import OWN_TRICKS, REFUSALS, WAYS, Hand
from daozhang.simulators.unionpay.notices import Notices
from daozhang.simulators.unionpay.signing import Keyring
from daozhang.simulators.unionpay.trades import Trades
from daozhang.simulators.wire import Receive, Scope, Send


class UnionPay:
    """See `daozhang.simulators.station.Station`. `enrolment` are keys made before: making them takes about a second."""

    kind = "unionpay"
    prefixes = ("/gateway/", "/filedownload/")
    ways = WAYS
    refusals = REFUSALS
    tricks = (*(trick for trick in TRICKS if trick != "probe"), *OWN_TRICKS)
    codes = (*sorted(CODES), *sorted(DETAILS))

    def __init__(self, world: World, enrolment: Enrolment | None = None) -> None:
        enrolment = enrolment or _enrolment(world.folder)
        self._url = world.url
        self.enrolment = enrolment
        self.merchant: Merchant = enrolment.merchants[0]
        self.keyring = Keyring(enrolment)
        self.books = Books(str(world.folder / "books.sqlite") if world.folder else ":memory:", world.watch)
        for mer_id in self.keyring.merchants:
            self.books.add_merchant(mer_id)
        self.notices = Notices(self.books, world.watch, world.habits, world.dial, self.keyring)
        names = {merchant.mer_id: merchant.name for merchant in enrolment.merchants}
        self.hand = Hand(self.books, world.watch, world.dial, self.notices, names, world.habits)
        trades, files = Trades(self.books, world.watch, world.habits), Files(self.books, world.watch)
        self._gateway = Gateway(self.keyring, self.books, trades, files, world.dial, world.url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._gateway(scope, receive, send)
        # A revoke is done at once, and its notice goes out with the next look.
        self.notices.look()

    async def run(self) -> None:
        """Send what is due until cancelled."""
        await self.notices.run()

    def card(self) -> dict[str, Any]:
        """What a merchant copies out of the merchant platform."""
        return card_of(self.enrolment, self.merchant, self._url)

    def sums(self) -> dict[str, Any]:
        """The books in sum."""
        return {
            "paid": self.books.paid_totals(),
            "refunded": self.books.refund_totals(),
            "balance_fen": sum(self.books.balance_fen(mer_id) for mer_id in self.keyring.merchants),
            "orders": self.books.order_counts(),
            "notices": self.books.notice_counts(),
        }

    def story(self, number: str) -> dict[str, Any]:
        """All about one payment."""
        order = self.hand.order(number)
        return {
            "order": order,
            "refunds": self.books.returns_of(order) if order.query_id else [],
            "notices": [{"id": each.id, "state": each.state, "step": each.step} for each in self.books.notices(order.order_id)],
            "sends": self.books.sends(order.order_id),
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


def card_of(enrolment: Enrolment, merchant: Merchant, url: str) -> dict[str, Any]:
    """What a merchant whose channel is at `url` enters in the shop. ACP has no app, so the merchant's number stands for it."""
    return {
        "kind": UnionPay.kind,
        "name": "云闪付",
        "merchant": merchant.mer_id,
        "app": merchant.mer_id,
        "methods": ["page", "h5", "qr"],
        "hosts": [url],
        "keys": {
            "private_key": merchant.private_key,
            "certificate": merchant.certificate,
            "root_certificates": [enrolment.root],
            "middle_certificates": [enrolment.middle],
        },
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
