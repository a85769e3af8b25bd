"""Refunds of WeChat Pay v3. Source: "apply for a refund", "query a refund" and the refund notice in the v3 documents."""

from typing import Any

from daozhang.simulators.habits import Habits
from daozhang.simulators.merchant import Merchant
from daozhang.simulators.watch import Watch, rfc3339
from daozhang.simulators.wechatpay.books import Books, Order, Refund
from daozhang.simulators.wechatpay.errors import ApiError
from daozhang.simulators.wechatpay.fields import Fields, read_body

MOST_REFUNDS = 50
LATEST_S = 365 * 86_400
ERRORS_PER_SECOND = 6
APART_S = 60


class Refunds:
    """The refund calls of one channel. Each takes the calling merchant and gives the answer's content, or raises `ApiError`."""

    def __init__(self, books: Books, watch: Watch, habits: Habits) -> None:
        self._books, self._watch, self._habits = books, watch, habits
        self._errors: dict[str, tuple[int, int]] = {}

    def ask(self, merchant: Merchant, body: bytes) -> dict[str, Any]:
        """Ask for a refund. Accepted is not done: it is PROCESSING until its time has come."""
        try:
            return self._ask(merchant, read_body(body))
        except ApiError:
            self._count_error(merchant)
            raise

    def query(self, merchant: Merchant, out_refund_no: str) -> dict[str, Any]:
        """What the channel tells about a refund."""
        refund = self._books.refund(merchant.mchid, out_refund_no)
        order = self._books.order(merchant.mchid, refund.out_trade_no) if refund else None
        if refund is None or order is None:
            raise ApiError("RESOURCE_NOT_EXISTS", "退款单不存在")
        return told(refund, order)

    def by_hand(self, merchant: Merchant, order: Order, out_refund_no: str, amount_fen: int) -> Refund:
        """A refund made by a person in the merchant platform: no notify_url, so its notice is the old XML one."""
        self._judge(order, amount_fen)
        assert order.mchid == merchant.mchid
        return self._accept(order, out_refund_no, amount_fen, "商户平台发起", "")

    def _ask(self, merchant: Merchant, fields: Fields) -> dict[str, Any]:
        transaction_id = fields.text("transaction_id", "微信支付订单号", 32, required=False)
        out_trade_no = "" if transaction_id else fields.number("out_trade_no", "商户订单号", 32)
        out_refund_no = fields.number("out_refund_no", "商户退款单号", 64, shortest=1)
        reason = fields.text("reason", "退款原因", 80, required=False)
        notify_url = fields.address("notify_url", "退款结果回调url", required=False)
        amount = fields.inner("amount", "金额信息")
        refund_fen, total_fen = amount.fen("refund", "退款金额"), amount.fen("total", "原订单金额")
        amount.currency("currency", "退款币种", required=True)
        if transaction_id:
            order = self._books.order_by_transaction(transaction_id)
        else:
            order = self._books.order(merchant.mchid, out_trade_no)
        if order is None or order.mchid != merchant.mchid:
            raise ApiError("RESOURCE_NOT_EXISTS", "订单不存在")
        known = self._books.refund(merchant.mchid, out_refund_no)
        if known is not None:
            if (known.out_trade_no, known.amount_fen, known.total_fen) != (order.out_trade_no, refund_fen, total_fen):
                raise ApiError("INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试")
            return told(known, order)
        if order.paid_s is not None and total_fen != order.charged_fen:
            raise ApiError("INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试")
        self._judge(order, refund_fen)
        return told(self._accept(order, out_refund_no, refund_fen, reason, notify_url), order)

    def _judge(self, order: Order, refund_fen: int) -> None:
        now_s = self._watch.now_s()
        if order.paid_s is None:
            raise ApiError("RESOURCE_NOT_EXISTS", "订单未支付，不能退款")
        if now_s > order.paid_s + LATEST_S:
            raise ApiError("TRADE_OVERDUE")
        if refund_fen > order.charged_fen - order.refunded_fen:
            raise ApiError("INVALID_REQUEST", "申请退款金额大于订单可退金额")
        refunds = self._books.refunds_of(order)
        if len(refunds) >= MOST_REFUNDS:
            raise ApiError("INVALID_REQUEST", "一笔订单最多支持50次部分退款")
        if refunds and now_s - refunds[-1].created_s < APART_S * self._habits.time_scale:
            raise ApiError("FREQUENCY_LIMITED", "同一笔订单多次部分退款请间隔1分钟后再申请")
        if refund_fen > self._books.balance_fen(order.mchid):
            raise ApiError("NOT_ENOUGH")

    def _accept(self, order: Order, out_refund_no: str, refund_fen: int, reason: str, notify_url: str) -> Refund:
        due_s = self._watch.now_s() + self._habits.refund_s * self._habits.time_scale
        fate = self._habits.next_refund_fate()
        return self._books.add_refund(order, out_refund_no, refund_fen, reason, notify_url, due_s, fate)

    def _count_error(self, merchant: Merchant) -> None:
        """More than six refused refund calls within a second are answered 429, as the documents say."""
        second = int(self._watch.now_s())
        at, count = self._errors.get(merchant.mchid, (second, 0))
        count = count + 1 if at == second else 1
        self._errors[merchant.mchid] = (second, count)
        if count > ERRORS_PER_SECOND:
            raise ApiError("FREQUENCY_LIMITED")


def told(refund: Refund, order: Order) -> dict[str, Any]:
    """A refund as merchants are told in an answer (where the state is called `status`)."""
    content: dict[str, Any] = {
        "amount": {
            "currency": "CNY",
            "discount_refund": 0,
            "from": [],
            "payer_refund": refund.amount_fen,
            "payer_total": order.charged_fen,
            "refund": refund.amount_fen,
            "refund_fee": refund.amount_fen,
            "settlement_refund": refund.amount_fen,
            "settlement_total": order.charged_fen,
            "total": order.charged_fen,
        },
        "channel": "ORIGINAL",
        "create_time": rfc3339(refund.created_s),
        "funds_account": "AVAILABLE",
        "out_refund_no": refund.out_refund_no,
        "out_trade_no": refund.out_trade_no,
        "promotion_detail": [],
        "refund_id": refund.refund_id,
        "status": refund.status,
        "transaction_id": order.transaction_id,
        "user_received_account": received_account(order),
    }
    if refund.status == "SUCCESS" and refund.finished_s is not None:
        content["success_time"] = rfc3339(refund.finished_s)
    return content


def received_account(order: Order) -> str:
    """Where the refund lands, in the channel's words."""
    return "支付用户零钱" if order.bank_type == "OTHERS" else "支付用户银行卡0403"
