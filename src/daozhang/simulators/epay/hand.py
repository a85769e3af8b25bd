"""The payer's hand at an operator: the wallets behind it. What is declined or refused there stays unpaid, and nobody is told."""

from dataclasses import replace
from urllib.parse import urlsplit

from daozhang.simulators.epay.books import PAYABLE_S, Books, Order
from daozhang.simulators.epay.notices import Notices
from daozhang.simulators.epay.office import Office
from daozhang.simulators.epay.orders import Orders
from daozhang.simulators.faults import Dial
from daozhang.simulators.ladder import told
from daozhang.simulators.station import NotPayable, Payment, Told, is_native

WAYS = ("balance", "debit", "credit")
REFUSALS: dict[str, str] = {"not_enough": "-1", "bank_limit": "-1", "bank_maintenance": "-2", "account_error": "-1", "risk": "-1"}
EARLY_S = 30


class Hand:
    """See `daozhang.simulators.station.Hand`."""

    def __init__(self, books: Books, dial: Dial, orders: Orders, notices: Notices, office: Office) -> None:
        self._books, self._dial, self._orders, self._notices, self._office = books, dial, orders, notices, office

    def waiting(self, n: int) -> list[Payment]:
        """Unpaid, the newest first."""
        return [self.seen(order) for order in self._books.waiting(n)]

    def paid(self, n: int) -> list[Payment]:
        """Paid, the newest first."""
        return [self.seen(order) for order in self._books.paid(n)]

    def find(self, number: str) -> Payment:
        """By the code, the operator's number or the merchant's."""
        return self.seen(self.order(number))

    def scan(self, text: str) -> str | None:
        """What a camera does with the operator's own code: an address below `/epay/pay/qrcode/`."""
        path = urlsplit(text).path if len(text) <= 1024 else ""
        if not path.startswith("/epay/pay/qrcode/"):
            return None
        return self.order(path.rsplit("/", 1)[-1]).code

    def see(self, number: str) -> None:
        """The phone shows the payment."""
        order = self.order(number)
        if not order.phone:
            self._books.phone_saw(order, "seen")

    def pay(self, number: str, *, way: str = "", trick: str = "", amount_fen: int | None = None, voucher_fen: int = 0) -> Payment:
        """Pay; the callback is on its way. `early`: the callback is faster than the operator's own books."""
        order = self.order(number)
        self._payable(order)
        otherwise_fen = amount_fen if amount_fen is not None else order.money_fen + 1
        charged_fen = otherwise_fen if trick == "charged_otherwise" else order.money_fen
        paid = self._books.pay(order, charged_fen, way or WAYS[0], EARLY_S if trick == "early" else 0.0)
        if paid is None:
            raise NotPayable("closed")
        if trick != "early":
            self._dial.arrange(trick, paid.out_trade_no, otherwise_fen)
        self._notices.payment(paid)
        return replace(self.seen(paid), voucher_fen=min(voucher_fen, charged_fen))

    def decline(self, number: str) -> Payment:
        """The payer taps cancel."""
        return self._note(number, "declined")

    def leave(self, number: str) -> Payment:
        """The payer walks away."""
        return self._note(number, "left")

    def refuse(self, number: str, why: str) -> Payment:
        """The wallet or the bank refuses. Only the phone is told."""
        if why not in REFUSALS and not is_native(why):
            raise NotPayable("unknown")
        return self._note(number, why)

    def told(self, number: str) -> Told:
        """What became of the callback."""
        order = self.order(number)
        notice = self._books.notice_of(order)
        return told(self._books, order.out_trade_no, [notice] if notice else [])

    def order(self, number: str) -> Order:
        """The operator's own row of a payment. Raises `NotPayable("unknown")`."""
        order = self._books.find(number)
        if order is None:
            raise NotPayable("unknown")
        return order

    def seen(self, order: Order) -> Payment:
        """A row as the phone sees it."""
        return Payment(
            kind="epay",
            number=order.out_trade_no,
            code=order.code,
            shop=self._office.merchants[order.pid].name,
            description=order.name,
            product=order.type,
            amount_fen=order.money_fen,
            charged_fen=order.charged_fen,
            refunded_fen=order.refund_fen,
            created_s=order.created_s,
            expires_s=order.created_s + PAYABLE_S,
            paid_s=order.paid_s,
            state=str(order.status),
            phone=order.phone,
            txn=order.trade_no if order.paid_s is not None else "",
            way=order.way,
        )

    def _payable(self, order: Order) -> None:
        word = self._orders.payable(order)
        if word:
            raise NotPayable(word)

    def _note(self, number: str, what: str) -> Payment:
        order = self.order(number)
        self._payable(order)
        self._books.phone_saw(order, what)
        return replace(self.seen(order), phone=what)
