"""The payer's hand at Alipay. Coming to a code makes the trade; what the wallet declines afterwards no merchant ever hears of."""

from dataclasses import replace
from urllib.parse import urlsplit

from daozhang.simulators.alipay.books import Books, Trade
from daozhang.simulators.alipay.enrolment import App
from daozhang.simulators.alipay.notices import Notices
from daozhang.simulators.faults import Dial
from daozhang.simulators.ladder import told
from daozhang.simulators.station import NotPayable, Payment, Told, is_native
from daozhang.simulators.watch import Watch

WAYS = ("balance", "debit", "credit")
REFUSALS: dict[str, str] = {
    "not_enough": "ACQ.BUYER_BALANCE_NOT_ENOUGH",
    "bank_limit": "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR",
    "bank_maintenance": "ACQ.PAYMENT_FAIL",
    "account_error": "ACQ.BUYER_ENABLE_STATUS_FORBID",
    "risk": "ACQ.PAYMENT_REQUEST_HAS_RISK",
}


class Hand:
    """See `daozhang.simulators.station.Hand`."""

    def __init__(self, books: Books, watch: Watch, dial: Dial, notices: Notices, apps: dict[str, App]) -> None:
        self._books, self._watch, self._dial, self._notices, self._apps = books, watch, dial, notices, apps

    def waiting(self, n: int) -> list[Payment]:
        """What can still be paid, the newest first."""
        return [self.seen(trade) for trade in self._books.waiting(n)]

    def paid(self, n: int) -> list[Payment]:
        """Paid, the newest first."""
        return [self.seen(trade) for trade in self._books.paid(n)]

    def find(self, number: str) -> Payment:
        """By what the code holds or the merchant's number."""
        return self.seen(self.trade(number))

    def scan(self, text: str) -> str | None:
        """What a camera does with `https://qr.alipay.com/...`."""
        parts = urlsplit(text)
        if (parts.scheme, parts.netloc) != ("https", "qr.alipay.com"):
            return None
        return self.trade(parts.path.removeprefix("/")).code

    def see(self, number: str) -> None:
        """The phone shows the payment, and with that the trade begins."""
        trade = self._come(self.trade(number))
        if not trade.phone:
            self._books.phone_saw(trade, "seen")

    def pay(self, number: str, *, way: str = "", trick: str = "", amount_fen: int | None = None, voucher_fen: int = 0) -> Payment:
        """Pay; the notice is on its way."""
        trade = self._come(self.trade(number))
        way = way or WAYS[0]
        if way == "credit" and trade.no_credit:
            raise NotPayable("no_credit")
        otherwise_fen = amount_fen if amount_fen is not None else trade.total_fen + 1
        charged_fen = otherwise_fen if trick == "charged_otherwise" else trade.total_fen
        paid = self._books.pay(trade, charged_fen, way, min(voucher_fen, charged_fen))
        if paid is None:
            raise NotPayable("closed")
        self._dial.arrange(trick, paid.out_trade_no, otherwise_fen)
        self._notices.payment(paid)
        return self.seen(paid)

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
        """What became of the notice."""
        out_trade_no = self.trade(number).out_trade_no
        about = [notice for notice in self._books.notices(out_trade_no) if notice.about == "payment"]
        return told(self._books, out_trade_no, about)

    def trade(self, number: str) -> Trade:
        """Alipay's own row of a payment. Raises `NotPayable("unknown")`."""
        trade = self._books.trade_by_code(number)
        for app_id in self._apps:
            trade = trade or self._books.trade(app_id, number)
        if trade is None:
            raise NotPayable("unknown")
        return trade

    def seen(self, trade: Trade) -> Payment:
        """A row as the phone sees it."""
        return Payment(
            kind="alipay",
            number=trade.out_trade_no,
            code=trade.code,
            shop=self._apps[trade.app_id].name,
            description=trade.subject,
            product=trade.product,
            amount_fen=trade.total_fen,
            charged_fen=trade.charged_fen,
            refunded_fen=trade.refunded_fen,
            created_s=trade.created_s,
            expires_s=trade.expires_s,
            paid_s=trade.paid_s,
            state=trade.state or "PRECREATED",
            phone=trade.phone,
            txn=trade.trade_no or "" if trade.paid_s is not None else "",
            way=trade.way,
            voucher_fen=trade.voucher_fen,
        )

    def _come(self, trade: Trade) -> Trade:
        if trade.paid_s is not None:
            raise NotPayable("paid")
        if self._watch.now_s() >= trade.expires_s:
            raise NotPayable("expired")
        if trade.state == "TRADE_CLOSED":
            raise NotPayable("closed")
        if trade.state:
            return trade
        opened = self._books.open_trade(trade)
        self._notices.state(opened, "waiting")
        return opened

    def _note(self, number: str, what: str) -> Payment:
        trade = self._come(self.trade(number))
        self._books.phone_saw(trade, what)
        return replace(self.seen(trade), phone=what)
