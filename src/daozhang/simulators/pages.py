"""The pages of the simulated phone. They work without JavaScript, and nothing in them is inline."""

from http.cookies import CookieError, SimpleCookie
from importlib import resources
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import jinja2

from daozhang.money import MalformedAmount, parse_yuan, yuan
from daozhang.simulators.faults import BadFault, Fault
from daozhang.simulators.phone import REFUSALS, TRICKS, NotPayable, Phone, Way
from daozhang.simulators.views import dial_view, list_view, outcome_view, pay_view
from daozhang.simulators.wechatpay.books import H5_VALID_S, Order
from daozhang.simulators.wechatpay.signing import Keyring
from daozhang.simulators.wire import Answer, Receive, Scope, Send, TooLarge, read, write
from daozhang.simulators.words import Language, Words, choose, words

if TYPE_CHECKING:
    from collections.abc import Callable

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_STATIC = {"phone.css": "text/css; charset=utf-8", "phone.js": "text/javascript; charset=utf-8", "phone.svg": "image/svg+xml"}

Form = dict[str, str]


class Request:
    """What a page needs of a request: parameters (the first of each name), form, language, where the browser came from."""

    def __init__(self, scope: Scope, body: bytes) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.parameters = _first(parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=50))
        self.form: Form = _first(parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50))
        self.headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        cookie = ""
        try:
            morsel = SimpleCookie(self.headers.get("cookie", "")).get("phone_lang")
            cookie = morsel.value if morsel is not None else ""
        except CookieError:
            pass
        self.language: Language = choose(self.parameters.get("lang", ""), cookie, self.headers.get("accept-language", ""))

    def foreign(self) -> bool:
        """Whether another site's page sent this form."""
        origin, site = self.headers.get("origin", ""), self.headers.get("sec-fetch-site", "same-origin")
        own = origin in ("", f"http://{self.headers.get('host', '')}")
        return not own or site not in ("same-origin", "none")


