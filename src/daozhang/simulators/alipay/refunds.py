"""Refunds at Alipay: at once, once per number, `fund_change` saying whether money moved. Source: refund and refund query pages."""

from typing import Any

from daozhang.simulators.alipay.books import Books, Trade
from daozhang.simulators.alipay.enrolment import App
from daozhang.simulators.alipay.errors import ApiError
from daozhang.simulators.alipay.fields import read_content
from daozhang.simulators.alipay.trades import BUYER, Trades, beijing, plain_yuan
from daozhang.simulators.habits import Habits
from daozhang.simulators.watch import Watch

_REFUND = frozenset({"out_trade_no", "trade_no", "refund_amount", "refund_reason", "out_request_no", "query_options"})
_QUERY = frozenset({"out_trade_no", "trade_no", "out_request_no", "query_options"})
_FATES = {"SUCCESS": "REFUND_SUCCESS", "CLOSED": "REFUND_FAIL", "ABNORMAL": "REFUND_PROCESSING"}


class Refunds:
    """The refund calls. Each takes the calling application and gives the answer's content, or raises `ApiError`."""

    def __init__(self, books: Books, watch: Watch, habits: Habits, trades: Trades) -> None:
        self._books, self._watch, self._habits, self._trades = books, watch, habits, trades

    def ask(self, app: App, content: str) -> tuple[dict[str, Any], Trade | None]:
        """Refund; the trade when money moved now. The same number again answers the same with `fund_change` N."""
        fields = read_content(content, _REFUND)
        trade = self._trades.find(app, fields)
        amount_fen, number = fields.fen("refund_amount"), fields.number("out_request_no", required=False)
        reason = fields.text("refund_reason", 256, required=False)
        known = self._books.refund(trade, number or trade.out_trade_no)
        if known is not None:
            if known.amount_fen != amount_fen:
                raise ApiError("ACQ.DISCORDANT_REPEAT_REQUEST")
            return self._told(trade, changed=False), None
        self._judge(trade, amount_fen, number)
        status = _FATES[self._habits.next_refund_fate()]
        due_s = self._watch.now_s() + self._habits.refund_s * self._habits.time_scale if status == "REFUND_PROCESSING" else None
        trade = self._books.add_refund(trade, number or trade.out_trade_no, amount_fen, reason, status, due_s)
        moved = status == "REFUND_SUCCESS"
        return self._told(trade, changed=moved), trade if moved else None

    def query(self, app: App, content: str) -> dict[str, Any]:
        """What Alipay tells of a refund: nothing at all when it knows none of this number."""
        fields = read_content(content, _QUERY)
        trade = self._trades.find(app, fields)
        refund = self._books.refund(trade, fields.number("out_request_no"))
        if refund is None:
            return {}
        told = {
            "out_request_no": refund.out_request_no,
            "out_trade_no": trade.out_trade_no,
            "refund_amount": plain_yuan(refund.amount_fen),
            "refund_status": refund.status,
            "total_amount": plain_yuan(trade.charged_fen),
            "trade_no": trade.trade_no or "",
        }
        if refund.done_s is not None and "gmt_refund_pay" in fields.values.get("query_options", []):
            told["gmt_refund_pay"] = beijing(refund.done_s)
        return told

    def by_hand(self, trade: Trade, number: str, amount_fen: int) -> Trade:
        """A refund made by a person in the merchant platform. Raises `ApiError`."""
        self._judge(trade, amount_fen, number)
        return self._books.add_refund(trade, number, amount_fen, "商家平台发起", "REFUND_SUCCESS", None)

    def _judge(self, trade: Trade, amount_fen: int, number: str) -> None:
        if trade.paid_s is None:
            raise ApiError("ACQ.TRADE_STATUS_ERROR")
        if trade.state == "TRADE_FINISHED":
            raise ApiError("ACQ.TRADE_HAS_FINISHED")
        left_fen = trade.charged_fen - trade.refunded_fen
        if amount_fen > left_fen or (not number and amount_fen != trade.charged_fen):
            raise ApiError("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
        if amount_fen > self._books.balance_fen(trade.app_id):
            raise ApiError("ACQ.SELLER_BALANCE_NOT_ENOUGH")

    def _told(self, trade: Trade, *, changed: bool) -> dict[str, Any]:
        return {
            "buyer_logon_id": BUYER["logon"],
            "buyer_user_id": BUYER["id"],
            "fund_change": "Y" if changed else "N",
            "gmt_refund_pay": beijing(self._watch.now_s()),
            "out_trade_no": trade.out_trade_no,
            "refund_fee": plain_yuan(trade.refunded_fen),
            "send_back_fee": "0.00",
            "trade_no": trade.trade_no or "",
        }
