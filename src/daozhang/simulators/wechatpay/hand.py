"""The payer's hand at WeChat Pay. A declined, abandoned or refused payment stays NOTPAY and makes no callback."""

import hashlib
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from daozhang.simulators.faults import Dial
from daozhang.simulators.ladder import told
from daozhang.simulators.merchant import Merchant
from daozhang.simulators.station import NotPayable, Payment, Told, is_native
from daozhang.simulators.watch import Watch
from daozhang.simulators.wechatpay.books import CODE_VALID_S, Books, Order
from daozhang.simulators.wechatpay.notices import Notices

BANKS: dict[str, str] = {"balance": "OTHERS", "debit": "CMB_DEBIT", "credit": "CCB_CREDIT"}
"""Where the payer's money comes from (the wallet's change, a debit card, a credit card), and what merchants are told of it."""

REFUSALS: dict[str, str] = {
    "not_enough": "NOTENOUGH",
    "bank_limit": "RULE_LIMIT",
    "bank_maintenance": "BANKERROR",
    "account_error": "ACCOUNTERROR",
    "risk": "TRADE_ERROR",
}


class Hand:
    """See `daozhang.simulators.station.Hand`."""

    def __init__(self, books: Books, watch: Watch, dial: Dial, notices: Notices, merchants: dict[str, Merchant]) -> None:
        self._books, self._watch, self._dial, self._notices, self._merchants = books, watch, dial, notices, merchants

    def waiting(self, n: int) -> list[Payment]:
        """Unpaid, the newest first."""
        return [self.seen(order) for order in self._books.waiting(n)]

    def paid(self, n: int) -> list[Payment]:
        """Paid, the newest first."""
        return [self.seen(order) for order in self._books.paid(n)]

    def find(self, number: str) -> Payment:
        """By the code in its QR, its prepay id or the merchant's number."""
        return self.seen(self.order(number))

    def scan(self, text: str) -> str | None:
        """What a camera does with `weixin://wxpay/bizpayurl?pr=...`."""
        parts = urlsplit(text)
        if (parts.scheme, parts.netloc, parts.path) != ("weixin", "wxpay", "/bizpayurl"):
            return None
        return self.order((parse_qs(parts.query).get("pr") or [""])[0]).code

    def see(self, number: str) -> None:
        """The phone shows the payment."""
        order = self.order(number)
        self._payable(order)
        if not order.phone:
            self._books.phone_saw(order, "seen")

    def pay(
        self, number: str, *, way: str = "", trick: str = "", amount_fen: int | None = None, voucher_fen: int = 0, payer: str = ""
    ) -> Payment:
        """Pay; the callback is on its way. `payer` is the openid of somebody else whose phone scanned the code."""
        order = self.order(number)
        self._payable(order)
        otherwise_fen = amount_fen if amount_fen is not None else order.total_fen + 1
        charged_fen = otherwise_fen if trick == "charged_otherwise" else order.total_fen
        payer, bank = order.openid or payer or payer_of(order.appid), BANKS[way or "balance"]
        paid = self._books.pay(order, charged_fen, bank, payer, min(voucher_fen, charged_fen))
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
        """What became of the callback."""
        out_trade_no = self.order(number).out_trade_no
        return told(self._books, out_trade_no, self._books.notices(out_trade_no))

    def order(self, number: str) -> Order:
        """The channel's own row of a payment. Raises `NotPayable("unknown")`."""
        order = self._books.order_by_code(number) or self._books.order_by_prepay(number)
        for mchid in self._merchants:
            order = order or self._books.order(mchid, number)
        if order is None:
            raise NotPayable("unknown")
        return order

    def seen(self, order: Order) -> Payment:
        """A row as the phone sees it."""
        return Payment(
            kind="wechatpay",
            number=order.out_trade_no,
            code=order.code,
            shop=self._merchants[order.mchid].name,
            description=order.description,
            product=order.product,
            amount_fen=order.total_fen,
            charged_fen=order.charged_fen,
            refunded_fen=order.refunded_fen,
            created_s=order.created_s,
            expires_s=min(order.expires_s, order.created_s + CODE_VALID_S),
            paid_s=order.paid_s,
            state=order.trade_state,
            phone=order.phone,
            txn=order.transaction_id or "",
            way=next((way for way, bank in BANKS.items() if bank == order.bank_type), ""),
            voucher_fen=order.voucher_fen,
        )

    def _payable(self, order: Order) -> None:
        now_s = self._watch.now_s()
        if order.paid_s is not None:
            raise NotPayable("paid")
        if order.state == "CLOSED":
            raise NotPayable("closed")
        if now_s >= order.expires_s:
            raise NotPayable("expired")
        if now_s >= order.created_s + CODE_VALID_S:
            raise NotPayable("stale_link")

    def _note(self, number: str, what: str) -> Payment:
        order = self.order(number)
        self._payable(order)
        self._books.phone_saw(order, what)
        return replace(self.seen(order), phone=what)


def payer_of(appid: str) -> str:
    """The openid of the phone's owner at an app: different at every app, always the same at one."""
    return "oUpF8" + hashlib.sha256(appid.encode()).hexdigest()[:23]
