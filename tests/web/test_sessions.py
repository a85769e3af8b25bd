"""Registering, logging in, leaving and the page about oneself, through the real doors."""

import re
from collections.abc import AsyncIterator
from dataclasses import MISSING, fields
from dataclasses import replace as put
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from msgspec.structs import replace

from daozhang.identity import BUCKETS, Bucket, Hasher, Identity, Limiter, Visitor
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.vault import Vault
from daozhang.web.doors import make_app
from daozhang.web.house import House
from daozhang.web.sessions import after_login, safe_next

PHONE, PASSWORD = "13800138000", "correct horse 7 battery"
ORIGIN = "http://127.0.0.1:8420"


class Browser:
    """Keeps cookies as a browser would, and sends what a browser sends."""

    def __init__(self, app: Any, *, origin: str = ORIGIN, ip: str = "203.0.113.9", language: str = "en") -> None:
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(ip, 5000)), base_url=origin)
        self.http.headers.update({"accept": "text/html", "accept-language": language})
        self.jar: dict[str, str] = {}
        self.app = app
        self.origin = origin

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return self._keep(
            await self.http.get(
                path, headers=[(k.encode(), v.encode("latin-1")) for k, v in ({"cookie": self.cookies()} | headers).items()]
            )
        )

    async def post(
        self, path: str, fields: dict[str, str] | None = None, body: bytes | None = None, **headers: str
    ) -> httpx.Response:
        sent = {
            "cookie": self.cookies(),
            "origin": self.origin,
            "sec-fetch-site": "same-origin",
            "content-type": "application/x-www-form-urlencoded",
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = urlencode(fields or {}).encode() if body is None else body
        return self._keep(await self.http.post(path, content=content, headers={k: v for k, v in sent.items() if v}))

    async def token(self, path: str) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', (await self.get(path)).text)
        assert found is not None
        return found[1]

    async def submit(self, page: str, path: str, **fields: str) -> httpx.Response:
        return await self.post(path, {"csrf": await self.token(page), **fields})

    async def login(self, phone: str = PHONE, password: str = PASSWORD, **fields: str) -> httpx.Response:
        return await self.submit("/login", "/login", phone=phone, password=password, **fields)

    def cookies(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.jar.items())

    def _keep(self, response: httpx.Response) -> httpx.Response:
        for line in response.headers.get_list("set-cookie"):
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            if "max-age=0" in attributes.lower():
                self.jar.pop(name, None)
            else:
                self.jar[name] = value.strip('"')
        return response


@pytest.fixture
async def house(database: Database, settings: Settings) -> AsyncIterator[House]:
    vault = await Vault.open(database, settings)
    limiter, hasher = Limiter(database), Hasher(memory_kib=256, passes=1)
    identity = Identity(database, vault, limiter, hasher)
    await identity.register(1, PHONE, PASSWORD, Visitor("192.0.2.1", "192.0.2.0/24"))
    given = {"settings": settings, "database": database, "identity": identity, "limiter": limiter}
    needed = [each.name for each in fields(House) if each.default is MISSING and each.default_factory is MISSING]
    yield House(**dict.fromkeys(needed) | given)  # type: ignore[arg-type]
    hasher.close()


@pytest.fixture
def app(house: House) -> Any:
    return make_app(house)


@pytest.fixture
def browser(app: Any) -> Browser:
    return Browser(app)


async def test_a_newcomer_registers_logs_in_and_leaves(browser: Browser) -> None:
    answer = await browser.submit("/register", "/register", phone="137 1234 5678", password="tea at four by the river")
    assert answer.status_code == 200
    assert 'value="137 1234 5678"' in answer.text
    assert "tea at four" not in answer.text
    answer = await browser.login("13712345678", "tea at four by the river")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    page = await browser.get("/me")
    assert page.status_code == 200
    assert "137****5678" in page.text
    assert "13712345678" not in page.text
    assert (await browser.submit("/me", "/logout")).headers["location"] == "/login"
    assert (await browser.get("/me")).headers["location"] == "/login?next=/me"


async def test_az_07_registering_a_known_number_answers_byte_for_byte_alike(app: Any, house: House) -> None:
    answers = []
    for phone in ("13712345678", PHONE):
        browser = Browser(app)
        before = house.identity.hasher.done_count
        answer = await browser.submit("/register", "/register", phone=phone, password="tea at four by the river")
        text = re.sub(r"[0-9a-f]{64}", "TOKEN", answer.text.replace(phone, "NUMBER"))
        answers.append((answer.status_code, text, sorted(answer.headers), house.identity.hasher.done_count - before))
    assert answers[0] == answers[1]
    assert answers[0][3] == 1


async def test_az_07_a_wrong_login_answers_byte_for_byte_alike(app: Any, house: House) -> None:
    answers = []
    for phone in ("13712345678", PHONE):
        browser, told = Browser(app, ip=f"198.51.{len(answers)}.7"), []
        before = house.identity.hasher.done_count
        for _ in range(6):
            answer = await browser.login(phone, "not the password")
            text = re.sub(r"[0-9a-f]{64}", "TOKEN", answer.text.replace(phone, "NUMBER"))
            told.append((answer.status_code, re.sub(r"1[45] min( \d+ s)?", "WAIT", text)))
        answers.append((told, house.identity.hasher.done_count - before))
    assert answers[0] == answers[1]
    assert [status for status, _ in answers[0][0]] == [401] * 4 + [429] * 2


async def test_az_08_cookies_cannot_be_read_planted_or_sent_from_elsewhere(browser: Browser) -> None:
    page = await browser.get("/login")
    answer = await browser.login()
    lines = page.headers.get_list("set-cookie") + answer.headers.get_list("set-cookie")
    assert len(lines) >= 4
    for line in lines:
        assert line.startswith("__Host-dz_")
        attributes = {part.strip().lower() for part in line.split(";")[1:]}
        assert {"httponly", "secure", "samesite=lax", "path=/"} <= attributes
        assert not any(part.startswith("domain") for part in attributes)
    assert answer.headers["cache-control"] == "no-store"


async def test_az_08_a_planted_session_is_not_the_one_that_logs_in(app: Any, browser: Browser) -> None:
    attacker = Browser(app, ip="198.51.100.7")
    await attacker.submit("/register", "/register", phone="13712345678", password="tea at four by the river")
    await attacker.login("13712345678", "tea at four by the river")
    planted = attacker.jar["__Host-dz_session"]
    token = await browser.token("/login")
    browser.jar["__Host-dz_session"] = planted
    answer = await browser.post("/login", {"csrf": token, "phone": PHONE, "password": PASSWORD})
    assert answer.status_code == 303
    assert browser.jar["__Host-dz_session"] != planted
    assert (await attacker.get("/me")).status_code == 303


async def test_az_08_a_copied_cookie_dies_with_the_logout(app: Any, browser: Browser) -> None:
    await browser.login()
    thief = Browser(app, ip="198.51.100.7")
    thief.jar = dict(browser.jar)
    assert (await thief.get("/me")).status_code == 200
    await browser.submit("/me", "/logout")
    assert (await thief.get("/me")).status_code == 303


async def test_az_08_changing_the_password_ends_the_others(app: Any, browser: Browser) -> None:
    other = Browser(app, ip="198.51.100.7")
    await other.login()
    await browser.login()
    before = browser.jar["__Host-dz_session"]
    wrong = await browser.submit("/me", "/me/password", old="not it", password="a fresh new phrase")
    assert wrong.status_code == 401
    short = await browser.submit("/me", "/me/password", old=PASSWORD, password="short")
    assert short.status_code == 422
    answer = await browser.submit("/me", "/me/password", old=PASSWORD, password="a fresh new phrase")
    assert answer.headers["location"] == "/me?done=password"
    assert browser.jar["__Host-dz_session"] != before
    assert (await browser.get("/me?done=password")).status_code == 200
    assert (await other.get("/me")).status_code == 303


async def test_az_01_a_session_of_somebody_else_cannot_be_ended(app: Any, house: House, browser: Browser) -> None:
    other = Browser(app, ip="198.51.100.7")
    await other.submit("/register", "/register", phone="13712345678", password="tea at four by the river")
    await other.login("13712345678", "tea at four by the river")
    await browser.login()
    victim = await house.identity.session(other.jar["__Host-dz_session"])
    assert victim is not None
    assert (await browser.submit("/me", f"/me/sessions/{victim.id}/end")).status_code == 404
    assert (await other.get("/me")).status_code == 200
    for path in ("/me/sessions/not-a-uuid/end", "/me/sessions/1/end"):
        assert (await browser.submit("/me", path)).status_code == 404


async def test_az_01_nothing_about_oneself_is_shown_to_nobody(app: Any) -> None:
    nobody = Browser(app)
    assert (await nobody.get("/me")).headers["location"] == "/login?next=/me"
    for path in FORMS[3:]:
        answer = await nobody.post(path, {"csrf": await nobody.token("/login")})
        assert answer.headers["location"] == "/login?next=/"
        answer = await nobody.post(path, {}, accept="application/json")
        assert answer.status_code == 401
        assert answer.json()["code"] == "account.login_required"


async def test_one_session_or_all_the_others_can_be_ended(app: Any, house: House, browser: Browser) -> None:
    others = [Browser(app, ip=f"198.51.{n}.7") for n in range(3)]
    for other in others:
        await other.login()
    await browser.login()
    first = await house.identity.session(others[0].jar["__Host-dz_session"])
    assert first is not None
    assert (await browser.submit("/me", f"/me/sessions/{first.id}/end")).headers["location"] == "/me?done=ended"
    assert [(await other.get("/me")).status_code for other in others] == [303, 200, 200]
    assert (await browser.submit("/me", "/me/sessions/end-others")).headers["location"] == "/me?done=others"
    assert [(await other.get("/me")).status_code for other in others] == [303, 303, 303]
    assert (await browser.get("/me")).status_code == 200


async def test_az_04_a_frozen_user_may_look_and_is_told_why(house: House, browser: Browser) -> None:
    await browser.login()
    user_id = await house.identity.find(1, PHONE)
    assert user_id is not None
    await house.identity.freeze(user_id, actor="staff:1", reason="risk_review")
    page = await browser.get("/me")
    assert page.status_code == 200
    assert "The account is frozen" in page.text
    assert "risk_review" not in page.text


async def test_az_04_a_closed_user_is_out_at_once(house: House, browser: Browser) -> None:
    await browser.login()
    user_id = await house.identity.find(1, PHONE)
    assert user_id is not None
    await house.identity.close(user_id, actor="user", reason="own_wish")
    assert (await browser.get("/me")).status_code == 303
    assert (await browser.login()).status_code == 403


FORMS = (
    "/login",
    "/register",
    "/logout",
    "/me/password",
    "/me/sessions/end-others",
    "/me/sessions/019344d0-0000-7000-8000-000000000000/end",
)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"origin": "https://evil.example"}, "operation.form_foreign"),
        ({"origin": "null"}, "operation.form_foreign"),
        ({"origin": "http://127.0.0.1:8421"}, "operation.form_foreign"),
        ({"origin": "https://127.0.0.1:8420"}, "operation.form_foreign"),
        ({"origin": "", "sec_fetch_site": "cross-site"}, "operation.form_foreign"),
        ({"origin": "", "sec_fetch_site": "same-site"}, "operation.form_foreign"),
        ({"content_type": "text/plain"}, "operation.form_malformed"),
        ({"content_type": "application/json"}, "operation.form_malformed"),
        ({"content_type": "multipart/form-data; boundary=x"}, "operation.form_malformed"),
        ({}, "operation.form_stale"),
    ],
)
async def test_az_09_no_form_is_taken_from_elsewhere(browser: Browser, headers: dict[str, str], code: str) -> None:
    await browser.login()
    token = "0" * 64 if code == "operation.form_stale" else await browser.token("/me")
    for path in FORMS:
        fields = {"csrf": token, "phone": PHONE, "password": PASSWORD, "old": PASSWORD}
        answer = await browser.post(path, fields, accept="application/problem+json", **headers)
        assert (answer.status_code, answer.json()["code"]) == (400 if "malformed" in code else 403, code), path
    assert (await browser.get("/me")).status_code == 200


