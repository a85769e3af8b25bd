"""Alipay's gateway.do: orders (QR, page, mobile page), query, close, refund, refund query, bill address and notices.

No call raises for what the other side does. What is not a verified answer or a definite refusal is `unknown`: only a query tells.

A page is never asked of Alipay by us: we sign a request and the payer's browser carries it. And a code that nobody has scanned is
no trade yet: a query says TRADE_NOT_EXIST, and a close has nothing to close, though the code can still be paid. Therefore every
order carries its expiry, and only that ends it.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from daozhang import clock, ids
from daozhang.channels.kinds.alipay.caller import GATEWAY, Caller, Heard
from daozhang.channels.kinds.alipay.keys import AlipayKeys
from daozhang.channels.kinds.alipay.messages import (
    asked_payment,
    asked_refund,
    done_refund,
    order_content,
    refund_content,
)
from daozhang.channels.kinds.alipay.notices import acknowledge, read_notice
from daozhang.channels.kinds.alipay.signing import Verifier
from daozhang.channels.port import (
    Acknowledgement,
    Answer,
    Invalid,
    Native,
    Notification,
    OrderRequest,
    Outcome,
    Prepay,
    RefundRequest,
)
from daozhang.channels.rows import ChannelRow
from daozhang.channels.strict import Unclear, text_of
from daozhang.outbound import Subject, Transport, forms

KIND = "alipay"
METHODS = ("qr", "page", "h5")
HOSTS = ("https://openapi.alipay.com",)
_PAGES = {"page": "alipay.trade.page.pay", "h5": "alipay.trade.wap.pay"}
LONGEST_LINK = 2000
"""Browsers and what stands between take addresses up to about this length; a longer request is sent as a form."""
_NOT_THERE = frozenset({"ACQ.TRADE_NOT_EXIST", "TRADE_NOT_EXIST"})
_WRONG_STATE = frozenset({"ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID", "ACQ.REASON_ILLEGAL_STATUS"})


@dataclass(frozen=True, slots=True)
class BillAddress:
    """Where a day's bill can be fetched, for 30 seconds. Without `url`, outcome and reason say why."""

    outcome: Outcome
    url: str = ""
    reason: str | None = None
    native: Native | None = None


