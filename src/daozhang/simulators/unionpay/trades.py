"""Payments, queries, refunds and revokes of ACP 5.1.0. Each call gives the fields of its answer, or raises `Refused`.

Source: the interface pages of online gateway and QR payment, query, revoke and refund. A payment that nobody has begun is not a
transaction (34); one that is under way is 05; what became of it is in origRespCode.
"""

from typing import Any, Literal

from daozhang.simulators.habits import Habits
from daozhang.simulators.unionpay import requests, told
from daozhang.simulators.unionpay.books import Books, Order
from daozhang.simulators.unionpay.codes import Refused
from daozhang.simulators.unionpay.requests import Fields
from daozhang.simulators.watch import Watch

UNPAID_S = 15 * 60
LATEST_S = 330 * 86_400
FATES = {"SUCCESS": "00", "CLOSED": "01", "ABNORMAL": "04"}
PRODUCTS = {("01", "07"): "page", ("01", "08"): "h5", ("07", "08"): "qr"}
"""Which product a payment is: by txnSubType and channelType."""


class Trades:
    """The calls of one UnionPay."""

    def __init__(self, books: Books, watch: Watch, habits: Habits) -> None:
        self._books, self._watch, self._habits = books, watch, habits

    def front(self, fields: Fields) -> Order:
        """A payment that the payer's browser brings. Brought again in the same words while it is unpaid, it is the same one."""
        if fields["txnType"] != "01" or fields["bizType"] != "000201" or self._product(fields) not in ("page", "h5"):
            raise Refused("10")
        order = self._place(fields, requests.address(fields, "frontUrl"))
        if order.paid_s is not None:
            raise Refused("12")
        if self._watch.now_s() >= order.expires_s:
            raise Refused("69")
        return order

    def qr(self, fields: Fields) -> Fields:
        """A payment whose code the payer scans. A number and time that were used before give no code again."""
        if fields["bizType"] != "000000" or self._product(fields) != "qr":
            raise Refused("10")
        order = self._place(fields, "", once=True)
        return told.notice(told.of_order(order)) | {"qrCode": order.qr_code}

    def back(self, fields: Fields) -> Fields:
        """A refund (04) or a revoke (31)."""
        mer_id, number, now_s = fields["merId"], requests.order_id(fields), self._watch.now_s()
        stamp, amount_fen = requests.txn_time(fields, now_s), requests.fen(fields)
        back_url, kind = requests.address(fields, "backUrl"), fields["txnType"]
        if self._books.returned(mer_id, number, stamp) or self._books.order(mer_id, number, stamp):
            raise Refused("12")
        order = self._books.order_by_query_id(fields.get("origQryId", ""))
        if order is None or order.mer_id != mer_id or order.paid_s is None:
            raise Refused("35")
        self._judge(order, kind, amount_fen, order.paid_s)
        due_s = now_s + (self._habits.refund_s * self._habits.time_scale if kind == "04" else 0)
        fate = FATES[self._habits.next_refund_fate()] if kind == "04" else "00"
        made = self._books.add_return(order, (mer_id, number, stamp), kind, amount_fen, back_url, due_s, fate)
        return told.notice(told.of_return(made))

    def query(self, fields: Fields) -> Fields:
        """What UnionPay knows of a transaction, by its number and time together."""
        key = fields["merId"], requests.order_id(fields), requests.txn_time(fields, self._watch.now_s())
        returned = self._books.returned(*key)
        if returned is not None:
            return told.queried(told.of_return(returned), returned.answer)
        order = self._books.order(*key)
        answer = self._state(order) if order is not None else ""
        if order is None or not answer:
            raise Refused("34")
        if answer == "03":
            # What is not known yet is not told either.
            facts = {name: value for name, value in told.of_order(order).items() if name not in _ONLY_PAID}
            return told.queried(facts, answer)
        return told.queried(told.of_order(order), answer)

    def operation(self, fields: Fields) -> Literal["query", "refund_query"]:
        """What a query asks after, for the dial."""
        key = fields.get("merId", ""), fields.get("orderId", ""), fields.get("txnTime", "")
        return "refund_query" if self._books.returned(*key) else "query"

    def _state(self, order: Order) -> str:
        """The phases of a payment: not begun (nothing), under way (05), not known yet (03), and what it came to."""
        now_s = self._watch.now_s()
        if order.paid_s is not None:
            return "03" if order.known_s is not None and now_s < order.known_s else order.answer
        if order.answer:
            return order.answer
        begun = order.product == "qr" or order.phone in ("seen", "left")
        return "05" if begun and now_s < order.expires_s else ""

    def _place(self, fields: Fields, front_url: str, *, once: bool = False) -> Order:
        now_s = self._watch.now_s()
        values: dict[str, Any] = {
            "mer_id": fields["merId"],
            "order_id": requests.order_id(fields),
            "txn_time": requests.txn_time(fields, now_s),
            "product": self._product(fields),
            "biz_type": fields["bizType"],
            "sub_type": fields["txnSubType"],
            "amount_fen": requests.fen(fields),
            "back_url": requests.address(fields, "backUrl"),
            "front_url": front_url,
            "fingerprint": requests.fingerprint(fields),
            "expires_s": requests.moment_s(fields["payTimeout"]) if fields.get("payTimeout") else now_s + UNPAID_S,
        }
        if values["expires_s"] <= now_s:
            raise Refused("69" if front_url else "10")
        fresh = self._books.add_order(values)
        if fresh is not None:
            return fresh
        known = self._books.order(values["mer_id"], values["order_id"], values["txn_time"])
        if once or known is None or known.fingerprint != values["fingerprint"]:
            raise Refused("12")
        return known

    def _judge(self, order: Order, kind: str, amount_fen: int, paid_s: float) -> None:
        now_s = self._watch.now_s()
        if any(each.kind == "31" for each in self._books.returns_of(order)):
            raise Refused("45")
        if kind == "31" and (amount_fen != order.charged_fen or order.refunded_fen):
            raise Refused("36")
        if kind == "31" and told.clearing_day(now_s) != told.clearing_day(paid_s):
            raise Refused("35")
        if now_s > paid_s + LATEST_S:
            raise Refused("4040007")
        if order.refunded_fen == order.charged_fen:
            raise Refused("45")
        if amount_fen > order.charged_fen - order.refunded_fen:
            raise Refused("36")
        if amount_fen > self._books.balance_fen(order.mer_id):
            raise Refused("33")

    @staticmethod
    def _product(fields: Fields) -> str:
        return PRODUCTS.get((fields["txnSubType"], fields.get("channelType", "")), "")


_ONLY_PAID = frozenset({"queryId", "traceNo", "traceTime", "settleDate", "settleAmt", "settleCurrencyCode", "accNo", "payCardType"})
