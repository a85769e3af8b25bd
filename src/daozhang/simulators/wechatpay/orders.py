"""Orders of WeChat Pay v3: placing (Native, H5, JSAPI, App), asking, closing. Source: the product pages of the v3 documents."""

import hashlib
import ipaddress
from typing import Any
from urllib.parse import quote

import msgspec

from daozhang.simulators.merchant import Merchant
from daozhang.simulators.watch import Watch, rfc3339
from daozhang.simulators.wechatpay.books import Books, Order
from daozhang.simulators.wechatpay.errors import ApiError
from daozhang.simulators.wechatpay.fields import Fields, read_body

TRADE_TYPES = {"native": "NATIVE", "h5": "MWEB", "jsapi": "JSAPI", "app": "APP"}
LONGEST_S = 15 * 86_400
SHORTEST_S = 60

_DESCRIPTIONS = {"NOTPAY": "订单未支付", "SUCCESS": "支付成功", "CLOSED": "订单已关闭", "REFUND": "订单发生过退款"}


class Orders:
    """The order calls of one channel. Each takes the calling merchant and gives the answer's content, or raises `ApiError`."""

    def __init__(self, books: Books, watch: Watch, url: str) -> None:
        self._books, self._watch, self._url = books, watch, url

    def place(self, product: str, merchant: Merchant, body: bytes) -> dict[str, str]:
        """Place an order. The same number with the same parameters gets the same answer; with others OUT_TRADE_NO_USED."""
        fields = read_body(body)
        values = self._read(product, merchant, fields)
        fresh = self._books.add_order(values)
        if fresh is not None:
            return self._prepaid(fresh)
        known = self._books.order(merchant.mchid, values["out_trade_no"])
        assert known is not None
        if known.state == "SUCCESS":
            raise ApiError("ORDERPAID")
        if known.state == "CLOSED":
            raise ApiError("ORDER_CLOSED")
        if known.fingerprint != values["fingerprint"]:
            raise ApiError("OUT_TRADE_NO_USED")
        return self._prepaid(known)

    def query(self, merchant: Merchant, mchid: str, *, out_trade_no: str = "", transaction_id: str = "") -> dict[str, Any]:
        """What the channel tells about an order, asked by one of its two numbers."""
        if mchid != merchant.mchid:
            raise ApiError("PARAM_ERROR", "商户号和订单信息不匹配", detail={"location": "query", "value": mchid})
        if transaction_id:
            order = self._books.order_by_transaction(transaction_id)
            order = order if order is not None and order.mchid == merchant.mchid else None
        else:
            order = self._books.order(merchant.mchid, out_trade_no)
        if order is None:
            raise ApiError("ORDER_NOT_EXIST")
        return told(order)

    def close(self, merchant: Merchant, out_trade_no: str, body: bytes) -> None:
        """Close an unpaid order; closing it again is fine."""
        if read_body(body).text("mchid", "商户号", 32) != merchant.mchid:
            raise ApiError("PARAM_ERROR", "商户号和订单信息不匹配", detail={"location": "/body/mchid", "value": None})
        order = self._books.order(merchant.mchid, out_trade_no)
        if order is None:
            raise ApiError("ORDER_NOT_EXIST")
        if order.state == "SUCCESS":
            raise ApiError("ORDERPAID")
        self._books.close_order(merchant.mchid, out_trade_no)

    def _read(self, product: str, merchant: Merchant, fields: Fields) -> dict[str, Any]:
        appid, mchid = fields.text("appid", "公众号ID", 32), fields.text("mchid", "直连商户号", 32)
        values: dict[str, Any] = {
            "product": product,
            "appid": appid,
            "mchid": mchid,
            "out_trade_no": fields.number("out_trade_no", "商户订单号", 32),
            "description": fields.text("description", "商品描述", 127),
            "attach": fields.text("attach", "附加数据", 128, required=False),
            "notify_url": fields.address("notify_url", "通知地址"),
            "openid": "",
            "client_ip": "",
        }
        amount = fields.inner("amount", "订单金额")
        values["total_fen"] = amount.fen("total", "总金额")
        amount.currency("currency", "货币类型")
        if product == "jsapi":
            values["openid"] = fields.inner("payer", "支付者").text("openid", "用户标识", 128)
        if product == "h5":
            values["client_ip"] = _scene(fields.inner("scene_info", "场景信息"))
        if mchid != merchant.mchid:
            raise ApiError("INVALID_REQUEST", "签名商户号与请求中的商户号不一致")
        if appid != merchant.appid:
            raise ApiError("APPID_MCHID_NOT_MATCH")
        now_s = self._watch.now_s()
        expires_s = fields.moment_s("time_expire", "交易结束时间")
        if expires_s is not None and (expires_s <= now_s or expires_s > now_s + LONGEST_S):
            raise fields.complaint("time_expire", "交易结束时间", "交易结束时间超出允许范围", fields.values["time_expire"])
        values["expires_s"] = now_s + 7 * 86_400 if expires_s is None else max(expires_s, now_s + SHORTEST_S)
        values["fingerprint"] = hashlib.sha256(
            product.encode() + msgspec.json.encode(fields.values, order="deterministic")
        ).hexdigest()
        return values

    def _prepaid(self, order: Order) -> dict[str, str]:
        if order.product == "native":
            return {"code_url": order.code_url}
        if order.product == "h5":
            return {"h5_url": f"{self._url}/cgi-bin/mmpayweb-bin/checkmweb?prepay_id={quote(order.prepay_id)}&package={order.code}"}
        return {"prepay_id": order.prepay_id}


def told(order: Order) -> dict[str, Any]:
    """An order as merchants are told in an answer or a callback. Unpaid, it has no transaction, payer or success time."""
    amount: dict[str, Any] = {"currency": "CNY", "payer_currency": "CNY", "total": order.total_fen}
    content: dict[str, Any] = {"amount": amount, "appid": order.appid, "attach": order.attach, "mchid": order.mchid}
    content |= {"out_trade_no": order.out_trade_no, "promotion_detail": []}
    if order.paid_s is None:
        # Whoever still owes the payment is not told about: no payer, no transaction, no payer's currency.
        del amount["payer_currency"]
    else:
        amount |= {"payer_total": order.charged_fen - order.voucher_fen, "total": order.charged_fen}
        content |= {
            "bank_type": order.bank_type,
            "payer": {"openid": order.payer},
            "success_time": rfc3339(order.paid_s),
            "trade_type": TRADE_TYPES[order.product],
            "transaction_id": order.transaction_id,
        }
    content |= {"trade_state": order.trade_state, "trade_state_desc": _DESCRIPTIONS[order.trade_state]}
    return content


def _scene(scene: Fields) -> str:
    client_ip = scene.text("payer_client_ip", "用户终端IP", 45)
    try:
        ipaddress.ip_address(client_ip)
    except ValueError:
        raise scene.complaint("payer_client_ip", "用户终端IP", "不是合法的IP地址", client_ip) from None
    kind = scene.inner("h5_info", "H5场景信息").text("type", "场景类型", 32)
    if kind not in ("Wap", "iOS", "Android"):
        raise scene.inner("h5_info", "H5场景信息").complaint("type", "场景类型", "取值应为 iOS, Android, Wap", kind)
    return client_ip
