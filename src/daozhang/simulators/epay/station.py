"""An operator of Epay as a station: everything of it stands below `/epay/`, as operators stand below a folder of some host."""

from typing import Any

from daozhang.simulators.epay.books import Books
from daozhang.simulators.epay.enrolment import Enrolment, Merchant, card_of, kept_enrolment
from daozhang.simulators.epay.hand import REFUSALS, WAYS, Hand
from daozhang.simulators.epay.notices import Notices
from daozhang.simulators.epay.office import Office
from daozhang.simulators.epay.orders import Orders
from daozhang.simulators.epay.refunds import Refunds
from daozhang.simulators.epay.server import ApiServer
from daozhang.simulators.epay.tongue import TONGUES, Rules, Tongue
from daozhang.simulators.faults import TRICKS
from daozhang.simulators.station import World
from daozhang.simulators.wire import Receive, Scope, Send


class Epay:
    """See `daozhang.simulators.station.Station`. `enrolment` are merchants and keys made before, `tongue` how the operator speaks.

    `rules` are what it has switched on; both may be turned while it runs (`speak`, `rules`).
    """

    kind = "epay"
    prefixes = ("/epay/",)
    ways = WAYS
    refusals = REFUSALS
    tricks = (*(trick for trick in TRICKS if trick not in ("probe", "slow")), "early", "replay", "extra", "polluted", "other_key",
              "odd_amount")  # fmt: skip
    codes = ("-1", "-2", "-3", "-4", "-5")

    def __init__(self, world: World, enrolment: Enrolment | None = None, tongue: str = "rainbow") -> None:
        self._url = world.url
        self.enrolment = enrolment or kept_enrolment(world.folder)
        self.books = Books(str(world.folder / "books.sqlite") if world.folder else ":memory:", world.watch)
        for merchant in self.enrolment.merchants:
            self.books.add_merchant(merchant.pid)
        self.rules = Rules()
        self._office = Office(self.enrolment, world.watch, TONGUES[tongue], self.rules)
        self.notices = Notices(self.books, world.watch, world.habits, world.dial, self._office)
        orders, refunds = Orders(self.books, world.watch, self.rules), Refunds(self.books, world.habits, self.rules)
        self.hand = Hand(self.books, world.dial, orders, self.notices, self._office)
        self._api = ApiServer(self._office, self.books, world.watch, world.dial, orders, refunds, world.url)

    @property
    def merchant(self) -> Merchant:
        """The first merchant."""
        return self.enrolment.merchants[0]

    def speak(self, tongue: str | Tongue) -> None:
        """Speak another dialect from now on."""
        self._office.tongue = TONGUES[tongue] if isinstance(tongue, str) else tongue

    def freeze(self, number: str, *, frozen: bool = True) -> None:
        """The operator keeps a paid order's money back from the merchant, or gives it free again."""
        self.books.set_status(self.hand.order(number).trade_no, 3 if frozen else 1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._api(scope, receive, send)

    async def run(self) -> None:
        """Send what is due until cancelled."""
        await self.notices.run()

    def card(self, merchant: Merchant | None = None, **settings: Any) -> dict[str, Any]:
        """What a merchant (the first) copies out of the operator's page; `settings` as in `card_of`."""
        return card_of(self.enrolment, merchant or self.merchant, self._url, **settings)

    def sums(self) -> dict[str, Any]:
        """The books in sum."""
        return {
            "paid": self.books.paid_totals(),
            "refunded": self.books.refund_totals(),
            "balance_fen": self.books.balance_fen(),
            "orders": self.books.order_counts(),
            "notices": self.books.notice_counts(),
        }

    def story(self, number: str) -> dict[str, Any]:
        """All about one payment."""
        order = self.hand.order(number)
        notice = self.books.notice_of(order)
        return {
            "order": order,
            "refunds": self.books.refunds_of(order),
            "notices": [{"id": notice.trade_no, "state": notice.state, "step": notice.step}] if notice else [],
            "sends": self.books.sends(order.out_trade_no),
        }

    def busy(self) -> bool:
        """Whether a callback still waits, is held or is being sent."""
        return self.notices.busy()

    def look(self) -> None:
        """Something may be due earlier than before."""
        self.notices.look()

    def wake(self) -> None:
        """Make every waiting callback due now."""
        self.books.wake_notices()
        self.notices.look()

    def close(self) -> None:
        """Let go of the books."""
        self.books.close()
