"""What UnionPay says, read into the port's values, and what we say to it. Every field is checked; nothing is guessed.

Source: the ACP 5.1.0 interface pages of online gateway payment, QR payment, query, revoke, refund and their notices. Amounts are
whole fen as digits, the currency is 156, times are `YYYYMMDDhhmmss` in Shanghai.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from daozhang import ids
from daozhang.channels.kinds.unionpay.fields import Fields
from daozhang.channels.native import native_codes
from daozhang.channels.port import Native, OrderRequest, Outcome, RefundRequest, Report
from daozhang.channels.strict import Unclear, text_of
from daozhang.clock import SHANGHAI

Witness = Literal["notification", "query", "bill"]

PAYMENT = "01"
REFUND: Literal["04"] = "04"
REVOKE: Literal["31"] = "31"
ACCEPTED = frozenset({"00", "A6"})
"""A6 is a success with a flaw for staff to see; for the money it is a success."""
EARLIER = timedelta(seconds=60)
"""So much before our order the payment ends at UnionPay, which cannot close it: what is begun last is known in time."""
_CURRENCY = "156"
_CARD_TYPES = {"01": "debit", "02": "credit", "03": "credit"}
"""payCardType of ACP 5.1.0: debit, credit, and quasi-credit cards; others say neither."""
_ORDER_ID = re.compile(r"[0-9A-Za-z]{8,40}", re.ASCII)
_QUERY_ID = re.compile(r"[0-9A-Za-z]{8,32}", re.ASCII)
_FEN = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)
_TRACE_TIME = re.compile(r"[0-9]{10}", re.ASCII)
_TXN_TIME = re.compile(r"20[0-9]{12}", re.ASCII)


def txn_time(number: str) -> str | None:
    """The time of an order or refund, out of its own number: the same on every call, after every crash. None if it is not ours."""
    identifier = ids.parse26(number)
    try:
        return _digits(int(ids.made_at(identifier).timestamp())) if identifier and identifier.version == 7 else None
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=256)
def _digits(moment_s: int) -> str:
    return datetime.fromtimestamp(moment_s, SHANGHAI).strftime("%Y%m%d%H%M%S")


def front_fields(request: OrderRequest, merchant: str, stamp: str, until: datetime) -> Fields:
    """A payment that the payer's browser brings to UnionPay's cashier: online gateway on a desk, WAP on a phone."""
    return {
        **_common(request, merchant, stamp, until),
        "txnSubType": "01",
        "bizType": "000201",
        "channelType": "08" if request.method == "h5" else "07",
        "frontUrl": request.return_url or request.notify_url,
        "customerIp": request.client_ip,
    }


def qr_fields(request: OrderRequest, merchant: str, stamp: str, until: datetime) -> Fields:
    """A payment whose QR code the payer scans."""
    return {**_common(request, merchant, stamp, until), "txnSubType": "07", "bizType": "000000", "channelType": "08"}


def _common(request: OrderRequest, merchant: str, stamp: str, until: datetime) -> Fields:
    return {
        "txnType": PAYMENT,
        "accessType": "0",
        "merId": merchant,
        "orderId": request.out_trade_no,
        "txnTime": stamp,
        "txnAmt": str(request.amount_fen),
        "currencyCode": _CURRENCY,
        "backUrl": request.notify_url,
        "payTimeout": _digits(int(until.timestamp())),
    }


def query_fields(number: str, merchant: str, stamp: str) -> Fields:
    """Ask after a payment, refund or revoke by its own number and time."""
    return {
        "txnType": "00",
        "txnSubType": "00",
        "bizType": "000000",
        "accessType": "0",
        "merId": merchant,
        "orderId": number,
        "txnTime": stamp,
    }


def back_fields(request: RefundRequest, kind: Literal["04", "31"], merchant: str, stamp: str) -> Fields:
    """A refund (04) or a revoke (31): a transaction of its own that names the payment by UnionPay's number of it."""
    return {
        "txnType": kind,
        "txnSubType": "00",
        "bizType": "000201",
        "channelType": "07",
        "accessType": "0",
        "merId": merchant,
        "orderId": request.out_refund_no,
        "txnTime": stamp,
        "origQryId": request.channel_txn,
        "txnAmt": str(request.amount_fen),
        "currencyCode": _CURRENCY,
        "backUrl": request.notify_url,
    }


