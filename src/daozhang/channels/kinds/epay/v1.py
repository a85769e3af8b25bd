"""Epay version 1: a shared key, MD5, and no way to close an order or to name a refund.

A refund is therefore asked for once. Before that the operator is asked what went back already; after an answer that leaves open
what became of it, it is only asked again, and what it says of the order settles it. Where it never says enough, a person does.
"""

from daozhang.channels.kinds.epay.adapter import METHODS, Epay, unclear
from daozhang.channels.kinds.epay.caller import Heard
from daozhang.channels.kinds.epay.messages import Known, fen_of, number_of
from daozhang.channels.kinds.epay.opening import lead, scan
from daozhang.channels.kinds.epay.signing import Unsignable
from daozhang.channels.port import Answer, OrderRequest, Outcome, Prepay, RefundRequest
from daozhang.channels.strict import Unclear


class EpayV1(Epay):
    """Speaks V1."""

    async def order(self, request: OrderRequest) -> Prepay:
        """Place the order server to server, so that its signature never reaches a browser; or hand the browser the signed form.

        The form is only for dialects that have no other page. Safe to repeat: the same request is the same order for ten days.
        """
        form = request.method == "page" and self._dialect.page == "submit"
        if request.method not in self.methods or request.method not in METHODS or not (form or self._dialect.mapi):
            return Prepay(Outcome.FAILURE, reason="channel.method_unsupported")
        fields = self._order_fields(request)
        if not form:
            fields |= {"clientip": request.client_ip, "device": "pc" if request.method == "qr" else "jump"}
        try:
            signed = self._signing.signed(fields)
        except Unsignable as fault:
            return Prepay(Outcome.FAILURE, reason="channel.request_rejected", native=unclear(fault))
        if form:
            # Nothing is known of the order at the operator until the payer's browser has brought it there.
            payload = {"url": self._caller.first + self._dialect.submit, "fields": signed}
            return Prepay(Outcome.SUCCESS, "form", payload, request.expires_at)
        return await self._placed(request, signed)

    async def query(self, out_trade_no: str) -> Answer:
        """What the operator knows of the payment."""
        return self._answer(await self._ask(out_trade_no), out_trade_no, self._dialect.returned)

    async def close(self, out_trade_no: str) -> Answer:
        """V1 cannot close. What this answers is true all the same: paid, too old to be paid, or nobody knows whether it will be."""
        answer = await self.query(out_trade_no)
        if answer.outcome is Outcome.SUCCESS:
            return Answer(Outcome.FAILURE, exists=True, reason="operation.already_paid", native=answer.native)
        if answer.outcome is Outcome.FAILURE:
            return Answer(Outcome.SUCCESS, exists=True, native=answer.native)
        reason = "channel.cannot_close" if answer.outcome is Outcome.PENDING else answer.reason
        return Answer(Outcome.UNKNOWN, exists=answer.exists, reason=reason, native=answer.native)

    async def refund(self, request: RefundRequest) -> Answer:
        """Give money back, once: unless what the operator says of the order speaks against it, and never again after that."""
        if request.again:
            return await self._asked_again(request)
        against = await self._against(request)
        # Nothing has been asked for in these cases, so nothing went back.
        return against or self._refund_answer(await self._give(request), request)

    async def query_refund(self, out_refund_no: str, out_trade_no: str = "") -> Answer:  # noqa: ARG002 - V1 knows no numbers of refunds.
        """V1 knows no refund by its number; `refund` asks about the order instead."""
        return Answer(Outcome.UNKNOWN, exists=False, reason="refund.unknown_to_channel")

    async def _against(self, request: RefundRequest) -> Answer | None:
        """Why a refund is not asked for at all; None when nothing speaks against it."""
        if not self._dialect.refunds:
            return Answer(Outcome.FAILURE, reason="refund.not_accepted")
        if request.others_open:
            return Answer(Outcome.FAILURE, reason="refund.in_progress")
        known = self._read(await self._ask(request.out_trade_no), request.out_trade_no)
        if isinstance(known, Answer):
            return Answer(Outcome.FAILURE, reason="refund.not_sent", native=known.native)
        native = known.report.native
        if known.report.outcome is not Outcome.SUCCESS:
            return Answer(Outcome.FAILURE, reason="refund.not_paid", native=native)
        if known.given_fen not in (None, request.refunded_fen) or (known.given_fen is None and not request.refunded_fen):
            return Answer(Outcome.FAILURE, reason="refund.returned_elsewhere", native=native)
        return None

    async def _asked_again(self, request: RefundRequest) -> Answer:
        """An earlier call may have been taken in: what the operator says of the order settles it, and nothing is sent.

        Before the first call nothing more than `refunded_fen` had gone back, and no other refund is under way: what has gone back
        since is this one.
        """
        known = self._read(await self._ask(request.out_trade_no), request.out_trade_no)
        if isinstance(known, Answer):
            return known
        native = known.report.native
        given_fen = known.given_fen
        if given_fen == request.refunded_fen + request.amount_fen:
            done = True
        else:
            # Where it is not told how much, the first time that anything went back it was what we asked for.
            done = given_fen is None and not request.refunded_fen and not request.others_open
        if done:
            report = self._refunded(request.out_refund_no, request.amount_fen, native)
            return Answer(Outcome.SUCCESS, report, exists=True, native=native)
        return Answer(Outcome.UNKNOWN, reason="refund.needs_hand", native=native)

    async def _ask(self, number: str) -> Heard:
        fields = {"act": "order", "pid": self.merchant, "key": self._keys.key, "out_trade_no": number}
        return await self._caller.get("query", self._dialect.api, fields, self._about("query", number), self._dialect.ok)

    async def _give(self, request: RefundRequest) -> Heard:
        payment = {"trade_no": request.channel_txn} if request.channel_txn else {"out_trade_no": request.out_trade_no}
        fields = {"pid": self.merchant, "key": self._keys.key, **payment, "money": self._dialect.written(request.amount_fen)}
        about = self._about("refund", request.out_refund_no)
        return await self._caller.post("refund", f"{self._dialect.api}?act=refund", fields, about, self._dialect.refund_ok)

    def _read(self, heard: Heard, number: str) -> Known | Answer:
        """The order behind a refund, or the answer when it cannot be read."""
        if heard.told is None:
            return Answer(Outcome.UNKNOWN, reason=heard.reason, native=heard.native)
        try:
            return self._known(heard.told, number, self._dialect.returned)
        except Unclear as fault:
            return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=unclear(fault))

    def _refund_answer(self, heard: Heard, request: RefundRequest) -> Answer:
        if not heard.sent:
            return Answer(Outcome.FAILURE, reason="refund.not_sent", native=heard.native)
        if heard.told is None:
            return Answer(heard.outcome, reason=heard.reason, native=heard.native)
        try:
            told_fen = fen_of(heard.told, "money") if heard.told.get("money") not in (None, "") else request.amount_fen
        except Unclear as fault:
            return Answer(Outcome.UNKNOWN, reason="refund.needs_hand", native=unclear(fault))
        if told_fen != request.amount_fen:
            native = unclear(Unclear("another amount went back"))
            return Answer(Outcome.UNKNOWN, reason="refund.needs_hand", native=native)
        report = self._refunded(request.out_refund_no, request.amount_fen, heard.native)
        return Answer(Outcome.SUCCESS, report, exists=True, native=heard.native)

    async def _placed(self, request: OrderRequest, signed: dict[str, str]) -> Prepay:
        about = self._about("order", request.out_trade_no)
        heard = await self._caller.post("order", self._dialect.mapi, signed, about, self._dialect.ok)
        if heard.told is None:
            return Prepay(heard.outcome, reason=heard.reason, native=heard.native)
        try:
            return self._opened(request, heard)
        except Unclear as fault:
            return Prepay(Outcome.UNKNOWN, reason="channel.unknown_answer", native=unclear(fault))

    def _opened(self, request: OrderRequest, heard: Heard) -> Prepay:
        """Exactly one of three ways to pay comes back; what our pages cannot carry is as good as no way."""
        told = heard.told or {}
        number_of(told, "trade_no")
        given = [name for name in ("payurl", "qrcode", "urlscheme", "html") if told.get(name)]
        if len(given) != 1:
            raise Unclear("not one way to pay")
        if given[0] == "qrcode":
            return scan(told["qrcode"], request.expires_at, heard.native)
        if given[0] == "payurl":
            return lead(told["payurl"], request.expires_at, heard.native, loopback=self._loopback_pages)
        return Prepay(Outcome.FAILURE, reason="channel.method_unsupported", native=heard.native)
