"""Orders as the platform takes them: its checks in its own order and its own words. Source: the platform's published pages."""

import math
import re
from collections.abc import Mapping
from typing import Any

from daozhang.money import yuan
from daozhang.simulators.epay.books import PAYABLE_S, Books, Order
from daozhang.simulators.epay.tongue import Rules, Tongue
from daozhang.simulators.watch import Watch, digits

REUSED_S = 10 * 86_400
TYPES = ("alipay", "wxpay", "qqpay", "bank")
_NUMBER = re.compile(r"[a-zA-Z0-9._\-|]+", re.ASCII)
_MONEY = re.compile(r"[0-9]{1,9}(\.[0-9]{1,4})?", re.ASCII)
_NAME_BYTES = 127
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;"})


class Sorry(Exception):
    """The platform refuses: its code and its sentence."""

    def __init__(self, message: str, code: int = -1) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def told(self) -> dict[str, Any]:
        """As an answer tells it."""
        return {"code": self.code, "msg": self.message}


class Orders:
    """Takes orders for one operator."""

    def __init__(self, books: Books, watch: Watch, rules: Rules) -> None:
        self._books, self._watch, self.rules = books, watch, rules

    def place(self, fields: Mapping[str, str], version: int, *, by_server: bool) -> Order:
        """Place an order, or find the same one of the last ten days. Raises `Sorry`."""
        rules, pid = self.rules, fields["pid"]
        if rules.banned or not self._books.is_open(pid):
            raise Sorry("商户已被封禁，无法支付！")
        if rules.unapproved:
            raise Sorry("商户未通过审核，无法支付！")
        self._whole(fields, by_server=by_server)
        fen = self._amount(fields["money"])
        if not _NUMBER.fullmatch(fields["out_trade_no"]):
            raise Sorry("订单号(out_trade_no)格式不正确")
        self._may(by_server=by_server)
        order = self._entered(fields, fen, version)
        self._within(fen)
        return order

    def payable(self, order: Order) -> str:
        """Why an order cannot be paid (unknown, expired, closed, paid); empty when it can."""
        if order.paid_s is not None:
            return "paid"
        if order.closed:
            return "closed"
        return "expired" if self._watch.now_s() >= order.created_s + PAYABLE_S else ""

    def _whole(self, fields: Mapping[str, str], *, by_server: bool) -> None:
        needed = [("out_trade_no", "订单号"), ("notify_url", "通知地址"), ("name", "商品名称"), ("money", "金额")]
        needed += [("type", "支付方式"), ("clientip", "用户IP地址")] if by_server else [("return_url", "回调地址")]
        for name, label in needed:
            if not fields.get(name):
                raise Sorry(f"{label}({name})不能为空")

    def _amount(self, money: str) -> int:
        if not _MONEY.fullmatch(money) or float(money) <= 0:
            raise Sorry("金额不合法")
        # The platform keeps two decimals and rounds what has more.
        fen = math.floor(float(money) * 100 + 0.5)
        rules = self.rules
        if rules.most_fen and fen > rules.most_fen:
            raise Sorry(f"最大支付金额是{yuan(rules.most_fen, grouped=False)}元")
        if rules.least_fen and fen < rules.least_fen:
            raise Sorry(f"最小支付金额是{yuan(rules.least_fen, grouped=False)}元")
        return fen

    def _may(self, *, by_server: bool) -> None:
        rules = self.rules
        stops = (
            (rules.unverified, "当前商户未完成实名认证，无法收款"),
            (rules.domain_unknown, "该域名不可发起支付，原因：域名没过白，请前往支付平台授权支付域名"),
            (rules.deposit_short, "商户保证金不足，请前往支付平台充值保证金后再发起支付"),
            (rules.goods_forbidden, "该商品禁止出售"),
            (rules.payer_blocked, "系统异常无法完成付款"),
            (rules.payer_count_used, "你今天已无法再发起支付，请明天再试"),
            (rules.payer_sum_used, "你今天已累积支付金额超过500元，请明天再试"),
            (rules.crowded, "当前商户已超出订单并发量限制，请稍后再试"),
            (rules.wants_page and by_server, "本次支付需要安全验证，请使用跳转支付接口发起支付"),
        )
        for stops_it, message in stops:
            if stops_it:
                raise Sorry(message)

    def _entered(self, fields: Mapping[str, str], fen: int, version: int) -> Order:
        number = fields["out_trade_no"]
        name = fields["name"].translate(_HTML).encode()[:_NAME_BYTES].decode("utf-8", "ignore")
        values: dict[str, Any] = {
            "out_trade_no": number,
            "pid": fields["pid"],
            "version": version,
            "type": fields.get("type") or TYPES[0],
            "name": name,
            "money_fen": fen,
            "notify_url": fields["notify_url"],
            "return_url": fields.get("return_url", ""),
            "param": fields.get("param", "").translate(_HTML),
            "client_ip": fields.get("clientip", ""),
        }
        known = self._books.order(fields["pid"], number)
        if known is None or self._watch.now_s() - known.created_s >= REUSED_S:
            if self.rules.broken:
                raise Sorry("创建订单失败，请返回重试！")
            return self._books.add_order(values)
        if known.status > 0:
            raise Sorry(f"该订单({number})已完成支付，请勿重复发起支付")
        told = ("money_fen", "name", "notify_url", "return_url", "param")
        if any(values[field] != getattr(known, field) for field in told):
            raise Sorry(f"该订单({number})支付参数有变化，请更换订单号重新发起支付")
        return known

    def _within(self, fen: int) -> None:
        rules = self.rules
        if rules.type_least_fen and fen < rules.type_least_fen:
            raise Sorry(f"当前支付方式单笔最小限额为{yuan(rules.type_least_fen, grouped=False)}元，请选择其他支付方式！")
        if rules.type_most_fen and fen > rules.type_most_fen:
            raise Sorry(f"当前支付方式单笔最大限额为{yuan(rules.type_most_fen, grouped=False)}元，请选择其他支付方式！")
        if rules.balance_short:
            raise Sorry("当前商户余额不足，无法完成支付，请商户登录用户中心充值余额")
        if rules.plugin_down:
            raise Sorry(rules.plugin_down, -2)


