"""WeChat Pay API v3: Native, H5 and JSAPI orders, query, close, refund, refund query and notices.

Calls never raise for what the other side does. What is not a verified answer or a definite refusal is `unknown`: an order that
timed out may exist, and only a query tells.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daozhang import clock, ids
from daozhang.channels.kinds.wechatpay.caller import Caller, Heard
from daozhang.channels.kinds.wechatpay.certificates import fetcher
from daozhang.channels.kinds.wechatpay.keys import WechatKeys
from daozhang.channels.kinds.wechatpay.messages import CODE_LIVES, H5_LIVES, order_body, payment_report, refund_body, refund_report
from daozhang.channels.kinds.wechatpay.notices import acknowledge, read_notice, read_notices
from daozhang.channels.kinds.wechatpay.ring import KeyRing
from daozhang.channels.kinds.wechatpay.signing import Signer
from daozhang.channels.port import (
    Acknowledgement,
    Answer,
    Invalid,
    Native,
    Notification,
    Opened,
    OrderRequest,
    Outcome,
    Prepay,
    RefundRequest,
    Report,
)
from daozhang.channels.rows import ChannelRow
from daozhang.channels.strict import Unclear, text_of
from daozhang.outbound import Subject, Transport

KIND = "wechatpay"
METHODS = ("native", "h5", "jsapi")
HOSTS = ("https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com")
_ORDERS = "/v3/pay/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"


class WechatPay:
    """One merchant account. `keys` are every version that is not retired, newest first: the newest signs, all verify."""

    kind = KIND

    def __init__(self, row: ChannelRow, keys: Sequence[WechatKeys], transport: Transport) -> None:
        """Load every key object once."""
        newest = keys[0]
        self.id, self.merchant, self.app, self.methods = row.id, row.merchant, row.app, row.methods
        self.no_credit = row.no_credit
        self._shop_id, self._transport = row.shop_id, transport
        self._ciphers = tuple(AESGCM(key.encode()) for key in dict.fromkeys(version.api_v3_key for version in keys))
        self._encode = msgspec.json.Encoder().encode
        fixed = {serial: key for version in keys for serial, key in version.verifiers().items()}
        signer = Signer(row.merchant, newest.serial_no, newest.signing_key())
        self._caller = Caller(signer, transport, row.hosts, newest.public_key_id)
        # Certificates are asked for in public-key mode too: while a merchant migrates, WeChat Pay signs callbacks with either.
        self._ring = KeyRing(fixed, fetcher(self._caller, self._ciphers, Subject(row.shop_id, row.id, "certificates")))
        self._caller.ring = self._ring
        self._signer = signer
        self._loopback_pages = all(urlsplit(host).scheme == "http" for host in row.hosts)

    async def order(self, request: OrderRequest) -> Prepay:
        """Place the order. Safe to repeat: the same request is sent as the same bytes."""
        if request.method not in self.methods or request.method not in METHODS:
            return Prepay(Outcome.FAILURE, reason="channel.method_unsupported")
        body = self._encode(order_body(request, self.merchant, self.app, clock.now(), no_credit=self.no_credit))
        heard = await self._caller.call(
            "order", "POST", f"{_ORDERS}/{request.method}", body, self._about("order", request.out_trade_no)
        )
        if heard.told is None:
            return Prepay(heard.outcome, reason=heard.reason, native=heard.native)
        try:
            return self._prepay(request, heard.told, heard.native)
        except Unclear as fault:
            return Prepay(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))

    async def query(self, out_trade_no: str) -> Answer:
        """What WeChat Pay knows of the payment. NOTPAY is `pending`: an unpaid order may still be paid."""
        target = f"{_ORDERS}/out-trade-no/{quote(out_trade_no, safe='')}?mchid={quote(self.merchant, safe='')}"
        heard = await self._caller.call("query", "GET", target, b"", self._about("query", out_trade_no))
        return _answer(heard, out_trade_no, lambda told: payment_report(told, "query", self.id))

    async def close(self, out_trade_no: str) -> Answer:
        """Close an unpaid payment; re-entrant. With `exists=False` there was nothing to close, which is as good as closed."""
        target = f"{_ORDERS}/out-trade-no/{quote(out_trade_no, safe='')}/close"
        heard = await self._caller.call(
            "close", "POST", target, self._encode({"mchid": self.merchant}), self._about("close", out_trade_no)
        )
        if heard.told is not None:
            return Answer(Outcome.SUCCESS, exists=True, native=heard.native)
        return Answer(heard.outcome, exists=_exists(heard), reason=heard.reason, native=heard.native)

    async def refund(self, request: RefundRequest) -> Answer:
        """Ask for a refund. 200 only means accepted; anything but a definite refusal is to be queried before it is repeated."""
        body = self._encode(refund_body(request))
        heard = await self._caller.call("refund", "POST", _REFUNDS, body, self._about("refund", request.out_refund_no))
        return _answer(heard, request.out_refund_no, self._refund_report)

    async def query_refund(self, out_refund_no: str, out_trade_no: str = "") -> Answer:  # noqa: ARG002 - the refund number is enough here
        """What WeChat Pay knows of the refund; `exists=False` means: repeat it with the same number."""
        target = f"{_REFUNDS}/{quote(out_refund_no, safe='')}"
        heard = await self._caller.call("refund_query", "GET", target, b"", self._about("refund_query", out_refund_no))
        return _answer(heard, out_refund_no, self._refund_report)

    async def read(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Verify and read a callback. Raises `Invalid`."""
        (heard,) = self.read_together([(headers, body)])
        if heard is None:
            return await read_notice(headers, body, self._ring, self._ciphers, (self.id, self.merchant, self.app))
        if isinstance(heard, Invalid):
            raise heard
        return heard

    def read_together(self, messages: Sequence[tuple[Mapping[str, str], bytes]]) -> list[Opened]:
        """Verify and read callbacks whose keys are in memory."""
        return read_notices(messages, self._ring, self._ciphers, (self.id, self.merchant, self.app))

    def acknowledge(self, invalid: Invalid | None) -> Acknowledgement:
        """WeChat Pay's own form of yes and no."""
        return acknowledge(invalid)

    async def close_connections(self) -> None:
        """Close the connections to the channel."""
        await self._transport.close()

    def _prepay(self, request: OrderRequest, told: dict[str, Any], native: Native | None) -> Prepay:
        now = clock.now()
        if request.method == "native":
            code = text_of(told, "code_url", 512)
            if not code.startswith("weixin://"):
                raise Unclear("code_url")
            return Prepay(Outcome.SUCCESS, "qr", {"text": code}, min(request.expires_at, now + CODE_LIVES), native=native)
        if request.method == "h5":
            link = _page_link(text_of(told, "h5_url", 512), loopback=self._loopback_pages)
            if request.return_url:
                link += f"{'&' if '?' in link else '?'}redirect_url={quote(request.return_url, safe='')}"
            return Prepay(Outcome.SUCCESS, "link", {"text": link}, min(request.expires_at, now + H5_LIVES), native=native)
        sheet = self._signer.invocation(self.app, text_of(told, "prepay_id", 64), clock.now_s())
        return Prepay(Outcome.SUCCESS, "jsapi", dict(sheet), min(request.expires_at, now + CODE_LIVES), native=native)

    def _refund_report(self, told: dict[str, Any]) -> Report:
        return refund_report(told, "query", self.id, self.merchant, self.app)

    def _about(self, operation: str, number: str) -> Subject:
        identifier = ids.parse26(number)
        if operation.startswith("refund"):
            return Subject(self._shop_id, self.id, operation, refund_id=identifier)
        return Subject(self._shop_id, self.id, operation, attempt_id=identifier)


def _answer(heard: Heard, number: str, read: Callable[[dict[str, Any]], Report]) -> Answer:
    if heard.told is None:
        return Answer(heard.outcome, exists=_exists(heard), reason=heard.reason, native=heard.native)
    try:
        report = read(heard.told)
    except Unclear as fault:
        return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))
    if report.number != number:
        return Answer(
            Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, Unclear("it is about another number"))
        )
    return Answer(report.outcome, report, exists=True, reason=report.reason, native=report.native)


def _exists(heard: Heard) -> bool | None:
    return False if heard.reason in ("channel.order_unknown", "refund.unknown_to_channel") else None


def _unclear(heard: Heard, fault: Unclear) -> Native:
    return replace(heard.native or Native(""), code="UNCLEAR", message=str(fault))


def _page_link(link: str, *, loopback: bool) -> str:
    """Where a payer is sent: https, or this machine's own simulator. Raises `Unclear`, so that no other scheme reaches a page."""
    parts = urlsplit(link)
    host = parts.hostname or ""
    if parts.scheme == "https" and host and "@" not in parts.netloc:
        return link
    if loopback and parts.scheme == "http" and (host == "localhost" or _is_loopback(host)):
        return link
    raise Unclear("h5_url")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
