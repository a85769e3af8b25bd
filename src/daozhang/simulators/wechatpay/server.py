"""The doors of api.mch.weixin.qq.com: who is asking, may they, what goes wrong, and an answer signed with the right key."""

import base64
import re
import uuid
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

import msgspec

from daozhang.simulators.faults import Dial, Fault, Point
from daozhang.simulators.habits import Habits, Probes
from daozhang.simulators.watch import Watch, rfc3339
from daozhang.simulators.wechatpay.books import Books
from daozhang.simulators.wechatpay.errors import ApiError
from daozhang.simulators.wechatpay.orders import Orders
from daozhang.simulators.wechatpay.refunds import Refunds
from daozhang.simulators.wechatpay.signing import Keyring, read_authorization, request_message
from daozhang.simulators.wire import Answer, Receive, Scope, Send, TooLarge, read, write

CLOCK_S = 300

Operation = Literal["order", "query", "close", "refund", "refund_query", "certificates"]

_PRODUCTS = re.compile(r"/v3/pay/transactions/(native|h5|jsapi|app)")
_BY_NUMBER = re.compile(r"/v3/pay/transactions/out-trade-no/([^/]+)")
_CLOSE = re.compile(r"/v3/pay/transactions/out-trade-no/([^/]+)/close")
_BY_TRANSACTION = re.compile(r"/v3/pay/transactions/id/([^/]+)")
_REFUND = re.compile(r"/v3/refund/domestic/refunds/([^/]+)")
_ROUTES: tuple[tuple[str, re.Pattern[str], Operation], ...] = (
    ("POST", _PRODUCTS, "order"),
    ("GET", _BY_NUMBER, "query"),
    ("POST", _CLOSE, "close"),
    ("GET", _BY_TRANSACTION, "query"),
    ("POST", re.compile(r"/v3/refund/domestic/refunds"), "refund"),
    ("GET", _REFUND, "refund_query"),
    ("GET", re.compile(r"/v3/certificates"), "certificates"),
)
_OWN_NUMBER = re.compile(rb'"out_(?:refund|trade)_no"\s*:\s*"([^"]{1,64})"')


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what is asked, the part of the path that names something, and the bytes as they came."""

    operation: Operation
    name: str
    by_transaction: bool
    method: str
    target: str
    query: str
    headers: dict[str, str]
    body: bytes


class ApiServer:
    """WeChat Pay's API for the merchants in `keyrings` (by mchid)."""

    def __init__(
        self, keyrings: dict[str, Keyring], books: Books, watch: Watch, habits: Habits, dial: Dial, orders: Orders, refunds: Refunds
    ) -> None:
        self._keyrings, self._watch, self._dial = keyrings, watch, dial
        self._books, self._orders, self._refunds = books, orders, refunds
        self._probes = Probes(habits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request under `/v3/`."""
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        route = _route(method, path)
        if isinstance(route, int):
            # Unknown paths and methods are turned away by the front, with nothing in the body.
            await write(send, Answer(route))
            return
        operation, name = route
        query = scope["query_string"].decode("latin-1")
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            body = await read(receive)
        except TooLarge:
            await write(send, Answer(413))
            return
        except ConnectionError:
            return
        target = f"{path}?{query}" if query else path
        call = Call(operation, unquote(name), "/id/" in path, method, target, query, headers, body)
        await write(send, await self._answer(call))

    async def _answer(self, call: Call) -> Answer:
        request_id = f"08{uuid.uuid4().hex.upper()}"
        try:
            keyring = self._admit(call)
        except ApiError as error:
            # The real front leaves Request-ID away on a 401 of the transaction paths.
            known = error.http != 401 or not call.target.startswith("/v3/pay/transactions")
            return _refused(error, request_id if known else "")
        fault = self._dial.take(_point(call.operation), _number(call))
        if fault is not None:
            if fault.kind in ("delay", "hang") and fault.kind == "delay":
                await self._dial.hold(fault.seconds)
            elif fault.kind == "error":
                return _refused(ApiError(fault.code, fault.message, http=fault.http), request_id)
            elif fault.kind == "empty_503":
                return Answer(503)
        try:
            content = self._perform(call, keyring)
        except ApiError as error:
            return _refused(error, request_id)
        if fault is not None and fault.kind == "hang":
            await self._dial.hold(fault.seconds)
        if fault is not None and fault.kind == "booked_error":
            return _refused(ApiError(fault.code, fault.message, http=fault.http), request_id)
        return self._signed(call, keyring, content, fault, request_id)

    def _admit(self, call: Call) -> Keyring:
        """Who is asking. Headers first, then the clock, then the signature, as probing the real channel showed."""
        if not call.headers.get("user-agent") or "application/json" not in call.headers.get("accept", "").replace(
            "*/*", "application/json"
        ):
            raise ApiError("INVALID_REQUEST", "Http头缺少Accept或User-Agent")
        if call.body and not call.headers.get("content-type", "").startswith("application/json"):
            raise ApiError("INVALID_REQUEST", "Http头Content-Type必须为application/json")
        credential = read_authorization(call.headers.get("authorization", ""))
        if credential is None:
            raise ApiError("SIGN_ERROR", "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
        if not credential.timestamp.isascii() or not credential.timestamp.isdigit() or len(credential.timestamp) > 12:
            raise ApiError("PARAM_ERROR", "Http头Authorization中的timestamp格式错误")
        if abs(self._watch.now_s() - int(credential.timestamp)) > CLOCK_S:
            raise ApiError("SIGN_ERROR", "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
        keyring = self._keyrings.get(credential.mchid)
        if keyring is None:
            raise ApiError("SIGN_ERROR", "商户号不存在或商户证书序列号有误，请使用签名私钥匹配的证书序列号")
        if credential.serial_no.upper() != keyring.merchant.serial_no:
            raise ApiError("SIGN_ERROR", "商户证书序列号有误。请使用签名私钥匹配的证书序列号")
        message = request_message(call.method, call.target, credential, call.body)
        if not keyring.verify(message, credential.signature):
            raise ApiError("SIGN_ERROR", detail=_mismatch(call, message))
        wanted = call.headers.get("wechatpay-serial", "")
        if wanted and not keyring.knows(wanted):
            raise ApiError("PARAM_ERROR", "平台证书序列号Wechatpay-Serial错误", detail={"location": "header", "value": wanted})
        return keyring

    def _perform(self, call: Call, keyring: Keyring) -> dict[str, Any] | None:
        merchant = keyring.merchant
        match call.operation:
            case "order":
                return self._orders.place(call.name, merchant, call.body)
            case "query":
                mchid = (parse_qs(call.query).get("mchid") or [""])[0]
                known_by = "transaction_id" if call.by_transaction else "out_trade_no"
                return self._orders.query(merchant, mchid, **{known_by: call.name})
            case "close":
                self._orders.close(merchant, call.name, call.body)
                return None
            case "refund":
                return self._refunds.ask(merchant, call.body)
            case "refund_query":
                return self._refunds.query(merchant, call.name)
            case "certificates":
                return self._certificates(keyring)

    def _certificates(self, keyring: Keyring) -> dict[str, Any]:
        certificates = keyring.merchant.platform_certificates
        if not certificates:
            raise ApiError("RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥")
        now_s = self._watch.now_s()
        data = [
            {
                "effective_time": rfc3339(now_s - 86_400),
                "encrypt_certificate": keyring.seal(pem.encode(), "certificate"),
                "expire_time": rfc3339(now_s + 5 * 365 * 86_400),
                "serial_no": serial,
            }
            for serial, pem in certificates.items()
        ]
        return {"data": data}

    def _signed(self, call: Call, keyring: Keyring, content: dict[str, Any] | None, fault: Fault | None, request_id: str) -> Answer:
        kind = fault.kind if fault is not None else ""
        if fault is not None and kind == "alter" and content is not None and "amount" in content:
            content["amount"] |= {"total": fault.amount_fen, "payer_total": fault.amount_fen}
        body = b"" if content is None else msgspec.json.encode(content)
        if kind == "garbage":
            body = b"<html>upstream connect error</html>"
        serial = call.headers.get("wechatpay-serial", "") or keyring.default_serial()
        probe = kind == "probe" or self._probes.due((call.method, call.target, call.body))
        timestamp = int(self._watch.now_s()) - (600 if kind == "stale" else 0)
        headers = {
            "Server": "nginx",
            "Content-Language": "zh-CN",
            "Cache-Control": "no-cache, must-revalidate",
            "Request-ID": request_id,
        }
        if content is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        if kind != "unsigned":
            headers |= keyring.headers(body, serial, timestamp, probe=probe, forged=kind == "forge")
        if kind == "unknown_serial":
            headers["Wechatpay-Serial"] = uuid.uuid4().hex.upper() + "00C0FFEE"
        return Answer(204 if content is None else 200, body, headers, truncated=kind == "truncate")


def _route(method: str, path: str) -> tuple[Operation, str] | int:
    known_path = False
    for wanted, pattern, operation in _ROUTES:
        match = pattern.fullmatch(path)
        if match is not None:
            if wanted == method:
                return operation, match.group(1) if pattern.groups else ""
            known_path = True
    return 405 if known_path else 404


def _point(operation: Operation) -> Point:
    return operation


def _number(call: Call) -> str:
    """The merchant's number a fault may be aimed at."""
    if call.operation not in ("order", "refund"):
        return call.name
    match = _OWN_NUMBER.search(call.body)
    return match.group(1).decode("latin-1") if match else ""


def _mismatch(call: Call, message: bytes) -> dict[str, Any]:
    """What the real channel shows of a signature that does not match: the beginning of the text it verified."""
    shown = message[:256].decode("utf-8", "replace")
    return {
        "detail": {"issue": "sign not match"},
        "field": "signature",
        "location": "authorization",
        "sign_information": {
            "method": call.method,
            "sign_message_length": len(message),
            "truncated_sign_message": base64.b64encode(message[:256]).decode() if "\ufffd" in shown else shown,
            "url": call.target,
        },
    }


def _refused(error: ApiError, request_id: str) -> Answer:
    headers = {"Server": "nginx", "Content-Language": "zh-CN", "Content-Type": "application/json; charset=utf-8"}
    if request_id:
        headers["Request-ID"] = request_id
    return Answer(error.http, error.body(), headers)
