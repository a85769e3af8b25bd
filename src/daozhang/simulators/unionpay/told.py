"""What UnionPay tells of a transaction: the fields of an answer to a query and of a notice, without signature."""

from datetime import datetime, timedelta

from daozhang.clock import SHANGHAI
from daozhang.simulators.unionpay.books import Order, Return
from daozhang.simulators.unionpay.codes import spoken
from daozhang.simulators.watch import digits

CUT_HOUR = 23
CARDS = {"debit": ("01", "6226********0018"), "credit": ("02", "6253********7306"), "balance": ("01", "6217********1088")}
"""What merchants are told of the payer's way: payCardType and the masked card number."""

Fields = dict[str, str]


def clearing_day(moment_s: float) -> datetime:
    """The clearing day of a moment, which begins at 23:00 of the day before."""
    local = datetime.fromtimestamp(moment_s, SHANGHAI) + timedelta(hours=24 - CUT_HOUR)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def clearing_bounds(day: datetime) -> tuple[float, float]:
    """From when to when a clearing day lasts, in seconds since 1970."""
    start = day - timedelta(hours=24 - CUT_HOUR)
    return start.timestamp(), (start + timedelta(days=1)).timestamp()


def common(mer_id: str) -> Fields:
    """What every answer and every notice carries."""
    return {"accessType": "0", "encoding": "UTF-8", "merId": mer_id, "signMethod": "01", "version": "5.1.0"}


def of_order(order: Order) -> Fields:
    """The facts of a payment; what only a paid one has is missing before."""
    told = common(order.mer_id) | {
        "bizType": order.biz_type,
        "currencyCode": "156",
        "orderId": order.order_id,
        "txnAmt": str(order.charged_fen or order.amount_fen),
        "txnSubType": order.sub_type,
        "txnTime": order.txn_time,
        "txnType": "01",
    }
    if order.paid_s is not None:
        card_type, card = CARDS[order.way]
        told |= {"accNo": card, "payCardType": card_type} | _passed(order.query_id or "", order.trace_no, order.paid_s)
        told |= {"settleAmt": told["txnAmt"], "settleCurrencyCode": "156"}
    return told


def of_return(back: Return) -> Fields:
    """The facts of a refund or revoke."""
    told = common(back.mer_id) | {
        "bizType": "000201",
        "currencyCode": "156",
        "orderId": back.order_id,
        "origQryId": back.orig_query_id,
        "txnAmt": str(back.amount_fen),
        "txnSubType": "00",
        "txnTime": back.txn_time,
        "txnType": back.kind,
    }
    return told | _passed(back.query_id, back.trace_no, back.created_s)


def notice(facts: Fields, answer: str = "00") -> Fields:
    """A notice about something that is done; A6: with a flaw."""
    code, message = spoken(answer)
    return facts | {"respCode": code, "respMsg": message}


def queried(facts: Fields, answer: str) -> Fields:
    """The answer to a query: it could be answered (00), and what it says of the transaction (origRespCode)."""
    code, message = spoken(answer)
    return notice(facts) | {"origRespCode": code, "origRespMsg": message}


def _passed(query_id: str, trace_no: str, moment_s: float) -> Fields:
    return {
        "queryId": query_id,
        "traceNo": trace_no,
        "traceTime": digits(moment_s)[4:],
        "settleDate": f"{clearing_day(moment_s):%m%d}",
    }
