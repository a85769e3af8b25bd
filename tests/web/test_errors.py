"""What a reader sees when something is not done: never a stack trace, SQL or a path; always a reason and a way on."""

from typing import Any

import pytest
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang.postgres import Unavailable
from daozhang.web.guard import POLICY


class Broken:
    """A desk that fails like our own bug, or like a database that is away."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any) -> Any:
            raise self.fault

        return fail


async def test_az_11_our_own_bug_is_told_with_a_number_and_nothing_else(
    buyer: Browser, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    object.__setattr__(stage.house, "desk", Broken(RuntimeError("select secret from /srv/daozhang/x.py")))
    page = await buyer.get("/wallet")
    assert page.status_code == 500
    for leak in ("secret", "select", "/srv", "RuntimeError", "Traceback"):
        assert leak not in page.text
    trace = page.text.partition("data-copy-source>")[2][:26]
    assert trace in caplog.text
    problem = await buyer.get("/wallet", accept="application/json")
    assert problem.headers["content-type"].startswith("application/problem+json")
    assert problem.json()["code"] == "platform.fault"
    assert len(problem.json()["trace"]) == 26


async def test_a_database_that_is_away_is_said_to_be_ours(buyer: Browser, stage: Stage) -> None:
    object.__setattr__(stage.house, "desk", Broken(Unavailable("ConnectionRefusedError")))
    page = await buyer.get("/wallet")
    assert page.status_code == 503
    assert "ConnectionRefused" not in page.text


async def test_who_hangs_up_within_a_form_is_no_fault_of_ours(shop_app: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Strangers would fill the log with traces, and staff would look for a bug."""
    head = [(b"host", b"shop.localhost"), (b"content-type", b"application/x-www-form-urlencoded"), (b"accept", b"text/html")]
    scope = {"type": "http", "method": "POST", "path": "/login", "raw_path": b"/login", "query_string": b"", "headers": head,
             "client": ("192.0.2.9", 1), "server": ("shop.localhost", 80), "scheme": "http", "http_version": "1.1", "root_path": "",
             "asgi": {"version": "3.0"}}  # fmt: skip
    said = iter([{"type": "http.request", "body": b"phone=1", "more_body": True}, {"type": "http.disconnect"}])
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(said)

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    await shop_app(scope, receive, send)
    assert answers[0]["status"] == 400
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


async def test_another_method_is_told_which_would_do(buyer: Browser) -> None:
    asked = (("DELETE", "/login", "GET, HEAD, POST"), ("GET", "/logout", "POST"), ("POST", "/wallet", "GET, HEAD"))
    for method, path, allowed in asked:
        for accept in ("text/html", "application/json"):
            answer = await buyer.http.request(method, path, headers={"accept": accept, "cookie": buyer.cookies()})
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path


async def test_the_type_of_a_problem_is_an_address_that_explains_it(buyer: Browser) -> None:
    problem = (await Browser(buyer.app).get("/wallet", accept="application/json")).json()
    answer = await buyer.get(problem["type"])
    assert (answer.status_code, answer.headers["location"]) == (301, "/help/account.login_required")
    assert (await buyer.get(answer.headers["location"])).status_code == 200
    for other in ("/reasons/no.such", "/reasons/..%2f..%2fetc", "/reasons/%00"):
        assert (await buyer.get(other)).status_code == 404


async def test_every_answer_carries_the_headers_of_the_house(buyer: Browser) -> None:
    for path in ("/recharge", "/nothing-here", "/healthz", "/static/none.css", "/orders/RC-0"):
        headers = (await buyer.get(path)).headers
        assert headers["content-security-policy"] == POLICY, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store", path
        assert headers["x-frame-options"] == "DENY"
    told = dict(part.split(" ", 1) for part in POLICY.split("; "))
    assert {name: told[name] for name in ("default-src", "base-uri", "frame-ancestors")} == {
        "default-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'"
    }  # fmt: skip
    assert {told[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}
    assert "unsafe" not in POLICY


async def test_pages_hold_no_inline_style_or_script(buyer: Browser) -> None:
    for path in ("/recharge", "/wallet", "/orders", "/me", "/nothing-here"):
        text = (await buyer.get(path)).text
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick=" not in text
        assert text.count("<script") == 1, path


async def test_what_the_router_refuses_is_a_page_too(buyer: Browser) -> None:
    lost = await buyer.get("/nothing-here")
    assert (lost.status_code, "There is no such page" in lost.text) == (404, True)
    assert (await buyer.post("/wallet")).status_code == 405
    plain = await buyer.get("/nothing-here", accept="*/*")
    assert plain.headers["content-type"].startswith("application/problem+json")


async def test_az_11_nothing_of_the_workshop_is_open(buyer: Browser) -> None:
    for path in ("/docs", "/schema", "/openapi.json", "/.git/config", "/admin", "/debug", "/metrics", "/static/../pages.py"):
        assert (await buyer.get(path)).status_code == 404, path


async def test_alive_and_ready(buyer: Browser, stage: Stage) -> None:
    assert (await buyer.get("/healthz")).text == "ok"
    assert (await buyer.get("/readyz")).text == "ready"
    head = await buyer.http.request("HEAD", "/healthz")
    assert head.status_code == 200
    stage.house.closing.set()
    assert (await buyer.get("/readyz")).status_code == 503


async def test_az_10_the_language_switch_follows_only_paths_of_this_site(buyer: Browser) -> None:
    answer = await buyer.get("/lang/zh?next=/orders")
    assert answer.headers["location"] == "/orders"
    assert "lang=zh" in answer.headers["set-cookie"]
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/%0d%0aset-cookie:x=1"):
        location = (
            (
                await buyer.get(
                    "/lang/en",
                )
            ).headers["location"]
            if not target
            else None
        )
        location = (await buyer.http.get("/lang/en", params={"next": target})).headers["location"]
        assert location == "/" or location.startswith("/%0d"), target
    assert (await buyer.get("/lang/xx")).status_code == 404
