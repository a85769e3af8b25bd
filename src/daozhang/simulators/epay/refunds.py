"""Refunds as the platform makes them: at once, by asking the wallet, and in V1 without any number of the merchant's."""

import re
from typing import Any

from daozhang.money import yuan
from daozhang.simulators.epay.books import Books, Order, Refund
from daozhang.simulators.epay.orders import Sorry
from daozhang.simulators.epay.tongue import Rules
from daozhang.simulators.habits import Habits

_MONEY = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?", re.ASCII)


class Refunds:
    """Gives money back for one operator."""

    def __init__(self, books: Books, habits: Habits, rules: Rules) -> None:
        self._books, self._habits, self.rules = books, habits, rules

    def give(self, order: Order | None, money: str, out_refund_no: str = "") -> tuple[Refund, bool]:
        """Give back; the refund, and whether it was there before. Raises `Sorry`."""
        if not _MONEY.fullmatch(money):
            raise Sorry("金额输入错误")
        if order is None:
            raise Sorry("当前订单不存在！")
        known = self._books.refund_by_number(order.pid, out_refund_no) if len(out_refund_no) > 5 else None
        if known is not None:
            return known, True
        fen = round(float(money) * 100)
        self._may(order, fen)
        return self._books.refund(order, out_refund_no, fen), False

    def _may(self, order: Order, fen: int) -> None:
        left_fen = order.charged_fen - order.refund_fen
        if order.status not in (1, 2, 3):
            raise Sorry("该订单状态不支持退款！")
        if fen > order.charged_fen:
            raise Sorry("退款金额不能大于订单金额")
        if order.status == 2 and left_fen <= 0:
            raise Sorry("该订单已全额退款！")
        if order.refund_fen and fen > left_fen:
            raise Sorry("退款金额不能超过该订单剩余可退款金额！")
        if self.rules.funds_short or fen > self._books.balance_fen(order.pid):
            raise Sorry("商户余额不足，请先充值")
        if self.rules.wallet_refunds_off:
            raise Sorry("当前支付通道不支持API退款")
        trouble = self.rules.refund_trouble or ("" if self._habits.next_refund_fate() == "SUCCESS" else "银行退票")
        if trouble:
            raise Sorry(f"退款失败：{trouble}")


def told(refund: Refund, order: Order, *, again: bool = False) -> dict[str, Any]:
    """A refund as its answer tells it."""
    money = yuan(refund.amount_fen, grouped=False)
    return {
        "refund_no": refund.refund_no,
        "out_refund_no": refund.out_refund_no,
        "trade_no": refund.trade_no,
        "out_trade_no": order.out_trade_no,
        "uid": int(order.pid) if order.pid.isdigit() else order.pid,
        "money": money,
        "reducemoney": money,
        "msg": f"已存在相同退款单号！退款金额¥{money}" if again else f"退款成功！退款金额¥{money}",
    }
