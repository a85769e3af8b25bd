"""What Alipay says, read into the port's values. Every field is checked; nothing is guessed from a missing one.

Source: the open platform's pages of precreate, page pay, wap pay, query, close, refund, refund query and the payment notice.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import msgspec

from daozhang.channels.native import native_codes
from daozhang.channels.port import Native, OrderRequest, Outcome, RefundRequest, Report
from daozhang.channels.strict import Unclear, text_of
from daozhang.clock import SHANGHAI
from daozhang.money import yuan

Witness = Literal["notification", "query", "bill"]
Fields = dict[str, Any]

PRODUCTS = {"qr": "FACE_TO_FACE_PAYMENT", "page": "FAST_INSTANT_TRADE_PAY", "h5": "QUICK_WAP_WAY"}
NO_CREDIT = "credit_group"
_SHORTEST_EXPIRY, _LONGEST_EXPIRY = timedelta(minutes=1), timedelta(days=15)
_SUBJECT_MOST, _REASON_MOST = 128, 128
_YUAN = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9]{1,2}))?", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?", re.ASCII)
# Alipay forbids `/ = &` in a subject, and an `&` inside a text that we sign could be cut into other fields by whoever echoes it.
_SAFE = str.maketrans({"&": "＆", "=": "＝", "/": "／", "<": "＜", ">": "＞", '"': "”", "'": "’", "\\": "＼", ",": "，"})
_CREDIT = frozenset({"PCREDIT", "CREDIT_CARD", "CREDITCARD", "MIXED_CARD"})
"""Where money of credit comes from, as `fund_bill_list` names it: the credit line, or a credit card behind BANKCARD."""
_PAID: tuple[Outcome, str | None] = (Outcome.SUCCESS, None)
REFUNDED = "TRADE_STATUS:TRADE_CLOSED@paid"


def order_content(request: OrderRequest, now: datetime, *, no_credit: bool) -> Fields:
    """`biz_content` of an order. The same request gives the same words as long as its expiry lies ahead."""
    expiry = min(max(request.expires_at, now + _SHORTEST_EXPIRY), now + _LONGEST_EXPIRY)
    content = {
        "out_trade_no": request.out_trade_no,
        "total_amount": yuan(request.amount_fen, grouped=False),
        "subject": safe_text(request.description, _SUBJECT_MOST),
        "product_code": PRODUCTS[request.method],
        "time_expire": stamp(expiry),
    }
    if no_credit:
        content["disable_pay_channels"] = NO_CREDIT
    if request.method == "h5" and request.return_url:
        content["quit_url"] = request.return_url
    return content


def refund_content(request: RefundRequest) -> Fields:
    """`biz_content` of a refund. The channel's own number of the payment is preferred: it cannot be mistaken."""
    payment = {"trade_no": request.channel_txn} if request.channel_txn else {"out_trade_no": request.out_trade_no}
    return payment | {
        "refund_amount": yuan(request.amount_fen, grouped=False),
        "refund_reason": safe_text(request.why, _REASON_MOST),
        "out_request_no": request.out_refund_no,
    }


def asked_payment(told: Fields, channel_id: int, merchant: str, app: str) -> Report:
    """Read a payment out of a query's answer, which names neither seller nor application: its key does. Raises `Unclear`."""
    return _payment(told, "query", (channel_id, merchant, app), paid_at="send_pay_date", payer="buyer_user_id")


def told_payment(told: Fields, channel_id: int) -> Report:
    """Read a payment out of a notice. Raises `Unclear`."""
    channel = channel_id, text_of(told, "seller_id", 32), text_of(told, "app_id", 32)
    return _payment(told, "notification", channel, paid_at="gmt_payment", payer="buyer_id")


def told_refund(told: Fields, channel_id: int, number: str) -> Report:
    """Read a refund out of a notice: that it was done, but not how much this one was (`refund_fee` is the sum of all)."""
    fen_of(told, "refund_fee")
    return Report(
        witness="notification",
        subject="refund",
        channel_id=channel_id,
        number=number,
        outcome=Outcome.SUCCESS,
        amount_fen=None,
        currency=_currency(told),
        merchant=text_of(told, "seller_id", 32),
        app=text_of(told, "app_id", 32),
        happened_at=moment_of(told, "gmt_refund"),
        native=Native(text_of(told, "trade_status", 32)),
    )


def done_refund(told: Fields, request: RefundRequest, channel_id: int, merchant: str, app: str) -> Report:
    """Read a refund out of the answer to its call, `fund_change` being Y. Raises `Unclear`."""
    if fen_of(told, "refund_fee") < request.amount_fen:
        raise Unclear("refund_fee is less than what was asked back")
    if text_of(told, "out_trade_no", 64) != request.out_trade_no:
        raise Unclear("it is about another number")
    paid_at = moment_of(told, "gmt_refund_pay", optional=True)
    return _refund(request.out_refund_no, Outcome.SUCCESS, request.amount_fen, (channel_id, merchant, app), paid_at)


