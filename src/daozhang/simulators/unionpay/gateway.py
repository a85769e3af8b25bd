"""The doors of gateway.95516.com: who is asking, may they, what goes wrong, and an answer signed with UnionPay's key.

Answers are `k=v&k=v` with nothing escaped. The browser's door answers a page instead, and leads it to the cashier.
"""

from collections.abc import Callable
from html import escape

from daozhang.simulators.faults import Dial, Fault, Point
from daozhang.simulators.unionpay import told
from daozhang.simulators.unionpay.books import Books, Order
from daozhang.simulators.unionpay.codes import CODES, Refused, spoken
from daozhang.simulators.unionpay.files import Files
from daozhang.simulators.unionpay.requests import Fields, admit, read_form
from daozhang.simulators.unionpay.signing import Keyring
from daozhang.simulators.unionpay.trades import Trades
from daozhang.simulators.wire import Answer, Receive, Scope, Send, TooLarge, lead_to, lead_to_payment, read, write

FRONT, BACK, QUERY = "/gateway/api/frontTransReq.do", "/gateway/api/backTransReq.do", "/gateway/api/queryTrans.do"
FILES, RETURN = "/filedownload/", "/gateway/return/"
_ECHOED = ("bizType", "merId", "orderId", "txnSubType", "txnTime", "txnType", "accessType")
_UNSURE = "03"
_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/static/phone.css"><title>{title}</title></head>
<body><main><section class="bill"><h1>{title}</h1><p class="quiet">{text}</p></section>{rest}</main></body></html>"""


class Gateway:
    """UnionPay's interface for the merchants of one keyring; `url` is where it stands."""

    def __init__(self, keyring: Keyring, books: Books, trades: Trades, files: Files, dial: Dial, url: str) -> None:
        self._keyring, self._books, self._trades, self._files = keyring, books, trades, files
        self._dial, self._url = dial, url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        path: str = scope["path"]
        if path.startswith(RETURN) and scope["method"] in ("GET", "HEAD"):
            await write(send, self._leave(path.removeprefix(RETURN)))
            return
        if path not in (FRONT, BACK, QUERY, FILES):
            await write(send, Answer(404))
            return
        if scope["method"] != "POST":
            await write(send, Answer(405, headers={"Allow": "POST"}))
            return
        try:
            body = await read(receive)
        except TooLarge:
            await write(send, Answer(413))
            return
        except ConnectionError:
            return
        await write(send, await (self._front(body) if path == FRONT else self._called(path, body)))

    async def _front(self, body: bytes) -> Answer:
        """The payer's browser brings an order: to the cashier with it, or a page that says why not."""
        try:
            fields = read_form(body)
            admit(fields, self._keyring)
            await self._disturb(self._dial.take("order", fields.get("orderId", "")))
            order = self._trades.front(fields)
        except Refused as refused:
            return _page("交易失败", f"{refused.message}（respCode={refused.code}）", status=200)
        return lead_to_payment(order.code, f"{self._url}{RETURN}{order.code}")

    async def _disturb(self, fault: Fault | None) -> None:
        """What a fault of placing an order means for a browser."""
        if fault is not None and fault.kind in ("error", "booked_error", "empty_503"):
            raise Refused(fault.code if fault.code in CODES else "06")
        if fault is not None and fault.kind in ("delay", "hang"):
            await self._dial.hold(fault.seconds)

    async def _called(self, path: str, body: bytes) -> Answer:
        """A merchant's server calls."""
        fields: Fields = {}
        try:
            fields = read_form(body)
            admit(fields, self._keyring)
            perform = self._performer(path, fields)
        except Refused as refused:
            return self._no(fields, refused.code, refused.message)
        point = self._point(path, fields)
        fault = self._dial.take(point, fields.get("orderId", ""))
        if fault is not None and fault.kind == "delay":
            await self._dial.hold(fault.seconds)
        elif fault is not None and fault.kind == "error":
            return self._fails(fields, fault)
        elif fault is not None and fault.kind == "empty_503":
            return Answer(503)
        try:
            answer = perform(fields)
        except Refused as refused:
            answer = self._refusal(fields, refused.code, refused.message)
        if fault is not None and fault.kind == "hang":
            await self._dial.hold(fault.seconds)
        if fault is not None and fault.kind == "booked_error":
            return self._fails(fields, fault)
        return self._signed(answer, fault)

    def _performer(self, path: str, fields: Fields) -> Callable[[Fields], Fields]:
        kind = (path, fields["txnType"])
        if kind == (BACK, "01"):
            return self._trades.qr
        if kind in ((BACK, "04"), (BACK, "31")):
            return self._trades.back
        if kind == (QUERY, "00"):
            return self._trades.query
        if kind == (FILES, "76"):
            return self._file
        raise Refused("10")

    def _point(self, path: str, fields: Fields) -> Point:
        if path == QUERY:
            return self._trades.operation(fields)
        if path == FILES:
            return "api"
        return "order" if fields["txnType"] == "01" else "refund"

    def _file(self, fields: Fields) -> Fields:
        name, content = self._files.content(fields["merId"], fields.get("settleDate", ""))
        return told.notice(self._echo(fields)) | {"fileName": name, "fileContent": content, "settleDate": fields["settleDate"]}

    def _no(self, fields: Fields, code: str, message: str) -> Answer:
        """A call that was not admitted. Whoever is no merchant here gets no signature either."""
        refusal = self._refusal(fields, code, message)
        if fields.get("merId") in self._keyring.merchants:
            return self._signed(refusal, None)
        return _plain(refusal)

    def _fails(self, fields: Fields, fault: Fault) -> Answer:
        if fault.http >= 400:
            return Answer(fault.http)
        code, message = spoken(_UNSURE if fault.code == "SYSTEM_ERROR" else fault.code)
        return self._signed(self._refusal(fields, code, fault.message or message), None)

    @staticmethod
    def _echo(fields: Fields) -> Fields:
        return told.common(fields.get("merId", "")) | {name: fields[name] for name in _ECHOED if fields.get(name)}

    def _refusal(self, fields: Fields, code: str, message: str) -> Fields:
        return self._echo(fields) | {"respCode": code, "respMsg": message}

    def _signed(self, fields: Fields, fault: Fault | None) -> Answer:
        kind = fault.kind if fault is not None else ""
        if fault is not None and kind == "alter" and "txnAmt" in fields:
            fields = fields | {"txnAmt": str(fault.amount_fen)}
        if kind == "garbage":
            return Answer(200, b"<html>upstream connect error</html>", {"Content-Type": "text/html"})
        answer = _plain(fields if kind == "unsigned" else self._keyring.sign(fields, kind))
        answer.truncated = kind == "truncate"
        return answer

    def _leave(self, code: str) -> Answer:
        """Back to the shop: after a payment the browser posts signed fields to frontUrl, else it is just led there."""
        order = self._books.order_by_code(code)
        if order is None or not order.front_url:
            return Answer(404)
        return lead_to(order.front_url) if order.paid_s is None else self._hand_over(order)

    def _hand_over(self, order: Order) -> Answer:
        fields = self._keyring.sign(told.notice(told.of_order(order)))
        inputs = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())
        form = f'<form method="post" action="{escape(order.front_url)}">{inputs}<button class="go">返回商户</button></form>'
        return _page("支付成功", "银联在线支付（模拟）", form)


def _plain(fields: Fields) -> Answer:
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return Answer(200, text.encode(), {"Content-Type": "text/html;charset=UTF-8"})


def _page(title: str, text: str, rest: str = "", status: int = 200) -> Answer:
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Answer(status, _PAGE.format(title=escape(title), text=escape(text), rest=rest).encode(), headers)