async def test_az_09_a_token_of_another_session_does_not_hold(app: Any, browser: Browser) -> None:
    attacker = Browser(app, ip="198.51.100.7")
    stolen = await attacker.token("/login")
    await browser.login()
    for token in ("", stolen, stolen.upper(), "é" * 64):
        answer = await browser.post("/logout", {"csrf": token})
        assert answer.status_code == 403
    assert (await browser.get("/me")).status_code == 200


async def test_az_09_a_stale_login_form_is_shown_again_with_the_number_kept(browser: Browser) -> None:
    await browser.get("/login")
    answer = await browser.post("/login", {"csrf": "0" * 64, "phone": PHONE, "password": PASSWORD})
    assert answer.status_code == 403
    assert f'value="{PHONE}"' in answer.text
    assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "/\\evil.example", "\\evil.example", "\\\\evil.example", "javascript:alert(1)", "https://evil.example/",
        "http:evil.example", " //evil.example", "/\t/evil.example", "/\n/evil.example", "///evil.example", "evil.example", "", "/ü",
        "/a b", "/x\r\nset-cookie: a=b", "/" + "a" * 600, "data:text/html,x", "@evil.example", "?next=x", "#x", "/%0d%0a\\x",
    ],
)  # fmt: skip
async def test_az_10_a_login_leads_only_to_our_own_pages(browser: Browser, target: str) -> None:
    assert safe_next(target) == "/"
    answer = await browser.login(next=target)
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "target", ["/", "/wallet", "/orders/RC-0123456789ABCDEFGHJKMNPQRS", "/recharge?amount=50&x=%2f%2fevil", "/a//b"]
)
def test_az_10_our_own_pages_are_kept(target: str) -> None:
    assert after_login(target) == target


