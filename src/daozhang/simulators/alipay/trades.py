"""Trades at Alipay: wishing (precreate, page, wap), asking, closing. Source: the product pages of the open platform."""

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from daozhang.clock import SHANGHAI
from daozhang.money import yuan
from daozhang.simulators.alipay.books import Books, Trade
from daozhang.simulators.alipay.enrolment import App
from daozhang.simulators.alipay.errors import ApiError
from daozhang.simulators.alipay.fields import Fields, read_content
from daozhang.simulators.watch import Watch

PRODUCTS = {"qr": ("FACE_TO_FACE_PAYMENT", "QR_CODE_OFFLINE"), "page": ("FAST_INSTANT_TRADE_PAY",), "h5": ("QUICK_WAP_WAY",)}
USUAL_S = {"qr": 2 * 3600.0, "page": 15 * 86_400.0, "h5": 15 * 86_400.0}
LATEST_REFUND_S = 365 * 86_400
BUYER = {"id": "2088622147948061", "logon": "138****8000"}
_WISH = frozenset(
    {"out_trade_no", "total_amount", "subject", "product_code", "time_expire", "timeout_express", "body", "goods_detail",
     "disable_pay_channels", "enable_pay_channels", "passback_params", "quit_url", "qr_pay_mode", "seller_id", "store_id",
     "operator_id", "terminal_id", "qr_code_timeout_express", "request_from_url", "extend_params", "business_params"}
)  # fmt: skip
_ASK = frozenset({"out_trade_no", "trade_no", "query_options", "operator_id"})


class Trades:
    """The trade calls. Each takes the calling application and gives the answer's content, or raises `ApiError`."""

    def __init__(self, books: Books, watch: Watch) -> None:
        self._books, self._watch = books, watch

    def precreate(self, app: App, content: str, notify_url: str) -> dict[str, str]:
        """A code to scan. No trade yet: it begins when somebody scans."""
        trade = self.wish("qr", app, content, notify_url, "")
        return {"out_trade_no": trade.out_trade_no, "qr_code": trade.qr_code}

    def wish(self, product: str, app: App, content: str, notify_url: str, return_url: str) -> Trade:
        """Take in a wish. The same number with the same content leads to the same; with another it is refused."""
        fields = read_content(content, _WISH)
        values = self._read(product, app, fields) | {"notify_url": notify_url, "return_url": return_url}
        known = self._books.add_trade(values) or self._books.trade(app.app_id, values["out_trade_no"])
        assert known is not None
        if known.state in ("TRADE_SUCCESS", "TRADE_FINISHED") or known.paid_s is not None:
            raise ApiError("ACQ.TRADE_HAS_SUCCESS")
        if known.state == "TRADE_CLOSED":
            raise ApiError("ACQ.TRADE_HAS_CLOSE")
        if known.fingerprint != values["fingerprint"]:
            raise ApiError("ACQ.CONTEXT_INCONSISTENT")
        return known

    def query(self, app: App, content: str) -> dict[str, Any]:
        """What Alipay tells of a trade."""
        return told(self.find(app, read_content(content, _ASK)))

    def close(self, app: App, content: str) -> tuple[dict[str, str], Trade]:
        """Close a trade that waits for its buyer. What nobody has come to does not exist; all else is in the wrong state."""
        closed = self._books.close_trade(self.find(app, read_content(content, _ASK)))
        if closed is None:
            raise ApiError("ACQ.TRADE_STATUS_ERROR")
        return {"out_trade_no": closed.out_trade_no, "trade_no": closed.trade_no or ""}, closed

    def find(self, app: App, fields: Fields) -> Trade:
        """The trade a call is about, by either number. Raises ACQ.TRADE_NOT_EXIST."""
        number, trade_no = fields.number("out_trade_no", required=False), fields.number("trade_no", required=False)
        if not number and not trade_no:
            raise ApiError("ACQ.INVALID_PARAMETER", "参数无效：out_trade_no 与 trade_no 不能同时为空")
        trade = self._books.trade_by_trade_no(trade_no) if trade_no else self._books.trade(app.app_id, number)
        if trade is None or not trade.state or trade.app_id != app.app_id or (number and trade.out_trade_no != number):
            raise ApiError("ACQ.TRADE_NOT_EXIST")
        if trade.state == "TRADE_SUCCESS" and trade.paid_s and self._watch.now_s() > trade.paid_s + LATEST_REFUND_S:
            return self._books.finish_trade(trade) or trade
        return trade

    def _read(self, product: str, app: App, fields: Fields) -> dict[str, Any]:
        code = fields.text("product_code", 64, required=product != "qr")
        if code and code not in PRODUCTS[product]:
            raise ApiError("ACQ.ACCESS_FORBIDDEN")
        now_s = self._watch.now_s()
        disabled = fields.text("disable_pay_channels", 128, required=False).split(",")
        seller = fields.text("seller_id", 28, required=False)
        if seller not in ("", app.seller_id):
            raise ApiError("ACQ.INVALID_RECEIVE_ACCOUNT")
        return {
            "app_id": app.app_id,
            "out_trade_no": fields.number("out_trade_no"),
            "product": product,
            "subject": fields.subject(),
            "total_fen": fields.fen("total_amount"),
            "no_credit": int(not {"credit_group", "creditCard"}.isdisjoint(disabled)),
            "expires_s": fields.expires_s(now_s, USUAL_S[product]),
            "fingerprint": hashlib.sha256(product.encode() + msgspec.json.encode(fields.values, order="deterministic")).hexdigest(),
        }


def told(trade: Trade) -> dict[str, Any]:
    """A trade as an answer tells it."""
    total_fen = trade.charged_fen if trade.paid_s is not None else trade.total_fen
    content: dict[str, Any] = {
        "buyer_logon_id": BUYER["logon"],
        "buyer_pay_amount": plain_yuan(trade.charged_fen - trade.voucher_fen if trade.paid_s is not None else 0),
        "buyer_user_id": BUYER["id"],
        "buyer_user_type": "PRIVATE",
        "invoice_amount": plain_yuan(trade.charged_fen - trade.voucher_fen if trade.paid_s is not None else 0),
        "out_trade_no": trade.out_trade_no,
        "point_amount": "0.00",
        "receipt_amount": plain_yuan(trade.charged_fen),
        "total_amount": plain_yuan(total_fen),
        "trade_no": trade.trade_no or "",
        "trade_status": trade.state,
    }
    if trade.paid_s is not None:
        content["fund_bill_list"] = funds(trade)
        content["send_pay_date"] = beijing(trade.paid_s)
    return content


def funds(trade: Trade) -> list[dict[str, str]]:
    """Where the money came from."""
    channel = {"balance": "ALIPAYACCOUNT", "debit": "BANKCARD", "credit": "PCREDIT"}[trade.way or "balance"]
    found = [{"amount": plain_yuan(trade.charged_fen - trade.voucher_fen), "fund_channel": channel}]
    return found + ([{"amount": plain_yuan(trade.voucher_fen), "fund_channel": "COUPON"}] if trade.voucher_fen else [])


def plain_yuan(fen: int) -> str:
    """Yuan with two decimals and nothing between the digits."""
    return yuan(fen, grouped=False)


def beijing(moment_s: float) -> str:
    """Seconds since 1970 as Alipay writes times."""
    return datetime.fromtimestamp(int(moment_s), SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
