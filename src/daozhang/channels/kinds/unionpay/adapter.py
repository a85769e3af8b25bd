"""UnionPay ACP 5.1.0: payment by browser (page, h5) and by QR code, query, refund, revoke, settlement files and notices.

Calls never raise for what the other side does. What is not a verified answer or a definite refusal is `unknown`. UnionPay knows an
order by its number and its time together; the time is read out of our number, so that a query finds the order after any crash.

UnionPay cannot close an unpaid order. Each carries a payTimeout that ends before our order does; `close` only asks, and whoever
closes has to wait until the order has expired. Money that comes later still is money.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from daozhang import clock, ids
from daozhang.channels.kinds.unionpay import messages
from daozhang.channels.kinds.unionpay.caller import Caller, Heard
from daozhang.channels.kinds.unionpay.fields import Fields
from daozhang.channels.kinds.unionpay.files import BillFile, unpack
from daozhang.channels.kinds.unionpay.keys import UnionKeys
from daozhang.channels.kinds.unionpay.notices import acknowledge, read_notice
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
    Report,
)
from daozhang.channels.rows import ChannelRow
from daozhang.channels.strict import Unclear, text_of
from daozhang.outbound import Subject, Transport

KIND = "unionpay"
METHODS = ("page", "h5", "qr")
HOSTS = ("https://gateway.95516.com", "https://filedownload.95516.com")
SANDBOX_HOSTS = ("https://gateway.test.95516.com", "https://filedownload.test.95516.com")
_FRONT, _BACK, _QUERY = "/gateway/api/frontTransReq.do", "/gateway/api/backTransReq.do", "/gateway/api/queryTrans.do"
_FILES, _FILES_BESIDE = "/", "/filedownload/"
"""The file service has a host of its own; behind one address for all (a proxy, a simulator) it stands below a path."""
_QR_PLACE = "https://qr.95516.com/"
_USED_BEFORE = "12"
_REMEMBERED = 4096


class UnionPay:
    """One merchant account. `keys` are every version that is not retired, newest first: the newest signs, all verify."""

    kind = KIND

    def __init__(self, row: ChannelRow, keys: Sequence[UnionKeys], transport: Transport) -> None:
        """Load every key object once. Raises `ValueError` for sandbox keys anywhere but at the sandbox, and for others there."""
        newest = keys[0]
        at_sandbox = any(host in SANDBOX_HOSTS for host in row.hosts)
        if newest.sandbox != at_sandbox:
            raise ValueError("sandbox keys belong to the sandbox's hosts, and no others do")
        self.id, self.merchant, self.app, self.methods = row.id, row.merchant, row.app, row.methods
        self.no_credit = row.no_credit
        self._shop_id, self._transport = row.shop_id, transport
        self._gateway, self._file_host = row.hosts[0], row.hosts[-1]
        self._files = _FILES if len(row.hosts) > 1 else _FILES_BESIDE
        self._signer = newest.signer
        trusts = tuple(version.trust for version in keys if version.sandbox == newest.sandbox)
        self._caller = Caller(newest.signer, trusts, transport)
        self._claims: OrderedDict[str, None] = OrderedDict()
        self._codes: OrderedDict[str, tuple[Fields, Prepay]] = OrderedDict()

    async def order(self, request: OrderRequest) -> Prepay:
        """Place the order. `page` and `h5` are signed here and brought by the payer's browser, so nothing is called for them."""
        if request.method not in self.methods or request.method not in METHODS:
            return Prepay(Outcome.FAILURE, reason="channel.method_unsupported")
        stamp, until = messages.txn_time(request.out_trade_no), request.expires_at - messages.EARLIER
        if stamp is None:
            return Prepay(Outcome.FAILURE, reason="channel.request_rejected", native=Native("NOT_OUR_NUMBER"))
        if clock.now() >= until:
            return Prepay(Outcome.FAILURE, reason="operation.order_stale")
        if request.method == "qr":
            return await self._qr(request, stamp, until)
        fields = self._signer.signed(messages.front_fields(request, self.merchant, stamp, until))
        return Prepay(Outcome.SUCCESS, "form", {"url": self._gateway + _FRONT, "fields": fields}, until)

    async def query(self, out_trade_no: str) -> Answer:
        """What UnionPay knows of the payment. Before the payer has begun to pay by browser, that is nothing (`exists=False`)."""
        answer = await self._ask("query", out_trade_no, self._payment)
        if out_trade_no in self._claims and (answer.exists is False or answer.outcome is Outcome.PENDING):
            # UnionPay itself has signed that it was paid: that its query does not know it yet is no answer.
            return Answer(Outcome.UNKNOWN, reason="channel.checking", native=answer.native)
        return answer

    async def close(self, out_trade_no: str) -> Answer:
        """Whether a payment has ended: UnionPay has no call to end one, so it is only asked.

        `failure` = already paid, `success` = it failed there; else `unknown`, and with `exists=False` nobody has begun to pay and
        its payTimeout ends it.
        """
        answer = await self.query(out_trade_no)
        if answer.outcome is Outcome.SUCCESS:
            return Answer(Outcome.FAILURE, exists=True, reason="operation.already_paid", native=answer.native)
        if answer.outcome is Outcome.FAILURE:
            return Answer(Outcome.SUCCESS, exists=True, reason=answer.reason, native=answer.native)
        asked = answer.exists is not None
        return Answer(
            Outcome.UNKNOWN,
            exists=False if answer.exists is False else None,
            reason="channel.ends_by_itself" if asked else answer.reason,
            native=answer.native,
        )

    async def refund(self, request: RefundRequest) -> Answer:
        """Ask for a refund (04): a transaction of its own, whose number and time keep it from being done twice."""
        return await self._send_back(request, messages.REFUND)

    async def revoke(self, request: RefundRequest) -> Answer:
        """Take a whole payment back (31): only in its own clearing day (it ends at 23:00), and only all of it.

        Asked after like a refund, with `query_refund`.
        """
        if request.amount_fen != request.total_fen or request.refunded_fen:
            return Answer(Outcome.FAILURE, exists=False, reason="refund.not_accepted", native=Native("NOT_THE_WHOLE"))
        return await self._send_back(request, messages.REVOKE)

    async def query_refund(self, out_refund_no: str, out_trade_no: str = "") -> Answer:  # noqa: ARG002 - its own number is enough
        """What UnionPay knows of a refund or revoke; `exists=False` means: repeat it with the same number."""
        return await self._ask("refund_query", out_refund_no, self._refund)

    async def bill_file(self, day: date) -> BillFile:
        """The settlement files of a clearing day (from 23:00 of the day before to 23:00). They are there the next morning."""
        stamp = f"{clock.now().astimezone(clock.SHANGHAI):%Y%m%d%H%M%S}"
        fields = messages.file_fields(self.merchant, f"{day:%m%d}", stamp)
        heard = await self._caller.call("bill", self._file_host, self._files, fields, Subject(self._shop_id, self.id, "bill"))
        if heard.told is None:
            return BillFile(heard.outcome, reason=heard.reason, native=heard.native)
        try:
            return BillFile(Outcome.SUCCESS, unpack(text_of(heard.told, "fileContent", 256 * 1024)), native=heard.native)
        except Unclear as fault:
            return BillFile(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))

    async def read(self, headers: Mapping[str, str], body: bytes) -> Notification:  # noqa: ARG002 - nothing is in the headers
        """Verify and read a notice. Raises `Invalid`. It only makes us ask: what it says is believed when a query says it too."""
        notification = read_notice(body, self._caller.verify, (self.id, self.merchant, self.app))
        report = notification.report
        if report is not None and report.subject == "payment" and report.outcome is Outcome.SUCCESS:
            _remember(self._claims, report.number, None)
        return notification

    def acknowledge(self, invalid: Invalid | None) -> Acknowledgement:
        """UnionPay looks at the HTTP status alone."""
        return acknowledge(invalid)

    async def close_connections(self) -> None:
        """Close the connections to the channel."""
        await self._transport.close()

    async def _qr(self, request: OrderRequest, stamp: str, until: datetime) -> Prepay:
        fields = messages.qr_fields(request, self.merchant, stamp, until)
        given = self._codes.get(request.out_trade_no)
        if given is not None and given[0] == fields:
            # UnionPay gives the code of a number and time once; asked again it only says that they were used before.
            return given[1]
        heard = await self._caller.call("order", self._gateway, _BACK, fields, self._about("order", request.out_trade_no))
        if heard.told is None:
            return Prepay(heard.outcome, reason=heard.reason, native=heard.native)
        try:
            prepay = Prepay(Outcome.SUCCESS, "qr", {"text": _code(heard.told)}, until, native=heard.native)
        except Unclear as fault:
            return Prepay(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))
        _remember(self._codes, request.out_trade_no, (fields, prepay))
        return prepay

    async def _send_back(self, request: RefundRequest, kind: Literal["04", "31"]) -> Answer:
        number, stamp = request.out_refund_no, messages.txn_time(request.out_refund_no)
        if stamp is None:
            return Answer(Outcome.FAILURE, exists=False, reason="refund.not_accepted", native=Native("NOT_OUR_NUMBER"))
        if not request.channel_txn:
            paid = await self.query(request.out_trade_no)
            if paid.report is None or paid.outcome is not Outcome.SUCCESS:
                # Only UnionPay's number names the payment; while that is not to be had, nothing was asked for.
                return Answer(Outcome.UNKNOWN, reason="channel.checking", native=paid.native)
            request = replace(request, channel_txn=paid.report.channel_txn)
        fields = messages.back_fields(request, kind, self.merchant, stamp)
        heard = await self._caller.call("refund", self._gateway, _BACK, fields, self._about("refund", number))
        if heard.told is not None:
            # Taken in; whether the money went back is told later, and by a query.
            return Answer(Outcome.PENDING, exists=True, reason="refund.in_progress", native=heard.native)
        if heard.native is not None and heard.native.code == _USED_BEFORE and heard.native.http == 200:
            return await self.query_refund(number)
        return Answer(heard.outcome, reason=heard.reason, native=heard.native)

    async def _ask(self, operation: str, number: str, read: Callable[[Fields], Report]) -> Answer:
        stamp = messages.txn_time(number)
        if stamp is None:
            # UnionPay keeps orders by number and time; one that we did not make has no time that we could know.
            return Answer(Outcome.UNKNOWN, exists=False, reason=_MISSING[operation], native=Native("NOT_OUR_NUMBER"))
        fields = messages.query_fields(number, self.merchant, stamp)
        heard = await self._caller.call(operation, self._gateway, _QUERY, fields, self._about(operation, number))
        if heard.told is None:
            exists = False if heard.reason == _MISSING[operation] else None
            return Answer(heard.outcome, exists=exists, reason=heard.reason, native=heard.native)
        try:
            report = read(heard.told)
        except Unclear as fault:
            return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=_unclear(heard, fault))
        return Answer(report.outcome, report, exists=True, reason=report.reason, native=report.native)

    def _payment(self, told: Fields) -> Report:
        _of_kind(told, messages.PAYMENT)
        return messages.payment_report(told, "query", (self.id, self.app))

    def _refund(self, told: Fields) -> Report:
        _of_kind(told, messages.REFUND, messages.REVOKE)
        return messages.refund_report(told, "query", (self.id, self.app))

    def _about(self, operation: str, number: str) -> Subject:
        identifier = ids.parse26(number)
        if operation.startswith("refund"):
            return Subject(self._shop_id, self.id, operation, refund_id=identifier)
        return Subject(self._shop_id, self.id, operation, attempt_id=identifier)


def _remember(known: OrderedDict[str, Any], number: str, value: Any) -> None:
    known[number] = value
    if len(known) > _REMEMBERED:
        known.popitem(last=False)


_MISSING = {"query": "channel.order_unknown", "refund_query": "refund.unknown_to_channel"}


def _of_kind(told: Fields, *kinds: str) -> None:
    """A payment's query must not be answered with a refund. Raises `Unclear`."""
    if told.get("txnType", "00") not in (*kinds, "00"):
        raise Unclear("it is about a transaction of another kind")


def _code(told: Fields) -> str:
    """The text of a QR code, which only leads to UnionPay's own place. Raises `Unclear`."""
    text = text_of(told, "qrCode", 512)
    if not text.startswith(_QR_PLACE) or not text.isascii() or not text.isprintable() or urlsplit(text).netloc != "qr.95516.com":
        raise Unclear("qrCode")
    return text


def _unclear(heard: Heard, fault: Unclear) -> Native:
    return replace(heard.native or Native(""), code="UNCLEAR", message=str(fault))
