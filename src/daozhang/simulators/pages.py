"""The pages of the simulated phone. They work without JavaScript, and nothing in them is inline."""

from http.cookies import CookieError, SimpleCookie
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlencode

import jinja2

from daozhang.money import MalformedAmount, parse_yuan, yuan
from daozhang.simulators.faults import BadFault, Fault
from daozhang.simulators.phone import Phone
from daozhang.simulators.services.sandbox import Sandbox
from daozhang.simulators.station import NotPayable, Payment
from daozhang.simulators.views import dial_view, list_view, outcome_view, pay_view
from daozhang.simulators.wire import Answer, Receive, Scope, Send, TooLarge, lead_to, lead_to_payment, read, safe_back, write
from daozhang.simulators.words import Language, Words, choose, clock_time, words

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
    """Answers `/phone` and the static files, and shows why a channel's own page refuses."""

    def __init__(self, phone: Phone, services: Sandbox) -> None:
        self._phone, self._services = phone, services
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader(__package__ or "", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
        )

    async def sorry(self, scope: Scope, send: Send, word: str, kind: str) -> None:
        """The page of a refusal by a channel's own page."""
        request = Request(scope, b"")
        answer = self._sorry(request, word, kind=kind)
        self._keep_language(request, answer)
        await write(send, answer)

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
        self._keep_language(request, answer)
        await write(send, answer)

    @staticmethod
    def _keep_language(request: Request, answer: Answer) -> None:
        if "lang" in request.parameters:
            answer.headers["Set-Cookie"] = f"phone_lang={request.language}; Path=/; SameSite=Lax; HttpOnly"

    def _answer(self, request: Request) -> Answer:  # noqa: PLR0911 - one line for each place
        if request.path.startswith("/static/"):
            return _static(request.path.removeprefix("/static/"))
        if request.method == "POST" and request.foreign():
            return self._sorry(request, "form", 403)
        if request.path.startswith("/phone/pay/"):
            number = request.path.removeprefix("/phone/pay/")
            return self._act(request, number) if request.method == "POST" else self._pay(request, number)
        if request.path.startswith("/phone/face/"):
            return self._face(request, request.path.removeprefix("/phone/face/"))
        if request.path == "/phone/dial" and request.method == "POST":
            return self._turn(request)
        doors: dict[str, Callable[[Request], Answer]] = {
            "/": lambda _: lead_to("/phone"),
            "/phone": self._list,
            "/phone/scan": self._scan,
            "/phone/dial": self._dial,
            "/phone/messages": self._messages,
        }
        door = doors.get(request.path)
        if door is None:
            return self._sorry(request, "unknown", 404)
        return door(request) if request.method in ("GET", "HEAD") else Answer(405, headers={"Allow": "GET"})

    def _list(self, request: Request) -> Answer:
        return self._page(request, "list.html", list_view(self._phone, words(request.language)))

    def _scan(self, request: Request) -> Answer:
        """What a camera does with the text of a QR, of whichever channel."""
        return lead_to_payment(self._phone.scan(request.parameters.get("code_url", "")), request.parameters.get("back", ""))

    def _pay(self, request: Request, number: str) -> Answer:
        payment = self._phone.find(number)
        texts, back = words(request.language, payment.kind), safe_back(request.parameters.get("back", ""))
        if payment.paid_s is not None or request.parameters.get("told"):
            trick = request.parameters.get("trick", "")
            known = trick if trick in self._phone.at(payment).tricks else ""
            return self._page(request, "told.html", outcome_view(self._phone, payment, texts, back, known), kind=payment.kind)
        view = pay_view(self._phone, self._phone.see(payment.code), texts, back)
        return self._page(request, "pay.html", view, kind=payment.kind)

    def _act(self, request: Request, number: str) -> Answer:
        """A tap. Every tap leads to a page of its own, so that a reload repeats nothing."""
        payment = self._phone.find(number)
        act, _, why = request.form.get("act", "").partition(":")
        following = {"told": "1"}
        back = safe_back(request.parameters.get("back", ""))
        if back:
            following["back"] = back
        if act in ("pay", "trick"):
            following |= self._tapped_pay(request, payment, act)
        elif act == "decline":
            self._phone.decline(payment.code)
        elif act == "leave":
            self._phone.leave(payment.code)
        elif act == "refuse" and (why in self._phone.at(payment).refusals or why == "native"):
            self._phone.refuse(payment.code, request.form.get("native", "") if why == "native" else why)
        else:
            raise NotPayable("form")
        return lead_to(f"/phone/pay/{quote(payment.code)}?{urlencode(following)}")

    def _tapped_pay(self, request: Request, payment: Payment, act: str) -> dict[str, str]:
        trick = request.form.get("trick", "") if act == "trick" else ""
        try:
            otherwise_fen = int(parse_yuan(request.form.get("otherwise") or yuan(payment.amount_fen + 1, grouped=False)))
        except MalformedAmount:
            raise NotPayable("form") from None
        if otherwise_fen < 1:
            raise NotPayable("form")
        voucher_fen = 100 if request.form.get("voucher") == "1" else 0
        way = request.form.get("way", "")
        self._phone.pay(payment.code, way=way, trick=trick, amount_fen=otherwise_fen, voucher_fen=voucher_fen)
        return {"trick": trick} if trick else {}

    def _messages(self, request: Request) -> Answer:
        shown = [{"to": m.to, "text": m.text, "at": clock_time(m.at_s)} for m in list(self._services.messages)[:30]]
        return self._page(request, "messages.html", {"messages": shown})

    def _face(self, request: Request, look_id: str) -> Answer:
        """The camera's page; a tap leads back to who asked."""
        look = self._services.looks.get(look_id)
        if look is None:
            raise NotPayable("unknown")
        if request.method == "POST":
            back = safe_back(self._services.decide(look_id, passed=request.form.get("act") == "pass"))
            return lead_to(back or "/phone")
        return self._page(request, "face.html", {"operation": look.operation})

    def _dial(self, request: Request) -> Answer:
        return self._page(request, "dial.html", dial_view(self._phone, words(request.language)))

    def _turn(self, request: Request) -> Answer:
        form = request.form
        if form.get("act") == "clear":
            self._phone.dial.clear()
            return lead_to("/phone/dial")
        try:
            fault = Fault(
                point=form.get("point", ""),  # type: ignore[arg-type] # the dial judges it.
                kind=form.get("kind", ""),
                channel=form.get("channel", "") if form.get("channel", "") in self._phone.stations else "",
                code=form.get("code", "") or "SYSTEM_ERROR",
                times=_whole(form.get("times", "1")),
                seconds=_whole(form.get("seconds", "10")),
            )
            self._phone.dial.set(fault)
        except (BadFault, ValueError):
            raise NotPayable("form") from None
        return lead_to("/phone/dial")

    def _sorry(self, request: Request, word: str, status: int = 409, kind: str = "") -> Answer:
        texts: Words = words(request.language, kind)
        why = texts.get(f"e_{word}") or texts.e_unknown
        view = {"title": texts.not_title, "tone": "lost", "badge": "×", "amount": "", "lines": [why], "note": ""}
        known = 404 if word == "unknown" else 400 if word == "form" and status == 409 else status
        back = safe_back(request.parameters.get("back", "") or request.parameters.get("redirect_url", ""))
        return self._page(request, "told.html", view | {"facts": [], "back": back, "again": ""}, known, kind)

    def _page(self, request: Request, template: str, view: dict[str, Any], status: int = 200, kind: str = "") -> Answer:
        texts = words(request.language, kind)
        kept = {name: value for name, value in request.parameters.items() if name != "lang"}
        language_query = urlencode(kept | {"lang": texts.other})
        body = self._templates.get_template(template).render(t=texts, lang_query=language_query, **view)
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
