"""gateway.do: who is asking, may they, what goes wrong, and an answer in HTTP 200 `text/html` whatever it says.

The gateway's own complaints carry no signature; business refusals do. The two page interfaces are opened by a payer's browser:
their complaints are a page in GBK, their success leads to the phone.
"""

import json
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from daozhang.simulators.alipay.bill import Bills
from daozhang.simulators.alipay.books import Books
from daozhang.simulators.alipay.errors import MESSAGES, ApiError
from daozhang.simulators.alipay.notices import Notices
from daozhang.simulators.alipay.quirks import Quirks
from daozhang.simulators.alipay.refunds import Refunds
from daozhang.simulators.alipay.signing import Keyring
from daozhang.simulators.alipay.trades import Trades, plain_yuan
from daozhang.simulators.faults import Dial, Fault, Point
from daozhang.simulators.wire import Answer, Receive, Scope, Send, TooLarge, lead_to_payment, read, write

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = {"alipay.trade.page.pay": "page", "alipay.trade.wap.pay": "h5"}
POINTS: dict[str, Point] = {
    "alipay.trade.precreate": "order",
    "alipay.trade.query": "query",
    "alipay.trade.close": "close",
    "alipay.trade.refund": "refund",
    "alipay.trade.fastpay.refund.query": "refund_query",
    "alipay.data.dataservice.bill.downloadurl.query": "api",
}
_NEEDED = ("method", "app_id", "sign_type", "sign", "timestamp", "version")
_MISSING = {name: f"isv.missing-{name.replace('_', '-')}" for name in _NEEDED} | {
    "sign": "isv.missing-signature",
    "sign_type": "isv.missing-signature-type",
}
_TIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)
_HTML = {"Content-Type": "text/html;charset=utf-8", "Server": "Tengine/2.1.0"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call with its parameters merged from address and body; `keyring` is of the application that signed it."""

    method: str
    parameters: dict[str, str]
    keyring: Keyring

    @property
    def content(self) -> str:
        """The business part as text."""
        return self.parameters.get("biz_content", "{}")


class Gateway:
    """Alipay's one door, for the applications in `keyrings` (by app_id)."""

    def __init__(
        self, keyrings: dict[str, Keyring], books: Books, dial: Dial, quirks: Quirks, notices: Notices, trades: Trades,
        refunds: Refunds, bills: Bills,
    ) -> None:  # fmt: skip
        self._keyrings, self._books, self._dial, self._quirks = keyrings, books, dial, quirks
        self._notices, self._trades, self._refunds, self._bills = notices, trades, refunds, bills

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request to /gateway.do."""
        try:
            body = await read(receive)
        except TooLarge:
            await write(send, Answer(413))
            return
        except ConnectionError:
            return
        try:
            pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="strict")
            pairs += parse_qsl(body.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=100)
            parameters = dict(pairs)
        except (ValueError, UnicodeDecodeError):
            parameters = {}
        answer = await self._answer(parameters)
        if answer is not None:
            await write(send, answer)

    async def _answer(self, parameters: dict[str, str]) -> Answer:
        method = parameters.get("method", "")
        try:
            call = self._admit(parameters)
        except ApiError as error:
            return _page_of(error) if method in PAGES else self._refused(error, method, None)
        fault = self._dial.take(POINTS.get(method, "order"), _number(call.content))
        if fault is not None and fault.kind == "delay":
            await self._dial.hold(fault.seconds)
        if fault is not None and fault.kind == "empty_503":
            return Answer(503)
        if method in PAGES:
            return self._open_page(call, fault)
        try:
            content = self._perform(call, fault)
            if fault is not None and fault.kind == "hang":
                await self._dial.hold(fault.seconds)
        except ApiError as error:
            return self._refused(error, method, call.keyring)
        return self._signed(call, {"code": "10000", "msg": MESSAGES["10000"]} | content, fault)

    def _admit(self, parameters: dict[str, str]) -> Call:
        """Who is asking: what is missing first, then what is malformed, then the signature."""
        for name in _NEEDED:
            if not parameters.get(name):
                raise ApiError(_MISSING[name])
        method = parameters["method"]
        if method not in POINTS and method not in PAGES:
            raise ApiError("isv.invalid-method")
        keyring = self._keyrings.get(parameters["app_id"])
        if keyring is None:
            raise ApiError("isv.invalid-app-id")
        if parameters["sign_type"] != "RSA2":
            raise ApiError("isv.invalid-signature-type")
        if parameters.get("format", "JSON").upper() != "JSON":
            raise ApiError("isv.invalid-format")
        if parameters.get("charset", "").lower() not in ("utf-8", "gbk"):
            raise ApiError("isv.invalid-charset")
        if _TIME.fullmatch(parameters["timestamp"]) is None:
            raise ApiError("isv.invalid-timestamp")
        self._check_certificates(keyring, parameters)
        if not keyring.verify(parameters):
            raise ApiError("isv.invalid-signature")
        return Call(method, parameters, keyring)

    def _check_certificates(self, keyring: Keyring, parameters: dict[str, str]) -> None:
        given = parameters.get("app_cert_sn", "")
        if keyring.app.mode == "certificate" and not given:
            raise ApiError("isv.missing-app-cert-sn")
        if given and not parameters.get("alipay_root_cert_sn"):
            raise ApiError("isv.missing-alipay-root-cert-sn")
        if given and (given, parameters["alipay_root_cert_sn"]) != (keyring.app_cert_sn, keyring.root_cert_sn):
            raise ApiError("isv.invalid-signature", "验签出错，应用证书或根证书序列号不匹配")

    def _perform(self, call: Call, fault: Fault | None) -> dict[str, Any]:
        if fault is not None and fault.kind == "error":
            raise _fault_error(fault)
        app = call.keyring.app
        doings: dict[str, Callable[[], dict[str, Any]]] = {
            "alipay.trade.precreate": lambda: self._trades.precreate(app, call.content, call.parameters.get("notify_url", "")),
            "alipay.trade.query": lambda: self._trades.query(app, call.content),
            "alipay.trade.close": lambda: self._close(call),
            "alipay.trade.refund": lambda: self._refund(call),
            "alipay.trade.fastpay.refund.query": lambda: self._refunds.query(app, call.content),
            "alipay.data.dataservice.bill.downloadurl.query": lambda: self._bills.address(app, call.content),
        }
        content = doings[call.method]()
        if fault is not None and fault.kind == "booked_error":
            raise _fault_error(fault)
        if fault is not None and fault.kind == "alter" and "total_amount" in content:
            content["total_amount"] = plain_yuan(fault.amount_fen)
        return content

    def _close(self, call: Call) -> dict[str, Any]:
        content, closed = self._trades.close(call.keyring.app, call.content)
        self._notices.state(closed, "closed")
        return content

    def _refund(self, call: Call) -> dict[str, Any]:
        content, changed = self._refunds.ask(call.keyring.app, call.content)
        if changed is not None:
            self._notices.refund(changed, _number(call.content))
        self._notices.look()
        return content

    def _open_page(self, call: Call, fault: Fault | None) -> Answer:
        """What a payer's browser meets: the phone, or a page in GBK that only the payer sees."""
        if fault is not None and fault.kind in ("error", "booked_error"):
            return _page_of(_fault_error(fault))
        app, given = call.keyring.app, call.parameters
        addresses = given.get("notify_url", ""), given.get("return_url", "")
        try:
            trade = self._trades.wish(PAGES[call.method], app, call.content, *addresses)
        except ApiError as error:
            return _page_of(error)
        if not trade.state:
            # Whoever opens the page has come: the trade begins.
            self._notices.state(self._books.open_trade(trade), "waiting")
        return lead_to_payment(trade.code, trade.return_url)

    def _signed(self, call: Call, content: dict[str, Any], fault: Fault | None) -> Answer:
        kind = fault.kind if fault is not None else ""
        raw = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        sent, signed = raw, raw
        if self._quirks.slashes != "plain":
            signed = raw.replace(b"/", b"\\/")
            sent = signed if self._quirks.slashes == "escaped" else raw
        if kind == "garbage":
            return Answer(200, b"<html>upstream connect error</html>", _HTML)
        outer = b'{"%s":%s' % (f"{call.method.replace('.', '_')}_response".encode(), sent)
        if call.parameters.get("app_cert_sn") or kind == "unknown_serial":
            serial = secrets.token_hex(16) if kind == "unknown_serial" else call.keyring.alipay_cert_sn
            outer += b',"alipay_cert_sn":"%s"' % serial.encode()
        if kind != "unsigned":
            forged = kind in ("forge", "probe", "stale")
            outer += b',"sign":"%s"' % call.keyring.sign_text(signed, forged=forged).encode()
        return Answer(200, outer + b"}", _HTML, truncated=kind == "truncate")

    def _refused(self, error: ApiError, method: str, keyring: Keyring | None) -> Answer:
        name = f"{method.replace('.', '_')}_response" if method in POINTS or method in PAGES else "error_response"
        raw = json.dumps(error.content(), ensure_ascii=False, separators=(",", ":")).encode()
        outer = b'{"%s":%s' % (name.encode(), raw)
        if keyring is not None and error.signed:
            if keyring.app.mode == "certificate":
                outer += b',"alipay_cert_sn":"%s"' % keyring.alipay_cert_sn.encode()
            outer += b',"sign":"%s"' % keyring.sign_text(raw).encode()
        return Answer(200, outer + b"}", _HTML)


def _fault_error(fault: Fault) -> ApiError:
    return ApiError("ACQ.SYSTEM_ERROR" if fault.code == "SYSTEM_ERROR" else fault.code, fault.message)


def _page_of(error: ApiError) -> Answer:
    text = (
        f"<html><head><title>支付宝</title></head><body><h1>{error.sub_msg or error.code}</h1><p>{error.sub_code}</p></body></html>"
    )
    return Answer(200, text.encode("gbk", "replace"), {"Content-Type": "text/html;charset=GBK"})


def _number(content: str) -> str:
    """The merchant's number a fault may be aimed at: of the refund, else of the payment."""
    try:
        values = msgspec.json.decode(content.encode())
    except (msgspec.DecodeError, UnicodeError):
        return ""
    if not isinstance(values, dict):
        return ""
    number = values.get("out_request_no") or values.get("out_trade_no") or ""
    return number if isinstance(number, str) else ""