def file_fields(merchant: str, settle_date: str, stamp: str) -> Fields:
    """Ask for the settlement file of a clearing day (`MMDD`)."""
    return {
        "txnType": "76",
        "txnSubType": "01",
        "bizType": "000000",
        "accessType": "0",
        "merId": merchant,
        "fileType": "00",
        "settleDate": settle_date,
        "txnTime": stamp,
    }


def payment_report(told: Fields, witness: Witness, channel: tuple[int, str]) -> Report:
    """Read a payment out of a query's answer or a notice; `channel` is (id, app). Raises `Unclear`.

    ACP knows no app, so that is taken from the channel. `amount_fen` is txnAmt, what we ordered; a discount of UnionPay changes
    settleAmt only.
    """
    return _report(told, witness, "payment", channel)


def refund_report(told: Fields, witness: Witness, channel: tuple[int, str]) -> Report:
    """Read a refund or a revoke. Raises `Unclear`."""
    return _report(told, witness, "refund", channel)


def _report(told: Fields, witness: Witness, subject: Literal["payment", "refund"], channel: tuple[int, str]) -> Report:
    word = "origRespCode" if witness == "query" else "respCode"
    code, message = text_of(told, word, 8), clip(told.get(word.replace("Code", "Msg")))
    outcome, reason = state_of(subject, code, message)
    certain = outcome is Outcome.SUCCESS
    # What is not certain may be told in fewer words; what is there must be right in any case.
    txn, amount, currency = (told.get(name, "") for name in ("queryId", "txnAmt", "currencyCode"))
    if (certain or txn) and not _QUERY_ID.fullmatch(txn):
        raise Unclear("queryId is out of shape")
    if (certain or amount) and not _FEN.fullmatch(amount):
        raise Unclear("txnAmt is not a whole number of fen")
    if certain and not currency:
        raise Unclear("currencyCode is missing")
    number = text_of(told, "orderId", 40)
    if not _ORDER_ID.fullmatch(number):
        raise Unclear("orderId is out of shape")
    return Report(
        witness=witness,
        subject=subject,
        channel_id=channel[0],
        number=number,
        outcome=outcome,
        amount_fen=int(amount) if amount else None,
        currency="CNY" if currency in ("", _CURRENCY) else clip(currency, 8),
        merchant=text_of(told, "merId", 20),
        app=channel[1],
        channel_txn=txn,
        happened_at=_happened(told),
        payer=clip(told.get("accNo"), 64),
        instrument=_CARD_TYPES.get(told.get("payCardType", ""), ""),
        native=Native(code, message, trace=clip(told.get("traceNo"), 16)),
        reason=reason,
    )


def state_of(subject: Literal["payment", "refund"], code: str, message: str = "") -> tuple[Outcome, str | None]:
    """What the code of a transaction means for it: (outcome, reason)."""
    if code in ACCEPTED:
        return Outcome.SUCCESS, None
    meaning = native_codes("unionpay").read("state" if subject == "payment" else "refund_state", code, message, 200)
    return meaning.outcome, meaning.reason


def clip(value: object, most: int = 256) -> str:
    """A foreign text for staff: cut, and empty when it is no text."""
    return value[:most].replace("\0", "") if isinstance(value, str) else ""


def _happened(told: Fields) -> datetime | None:
    """When UnionPay passed the payment on. traceTime (`MMDDhhmmss`) has no year: it is the first such moment around txnTime."""
    began, passed = told.get("txnTime", ""), told.get("traceTime", "")
    if not passed:
        return None
    if not _TXN_TIME.fullmatch(began) or not _TRACE_TIME.fullmatch(passed):
        raise Unclear("txnTime or traceTime is not a time")
    try:
        first = datetime.strptime(began, "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI) - timedelta(days=1)
        for year in (first.year, first.year + 1, first.year + 2):
            moment = _moment(f"{year}{passed}")
            if moment is not None and moment >= first:
                return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Unclear("txnTime or traceTime is not a time")


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI)
    except ValueError:
        return None