class PhonePages:
    """Answers `/phone`, the H5 pay page and the static files."""

    def __init__(self, phone: Phone, keyrings: dict[str, Keyring]) -> None:
        self._phone, self._keyrings = phone, keyrings
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader(__package__ or "", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            request = Request(scope, await read(receive))
        except (TooLarge, ValueError):
            await write(send, Answer(400))
            return
        except ConnectionError:
            return
        try:
            answer = self._answer(request)
        except NotPayable as refusal:
            answer = self._sorry(request, refusal.word)
        if "lang" in request.parameters:
            answer.headers["Set-Cookie"] = f"phone_lang={request.language}; Path=/; SameSite=Lax; HttpOnly"
        await write(send, answer)

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith("/static/"):
            return _static(request.path.removeprefix("/static/"))
        if request.method == "POST" and request.foreign():
            return self._sorry(request, "form", 403)
        if request.path.startswith("/phone/pay/"):
            number = request.path.removeprefix("/phone/pay/")
            return self._act(request, number) if request.method == "POST" else self._pay(request, number)
        if request.path == "/phone/dial" and request.method == "POST":
            return self._turn(request)
        doors: dict[str, Callable[[Request], Answer]] = {
            "/": lambda _: _go("/phone"),
            "/phone": self._list,
            "/phone/scan": self._scan,
            "/phone/jsapi": self._jsapi,
            "/phone/dial": self._dial,
            "/cgi-bin/mmpayweb-bin/checkmweb": self._h5,
        }
        door = doors.get(request.path)
        if door is None:
            return self._sorry(request, "unknown", 404)
        return door(request) if request.method in ("GET", "HEAD") else Answer(405, headers={"Allow": "GET"})

    def _list(self, request: Request) -> Answer:
        return self._page(request, "list.html", list_view(self._phone, words(request.language)))

    def _scan(self, request: Request) -> Answer:
        """What a camera does with `weixin://wxpay/bizpayurl?pr=…`."""
        parts = urlsplit(request.parameters.get("code_url", ""))
        code = (parse_qs(parts.query).get("pr") or [""])[0]
        if (parts.scheme, parts.netloc, parts.path) != ("weixin", "wxpay", "/bizpayurl"):
            raise NotPayable("unknown")
        return _go(f"/phone/pay/{quote(self._phone.find(code).code)}")

    def _h5(self, request: Request) -> Answer:
        """What `h5_url` opens: good for five minutes, nothing may be appended but `redirect_url`."""
        order = self._phone.find(request.parameters.get("prepay_id", ""))
        allowed = {"prepay_id", "package", "redirect_url", "lang"}
        if request.parameters.get("package") != order.code or not set(request.parameters) <= allowed:
            raise NotPayable("h5_changed")
        if order.paid_s is None and self._phone.now_s() >= order.created_s + H5_VALID_S:
            raise NotPayable("h5_stale")
        back = _back(request.parameters.get("redirect_url", ""))
        return _go(f"/phone/pay/{quote(order.code)}" + (f"?{urlencode({'back': back})}" if back else ""))

    def _jsapi(self, request: Request) -> Answer:
        """What WeixinJSBridge does with the six values a merchant's page hands it: the merchant's signature must hold."""
        given = request.parameters
        prepay_id = given.get("package", "").removeprefix("prepay_id=")
        order = self._phone.find(prepay_id)
        message = f"{order.appid}\n{given.get('timeStamp', '')}\n{given.get('nonceStr', '')}\n{given.get('package', '')}\n"
        if given.get("signType") != "RSA" or not self._keyrings[order.mchid].verify(message.encode(), given.get("paySign", "")):
            raise NotPayable("sign")
        back = _back(given.get("back", ""))
        return _go(f"/phone/pay/{quote(order.code)}" + (f"?{urlencode({'back': back})}" if back else ""))

    def _pay(self, request: Request, number: str) -> Answer:
        order = self._phone.find(number)
        texts, back = words(request.language), _back(request.parameters.get("back", ""))
        if order.paid_s is not None or request.parameters.get("told"):
            trick = request.parameters.get("trick", "")
            view = outcome_view(self._phone, order, texts, back, trick if trick in TRICKS else "")
            return self._page(request, "told.html", view)
        self._phone.payable(order)
        self._phone.see(order)
        return self._page(request, "pay.html", pay_view(self._phone, order, texts, back))

    def _act(self, request: Request, number: str) -> Answer:
        """A tap. Every tap leads to a page of its own, so that a reload repeats nothing."""
        order = self._phone.find(number)
        act, _, why = request.form.get("act", "").partition(":")
        following = {"told": "1"}
        back = _back(request.parameters.get("back", ""))
        if back:
            following["back"] = back
        if act in ("pay", "trick"):
            following |= self._tapped_pay(request, order, act)
        elif act == "decline":
            self._phone.decline(order.code)
        elif act == "leave":
            self._phone.leave(order.code)
        elif act == "refuse" and (why in REFUSALS or why == "native"):
            self._phone.refuse(order.code, request.form.get("native", "") if why == "native" else why)
        else:
            raise NotPayable("form")
        return _go(f"/phone/pay/{quote(order.code)}?{urlencode(following)}")

    def _tapped_pay(self, request: Request, order: Order, act: str) -> dict[str, str]:
        way = request.form.get("way", "balance")
        trick = request.form.get("trick", "") if act == "trick" else ""
        try:
            otherwise_fen = int(parse_yuan(request.form.get("otherwise") or yuan(order.total_fen + 1, grouped=False)))
        except MalformedAmount:
            raise NotPayable("form") from None
        if way not in ("balance", "debit", "credit") or (trick and trick not in TRICKS) or otherwise_fen < 1:
            raise NotPayable("form")
        voucher_fen = 100 if request.form.get("voucher") == "1" else 0
        chosen = cast("Way", way)
        self._phone.pay(order.code, way=chosen, trick=trick, amount_fen=otherwise_fen, voucher_fen=voucher_fen)
        return {"trick": trick} if trick else {}

    def _dial(self, request: Request) -> Answer:
        return self._page(request, "dial.html", dial_view(self._phone, words(request.language)))

    def _turn(self, request: Request) -> Answer:
        form = request.form
        if form.get("act") == "clear":
            self._phone.dial.clear()
            return _go("/phone/dial")
        try:
            fault = Fault(
                point=form.get("point", ""),  # type: ignore[arg-type] # the dial judges it.
                kind=form.get("kind", ""),
                code=form.get("code", "") or "SYSTEM_ERROR",
                times=_whole(form.get("times", "1")),
                seconds=_whole(form.get("seconds", "10")),
            )
            self._phone.dial.set(fault)
        except (BadFault, ValueError):
            raise NotPayable("form") from None
        return _go("/phone/dial")

    def _sorry(self, request: Request, word: str, status: int = 409) -> Answer:
        texts: Words = words(request.language)
        view = {"title": texts.not_title, "tone": "lost", "badge": "×", "amount": "", "lines": [texts[f"e_{word}"]], "note": ""}
        known = 404 if word == "unknown" else 400 if word == "form" and status == 409 else status
        back = _back(request.parameters.get("back", "") or request.parameters.get("redirect_url", ""))
        return self._page(request, "told.html", view | {"facts": [], "back": back, "again": ""}, known)

    def _page(self, request: Request, template: str, view: dict[str, Any], status: int = 200) -> Answer:
        texts = words(request.language)
        kept = {name: value for name, value in request.parameters.items() if name != "lang"}
        body = self._templates.get_template(template).render(t=texts, lang_query=urlencode(kept | {"lang": texts.other}), **view)
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": _POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }
        return Answer(status, body.encode(), headers)


def _first(parsed: dict[str, list[str]]) -> dict[str, str]:
    return {name: values[0] for name, values in parsed.items()}


def _go(address: str) -> Answer:
    return Answer(303, headers={"Location": address, "Cache-Control": "no-store"})


def _back(address: str) -> str:
    """An address to lead back to: only http(s), so that no script hides in it."""
    parts = urlsplit(address) if len(address) <= 1024 else urlsplit("")
    return address if parts.scheme in ("http", "https") and parts.netloc else ""


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise ValueError(text)
    return int(text)


def _static(name: str) -> Answer:
    kind = _STATIC.get(name)
    if kind is None:
        return Answer(404)
    content = resources.files(__package__ or "").joinpath("static", name).read_bytes()
    return Answer(200, content, {"Content-Type": kind, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