def told(order: Order, tongue: Tongue, now_s: float, *, version: int) -> dict[str, Any]:
    """An order as its query tells it. V2 leaves empty values away; V1 does not say how much went back."""
    status = 0 if now_s < order.hidden_until_s else order.status
    paid = status in (1, 2, 3)
    words = {0: "unpaid", 1: "paid", 2: "refunded", 3: "frozen"}
    content: dict[str, Any] = {
        "trade_no": order.trade_no,
        "out_trade_no": order.out_trade_no,
        "api_trade_no": order.api_trade_no if paid else None,
        "type": order.type,
        "pid": int(order.pid) if order.pid.isdigit() else order.pid,
        "addtime": _moment(order.created_s),
        "endtime": _moment(order.paid_s) if paid and order.paid_s is not None else None,
        "name": order.name,
        "money": yuan(order.money_fen, grouped=False),
        "param": order.param,
        "buyer": order.buyer if paid else None,
        "status": words.get(status, str(status)) if tongue.words and version == 1 else status,
    }
    if not tongue.tells_pid and version == 1:
        del content["pid"]
    if version == 2 or tongue.tells_returned:
        content["refundmoney"] = yuan(order.refund_fen, grouped=False) if order.refund_fen else None
    if version == 2:
        return {name: value for name, value in content.items() if value not in (None, "")} | {"clientip": order.client_ip or "0"}
    return content


def float_money(fen: int) -> str:
    """An amount as PHP writes a float: 50, 0.1, 1.05."""
    return yuan(fen, grouped=False).rstrip("0").rstrip(".")


def _moment(moment_s: float) -> str:
    text = digits(moment_s)
    return f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]}:{text[12:14]}"
