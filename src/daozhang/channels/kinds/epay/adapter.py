"""Epay as a channel: what V1 and V2 share. How each is spoken stands in `v1.py` and `v2.py`; which one, in the channel's keys.

Calls never raise for what the other side does. The operator holds the money until it settles with the merchant: what is credited
here is a claim on that operator.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from daozhang import ids
from daozhang.channels.kinds.epay.caller import Caller, Heard
from daozhang.channels.kinds.epay.dialects import dialects
from daozhang.channels.kinds.epay.keys import EpayKeys
from daozhang.channels.kinds.epay.messages import Known, known_order, safe_name
from daozhang.channels.kinds.epay.notices import Reader, acknowledge
from daozhang.channels.kinds.epay.signing import Md5, Rsa, Signing
from daozhang.channels.port import Acknowledgement, Answer, Invalid, Native, Notification, OrderRequest, Outcome, Report
from daozhang.channels.rows import ChannelRow
from daozhang.channels.strict import Unclear
from daozhang.outbound import Subject, Transport

KIND = "epay"
METHODS = ("qr", "page")


class Epay:
    """One merchant account and one type of payment at one operator. `keys` are every version that holds, newest first."""

    kind = KIND

    def __init__(self, row: ChannelRow, keys: Sequence[EpayKeys], transport: Transport, signing: Signing) -> None:
        self.id, self.merchant, self.app, self.methods = row.id, row.merchant, row.app, row.methods
        self.no_credit = row.no_credit
        self._shop_id, self._transport, self._keys = row.shop_id, transport, keys[0]
        self._dialect, self._signing = dialects()[keys[0].dialect], signing
        self._caller = Caller(transport, row.hosts, keys[0].path)
        self._loopback_pages = all(host.startswith("http://") for host in row.hosts)
        self._reader = Reader((self.id, self.merchant, self.app), keys[0].type, signing, self._dialect)

    async def read(self, headers: Mapping[str, str], body: bytes) -> Notification:  # noqa: ARG002 - nothing stands in the headers.
        """Verify and read a callback: a claim that is asked about. Raises `Invalid`."""
        return self._reader.read(body)

    def acknowledge(self, invalid: Invalid | None) -> Acknowledgement:
        """The operator's form of yes and no."""
        return acknowledge(invalid)

    async def close_connections(self) -> None:
        """Close the connections to the channel."""
        await self._transport.close()

    def _order_fields(self, request: OrderRequest) -> dict[str, str]:
        """The fields of an order: the same for the same request. Of what a person typed nothing is in them."""
        fields = {
            "pid": self.merchant,
            "type": self._keys.type,
            "out_trade_no": request.out_trade_no,
            "notify_url": request.notify_url,
            "return_url": request.return_url or request.notify_url,
            "name": safe_name(request.description),
            "money": self._dialect.written(request.amount_fen),
        }
        if self._keys.channel:
            fields[self._dialect.channel_field] = self._keys.channel
        return fields

    def _known(self, told: dict[str, Any], number: str, returned: str) -> Known:
        return known_order(told, number, (self.id, self.merchant, self.app), self._dialect, returned)

    def _answer(self, heard: Heard, number: str, returned: str) -> Answer:
        """The answer to an order query."""
        if heard.told is None:
            exists = False if heard.reason == "channel.order_unknown" else None
            return Answer(heard.outcome, exists=exists, reason=heard.reason, native=heard.native)
        try:
            report = self._known(heard.told, number, returned).report
        except Unclear as fault:
            return Answer(Outcome.UNKNOWN, reason="channel.unknown_answer", native=unclear(fault))
        return Answer(report.outcome, report, exists=True, reason=report.reason, native=report.native)

    def _refunded(self, number: str, amount_fen: int, native: Native | None, txn: str = "") -> Report:
        """A refund that was done."""
        return Report(
            witness="query",
            subject="refund",
            channel_id=self.id,
            number=number,
            outcome=Outcome.SUCCESS,
            amount_fen=amount_fen,
            currency="CNY",
            merchant=self.merchant,
            app=self.app,
            channel_txn=txn,
            native=native,
        )

    def _about(self, operation: str, number: str) -> Subject:
        identifier = ids.parse26(number)
        if operation.startswith("refund"):
            return Subject(self._shop_id, self.id, operation, refund_id=identifier)
        return Subject(self._shop_id, self.id, operation, attempt_id=identifier)


def unclear(fault: ValueError) -> Native:
    """What came or was to go out and cannot be taken as it is: an `Unclear` answer, an `Unsignable` request."""
    return Native("UNCLEAR", str(fault))


def signing_of(keys: Sequence[EpayKeys]) -> Signing:
    """The way of signing: the newest keys say which, and older ones count only when they are of the same version."""
    same = [each for each in keys if each.version == keys[0].version]
    if keys[0].version == "v1":
        return Md5([each.key for each in same], upper=dialects()[keys[0].dialect].upper)
    return Rsa(keys[0].signing_key(), [each.platform_key() for each in same])