@pytest.mark.parametrize("target", ["/login", "/login?next=/x", "/logout", "/register"])
def test_az_10_nobody_is_sent_round_in_a_circle(target: str) -> None:
    assert after_login(target) == "/"
    assert safe_next(target) == target


async def test_a_login_goes_on_to_where_it_was_asked(browser: Browser) -> None:
    page = await browser.get("/login?next=/orders?x=1")
    assert 'name="next" value="/orders?x=1"' in page.text
    assert (await browser.login(next="/orders?x=1")).headers["location"] == "/orders?x=1"
    assert (await browser.get("/login?next=/wallet")).headers["location"] == "/wallet"


async def test_plain_http_on_a_public_name_is_refused_with_its_reason(app: Any) -> None:
    public = Browser(app, origin="http://shop.example")
    for answer in (
        await public.get("/login"),
        await public.get("/register"),
        await public.post("/login", {"phone": PHONE, "password": PASSWORD}),
        await public.post("/register", {"phone": PHONE, "password": PASSWORD}),
    ):
        assert answer.status_code == 403
        assert answer.headers.get_list("set-cookie") == []
    answer = await public.get("/login", accept="application/json")
    assert answer.json()["code"] == "platform.insecure_http"


async def test_insecure_http_allowed_uses_a_cookie_without_the_prefix(house: House) -> None:
    public = Browser(make_app(put(house, settings=replace(house.settings, insecure_http=True))), origin="http://shop.example")
    answer = await public.login()
    assert answer.status_code == 303
    assert set(public.jar) == {"dz_session", "dz_device"}
    assert not any("secure" in line.lower().replace("insecure", "") for line in answer.headers.get_list("set-cookie"))
    assert (await public.get("/me")).status_code == 200