class Alipay:
    """One application. `keys` are every version that is not retired, newest first: the newest signs, all verify."""

    kind = KIND

    def __init__(self, row: ChannelRow, keys: Sequence[AlipayKeys], transport: Transport) -> None:
        """Load every key object once."""
        self.id, self.merchant, self.app, self.methods = row.id, row.merchant, row.app, row.methods
        self.no_credit = row.no_credit
        self._shop_id, self._transport, self._hosts = row.shop_id, transport, row.hosts
        self._verifiers = _once(verifier for version in keys for verifier in version.verifiers())
        self._caller = Caller(row.app, keys[0].signer(), self._verifiers, transport, row.hosts)
        self._tells_no_credit = row.no_credit or keys[0].no_credit
        self._loopback = all(urlsplit(host).scheme == "http" for host in row.hosts)

    async def order(self, request: OrderRequest) -> Prepay:
        """Place the order. Safe to repeat: the same request says the same words."""
        if request.method not in self.methods or request.method not in METHODS:
            return Prepay(Outcome.FAILURE, reason="channel.method_unsupported")
        content = order_content(request, clock.now(), no_credit=self._tells_no_credit)
        if request.method in _PAGES:
            return self._page(request, content)
        about = self._about("order", request.out_trade_no)
        heard = await self._caller.call("order", "alipay.trade.precreate", content, about, request.notify_url)
        if heard.told is None:
            return Prepay(heard.outcome, reason=heard.reason, native=heard.native)
        try:
            _same(heard.told, "out_trade_no", request.out_trade_no)
            code = _address(heard.told, "qr_code")
        except (Unclear, ValueError) as fault:
            return Prepay(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))
        return Prepay(Outcome.SUCCESS, "qr", {"text": code}, request.expires_at, native=heard.native)

    async def query(self, out_trade_no: str) -> Answer:
        """What Alipay knows of the payment. A code that nobody has scanned is not there, and has not failed."""
        heard = await self._asked("query", "alipay.trade.query", {"out_trade_no": out_trade_no}, out_trade_no)
        if heard.told is None:
            return Answer(heard.outcome, exists=_exists(heard), reason=heard.reason, native=heard.native)
        try:
            report = asked_payment(heard.told, self.id, self.merchant, self.app)
            _same(heard.told, "out_trade_no", out_trade_no)
        except Unclear as fault:
            return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))
        return Answer(report.outcome, report, exists=True, reason=report.reason, native=report.native)

    async def close(self, out_trade_no: str) -> Answer:
        """Close a payment that the payer has come to; re-entrant. What nobody has come to cannot be closed, only left to expire."""
        heard = await self._asked("close", "alipay.trade.close", {"out_trade_no": out_trade_no}, out_trade_no)
        if heard.told is not None:
            try:
                _same(heard.told, "out_trade_no", out_trade_no)
            except Unclear as fault:
                return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))
            return Answer(Outcome.SUCCESS, exists=True, native=heard.native)
        if heard.native is not None and heard.native.code in _WRONG_STATE:
            # "Wrong state" is said of what is paid and of what is closed already; asking tells which.
            asked = await self.query(out_trade_no)
            if asked.outcome is Outcome.SUCCESS:
                return Answer(Outcome.FAILURE, exists=True, reason="operation.already_paid", native=heard.native)
            if asked.outcome is Outcome.FAILURE:
                return Answer(Outcome.SUCCESS, exists=True, reason="operation.order_closed", native=heard.native)
        return Answer(heard.outcome, exists=_exists(heard), reason=heard.reason, native=heard.native)

    async def refund(self, request: RefundRequest) -> Answer:
        """Ask for a refund; only `fund_change=Y` says that money moved. Anything else is asked after with the refund's number."""
        about = self._about("refund", request.out_refund_no)
        heard = await self._caller.call("refund", "alipay.trade.refund", refund_content(request), about)
        if heard.told is None:
            return Answer(heard.outcome, reason=heard.reason, native=heard.native)
        if heard.told.get("fund_change") != "Y":
            return Answer(Outcome.PENDING, exists=None, reason="refund.in_progress", native=heard.native)
        try:
            report = done_refund(heard.told, request, self.id, self.merchant, self.app)
        except Unclear as fault:
            return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))
        return Answer(Outcome.SUCCESS, report, exists=True, native=heard.native)

    async def query_refund(self, out_refund_no: str, out_trade_no: str = "") -> Answer:
        """What Alipay knows of the refund; an empty answer means that it knows none of this number: repeat it with the same."""
        content: dict[str, Any] = {"out_trade_no": out_trade_no, "out_request_no": out_refund_no}
        content["query_options"] = ["gmt_refund_pay"]
        heard = await self._asked("refund_query", "alipay.trade.fastpay.refund.query", content, out_refund_no)
        if heard.told is None:
            return Answer(heard.outcome, exists=_exists(heard), reason=heard.reason, native=heard.native)
        if not heard.told.get("refund_status"):
            return Answer(Outcome.UNKNOWN, exists=False, reason="refund.unknown_to_channel", native=heard.native)
        try:
            report = asked_refund(heard.told, self.id, self.merchant, self.app)
            _same(heard.told, "out_request_no", out_refund_no)
            _same(heard.told, "out_trade_no", out_trade_no)
        except Unclear as fault:
            return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))
        return Answer(report.outcome, report, exists=True, reason=report.reason, native=report.native)

    async def bill_address(self, day: date) -> BillAddress:
        """Where the trade bill of a day (Beijing) is; from nine o'clock of the next day on. The address holds for 30 seconds."""
        content = {"bill_type": "trade", "bill_date": day.isoformat()}
        method = "alipay.data.dataservice.bill.downloadurl.query"
        heard = await self._caller.call("bill", method, content, Subject(self._shop_id, self.id, "bill"))
        if heard.told is None:
            return BillAddress(heard.outcome, reason=heard.reason, native=heard.native)
        try:
            url = _address(heard.told, "bill_download_url", loopback=self._loopback)
        except (Unclear, ValueError) as fault:
            return BillAddress(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))
        return BillAddress(Outcome.SUCCESS, url, native=heard.native)

    async def read(self, headers: Mapping[str, str], body: bytes) -> Notification:  # noqa: ARG002 - all of it is in the body.
        """Verify and read a notice. Raises `Invalid`."""
        return read_notice(body, self._verifiers, self.id)

    def acknowledge(self, invalid: Invalid | None) -> Acknowledgement:
        """Alipay's own form of yes and no."""
        return acknowledge(invalid)

    async def close_connections(self) -> None:
        """Close the connections to the channel."""
        await self._transport.close()

    def _page(self, request: OrderRequest, content: dict[str, Any]) -> Prepay:
        """A signed request for the payer's browser: a link where it is short enough, else a form.

        Its time is the moment of the attempt, which its number tells, so that asking again gives the same request.
        """
        identifier = ids.parse26(request.out_trade_no)
        at = ids.made_at(identifier) if identifier is not None else clock.now()
        addresses = {"notify_url": request.notify_url, "return_url": request.return_url}
        query, business = self._caller.signed(_PAGES[request.method], content, at, **addresses)
        base = f"{self._hosts[0]}{GATEWAY}?{query}"
        link = f"{base}&{forms.encode([('biz_content', business)])}"
        if request.method == "h5" and len(link) <= LONGEST_LINK:
            return Prepay(Outcome.SUCCESS, "link", {"text": link}, request.expires_at)
        return Prepay(Outcome.SUCCESS, "form", {"url": base, "fields": {"biz_content": business}}, request.expires_at)

    async def _asked(self, operation: str, method: str, content: dict[str, Any], number: str) -> Heard:
        return await self._caller.call(operation, method, content, self._about(operation, number))

    def _about(self, operation: str, number: str) -> Subject:
        identifier = ids.parse26(number)
        if operation.startswith("refund"):
            return Subject(self._shop_id, self.id, operation, refund_id=identifier)
        return Subject(self._shop_id, self.id, operation, attempt_id=identifier)


def _exists(heard: Heard) -> bool | None:
    return False if heard.native is not None and heard.native.code in _NOT_THERE else None


def _same(told: dict[str, Any], name: str, number: str) -> None:
    if text_of(told, name, 64) != number:
        raise Unclear("it is about another number")


def _unclear(heard: Heard, fault: Exception) -> Native:
    return replace(heard.native or Native(""), code="UNCLEAR", message=str(fault))


def _once(verifiers: Iterable[Verifier]) -> tuple[Verifier, ...]:
    found: list[Verifier] = []
    for verifier in verifiers:
        if verifier not in found:
            found.append(verifier)
    return tuple(found)


def _address(told: dict[str, Any], name: str, *, loopback: bool = False) -> str:
    """An address of Alipay's own, or of this machine's simulator. Raises `Unclear`, so that no answer leads anywhere else."""
    address = text_of(told, name, 4096)
    parts = urlsplit(address)
    host = parts.hostname or ""
    theirs = parts.scheme == "https" and (host == "alipay.com" or host.endswith(".alipay.com"))
    own = loopback and parts.scheme == "http" and _is_loopback(host)
    if "@" in parts.netloc or not (theirs or own):
        raise Unclear(name)
    return address


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
