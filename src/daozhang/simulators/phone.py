"""The payer's phone: what a hand can do with a payment. The merchant hears of a payment and of nothing else.

A declined, abandoned or refused payment stays NOTPAY at the channel and makes no callback: only the phone knows why.
"""

import hashlib
from typing import Literal

from daozhang.simulators.faults import Dial, Fault
from daozhang.simulators.merchant import Merchant
from daozhang.simulators.watch import Watch
from daozhang.simulators.wechatpay.books import CODE_VALID_S, Books, Order
from daozhang.simulators.wechatpay.notices import Notices

Way = Literal["balance", "debit", "credit"]
"""Where the payer's money comes from: the wallet's change, a debit card, a credit card."""

BANKS: dict[Way, str] = {"balance": "OTHERS", "debit": "CMB_DEBIT", "credit": "CCB_CREDIT"}

REFUSALS: dict[str, str] = {
    "not_enough": "NOTENOUGH",
    "bank_limit": "RULE_LIMIT",
    "bank_maintenance": "BANKERROR",
    "account_error": "ACCOUNTERROR",
    "risk": "TRADE_ERROR",
}
"""What the wallet tells its user instead of paying, with the channel's word for it."""

TRICKS: tuple[str, ...] = (
    "drop", "silence", "delay", "duplicate", "reorder", "forge", "tamper", "stale", "probe", "alter", "unknown_order",
    "cut", "slow", "charged_otherwise", "booked_error", "hang",
)  # fmt: skip
"""What may go wrong with a payment that does go through, as the phone page offers it."""

_NATIVE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:")


class NotPayable(Exception):
    """The wallet does not pay this order. `word`: unknown, expired, stale_link, closed or paid."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Phone:
    """One phone that belongs to whoever an order is meant for."""

    def __init__(self, books: Books, watch: Watch, dial: Dial, notices: Notices, merchants: dict[str, Merchant]) -> None:
        self.books, self._watch, self.dial, self._notices = books, watch, dial, notices
        self.merchants = merchants

    def now_s(self) -> float:
        """The phone's clock is the channel's."""
        return self._watch.now_s()

    def shop(self, order: Order) -> str:
        """The name the payer sees."""
        return self.merchants[order.mchid].name

    def find(self, number: str, mchid: str = "") -> Order:
        """An order by the code in its QR, its prepay id or the merchant's number. Raises `NotPayable("unknown")`."""
        order = self.books.order_by_code(number) or self.books.order_by_prepay(number)
        for known in [mchid] if mchid else list(self.merchants):
            order = order or self.books.order(known, number)
        if order is None:
            raise NotPayable("unknown")
        return order

    def payable(self, order: Order) -> None:
        """Raises `NotPayable` when this order can not be paid any more."""
        now_s = self._watch.now_s()
        if order.paid_s is not None:
            raise NotPayable("paid")
        if order.state == "CLOSED":
            raise NotPayable("closed")
        if now_s >= order.expires_s:
            raise NotPayable("expired")
        if now_s >= order.created_s + CODE_VALID_S:
            raise NotPayable("stale_link")

    def pay(
        self, number: str, *, way: Way = "balance", trick: str = "", amount_fen: int | None = None, voucher_fen: int = 0
    ) -> Order:
        """Pay an order; `amount_fen` is what the trick tells or charges instead. Raises `NotPayable`."""
        order = self.find(number)
        self.payable(order)
        otherwise_fen = amount_fen if amount_fen is not None else order.total_fen + 1
        charged_fen = otherwise_fen if trick == "charged_otherwise" else order.total_fen
        voucher_fen = min(voucher_fen, charged_fen)
        paid = self.books.pay(order, charged_fen, BANKS[way], order.openid or payer_of(order.appid), voucher_fen)
        if paid is None:
            raise NotPayable("closed")
        self._prepare(trick, paid.out_trade_no, otherwise_fen)
        self._notices.payment(paid)
        return paid

    def _prepare(self, trick: str, out_trade_no: str, otherwise_fen: int) -> None:
        """Turn the dial so that the callback of this payment meets the trick."""
        if trick in ("booked_error", "hang"):
            # Charged but not notified: no callback ever comes, and the first question about it fails or hangs as well.
            self.dial.set(Fault(point="notice", kind="silence", number=out_trade_no))
            self.dial.set(
                Fault(point="query", kind="error" if trick == "booked_error" else "hang", number=out_trade_no, seconds=10)
            )
        elif trick and trick != "charged_otherwise":
            self.dial.set(Fault(point="notice", kind=trick, number=out_trade_no, amount_fen=otherwise_fen, seconds=8, copies=5))

    def see(self, order: Order) -> None:
        """The phone shows the payment."""
        if not order.phone:
            self.books.phone_saw(order, "seen")

    def decline(self, number: str) -> Order:
        """The payer taps cancel. Nobody else is told."""
        return self._note(number, "declined")

    def leave(self, number: str) -> Order:
        """The payer walks away. Nobody else is told."""
        return self._note(number, "left")

    def refuse(self, number: str, why: str) -> Order:
        """The wallet or the bank refuses: a word of `REFUSALS` or a native code. Only the phone is told. Raises `NotPayable`."""
        if why not in REFUSALS and (not why or len(why) > 64 or not set(why) <= _NATIVE):
            raise NotPayable("unknown")
        return self._note(number, why)

    def _note(self, number: str, what: str) -> Order:
        order = self.find(number)
        self.payable(order)
        self.books.phone_saw(order, what)
        return self.find(order.code)


def payer_of(appid: str) -> str:
    """The openid of the phone's owner at an app: different at every app, always the same at one."""
    return "oUpF8" + hashlib.sha256(appid.encode()).hexdigest()[:23]