def asked_refund(told: Fields, channel_id: int, merchant: str, app: str) -> Report:
    """Read a refund out of a refund query's answer that knows it. Raises `Unclear`."""
    state = text_of(told, "refund_status", 32)
    done = state == "REFUND_SUCCESS"
    outcome, reason = _PAID if done else _meaning("refund_state", f"REFUND_STATUS:{state}")
    number, amount_fen = text_of(told, "out_request_no", 64), fen_of(told, "refund_amount")
    paid_at = moment_of(told, "gmt_refund_pay", optional=True)
    return _refund(number, outcome, amount_fen, (channel_id, merchant, app), paid_at, Native(state), reason)


def fen_of(holder: Fields, name: str) -> int:
    """An amount in yuan as Alipay writes it (`0.01`, `50.00`), in fen; nothing is rounded. Raises `Unclear`."""
    match = _YUAN.fullmatch(text_of(holder, name, 12))
    if match is None:
        raise Unclear(f"{name} is not an amount in yuan")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def moment_of(holder: Fields, name: str, *, optional: bool = False) -> datetime | None:
    """A time as Alipay writes it, in Beijing. Raises `Unclear`."""
    text = text_of(holder, name, 32, optional=optional)
    if not text:
        return None
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Unclear(f"{name} is not a time")


def stamp(moment: datetime) -> str:
    """A moment as `yyyy-MM-dd HH:mm:ss` in Beijing, whatever this machine's own zone is."""
    return _stamp(int(moment.timestamp()))


@lru_cache(maxsize=64)
def _stamp(moment_s: int) -> str:
    return datetime.fromtimestamp(moment_s, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def safe_text(text: str, most: int) -> str:
    """A text a channel may echo: one line, without characters that could be cut into other fields, at most `most` characters."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split()).translate(_SAFE)
    return plain.encode("utf-8", "ignore").decode()[:most] or "充值"


def clip(value: object, most: int = 256) -> str:
    """A foreign text for staff: cut, and empty when it is no text."""
    return value[:most].replace("\0", "") if isinstance(value, str) else ""


def _payment(told: Fields, witness: Witness, channel: tuple[int, str, str], paid_at: str, payer: str) -> Report:
    state = text_of(told, "trade_status", 32)
    happened_at = moment_of(told, paid_at, optional=True)
    if state in ("TRADE_SUCCESS", "TRADE_FINISHED"):
        outcome, reason = _PAID
    elif state == "TRADE_CLOSED" and happened_at is not None:
        # Closed after it was paid: all of it went back. Money that came and went is not money that never came.
        outcome, reason = _meaning("state", REFUNDED)
    else:
        outcome, reason = _meaning("state", f"TRADE_STATUS:{state}")
    paid = outcome is Outcome.SUCCESS
    if paid and told.get("refund_fee") and fen_of(told, "refund_fee") > 0:
        reason = _meaning("state", REFUNDED)[1]
    return Report(
        witness=witness,
        subject="payment",
        channel_id=channel[0],
        number=text_of(told, "out_trade_no", 64),
        outcome=outcome,
        amount_fen=fen_of(told, "total_amount") if paid or told.get("total_amount") else None,
        currency=_currency(told),
        merchant=channel[1],
        app=channel[2],
        channel_txn=text_of(told, "trade_no", 64, optional=not paid),
        happened_at=happened_at,
        payer=text_of(told, payer, 32, optional=True) or text_of(told, "buyer_open_id", 128, optional=True),
        native=Native(state),
        reason=reason,
        instrument=_instrument(told.get("fund_bill_list")) if paid else "",
    )


def _instrument(told: Any) -> str:
    """Whether any part came from credit: a list in answers, the same as JSON text in notices. Empty when it is not told."""
    try:
        funds = msgspec.json.decode(told) if type(told) is str else told
    except msgspec.DecodeError:
        return ""
    parts = [part for part in funds if type(part) is dict] if type(funds) is list else []
    words = {str(part.get(name, "")) for part in parts for name in ("fund_channel", "fundChannel", "fund_type", "fundType")}
    return "credit" if words & _CREDIT else "debit" if "DEBIT_CARD" in words else ""


def _refund(
    number: str,
    outcome: Outcome,
    amount_fen: int,
    channel: tuple[int, str, str],
    happened_at: datetime | None,
    native: Native | None = None,
    reason: str | None = None,
) -> Report:
    return Report(
        witness="query",
        subject="refund",
        channel_id=channel[0],
        number=number,
        outcome=outcome,
        amount_fen=amount_fen,
        currency="CNY",
        merchant=channel[1],
        app=channel[2],
        happened_at=happened_at,
        native=native,
        reason=reason,
    )


def _currency(told: Fields) -> str:
    return text_of(told, "trans_currency", 16, optional=True) or "CNY"


def _meaning(operation: str, code: str) -> tuple[Outcome, str | None]:
    meaning = native_codes("alipay").read(operation, code)
    return meaning.outcome, meaning.reason
