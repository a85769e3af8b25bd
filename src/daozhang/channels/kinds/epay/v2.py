"""Epay version 2: RSA in both directions, orders that can be closed, refunds with numbers of their own.

An answer counts as success only when the operator signed it and it is fresh. Arrays are left out of what is signed, so no answer
that is one is used; refusals may be unsigned, and are believed only as far as a refusal goes. Source: the operators' pages on V2.
"""

from dataclasses import replace
from typing import Any

from daozhang import clock
from daozhang.channels.kinds.epay.adapter import Epay, unclear
from daozhang.channels.kinds.epay.caller import Heard, word_of
from daozhang.channels.kinds.epay.messages import fen_of, number_of
from daozhang.channels.kinds.epay.notices import FRESH_S
from daozhang.channels.kinds.epay.opening import lead, scan
from daozhang.channels.kinds.epay.signing import Unsignable
from daozhang.channels.port import Answer, Native, OrderRequest, Outcome, Prepay, RefundRequest
from daozhang.channels.strict import Unclear

_OK = "0"
_RETURNED = "refundmoney"
_DONE = "1"


class EpayV2(Epay):
    """Speaks V2."""

    async def order(self, request: OrderRequest) -> Prepay:
        """Place the order server to server. Safe to repeat: the same request is the same order for ten days."""
        if request.method not in self.methods or request.method not in ("qr", "page"):
            return Prepay(Outcome.FAILURE, reason="channel.method_unsupported")
        way = {"method": "web", "device": "pc"} if request.method == "qr" else {"method": "jump"}
        fields = {**self._order_fields(request), **way, "clientip": request.client_ip}
        try:
            heard = await self._call("order", "pay/create", fields, request.out_trade_no)
        except Unsignable as fault:
            return Prepay(Outcome.FAILURE, reason="channel.request_rejected", native=unclear(fault))
        if heard.told is None:
            return Prepay(heard.outcome, reason=heard.reason, native=heard.native)
        try:
            return self._opened(request, heard.told, heard.native)
        except Unclear as fault:
            return Prepay(Outcome.UNKNOWN, reason="channel.unknown_answer", native=unclear(fault))

    async def query(self, out_trade_no: str) -> Answer:
        """What the operator knows of the payment."""
        heard = await self._call("query", "pay/query", {"pid": self.merchant, "out_trade_no": out_trade_no}, out_trade_no)
        return self._answer(heard, out_trade_no, _RETURNED)

    async def close(self, out_trade_no: str) -> Answer:
        """Close an unpaid payment at the wallet behind the operator. One that cannot be closed there is `unknown`.

        The operator's own state stays "unpaid" after it: that the close was done is all that is ever told.
        """
        heard = await self._call("close", "pay/close", {"pid": self.merchant, "out_trade_no": out_trade_no}, out_trade_no)
        if heard.told is not None:
            return Answer(Outcome.SUCCESS, exists=True, native=heard.native)
        exists = False if heard.reason == "channel.order_unknown" else None
        return Answer(heard.outcome, exists=exists, reason=heard.reason, native=heard.native)

    async def refund(self, request: RefundRequest) -> Answer:
        """Ask for a refund. Safe to repeat: the same number is the same refund."""
        payment = {"trade_no": request.channel_txn} if request.channel_txn else {"out_trade_no": request.out_trade_no}
        money = self._dialect.written(request.amount_fen)
        fields = {"pid": self.merchant, **payment, "out_refund_no": request.out_refund_no, "money": money}
        return self._refund_answer(await self._call("refund", "pay/refund", fields, request.out_refund_no), request.out_refund_no)

    async def query_refund(self, out_refund_no: str, out_trade_no: str = "") -> Answer:  # noqa: ARG002 - its own number is enough.
        """What the operator knows of the refund; `exists=False` means: repeat it with the same number."""
        fields = {"pid": self.merchant, "out_refund_no": out_refund_no}
        heard = await self._call("refund_query", "pay/refundquery", fields, out_refund_no)
        if heard.told is not None and heard.told.get("status") not in (1, _DONE):
            return Answer(Outcome.PENDING, exists=True, reason="refund.in_progress", native=heard.native)
        return self._refund_answer(heard, out_refund_no)

    async def _call(self, operation: str, door: str, fields: dict[str, str], number: str) -> Heard:
        """Sign, send, and believe a success only when it is signed and fresh. Raises `Unsignable`."""
        signed = self._signing.signed({**fields, "timestamp": str(int(clock.now_s()))})
        heard = await self._caller.post(operation, self._dialect.v2 + door, signed, self._about(operation, number), _OK)
        if heard.answer is None or (heard.told is None and "sign" not in heard.answer):
            return heard
        try:
            self._check(heard.answer)
        except Unclear as fault:
            native = Native("ANSWER_NOT_VERIFIED", str(fault))
            return Heard(Outcome.UNKNOWN, reason="channel.unknown_answer", native=native)
        return heard

    def _check(self, answer: dict[str, Any]) -> None:
        """Raises `Unclear` for an answer that the operator did not sign now."""
        fields: dict[str, str] = {}
        for name, value in answer.items():
            if value is None or type(value) in (list, dict):
                continue
            if type(value) not in (str, int):
                raise Unclear(f"{name} is neither a text nor a whole number")
            fields[name] = str(value)
        if fields.get("sign_type", self._signing.word) != self._signing.word or not self._signing.holds(
            fields, fields.get("sign", "")
        ):
            raise Unclear("the signature does not hold")
        stamp = fields.get("timestamp", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12) or abs(clock.now_s() - int(stamp)) > FRESH_S:
            raise Unclear("signed at another time")

    def _refund_answer(self, heard: Heard, number: str) -> Answer:
        if heard.told is None:
            exists = False if heard.reason == "refund.unknown_to_channel" else None
            return Answer(heard.outcome, exists=exists, reason=heard.reason, native=heard.native)
        try:
            told, amount_fen = word_of(heard.told, "out_refund_no", 64), fen_of(heard.told, "money")
            report = self._refunded(told, amount_fen, heard.native, number_of(heard.told, "refund_no"))
        except Unclear as fault:
            return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=unclear(fault))
        if told != number:
            native = unclear(Unclear("it is about another number"))
            return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=native)
        return Answer(Outcome.SUCCESS, report, exists=True, native=heard.native)

    def _opened(self, request: OrderRequest, told: dict[str, Any], native: Native | None) -> Prepay:
        number_of(told, "trade_no")
        way, given = told.get("pay_type"), told.get("pay_info")
        if way == "qrcode":
            return scan(given, request.expires_at, native)
        if way == "jump":
            return lead(given, request.expires_at, native, loopback=self._loopback_pages)
        native = replace(native, message=f"pay_type {str(way)[:32]}") if native else None
        return Prepay(Outcome.FAILURE, reason="channel.method_unsupported", native=native)
