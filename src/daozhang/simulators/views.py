"""What the phone's templates are given: every sentence decided here, nothing in the templates but its place."""

from typing import Any, get_args
from urllib.parse import urlencode

from daozhang.money import yuan
from daozhang.simulators.faults import ApiFault, Fault, Point
from daozhang.simulators.phone import Phone
from daozhang.simulators.station import Payment
from daozhang.simulators.words import Words, clock_time, words


def list_view(phone: Phone, texts: Words) -> dict[str, Any]:
    """The list: what waits, and what was paid lately with what became of its callback."""
    now_s = phone.now_s()
    waiting = [
        _row(payment, texts) | {"amount": yuan(payment.amount_fen), "left": texts.left(payment.expires_s - now_s)}
        for payment in phone.waiting(20)
    ]
    return {"waiting": waiting, "paid": [_paid_row(phone, payment, texts) for payment in phone.paid(12)]}


def pay_view(phone: Phone, payment: Payment, texts: Words, back: str) -> dict[str, Any]:
    """The pay page of one payment; `texts` are those of its kind, here and below."""
    station = phone.at(payment)
    return {
        "payment": payment,
        "amount": yuan(payment.amount_fen),
        "pay_label": texts.pay.format(amount=yuan(payment.amount_fen)),
        "product": texts.get(f"product_{payment.product}") or payment.product,
        "left": texts.left(payment.expires_s - phone.now_s()),
        "ways": [{"name": way, "label": texts[f"way_{way}"], "note": texts[f"way_{way}_note"]} for way in station.ways],
        "refusals": [{"name": name, "label": texts[f"k_{name}"]} for name in station.refusals],
        "tricks": [{"name": name, "label": texts[f"t_{name}"]} for name in station.tricks],
        "otherwise": yuan(payment.amount_fen + 1, grouped=False),
        "codes": station.codes,
        "back_query": _back_query(back),
    }


def outcome_view(phone: Phone, payment: Payment, texts: Words, back: str, trick: str) -> dict[str, Any]:
    """What became of it, as the payer's phone knows it."""
    if payment.paid_s is None:
        title, lines, tone, badge = _not_paid(phone, payment, texts)
        again = f"/phone/pay/{payment.code}{_back_query(back)}"
        return {
            "title": title, "lines": lines, "tone": tone, "badge": badge, "amount": yuan(payment.amount_fen), "note": "",
            "facts": [], "back": back, "again": again,
        }  # fmt: skip
    told, _ = _told(phone, payment, texts)
    lines = [payment.shop if payment.description == payment.shop else f"{payment.shop} · {payment.description}"]
    if payment.charged_fen != payment.amount_fen:
        lines.append(texts.charged_note.format(total=yuan(payment.amount_fen), charged=yuan(payment.charged_fen)))
    if payment.refunded_fen:
        lines.append(texts.refunded.format(amount=yuan(payment.refunded_fen)))
    lines.append(told)
    facts = [(texts.transaction, payment.txn), (texts.number, payment.number)]
    return {
        "title": texts.paid_title,
        "lines": lines,
        "tone": "fine",
        "badge": "✓",
        "amount": yuan(payment.charged_fen - payment.voucher_fen),
        "note": texts.trick_note.format(what=texts[f"t_{trick}"]) if trick else "",
        "facts": [(texts.paid_with, texts[f"way_{payment.way}"]), *facts] if payment.way else facts,
        "back": back,
        "again": "",
    }


def dial_view(phone: Phone, texts: Words) -> dict[str, Any]:
    """The dial of the merchant's calls."""
    return {
        "channels": [{"name": kind, "label": words(texts.language, kind).name} for kind in phone.stations],
        "points": [{"name": name, "label": texts[f"p_{name}"]} for name in get_args(Point) if name != "notice"],
        "kinds": [{"name": name, "label": texts[f"f_{name}"]} for name in get_args(ApiFault)],
        "codes": sorted({code for station in phone.stations.values() for code in station.codes}),
        "faults": [_fault_row(fault, texts) for fault in phone.dial.waiting()[:50]],
    }


def _fault_row(fault: Fault, texts: Words) -> dict[str, str]:
    if fault.channel:
        texts = words(texts.language, fault.channel)
    kind = texts.get(f"t_{fault.kind}") if fault.point == "notice" else texts.get(f"f_{fault.kind}")
    left = "∞" if fault.times is None else f"× {fault.times - fault.used}"
    code = fault.code if "error" in fault.kind else ""
    detail = " · ".join(part for part in (texts.name if fault.channel else "", left, fault.number or "", code) if part)
    return {"what": f"{texts[f'p_{fault.point}']}: {kind or fault.kind}", "detail": detail}


def _row(payment: Payment, texts: Words) -> dict[str, Any]:
    own = words(texts.language, payment.kind)
    what = payment.description if payment.description != payment.shop else ""
    return {"payment": payment, "glyph": own.glyph, "channel": own.name, "what": what}


def _paid_row(phone: Phone, payment: Payment, texts: Words) -> dict[str, Any]:
    told, tone = _told(phone, payment, texts)
    return _row(payment, texts) | {
        "amount": yuan(payment.charged_fen),
        "at": clock_time(payment.paid_s or payment.created_s),
        "refunded": texts.refunded.format(amount=yuan(payment.refunded_fen)) if payment.refunded_fen else "",
        "told": told,
        "tone": tone,
    }


def _told(phone: Phone, payment: Payment, texts: Words) -> tuple[str, str]:
    """What became of the callback: a sentence and its tone (fine, wait, lost)."""
    told = phone.at(payment).hand.told(payment.code)
    match told.state:
        case "acknowledged":
            return texts.told_yes, "fine"
        case "silenced":
            return texts.told_silent, "lost"
        case "given_up":
            return texts.told_given_up.format(n=told.sent), "lost"
        case "waiting":
            return texts.told_no.format(n=told.sent), "wait"


def _not_paid(phone: Phone, payment: Payment, texts: Words) -> tuple[str, list[str], str, str]:
    if payment.phone == "declined":
        return texts.declined_title, [texts.not_body], "wait", "–"
    if payment.phone in ("left", "seen", ""):
        return texts.left_title, [texts.left_body], "wait", "…"
    why = texts.get(f"r_{payment.phone}") or texts.r_native.format(code=payment.phone)
    code = phone.at(payment).refusals.get(payment.phone)
    lines = [why, texts.not_body] if code is None else [why, texts.not_body, texts.r_native.format(code=code)]
    return texts.not_title, lines, "lost", "×"


def _back_query(back: str) -> str:
    return f"?{urlencode({'back': back})}" if back else ""
