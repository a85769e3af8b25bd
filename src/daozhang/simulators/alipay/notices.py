"""Notices of Alipay: a signed form, sent again at 4 m, 10 m, 10 m, 1 h, 2 h, 6 h and 15 h until the body says `success`.

`notify_id` stays the same on every re-send, `notify_time` is the time of sending. A refund is told at the payment's own address,
with the sum of all refunds in `refund_fee` and the refund's number in `out_biz_no`. What the wallet declined is never told.
"""

import json
import secrets
import uuid
from urllib.parse import urlencode

from daozhang.simulators.alipay.books import Books, Notice, Trade
from daozhang.simulators.alipay.quirks import Quirks
from daozhang.simulators.alipay.signing import Keyring
from daozhang.simulators.alipay.trades import BUYER, beijing, funds, plain_yuan
from daozhang.simulators.courier import carry
from daozhang.simulators.faults import Dial, Fault
from daozhang.simulators.habits import Habits
from daozhang.simulators.ladder import Ladder
from daozhang.simulators.watch import Watch

LADDER_S = (240, 600, 600, 3600, 7200, 21600, 54000)
OLD_S = 3 * 86_400
YES = b"success"


class Notices(Ladder[Notice]):
    """Notices of Alipay; a yes is the word `success` and nothing else."""

    rungs_s = LADDER_S

    def __init__(
        self, books: Books, watch: Watch, habits: Habits, dial: Dial, quirks: Quirks, keyrings: dict[str, Keyring]
    ) -> None:
        super().__init__(books, watch, habits, dial)
        self._books, self._quirks, self._keyrings = books, quirks, keyrings

    def payment(self, trade: Trade) -> None:
        """Tell that a trade was paid."""
        self._add(trade, "payment", {})

    def refund(self, trade: Trade, number: str) -> None:
        """Tell that money of a trade went back."""
        if "refund" in self._quirks.tells:
            now = beijing(self._watch.now_s())
            self._add(trade, "refund", {"gmt_refund": now, "out_biz_no": number, "refund_fee": plain_yuan(trade.refunded_fen)})

    def state(self, trade: Trade, what: str) -> None:
        """Tell of a trade that waits or was closed, where the merchant has switched that on."""
        if what in self._quirks.tells:
            self._add(trade, "state", {})

    def _settle(self) -> None:
        for trade in self._books.lapse():
            self.state(trade, "closed")
        for refund in self._books.refunds_due():
            finished = self._books.finish_refund(refund)
            returned = self._books.trade(refund.app_id, refund.out_trade_no)
            if finished is not None and returned is not None:
                self.refund(returned, refund.out_request_no)

    def _add(self, trade: Trade, about: str, more: dict[str, str]) -> None:
        if not trade.notify_url:
            return
        now_s = self._watch.now_s()
        notice_id = f"{beijing(now_s)[:10].replace('-', '')}00222{secrets.token_hex(10)}"
        plain = json.dumps(self._told(trade) | more | {"notify_id": notice_id}, ensure_ascii=False)
        self._books.add_notice(
            Notice(notice_id, trade.app_id, trade.out_trade_no, about, trade.notify_url, plain, now_s, 0, now_s, "waiting")
        )
        self.look()

    def _told(self, trade: Trade) -> dict[str, str]:
        app = self._keyrings[trade.app_id].app
        paid = trade.paid_s is not None
        told = {
            "app_id": app.app_id,
            "auth_app_id": app.app_id,
            "buyer_id": BUYER["id"],
            "buyer_logon_id": BUYER["logon"],
            "charset": "utf-8",
            "gmt_create": beijing(trade.created_s),
            "notify_type": "trade_status_sync",
            "out_trade_no": trade.out_trade_no,
            "seller_email": "shop@example.com",
            "seller_id": app.seller_id,
            "subject": trade.subject,
            "total_amount": plain_yuan(trade.charged_fen if paid else trade.total_fen),
            "trade_no": trade.trade_no or "",
            "trade_status": trade.state,
            "version": "1.0",
        }
        if paid and trade.paid_s is not None:
            net = plain_yuan(trade.charged_fen - trade.voucher_fen)
            told |= {"buyer_pay_amount": net, "invoice_amount": net, "point_amount": "0.00"}
            told |= {"gmt_payment": beijing(trade.paid_s), "receipt_amount": plain_yuan(trade.charged_fen)}
            told["fund_bill_list"] = json.dumps(
                [{"amount": each["amount"], "fundChannel": each["fund_channel"]} for each in funds(trade)], separators=(",", ":")
            )
        if trade.state == "TRADE_CLOSED" and trade.closed_s is not None:
            told["gmt_close"] = beijing(trade.closed_s)
        if self._quirks.empty != "none":
            told["passback_params"] = ""
        return told

    async def _send(self, notice: Notice, flavour: str, fault: Fault | None) -> bool:
        body = urlencode(self.message(notice, flavour, fault)).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded; text/html; charset=utf-8", "User-Agent": "Mozilla/4.0"}
        slow_s = fault.seconds if fault is not None and flavour == "slow" else 0.0
        answer = await carry(notice.url, headers, body, self._habits.answer_within_s, slow_s=slow_s, cut=flavour == "cut")
        acknowledged = answer.status == 200 and answer.body == YES
        self._shelf.add_send(notice, flavour, answer.status, answer.took_ms, acknowledged=acknowledged)
        # An acknowledged forgery settles nothing here: the channel knows only what it sent itself.
        return acknowledged and flavour not in self.before

    def message(self, notice: Notice, flavour: str = "true", fault: Fault | None = None) -> dict[str, str]:
        """The signed parameters of one send."""
        told: dict[str, str] = json.loads(notice.plain)
        if fault is not None and flavour in ("alter", "other_mchid", "other_appid", "other_currency", "unknown_order"):
            told |= _changed(flavour, fault)
        told["notify_time"] = beijing(self._watch.now_s() - (OLD_S if flavour == "stale" else 0))
        keyring = self._keyrings[notice.app_id]
        forged = flavour in ("forge", "unknown_serial", "probe")
        told["sign"] = keyring.sign_notice(told, forged=forged, empty=self._quirks.empty != "dropped")
        told["sign_type"] = "RSA2"
        if flavour == "tamper":
            told["total_amount"] = plain_yuan(1)
        return told


def _changed(flavour: str, fault: Fault) -> dict[str, str]:
    if flavour == "alter":
        return {"total_amount": plain_yuan(fault.amount_fen)}
    if flavour == "other_mchid":
        return {"seller_id": "2088000000000009"}
    if flavour == "other_appid":
        return {"app_id": "2021000000000009"}
    if flavour == "other_currency":
        return {"trans_currency": "USD"}
    return {"out_trade_no": uuid.uuid4().hex.upper()[:26]}
