"""The operator's doors: submit.php, mapi.php, api.php (V1), api/pay/* and api/merchant/* (V2), and the pages that browsers open.

Everything is answered with HTTP 200; what is wrong stands in `code` and `msg`. Most errors are not signed, and no array ever is.
"""

import html
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from daozhang.simulators.epay import orders, refunds, signing
from daozhang.simulators.epay.books import Books, Order
from daozhang.simulators.epay.notices import signed_query
from daozhang.simulators.epay.office import Office
from daozhang.simulators.epay.orders import Orders, Sorry
from daozhang.simulators.epay.refunds import Refunds
from daozhang.simulators.faults import Dial, Fault, Point
from daozhang.simulators.watch import Watch
from daozhang.simulators.wire import Answer, Receive, Scope, Send, TooLarge, lead_to, lead_to_payment, read, write

CLOCK_S = 300
RETURN_S = 300
_POINTS: dict[str, Point] = {
    "mapi": "order", "pay/create": "order", "order": "query", "pay/query": "query", "refund": "refund", "pay/refund": "refund",
    "pay/refundquery": "refund_query", "pay/close": "close",
}  # fmt: skip
_PAGE = "<!doctype html><meta charset=utf-8><title>{title}</title><p>{text}</p>"


class ApiServer:
    """Answers below `/epay/`."""

    def __init__(self, office: Office, books: Books, watch: Watch, dial: Dial, taker: Orders, giver: Refunds, url: str) -> None:
        self._office, self._books, self._watch, self._dial = office, books, watch, dial
        self._orders, self._refunds, self._url = taker, giver, url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            body = await read(receive)
        except TooLarge:
            await write(send, Answer(413))
            return
        except ConnectionError:
            return
        path = scope["path"].removeprefix("/epay")
        query, form = _fields(scope["query_string"]), _fields(body) if scope["method"] == "POST" else {}
        await write(send, await self._route(path, query, form))

    async def _route(self, path: str, query: dict[str, str], form: dict[str, str]) -> Answer:
        tongue = self._office.tongue
        parts = path.strip("/").split("/")
        if path == "/submit.php" or (path == "/api/pay/submit" and tongue.v2):
            return self._submit(form if "pid" in form else query, 0 if path == "/submit.php" else 1)
        if path == "/mapi.php" and tongue.mapi:
            return await self._call("mapi", form)
        if path == "/api.php":
            act = query.get("act", "")
            return await self._call(act, form if act == "refund" else query)
        if tongue.v2 and len(parts) == 3 and parts[0] == "api":
            return await self._call("/".join(parts[1:]), form)
        if len(parts) == 3 and parts[0] == "pay":
            return self._page(parts[1], parts[2])
        return Answer(404, b"<html><head><title>404 Not Found</title></head></html>", {"Content-Type": "text/html"})

    async def _call(self, act: str, given: dict[str, str]) -> Answer:
        """One call of a merchant's server, and what the dial makes of it."""
        number = given.get("out_refund_no") if "refund" in act else given.get("out_trade_no")
        fault = self._dial.take(_POINTS[act], number or "") if act in _POINTS else None
        if fault is not None and fault.kind == "delay":
            await self._dial.hold(fault.seconds)
        if fault is not None and fault.kind == "empty_503":
            return Answer(503)
        if fault is not None and fault.kind == "error":
            return _error(fault)
        content = self._performed(act, given)
        if fault is not None and fault.kind == "hang":
            await self._dial.hold(fault.seconds)
        return self._spoilt(content, fault, v2="/" in act)

    def _performed(self, act: str, given: dict[str, str]) -> dict[str, Any]:
        doors = {
            "mapi": self._mapi, "query": self._account, "order": self._query, "orders": self._list, "refund": self._refund,
            "pay/create": self._create, "pay/query": self._query_v2, "pay/refund": self._refund_v2,
            "pay/refundquery": self._refund_query, "pay/close": self._close, "merchant/info": self._info,
            "merchant/orders": self._list_v2,
        }  # fmt: skip
        if act not in doors:
            return {"code": -5, "msg": "接口方法不存在" if "/" in act else "No Act!"}
        try:
            if "/" not in act:
                return doors[act](given)
            self._office.admit(given, version=1 if act == "pay/create" else 2)
        except Sorry as sorry:
            return sorry.told()
        try:
            return self._sealed(doors[act](given))
        except Sorry as sorry:
            # What refunds and closes are refused for is part of an answer that is signed; everything else is an error and is not.
            return self._sealed(sorry.told()) if act in ("pay/refund", "pay/close") else sorry.told()

    def _mapi(self, given: dict[str, str]) -> dict[str, Any]:
        if "pid" not in given:
            raise Sorry("未传入任何参数", -4)
        self._office.admit(given, version=0)
        order = self._orders.place(given, 0, by_server=True)
        way, text = self._way(order, jump=given.get("device") == "jump")
        return {"code": 1, "trade_no": order.trade_no, way: text}

    def _create(self, given: dict[str, str]) -> dict[str, Any]:
        order = self._orders.place(given, 1, by_server=True)
        way, text = self._way(order, jump=given.get("method") == "jump")
        return {"code": 0, "trade_no": order.trade_no, "pay_type": "jump" if way == "payurl" else way, "pay_info": text}

    def _way(self, order: Order, *, jump: bool) -> tuple[str, str]:
        gives = "payurl" if jump else self._office.rules.gives
        text = {
            "payurl": f"{self._url}/epay/pay/submit/{order.trade_no}",
            "qrcode": f"{self._url}/epay/pay/qrcode/{order.code}",
            "urlscheme": f"weixin://dl/business/?t={order.code}",
            "html": "<form action='https://wallet.example'></form>",
        }[gives]
        return gives, text

    def _query(self, given: dict[str, str]) -> dict[str, Any]:
        self._office.key_of(given)
        order = self._found(given)
        if order is None:
            raise Sorry("订单号不存在")
        return {"code": 1, "msg": "succ", **orders.told(order, self._office.tongue, self._watch.now_s(), version=1)}

    def _query_v2(self, given: dict[str, str]) -> dict[str, Any]:
        order = self._found(given)
        if order is None:
            raise Sorry("订单号不存在")
        return {"code": 0, **orders.told(order, self._office.tongue, self._watch.now_s(), version=2)}

    def _account(self, given: dict[str, str]) -> dict[str, Any]:
        # The real answer holds the key as well.
        merchant = self._office.key_of(given)
        return {"code": 1, "pid": merchant.pid, "key": merchant.key, "money": str(self._books.balance_fen(merchant.pid) / 100)}

    def _list(self, given: dict[str, str]) -> dict[str, Any]:
        merchant = self._office.key_of(given)
        limit, offset = min(int(given.get("limit", 10)), 50), int(given.get("offset", 0))
        rows = [
            orders.told(order, self._office.tongue, self._watch.now_s(), version=1)
            for order in self._books.orders_of(merchant.pid, limit, offset)
        ]
        return {"code": 1, "msg": "查询订单记录成功！", "count": len(rows), "data": rows}

    def _list_v2(self, given: dict[str, str]) -> dict[str, Any]:
        return {"code": 0, "data": self._list({**given, "key": self._office.merchant(given).key})["data"]}

    def _info(self, given: dict[str, str]) -> dict[str, Any]:
        return {"code": 0, "pid": given["pid"], "money": str(self._books.balance_fen(given["pid"]) / 100)}

    def _refund(self, given: dict[str, str]) -> dict[str, Any]:
        tongue, rules = self._office.tongue, self._office.rules
        if rules.refunds_off or not tongue.refunds:
            raise Sorry("未开启商户后台自助退款", -4)
        self._office.key_of(given)
        if rules.refund_api_off:
            raise Sorry("商户未开启订单退款API接口", -2)
        order = self._found(given)
        refund, _ = self._refunds.give(order, given.get("money", ""))
        assert order is not None
        return {"code": tongue.refund_ok, **refunds.told(refund, order)}

    def _refund_v2(self, given: dict[str, str]) -> dict[str, Any]:
        if self._office.rules.refunds_off:
            raise Sorry("管理员未开启商户后台自助退款")
        order = self._found(given)
        refund, again = self._refunds.give(order, given.get("money", ""), given.get("out_refund_no", ""))
        assert order is not None
        return {"code": 0, **refunds.told(refund, order, again=again)}

    def _refund_query(self, given: dict[str, str]) -> dict[str, Any]:
        if self._office.rules.refunds_off:
            raise Sorry("管理员未开启商户后台自助退款")
        refund = self._books.refund_by_number(given["pid"], given.get("out_refund_no", ""))
        order = self._books.by_trade_no(refund.trade_no) if refund else None
        if refund is None or order is None:
            raise Sorry("退款记录不存在")
        content = refunds.told(refund, order)
        del content["msg"]
        return {"code": 0, **content, "status": 1}

    def _close(self, given: dict[str, str]) -> dict[str, Any]:
        order = self._found(given)
        if order is None:
            raise Sorry("当前订单不存在！")
        if order.status != 0:
            raise Sorry("该订单状态不支持关闭！")
        if not self._office.rules.wallet_closes:
            raise Sorry("当前支付通道不支持关闭订单")
        self._books.close_order(order.trade_no)
        return {"code": 0, "msg": "订单关闭成功"}

    def _found(self, given: dict[str, str]) -> Order | None:
        pid = given.get("pid", "")
        if given.get("trade_no"):
            order = self._books.by_trade_no(given["trade_no"])
            return order if order is not None and order.pid == pid else None
        if given.get("out_trade_no"):
            return self._books.order(pid, given["out_trade_no"])
        raise Sorry("订单号不能为空", -4)

    def _sealed(self, content: dict[str, Any]) -> dict[str, Any]:
        content |= {"timestamp": str(int(self._watch.now_s())), "sign_type": "RSA"}
        return content | {"sign": signing.rsa(content, self._office.platform_key)}

    def _spoilt(self, content: dict[str, Any], fault: Fault | None, *, v2: bool) -> Answer:
        """An answer as the dial has it arrive."""
        kind = fault.kind if fault is not None else ""
        if fault is not None and kind == "booked_error":
            return _error(fault)
        if kind == "garbage":
            return Answer(200, _PAGE.format(title="502", text="系统繁忙").encode(), {"Content-Type": "text/html; charset=utf-8"})
        if kind == "page":
            return Answer(200, b"success", {"Content-Type": "text/html; charset=utf-8"})
        if fault is not None:
            _misspell(content, fault)
        if v2 and "sign" in content and kind in ("alter", "odd_amount", "words", "unsigned", "forge", "stale"):
            self._missign(content, kind)
        answer = _json(content)
        answer.truncated = kind == "truncate"
        return answer

    def _missign(self, content: dict[str, Any], kind: str) -> None:
        """Sign what was misspelt rightly, or sign wrongly."""
        if kind == "unsigned":
            del content["sign"]
            return
        if kind == "stale":
            content["timestamp"] = str(int(self._watch.now_s()) - 2 * CLOCK_S)
        content["sign"] = signing.rsa(content, self._office.stranger_key if kind == "forge" else self._office.platform_key)

    def _submit(self, given: dict[str, str], version: int) -> Answer:
        """What the payer's browser brings: the order is made now, and the browser goes on to the phone."""
        try:
            self._office.admit(given, version=version)
            order = self._orders.place(given, version, by_server=False)
        except Sorry as sorry:
            text = sorry.message if "pid" in given else "你还未配置支付接口商户！"
            page = _PAGE.format(title="站点提示信息", text=html.escape(text))
            return Answer(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
        return self._to_phone(order)

    def _page(self, page: str, name: str) -> Answer:
        order = self._books.find(name)
        if order is None:
            return Answer(404)
        return self._back(order) if page == "return" else self._to_phone(order)

    def _to_phone(self, order: Order) -> Answer:
        return lead_to_payment(order.code, f"{self._url}/epay/pay/return/{order.trade_no}" if order.return_url else "")

    def _back(self, order: Order) -> Answer:
        """The browser goes back with the very same signed query, as long as the payment is fresh."""
        fresh = order.paid_s is not None and self._watch.now_s() - order.paid_s < RETURN_S
        if not fresh:
            return lead_to(order.return_url)
        query = signed_query(order, self._office, int(self._watch.now_s()))
        return lead_to(f"{order.return_url}{'&' if '?' in order.return_url else '?'}{query}")


def _fields(encoded: bytes) -> dict[str, str]:
    """As PHP has them: the last of each name counts."""
    return dict(parse_qsl(encoded.decode("latin-1"), keep_blank_values=True, max_num_fields=100))


def _misspell(content: dict[str, Any], fault: Fault) -> None:
    if fault.kind == "alter" and "money" in content:
        content["money"] = orders.float_money(fault.amount_fen)
    elif fault.kind == "odd_amount" and "money" in content:
        content["money"] = f"{content['money']}元"
    elif fault.kind == "words" and "status" in content:
        content["status"] = "已支付"


def _error(fault: Fault) -> Answer:
    """The fault's code and message; where it names none of the operator's codes, the operator's own front breaks down."""
    if not fault.message and not fault.code.lstrip("-").isdigit():
        return Answer(fault.http or 502, _PAGE.format(title="502", text="Bad Gateway").encode(), {"Content-Type": "text/html"})
    code = int(fault.code) if fault.code.lstrip("-").isdigit() else -1
    return _json({"code": code, "msg": fault.message})


def _json(content: dict[str, Any]) -> Answer:
    return Answer(200, msgspec.json.encode(content), {"Content-Type": "application/json; charset=UTF-8"})
