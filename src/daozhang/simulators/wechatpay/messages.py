"""The bodies of callbacks: the v3 envelope around an encrypted resource, and the old v2 XML refund notice."""

from xml.sax.saxutils import escape

import msgspec

from daozhang.simulators.watch import digits, rfc3339
from daozhang.simulators.wechatpay.books import Notice, Order, Refund
from daozhang.simulators.wechatpay.signing import Keyring, new_nonce

_SUMMARIES = {
    "TRANSACTION.SUCCESS": "支付成功",
    "REFUND.SUCCESS": "退款成功",
    "REFUND.ABNORMAL": "退款异常",
    "REFUND.CLOSED": "退款关闭",
}


def envelope(keyring: Keyring, notice: Notice, create_time: str) -> bytes:
    """The JSON of a v3 callback. Its id stays the same on every re-send, and so does the ciphertext."""
    original = "transaction" if notice.event_type.startswith("TRANSACTION") else "refund"
    resource = keyring.seal(notice.plain.encode(), original) | {"original_type": original}
    return msgspec.json.encode(
        {
            "id": notice.id,
            "create_time": create_time,
            "event_type": notice.event_type,
            "resource_type": "encrypt-resource",
            "summary": _SUMMARIES[notice.event_type],
            "resource": resource,
        }
    )


def refund_plain(refund: Refund, order: Order) -> str:
    """What a v3 refund notice tells; the state is called `refund_status` here."""
    content = {
        "mchid": refund.mchid,
        "transaction_id": order.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refund.status,
        "user_received_account": "支付用户零钱" if order.bank_type == "OTHERS" else "支付用户银行卡0403",
        "amount": {
            "total": order.charged_fen,
            "refund": refund.amount_fen,
            "payer_total": order.charged_fen - order.voucher_fen,
            "payer_refund": refund.amount_fen,
        },
    }
    if refund.status == "SUCCESS" and refund.finished_s is not None:
        content["success_time"] = rfc3339(refund.finished_s)
    return msgspec.json.encode(content).decode()


def v2_refund(keyring: Keyring, refund: Refund, order: Order, received: str) -> str:
    """A refund notice of the old protocol: XML with an AES-256-ECB sealed `req_info`."""
    finished_s = refund.finished_s or refund.created_s
    stamp = digits(finished_s)
    inner = {
        "out_refund_no": refund.out_refund_no,
        "out_trade_no": refund.out_trade_no,
        "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
        "refund_fee": str(refund.amount_fen),
        "refund_id": refund.refund_id,
        "refund_recv_accout": received,
        "refund_request_source": "VENDOR_PLATFORM",
        "refund_status": {"SUCCESS": "SUCCESS", "CLOSED": "REFUNDCLOSE"}.get(refund.status, "CHANGE"),
        "settlement_refund_fee": str(refund.amount_fen),
        "settlement_total_fee": str(order.charged_fen),
        "success_time": f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[8:10]}:{stamp[10:12]}:{stamp[12:14]}",
        "total_fee": str(order.charged_fen),
        "transaction_id": order.transaction_id or "",
    }
    sealed = keyring.seal_v2(_xml(inner, "root"))
    outer = {
        "return_code": "SUCCESS",
        "appid": order.appid,
        "mch_id": order.mchid,
        "nonce_str": new_nonce().lower(),
        "req_info": sealed,
    }
    return _xml(outer, "xml")


def _xml(values: dict[str, str], root: str) -> str:
    return f"<{root}>" + "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items()) + f"</{root}>"
