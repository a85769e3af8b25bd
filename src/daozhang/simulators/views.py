"""What the phone's templates are given: every sentence decided here, nothing in the templates but its place."""

from typing import Any, get_args
from urllib.parse import urlencode

from daozhang.money import yuan
from daozhang.simulators.faults import ApiFault, Fault, Point
from daozhang.simulators.phone import BANKS, REFUSALS, TRICKS, Phone
from daozhang.simulators.wechatpay.books import CODE_VALID_S, Order
from daozhang.simulators.wechatpay.errors import STATUSES
from daozhang.simulators.words import Words, clock_time


def list_view(phone: Phone, texts: Words) -> dict[str, Any]:
    """The list: what waits, and what was paid lately with what became of its callback."""
    now_s = phone.now_s()
    waiting = [
        {
            "order": order,
            "shop": phone.shop(order),
            "amount": yuan(order.total_fen),
            "left": texts.left(min(order.expires_s, order.created_s + CODE_VALID_S) - now_s),
        }
        for order in phone.books.waiting(20)
    ]
    return {"waiting": waiting, "paid": [_paid_row(phone, order, texts) for order in phone.books.paid(12)]}


def pay_view(phone: Phone, order: Order, texts: Words, back: str) -> dict[str, Any]:
    """The pay page of one order."""
    return {
        "order": order,
        "shop": phone.shop(order),
        "amount": yuan(order.total_fen),
        "pay_label": texts.pay.format(amount=yuan(order.total_fen)),
        "product": texts[f"product_{order.product}"],
        "left": texts.left(min(order.expires_s, order.created_s + CODE_VALID_S) - phone.now_s()),
        "ways": [{"name": way, "label": texts[f"way_{way}"], "note": texts[f"way_{way}_note"]} for way in BANKS],
        "refusals": [{"name": name, "label": texts[f"k_{name}"]} for name in REFUSALS],
        "tricks": [{"name": name, "label": texts[f"t_{name}"]} for name in TRICKS],
        "otherwise": yuan(order.total_fen + 1, grouped=False),
        "codes": sorted(STATUSES),
        "back_query": _back_query(back),
    }


def outcome_view(phone: Phone, order: Order, texts: Words, back: str, trick: str) -> dict[str, Any]:
    """What became of it, as the payer's phone knows it."""
    if order.paid_s is None:
        title, lines, tone, badge = _not_paid(order, texts)
        again = f"/phone/pay/{order.code}{_back_query(back)}"
        return {
            "title": title, "lines": lines, "tone": tone, "badge": badge, "amount": yuan(order.total_fen), "note": "", "facts": [],
            "back": back, "again": again,
        }  # fmt: skip
    told, _ = _told(phone, order, texts)
    lines = [f"{phone.shop(order)} · {order.description}"]
    if order.charged_fen != order.total_fen:
        lines.append(texts.charged_note.format(total=yuan(order.total_fen), charged=yuan(order.charged_fen)))
    if order.refunded_fen:
        lines.append(texts.refunded.format(amount=yuan(order.refunded_fen)))
    lines.append(told)
    way = next(way for way, bank in BANKS.items() if bank == order.bank_type)
    return {
        "title": texts.paid_title,
        "lines": lines,
        "tone": "fine",
        "badge": "✓",
        "amount": yuan(order.charged_fen - order.voucher_fen),
        "note": texts.trick_note.format(what=texts[f"t_{trick}"]) if trick else "",
        "facts": [
            (texts.paid_with, texts[f"way_{way}"]),
            (texts.transaction, order.transaction_id),
            (texts.number, order.out_trade_no),
        ],
        "back": back,
        "again": "",
    }


def dial_view(phone: Phone, texts: Words) -> dict[str, Any]:
    """The dial of the merchant's calls."""
    return {
        "points": [{"name": name, "label": texts[f"p_{name}"]} for name in get_args(Point) if name != "notice"],
        "kinds": [{"name": name, "label": texts[f"f_{name}"]} for name in get_args(ApiFault)],
        "codes": sorted(STATUSES),
        "faults": [_fault_row(fault, texts) for fault in phone.dial.waiting()[:50]],
    }


def _fault_row(fault: Fault, texts: Words) -> dict[str, str]:
    kind = texts.get(f"t_{fault.kind}") if fault.point == "notice" else texts.get(f"f_{fault.kind}")
    left = "∞" if fault.times is None else f"× {fault.times - fault.used}"
    detail = " · ".join(part for part in (left, fault.number or "", fault.code if "error" in fault.kind else "") if part)
    return {"what": f"{texts[f'p_{fault.point}']}: {kind or fault.kind}", "detail": detail}


def _paid_row(phone: Phone, order: Order, texts: Words) -> dict[str, Any]:
    told, tone = _told(phone, order, texts)
    return {
        "order": order,
        "shop": phone.shop(order),
        "amount": yuan(order.charged_fen),
        "at": clock_time(order.paid_s or order.created_s),
        "refunded": texts.refunded.format(amount=yuan(order.refunded_fen)) if order.refunded_fen else "",
        "told": told,
        "tone": tone,
    }


def _told(phone: Phone, order: Order, texts: Words) -> tuple[str, str]:
    """What became of the callback: a sentence and its tone (fine, wait, lost)."""
    notices = phone.books.notices(order.out_trade_no)
    if any(notice.state == "acknowledged" for notice in notices):
        return texts.told_yes, "fine"
    sent = len(phone.books.sends(order.out_trade_no))
    if any(notice.state == "silenced" for notice in notices):
        return texts.told_silent, "lost"
    if any(notice.state == "given_up" for notice in notices):
        return texts.told_given_up.format(n=sent), "lost"
    return texts.told_no.format(n=sent), "wait"


def _not_paid(order: Order, texts: Words) -> tuple[str, list[str], str, str]:
    if order.phone == "declined":
        return texts.declined_title, [texts.not_body], "wait", "–"
    if order.phone in ("left", "seen", ""):
        return texts.left_title, [texts.left_body], "wait", "…"
    why = texts.get(f"r_{order.phone}") or texts.r_native.format(code=order.phone)
    code = REFUSALS.get(order.phone)
    lines = [why, texts.not_body] if code is None else [why, texts.not_body, texts.r_native.format(code=code)]
    return texts.not_title, lines, "lost", "×"


def _back_query(back: str) -> str:
    return f"?{urlencode({'back': back})}" if back else ""
