"""What the reader holds in the hand decides which ways to pay make sense: nobody scans a code with the phone that shows it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litestar import Request

from daozhang.web.pages import told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daozhang.recharge.desk import MethodChoice

_PHONE = ("mobile", "android", "iphone", "harmony")
_FIRST_ON_PHONE = {"jsapi": 0, "h5": 1, "page": 2, "native": 3, "qr": 3}
_FIRST_ON_DESK = {"native": 0, "qr": 0, "page": 1}


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to pay as the form offers it. `why_told` says in a few words why it is closed."""

    channel_id: int
    kind: str
    method: str
    open: bool
    why_told: str

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
    """The methods that work on this device, the handiest first; all of them if none does."""
    every = [
        Choice(m.channel_id, m.kind, m.method, m.open, told(request, m.why).title if m.why and not m.open else "") for m in methods
    ]
    if on_phone(request):
        order = _FIRST_ON_PHONE if in_wechat(request) else {k: v for k, v in _FIRST_ON_PHONE.items() if k != "jsapi"}
    else:
        order = _FIRST_ON_DESK
    fit = [choice for choice in every if choice.method in order]
    return sorted(fit, key=lambda choice: (not choice.open, order[choice.method])) or every


def _agent(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("user-agent", "")[:512].lower()
