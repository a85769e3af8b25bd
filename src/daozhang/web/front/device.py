"""What the reader holds in the hand decides which ways to pay make sense: nobody scans a code with the phone that shows it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from litestar import Request

from daozhang.channels.catalogue import KINDS
from daozhang.channels.port import NOWHERE
from daozhang.recharge.route import best_first
from daozhang.web.pages import locale_of, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daozhang.recharge.route import MethodChoice
    from daozhang.web.locale import Locale

SHORT = 4
_PHONE = ("mobile", "android", "iphone", "harmony")
_ON_PHONE = {"h5": 0, "page": 1, "native": 3, "qr": 3}
_ON_DESK = {"native": 0, "qr": 0, "page": 1}


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to pay as the form offers it. `mark` is the chip's kind and `said` its words; `room` what the limits leave, in words.

    `cure` says what to do where it is closed or does not take the amount.
    """

    channel_id: int
    kind: str
    method: str
    open: bool
    fits: bool
    mark: str
    said: str
    cure: str
    room: str
    no_credit: bool
    more: bool = False
    """Its channel has a better way already: shown when more ways are asked for."""

    @property
    def value(self) -> str:
        """What the form sends for it."""
        return f"{self.channel_id}:{self.method}"


def on_phone(request: Request[Any, Any, Any]) -> bool:
    """Whether the browser says that it runs on a phone."""
    hint = request.headers.get("sec-ch-ua-mobile")
    return hint == "?1" or any(word in _agent(request) for word in _PHONE)


def in_wechat(request: Request[Any, Any, Any]) -> bool:
    """Whether the page is shown inside WeChat, where alone its JSAPI exists."""
    return "micromessenger" in _agent(request)


def offered(request: Request[Any, Any, Any], methods: "Iterable[MethodChoice]") -> list[Choice]:
    """The methods that work on this device, the best first; all of them if none does."""
    phone, wechat = on_phone(request), in_wechat(request)
    best = best_first(methods, lambda each: handiness(each, phone=phone, wechat=wechat))
    return folded([_choice(request, each) for each in best])


def folded(choices: list[Choice]) -> list[Choice]:
    """The best way of each channel stands in front; a short list needs no folding."""
    seen: set[int] = set()
    made = []
    for each in choices:
        made.append(replace(each, more=each.channel_id in seen and len(choices) > SHORT))
        seen.add(each.channel_id)
    return made


def left_out(request: Request[Any, Any, Any], methods: "Iterable[MethodChoice]") -> bool:
    """Whether a browser outside WeChat would offer more ways to pay."""
    return in_wechat(request) and any(
        each.open and each.method in _ON_PHONE and handiness(each, phone=True, wechat=True) == NOWHERE for each in methods
    )


def handiness(each: "MethodChoice", *, phone: bool, wechat: bool) -> int:
    """How much is asked of the payer here: 0 for nothing but a tap or a scan, up to `NOWHERE` for what does not work."""
    if wechat and phone:
        kind = KINDS.get(each.kind)
        return (kind.in_wechat if kind else {}).get(each.method, min(_ON_PHONE.get(each.method, NOWHERE) + 1, NOWHERE))
    return (_ON_PHONE if phone else _ON_DESK).get(each.method, NOWHERE)


def _choice(request: Request[Any, Any, Any], each: "MethodChoice") -> Choice:
    reader = locale_of(request)
    why = told(request, each.why, dict(each.facts)) if each.why else None
    if why is None:
        mark, said = "ok", reader.t("method.open")
    elif not each.open:
        mark, said = "off", why.title
    else:
        mark, said = "warn", why.title
    cure = reader.joined(why.text, why.cure) if why and not (each.open and each.fits) else ""
    return Choice(
        each.channel_id, each.kind, each.method, each.open, each.fits, mark, said, cure, _room(each, reader), each.no_credit
    )


def _room(each: "MethodChoice", reader: "Locale") -> str:
    """What the limits leave, the two numbers that matter: one payment, and today or this month, whichever is less."""
    left = each.room
    if left is None:
        return ""
    parts = [reader.t("method.single", amount=reader.short_money(left.single_fen))] if left.single_fen is not None else []
    day, month = left.day_left_fen, left.month_left_fen
    if month is not None and (day is None or month < day):
        parts.append(reader.t("method.month_left", amount=reader.short_money(month)))
    elif day is not None:
        parts.append(reader.t("method.day_left", amount=reader.short_money(day)))
    return " · ".join(parts)


def _agent(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("user-agent", "")[:512].lower()
