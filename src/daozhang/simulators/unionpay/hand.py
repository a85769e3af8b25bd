"""The payer's hand at UnionPay: its cashier on a desk or phone, and the 云闪付 app that scans a code.

What the bank refuses is known to the merchant too, when it asks: origRespCode says why. The payer may try again with another card
until the payment's time is over.
"""

from dataclasses import replace

from daozhang.simulators.faults import Dial
from daozhang.simulators.habits import Habits
from daozhang.simulators.ladder import told
from daozhang.simulators.station import NotPayable, Payment, Told, is_native
from daozhang.simulators.unionpay.books import Books, Order
from daozhang.simulators.unionpay.notices import Notices
from daozhang.simulators.unionpay.told import CARDS
from daozhang.simulators.watch import Watch

WAYS = ("debit", "credit", "balance")
REFUSALS: dict[str, str] = {
    "not_enough": "64",
    "bank_limit": "33",
    "bank_maintenance": "60",
    "account_error": "63",
    "risk": "38",
}
OWN_TRICKS = ("settling", "flawed")
SETTLING_S = 60
"""How long a payment is not known to the query that meets the trick `settling`."""
_QR = "https://qr.95516.com/00010000/01"


class Hand:
    """See `daozhang.simulators.station.Hand`."""

    def __init__(self, books: Books, watch: Watch, dial: Dial, notices: Notices, names: dict[str, str], habits: Habits) -> None:
        self._books, self._watch, self._dial, self._notices, self._names = books, watch, dial, notices, names
        self._habits = habits

    def waiting(self, n: int) -> list[Payment]:
        """Unpaid, the newest first."""
        return [self.seen(order) for order in self._books.waiting(n)]

    def paid(self, n: int) -> list[Payment]:
        """Paid, the newest first."""
        return [self.seen(order) for order in self._books.paid(n)]

    def find(self, number: str) -> Payment:
        """By its code or the merchant's number."""
        return self.seen(self.order(number))

    def scan(self, text: str) -> str | None:
        """What the app does with a code of `qr.95516.com`."""
        return self.order(text.removeprefix(_QR)).code if text.startswith(_QR) else None

    def see(self, number: str) -> None:
        """The cashier or the app shows the payment: from now on it is under way."""
        order = self.order(number)
        self._payable(order)
        if not order.phone:
            self._books.phone_saw(order, "seen")

    def pay(self, number: str, *, way: str = "", trick: str = "", amount_fen: int | None = None, voucher_fen: int = 0) -> Payment:
        """Pay; the notice is on its way.

        `settling`: charged, but for a minute neither query nor notice knows it. `flawed`: a success that is told as A6.
        """
        order = self.order(number)
        self._payable(order)
        otherwise_fen = amount_fen if amount_fen is not None else order.amount_fen + 1
        charged_fen = otherwise_fen if trick == "charged_otherwise" else order.amount_fen
        unknown_for_s = SETTLING_S * self._habits.time_scale if trick == "settling" else 0.0
        card, voucher_fen = way if way in CARDS else WAYS[0], min(voucher_fen, charged_fen)
        answer = "A6" if trick == "flawed" else "00"
        paid = self._books.pay(order, charged_fen, card, voucher_fen, unknown_for_s, answer)
        if paid is None:
            raise NotPayable("paid")
        if trick not in OWN_TRICKS:
            self._dial.arrange(trick, paid.order_id, otherwise_fen)
        self._notices.payment(paid)
        return self.seen(paid)

    def decline(self, number: str) -> Payment:
        """The payer taps cancel."""
        return self._note(number, "declined")

    def leave(self, number: str) -> Payment:
        """The payer walks away."""
        return self._note(number, "left")

    def refuse(self, number: str, why: str) -> Payment:
        """The bank or UnionPay refuses: a word of `REFUSALS` or a code. A query tells it."""
        if why not in REFUSALS and not is_native(why):
            raise NotPayable("unknown")
        return self._note(number, why, REFUSALS.get(why, why))

    def told(self, number: str) -> Told:
        """What became of the notice."""
        order_id = self.order(number).order_id
        return told(self._books, order_id, self._books.notices(order_id))

    def order(self, number: str) -> Order:
        """The channel's own row of a payment. Raises `NotPayable("unknown")`."""
        order = self._books.order_by_code(number) or self._books.order_by_number(number)
        if order is None:
            raise NotPayable("unknown")
        return order

    def seen(self, order: Order) -> Payment:
        """A row as the phone sees it. ACP knows no description: the payer sees the merchant's name."""
        state = order.answer or ("05" if order.phone else "")
        return Payment(
            kind="unionpay",
            number=order.order_id,
            code=order.code,
            shop=self._names[order.mer_id],
            description=self._names[order.mer_id],
            product=order.product,
            amount_fen=order.amount_fen,
            charged_fen=order.charged_fen,
            refunded_fen=order.refunded_fen,
            created_s=order.created_s,
            expires_s=order.expires_s,
            paid_s=order.paid_s,
            state=state,
            phone=order.phone,
            txn=order.query_id or "",
            way=order.way,
            voucher_fen=order.voucher_fen,
        )

    def _payable(self, order: Order) -> None:
        if order.paid_s is not None:
            raise NotPayable("paid")
        if self._watch.now_s() >= order.expires_s:
            raise NotPayable("expired")

    def _note(self, number: str, what: str, answer: str | None = None) -> Payment:
        order = self.order(number)
        self._payable(order)
        self._books.phone_saw(order, what, answer)
        return replace(self.seen(self.order(order.code)), phone=what)