async def test_https_behind_a_trusted_proxy_uses_the_prefix_and_the_clients_address(house: House) -> None:
    app = make_app(put(house, settings=replace(house.settings, trusted_proxies=("10.0.0.0/8",))))
    proxied = Browser(app, origin="http://shop.example", ip="10.0.0.1")
    proxied.http.headers.update({"x-forwarded-proto": "https", "x-forwarded-for": "6.6.6.6, 198.51.100.77"})
    proxied.origin = "https://shop.example"
    assert (await proxied.login()).status_code == 303
    assert "__Host-dz_session" in proxied.jar
    assert "198.51.100.77" in (await proxied.get("/me")).text


async def test_az_11_no_debug_page_and_no_trace_of_the_inside(browser: Browser) -> None:
    for path in (
        "/docs",
        "/schema",
        "/openapi.json",
        "/.git/config",
        "/debug",
        "/admin",
        "/console",
        "/server-status",
        "/metrics",
        "/.env",
    ):
        answer = await browser.get(path)
        assert answer.status_code == 404, path
        for secret in ("Traceback", "select ", ".py", "/src/", "itestar"):
            assert secret not in answer.text, path


async def test_in_11_hostile_forms_are_refused_and_never_a_fault(browser: Browser) -> None:
    token = await browser.token("/login")
    bodies = [
        b"\xff\xfe", b"phone=%ff&password=x", b"phone=a&phone=b", b"&".join(b"a%d=1" % n for n in range(200)),
        b"phone=" + b"1" * 70_000, b"phone=%00", b"csrf=" + token.encode() + b"&phone=%F0%9F%8E%8B&password=x",
    ]  # fmt: skip
    for body in bodies:
        answer = await browser.post("/login", body=body)
        assert 400 <= answer.status_code < 500, body[:40]
    for cookie in (
        "__Host-dz_session=" + "A" * 43,
        "__Host-dz_session=é",
        "__Host-dz_session=" + "x" * 5_000,
        "=;=;;",
        "a=" * 3_000,
    ):
        answer = await browser.get("/me", cookie=cookie)
        assert answer.status_code == 303, cookie[:40]


async def test_in_01_a_hostile_user_agent_is_only_text(browser: Browser) -> None:
    browser.http.headers["user-agent"] = "<script>alert(1)</script>"
    await browser.login()
    page = await browser.get("/me")
    assert "<script>alert" not in page.text
    assert page.status_code == 200


async def test_a_flood_of_logins_is_told_to_wait(app: Any, house: House) -> None:
    browser, room = Browser(app), int(BUCKETS["login.network"].capacity)
    # Nothing comes back meanwhile, however slow the machine is.
    house.limiter.buckets = {**BUCKETS, "login.network": Bucket(room, 1 / 3_600)}
    token = await browser.token("/login")
    numbers = (f"1371234{n:04}" for n in range(room + 2))
    answers = [await browser.post("/login", {"csrf": token, "phone": number, "password": "x"}) for number in numbers]
    assert [answer.status_code for answer in answers] == [401] * room + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
