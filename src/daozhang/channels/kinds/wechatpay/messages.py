"""What WeChat Pay API v3 says, read into the port's values. Every field is checked; nothing is guessed from a missing one.

Source: the API v3 pages of Native, H5 and JSAPI payment, domestic refunds and their notices.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from daozhang.channels.native import native_codes
from daozhang.channels.port import Native, OrderRequest, Outcome, RefundRequest, Report
from daozhang.channels.strict import Unclear, object_of, text_of, whole_of
from daozhang.clock import SHANGHAI

Witness = Literal["notification", "query", "bill"]

CODE_LIVES = timedelta(hours=2)
H5_LIVES = timedelta(minutes=5)
_SHORTEST_EXPIRY = timedelta(minutes=1)
_LONGEST_EXPIRY = timedelta(days=7)
_DESCRIPTION_MOST = 127
_REASON_MOST = 80
_PAID: tuple[Outcome, str | None] = (Outcome.SUCCESS, None)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)
# An `&` or `=` inside a text that we sign could be cut into other fields by whoever echoes it, so texts carry look-alikes.
_SAFE = str.maketrans({"&": "＆", "=": "＝", "<": "＜", ">": "＞"})


def order_body(request: OrderRequest, merchant: str, app: str, now: datetime, *, no_credit: bool = False) -> dict[str, Any]:
    """The body of a Native, H5 or JSAPI order. The same request gives the same bytes as long as its expiry lies ahead."""
    body: dict[str, Any] = {
        "appid": app,
        "mchid": merchant,
        "description": safe_text(request.description, _DESCRIPTION_MOST),
        "out_trade_no": request.out_trade_no,
        "time_expire": _rfc3339(min(max(request.expires_at, now + _SHORTEST_EXPIRY), now + _LONGEST_EXPIRY)),
        "notify_url": request.notify_url,
        "amount": {"total": request.amount_fen, "currency": "CNY"},
    }
    if no_credit:
        body["limit_pay"] = ["no_credit"]
    if request.method == "jsapi":
        body["payer"] = {"openid": request.payer_openid}
    if request.method == "h5":
        body["scene_info"] = {"payer_client_ip": request.client_ip, "h5_info": {"type": "Wap"}}
    return body


def refund_body(request: RefundRequest) -> dict[str, Any]:
    """The body of a refund. The channel's own number of the payment is preferred: it cannot be mistaken."""
    payment = {"transaction_id": request.channel_txn} if request.channel_txn else {"out_trade_no": request.out_trade_no}
    return {
        **payment,
        "out_refund_no": request.out_refund_no,
        "reason": safe_text(request.why, _REASON_MOST),
        "notify_url": request.notify_url,
        "amount": {"refund": request.amount_fen, "total": request.total_fen, "currency": "CNY"},
    }


def payment_report(told: dict[str, Any], witness: Witness, channel_id: int) -> Report:
    """Read a payment out of a query's answer or a decrypted callback. Raises `Unclear`.

    `amount_fen` is `amount.total`, what we ordered: with a voucher the payer pays less (`payer_total`) and the shop gets all.
    """
    state = text_of(told, "trade_state", 32)
    outcome, reason = _PAID if state == "SUCCESS" else _meaning("state", f"TRADE_STATE:{state}")
    paid = outcome is Outcome.SUCCESS
    amount_fen, currency = None, "CNY"
    if paid or "amount" in told:
        amount = object_of(told, "amount")
        amount_fen, currency = whole_of(amount, "total"), text_of(amount, "currency", 16, optional=True) or "CNY"
    payer = told.get("payer") or {}
    return Report(
        witness=witness,
        subject="payment",
        channel_id=channel_id,
        number=text_of(told, "out_trade_no", 32),
        outcome=outcome,
        amount_fen=amount_fen,
        currency=currency,
        merchant=text_of(told, "mchid", 32),
        app=text_of(told, "appid", 32),
        channel_txn=text_of(told, "transaction_id", 32, optional=not paid),
        happened_at=_moment(told, "success_time", optional=not paid),
        payer=text_of(payer, "openid", 128, optional=True) if type(payer) is dict else "",
        native=Native(state, clip(told.get("trade_state_desc"))),
        reason=reason,
        bank=_bank(told.get("bank_type")),
        instrument=_instrument(told.get("bank_type")),
    )


def _bank(told: Any) -> str:
    """The payer's bank out of `bank_type` such as `ICBC_DEBIT`; nothing for the wallet itself (`OTHERS`) or for no such word."""
    word = told.partition("_")[0].lower() if type(told) is str else ""
    return word if 2 <= len(word) <= 16 and word.isascii() and word.isalnum() and word != "others" else ""


def _instrument(told: Any) -> str:
    """What sort of card `bank_type` speaks of: `CMB_CREDIT` is a credit card, `CMB_DEBIT` a debit card, `OTHERS` none."""
    return {"CREDIT": "credit", "DEBIT": "debit"}.get(told.rpartition("_")[2] if type(told) is str else "", "")


def refund_report(told: dict[str, Any], witness: Witness, channel_id: int, merchant: str, app: str) -> Report:
    """Read a refund out of an answer (`status`) or a callback (`refund_status`). Raises `Unclear`.

    Answers name neither merchant nor app, and callbacks no app: what is not told is taken from the channel whose key verified it.
    """
    state = text_of(told, "refund_status" if "refund_status" in told else "status", 32)
    done = state == "SUCCESS"
    outcome, reason = _PAID if done else _meaning("refund_state", f"REFUND_STATUS:{state}")
    amount = object_of(told, "amount")
    return Report(
        witness=witness,
        subject="refund",
        channel_id=channel_id,
        number=text_of(told, "out_refund_no", 64),
        outcome=outcome,
        amount_fen=whole_of(amount, "refund"),
        currency=text_of(amount, "currency", 16, optional=True) or "CNY",
        merchant=text_of(told, "mchid", 32, optional=True) or merchant,
        app=app,
        channel_txn=text_of(told, "refund_id", 32),
        happened_at=_moment(told, "success_time", optional=not done),
        native=Native(state),
        reason=reason,
    )


def safe_text(text: str, most: int) -> str:
    """A text a channel may echo: one line, without characters that could be cut into other fields, at most `most` characters."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split()).translate(_SAFE)
    return plain.encode("utf-8", "ignore").decode()[:most] or "充值"


def clip(value: object, most: int = 256) -> str:
    """A foreign text for staff: cut, and empty when it is no text."""
    return value[:most].replace("\0", "") if isinstance(value, str) else ""


def _meaning(operation: str, code: str) -> tuple[Outcome, str | None]:
    meaning = native_codes("wechatpay").read(operation, code)
    return meaning.outcome, meaning.reason


def _moment(told: dict[str, Any], name: str, *, optional: bool) -> datetime | None:
    text = text_of(told, name, 40, optional=optional)
    if not text:
        return None
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Unclear(f"{name} is not a time with its zone")


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).isoformat(timespec="seconds")
