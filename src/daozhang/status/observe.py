"""A channel under observation: it answers as the channel inside it does, and what each answer says of the channel is counted.

Everything that meets a channel meets this, so no other room has to think of counting.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from daozhang import clock
from daozhang.channels.native import native_codes
from daozhang.channels.port import (
    Acknowledgement,
    Answer,
    Channel,
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
from daozhang.status.counts import Sampler, Word

REMEMBERED = 20_000
"""Orders of which this process remembers how they were to be paid."""

_NO_ANSWER = {"channel.unreachable", "channel.unknown_answer"}
_EVERYBODY = {
    "channel.receiving_limited",
    "channel.receiving_cap_reached",
    "channel.receiving_quota_spent",
    "channel.system_closed",
    "channel.limit.hours",
    "channel.product_not_enabled",
    "channel.misconfigured",
    "channel.certificate_expired",
    "channel.public_key_required",
    "channel.notify_key_missing",
}
"""Refusals that by their nature meet every payer: two of them are enough."""
_TOO_OFTEN = 429
_BANKS = {"channel.bank_fault", "account.issuer_refused"}
"""Why a payment failed that lies with the payer's bank, not with the payer."""


def order_word(kind: str, answer: Prepay) -> Word:
    """What the answer to an order says of the channel. A payer's own doing and our mistakes say nothing."""
    if answer.outcome is Outcome.SUCCESS:
        # What the payer's browser takes there was signed here: nobody was asked.
        return Word.OURS if answer.native is None and answer.action in ("form", "link") else Word.GOOD
    if answer.native is None:
        # Nobody was asked: we refused it ourselves.
        return Word.OURS
    return _fault(kind, "order", answer.native, answer.reason)


def call_word(kind: str, operation: str, answer: Answer) -> Word:
    """Classify any other answer: a channel that answers, even with a refusal, is up."""
    if answer.outcome is not Outcome.UNKNOWN or answer.exists is not None:
        return Word.GOOD
    if answer.native is None or answer.native.http == _TOO_OFTEN:
        return Word.OURS
    word = _fault(kind, operation, answer.native, answer.reason)
    return Word.BAD if word is Word.HEAVY else word


def _fault(kind: str, operation: str, native: Native, reason: str | None) -> Word:
    if reason in _EVERYBODY:
        return Word.HEAVY
    if reason in _NO_ANSWER or native.http is None:
        return Word.BAD
    party = native_codes(kind).read(operation, native.code, native.message, native.http).party
    if party == "platform":
        return Word.OURS
    # A rule of the channel's (`policy`) met this payer or this amount; what it holds against everybody is named above.
    return Word.USERS if party in ("user", "policy") else Word.BAD


def _lag_s(report: Report) -> float | None:
    """How long ago a payment was made; None when the channel does not say."""
    return max(0.0, clock.now_s() - report.happened_at.timestamp()) if report.happened_at else None


