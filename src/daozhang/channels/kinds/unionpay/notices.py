"""UnionPay's notices at our door: a form in a POST, signed like every message. What is not read here is never looked at again.

A notice carries no time of its own, so an old one may be sent again by anybody who kept it. It only makes us ask UnionPay about
its number, and money is booked once per transaction; so a replay changes nothing.
"""

from collections.abc import Callable

from daozhang.channels.kinds.unionpay.fields import Fields, read_form
from daozhang.channels.kinds.unionpay.messages import PAYMENT, REFUND, REVOKE, payment_report, refund_report
from daozhang.channels.port import Acknowledgement, Invalid, Notification, Report
from daozhang.channels.strict import MOST_BYTES, Unclear, text_of

_YES, _NO = b"ok", b"fail"


def read_notice(body: bytes, verify: Callable[[Fields], None], channel: tuple[int, str, str]) -> Notification:
    """Verify and read one notice; `channel` is (id, merchant, app). Raises `Invalid`; nothing unverified is interpreted."""
    if len(body) > MOST_BYTES:
        raise Invalid("too_large", http=413)
    try:
        told = read_form(body)
        verify(told)
        if told.get("merId") != channel[1]:
            # One certificate signs for every merchant: rightly signed does not mean that it is ours.
            raise Invalid("other_merchant", http=400)
        return _open(told, channel)
    except Unclear as fault:
        raise Invalid("malformed", str(fault), 400) from None


def acknowledge(invalid: Invalid | None) -> Acknowledgement:
    """200 within 10 s is yes, whatever the body; anything else makes UnionPay send again (five times in all)."""
    if invalid is None:
        return Acknowledgement(200, _YES, "text/plain")
    return Acknowledgement(invalid.http, _NO, "text/plain")


def _open(told: Fields, channel: tuple[int, str, str]) -> Notification:
    kind, report = text_of(told, "txnType", 2), None
    about: tuple[int, str] = (channel[0], channel[2])
    if kind == PAYMENT:
        report = payment_report(told, "notification", about)
    elif kind in (REFUND, REVOKE):
        report = refund_report(told, "notification", about)
    key = _key(told, report)
    return Notification(key, kind, report)


def _key(told: Fields, report: Report | None) -> str:
    """The same on every re-send: UnionPay's number of the transaction, with its kind and what was said of it."""
    txn = report.channel_txn if report is not None and report.channel_txn else text_of(told, "queryId", 32)
    return f"{told['txnType']}:{txn}:{text_of(told, 'respCode', 8)}"