class Observed:
    """One channel, observed."""

    def __init__(self, sampler: Sampler, channel: Channel) -> None:
        self._channel, self._sampler = channel, sampler
        self.id, self.kind, self.merchant, self.app, self.methods = (
            channel.id, channel.kind, channel.merchant, channel.app, channel.methods,
        )  # fmt: skip
        self._method_of: OrderedDict[str, str] = OrderedDict()
        self._bank_of: OrderedDict[str, str] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._failed: OrderedDict[str, None] = OrderedDict()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    async def order(self, request: OrderRequest) -> Prepay:
        """Place the order, and count how it went for this way to pay.

        An order that failed is asked for again by itself. What fails again is counted with the other calls: one order that a
        channel cannot digest must not close it for everybody.
        """
        again = request.out_trade_no in self._method_of
        began = time.perf_counter()
        answer = await self._channel.order(request)
        took_ms = (time.perf_counter() - began) * 1_000
        word = order_word(self.kind, answer)
        lane = "" if again and word in (Word.BAD, Word.HEAVY) else request.method
        self._sampler.answered(self.id, lane, word, took_ms=took_ms)
        _remember(self._method_of, request.out_trade_no, request.method)
        if request.bank:
            _remember(self._bank_of, request.out_trade_no, request.bank)
        return answer

    async def query(self, out_trade_no: str) -> Answer:
        """Ask about a payment. One that was made more than a minute ago and that nobody told us of counts as told late.

        One that failed at the payer's bank counts for that bank, where we know it: as weak evidence about its way to pay, since the
        payer may have another card.
        """
        answer = await self._channel.query(out_trade_no)
        self._called("query", answer)
        if answer.outcome is Outcome.SUCCESS and answer.report is not None and self._first(out_trade_no):
            self._sampler.paid(self.id, self._method(out_trade_no), _lag_s(answer.report), bank=self._bank(answer.report))
        bank = self._bank_of.get(out_trade_no, answer.report.bank if answer.report else "")
        failed_there = answer.outcome is Outcome.FAILURE and answer.exists is not False and answer.reason in _BANKS
        if bank and failed_there and out_trade_no not in self._failed:
            _remember(self._failed, out_trade_no, None)
            self._sampler.unpaid(self.id, self._method(out_trade_no), bank=bank)
        return answer

    async def close(self, out_trade_no: str) -> Answer:
        """Close a payment. What could still be closed was never paid."""
        answer = await self._channel.close(out_trade_no)
        self._called("close", answer)
        if answer.outcome is Outcome.SUCCESS and answer.exists:
            self._sampler.unpaid(self.id, self._method(out_trade_no))
        return answer

    async def refund(self, request: RefundRequest) -> Answer:
        """Ask for a refund."""
        return self._called("refund", await self._channel.refund(request))

    async def query_refund(self, out_refund_no: str, out_trade_no: str = "") -> Answer:
        """Ask about a refund."""
        return self._called("refund_query", await self._channel.query_refund(out_refund_no, out_trade_no))

    async def read(self, headers: dict[str, str], body: bytes) -> Notification:
        """Verify and read a message; the first one about a payment says how long it was under way."""
        return self._told_of(await self._channel.read(headers, body))

    def read_together(self, messages: Sequence[tuple[dict[str, str], bytes]]) -> list[Opened]:
        """The same for messages that are read together, of a channel that can."""
        together = getattr(self._channel, "read_together", None)
        if together is None:
            return [None] * len(messages)
        heard: list[Opened] = together(messages)
        return [self._told_of(each) if isinstance(each, Notification) else each for each in heard]

    def _told_of(self, notification: Notification) -> Notification:
        report = notification.report
        if report is not None and report.subject == "payment" and report.outcome is Outcome.SUCCESS and self._first(report.number):
            self._sampler.paid(self.id, self._method(report.number), _lag_s(report) or 0.0, bank=self._bank(report))
        return notification

    def acknowledge(self, invalid: Invalid | None) -> Acknowledgement:
        """The channel's own form of yes or no."""
        return self._channel.acknowledge(invalid)

    async def close_connections(self) -> None:
        """Close the connections to the channel."""
        await self._channel.close_connections()

    def _called(self, operation: str, answer: Answer) -> Answer:
        self._sampler.answered(self.id, "", call_word(self.kind, operation, answer))
        return answer

    def _method(self, number: str) -> str:
        return self._method_of.get(number, "")

    def _bank(self, report: Report) -> str:
        return report.bank or self._bank_of.get(report.number, "")

    def _first(self, number: str) -> bool:
        """Whether this payment was not counted yet by this process."""
        if number in self._told:
            return False
        _remember(self._told, number, None)
        return True


def _remember(known: OrderedDict[str, Any], number: str, value: Any) -> None:
    known[number] = value
    if len(known) > REMEMBERED:
        known.popitem(last=False)
