"""The doors of the desk: every one with every role, codes that open once, foreign forms, what is proved anew for money."""

import inspect
import re
from functools import partial
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from tests.web.console.conftest import Colleague, Hire
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang import clock, ids
from daozhang.identity.roles import PERMISSIONS, ROLES, may
from daozhang.web.console.access import OPEN
from daozhang.web.console.doors import HANDLERS
from daozhang.web.console.services import DemoLogin
from daozhang.web.doors import make_app

GHOST = ids.text26(ids.new_id())
FILLED = {
    "shown:str": f"RC-{GHOST}", "user_id:int": "999999", "number:int": "1", "row_id:int": "999999",
    **{f"{name}:uuid": str(ids.new_id()) for name in ("evidence", "proposal", "payout", "anomaly", "alarm", "suspicion")},
}  # fmt: skip


def doors() -> list[tuple[str, str, str]]:
    """Every door: method, path with its holes filled, permission."""
    found = []
    for handler in HANDLERS:
        assert isinstance(handler, HTTPRouteHandler)
        for path in handler.paths or ["/"]:
            for method in handler.http_methods - {"HEAD", "OPTIONS"}:
                filled = re.sub(r"\{([^}]+)\}", lambda hole: FILLED[hole[1]], path)
                found.append((method, f"/desk{filled}".rstrip("/"), handler.opt.get("may", "")))
    return sorted(found)


def test_every_door_names_a_permission_of_the_table() -> None:
    assert {permission for _, _, permission in doors()} <= {OPEN, *PERMISSIONS}
    asked_inside = {"evidence.identity", "evidence.receipt", "order.log", "case.confirm"}
    assert set(PERMISSIONS) - {permission for _, _, permission in doors()} <= asked_inside


def test_every_deed_at_the_desk_is_a_line_of_the_trail() -> None:
    """Each door that takes a form writes its line itself, or hands the deed to a function of its file that does."""
    silent = []
    for handler in HANDLERS:
        assert isinstance(handler, HTTPRouteHandler)
        if "POST" in handler.http_methods:
            source, room = inspect.getsource(handler.fn), vars(inspect.getmodule(handler.fn))
            handed = {room[name] for name in re.findall(r"\b(_[a-z_]+)\(", source) if callable(room.get(name))}
            if "doing(" not in "".join([source, *map(inspect.getsource, handed)]):
                silent.append(sorted(handler.paths))
    assert silent == []


@pytest.mark.parametrize("role", ROLES)
async def test_az_02_each_door_opens_for_the_roles_of_the_table_and_for_nobody_else(hire: Hire, stage: Stage, role: str) -> None:
    someone = await hire("someone", role)
    token = await someone.browser.token("/desk/again")
    wrong = []
    for method, path, permission in doors():
        if path in ("/desk/logout", "/desk/login"):
            continue
        answer = await (someone.get(path) if method == "GET" else someone.browser.post(path, {"csrf": token}))
        refused = answer.status_code == 403 and "staff.forbidden" in answer.text
        if answer.status_code == 500 or refused == may([role], permission):
            wrong.append((method, path, permission, answer.status_code))
    assert wrong == []


async def test_az_02_without_a_login_every_door_leads_to_the_login(shop_app: Any, buyer: Browser) -> None:
    """A buyer's session is no session of the desk."""
    for who in (Browser(shop_app), buyer):
        for method, path, permission in doors():
            if permission != OPEN:
                answer = await (who.get(path) if method == "GET" else who.post(path, {}))
                assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/desk/login"), path


async def test_az_09_no_form_of_another_site_or_another_session_is_taken(hire: Hire, stage: Stage) -> None:
    ann, ben = await hire("ann", "owner", "aml"), await hire("ben", "owner", "aml")
    other = await ben.browser.token("/desk/again")
    for method, path, _ in doors():
        if method != "POST" or path == "/desk/login":
            continue
        for sent in ({}, {"csrf": "0" * 64}, {"csrf": other}):
            answer = await ann.browser.post(path, sent)
            assert answer.status_code in (403, 409) or "operation.form_stale" in answer.text, (path, answer.status_code)
        token = await ann.browser.token("/desk/again")
        answer = await ann.browser.post(path, {"csrf": token}, origin="https://evil.example")
        assert "operation.form_foreign" in answer.text, path
        answer = await ann.browser.post(path, body=b'{"csrf": "x"}', content_type="text/plain")
        assert "operation.form_malformed" in answer.text, path
    assert (await ann.get("/desk")).status_code == 200


async def test_az_01_a_case_or_order_that_is_not_there_reads_alike_for_every_number(hire: Hire, stage: Stage) -> None:
    ann = await hire("ann", "owner")
    for path in (
        f"/desk/orders/RC-{GHOST}",
        "/desk/orders/RC-1",
        f"/desk/cases/CA-{GHOST}",
        "/desk/cases/CA-x",
        "/desk/users/999999",
    ):
        assert (await ann.get(path)).status_code == 404, path


async def test_three_things_open_the_desk_and_a_code_opens_once(hire: Hire, stage: Stage) -> None:
    ann = await hire("ann", "support", form=True)
    papers, code = ann.papers, ann.code()
    for name, password, given in (("ann", "wrong", code), ("ann", papers.password, "000000"), ("nobody", papers.password, code)):
        answer = await ann.do("/desk/login", "/desk/login", name=name, password=password, code=given)
        assert (answer.status_code, "is not right" in answer.text) == (422, True)
        assert papers.password not in answer.text
    answer = await ann.do("/desk/login", "/desk/login", name=" ANN ", password=papers.password, code=code, next="/desk/audit")
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/audit")
    assert (await ann.get("/desk")).status_code == 200
    thief = Colleague(Browser(ann.browser.app, ip="203.0.113.77"), papers)
    answer = await thief.do("/desk/login", "/desk/login", name="ann", password=papers.password, code=code)
    assert answer.status_code == 422, "a code that was used opens nothing"
    assert (await ann.do("/desk", "/desk/logout")).headers["location"] == "/desk/login"
    assert (await ann.get("/desk")).headers["location"].startswith("/desk/login")


async def test_az_08_the_desks_cookie_is_its_own_strict_and_ends_with_the_person(hire: Hire, stage: Stage) -> None:
    ann = await hire("ann", "support", form=True)
    answer = await ann.do("/desk/login", "/desk/login", name="ann", password=ann.papers.password, code=ann.code())
    (line,) = [each for each in answer.headers.get_list("set-cookie") if "desk" in each]
    assert line.startswith("__Host-dz_desk=")
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= {part.strip().lower() for part in line.split(";")}
    assert (await ann.get("/me")).headers["location"].startswith("/login"), "the desk's session is no buyer's"
    console = stage.house.console
    assert console is not None
    await console.staff.add(1, "boss", ("owner",), "test")
    await console.staff.enable(1, "ann", active=False)
    assert (await ann.get("/desk")).headers["location"].startswith("/desk/login")


async def test_what_moves_money_asks_for_the_code_again_after_ten_minutes(hire: Hire, stage: Stage, free_clock: None) -> None:
    ann = await hire("ann", "finance")
    assert (await ann.get("/desk/payouts")).status_code == 200
    await stage.shop.later(601)
    answer = await ann.do(
        "/desk/payouts", "/desk/payouts", order="RC-1", amount="1", name="x", bank="xx", number="123456", why="because"
    )
    assert answer.headers["location"].startswith("/desk/again")
    assert (await ann.do("/desk/again", "/desk/again", code="000000")).status_code == 422
    answer = await ann.do("/desk/again", "/desk/again", code=ann.code(), next="/desk/payouts")
    assert answer.headers["location"] == "/desk/payouts"
    answer = await ann.do(
        "/desk/payouts", "/desk/payouts", order="RC-1", amount="1", name="x", bank="xx", number="123456", why="because"
    )
    assert answer.status_code == 404
    clock.shift(0)


async def test_a_role_that_was_taken_away_is_gone_at_the_next_page(hire: Hire, stage: Stage) -> None:
    await hire("boss", "owner")
    ann = await hire("ann", "risk", "support")
    assert (await ann.get("/desk/rules")).status_code == 200
    console = stage.house.console
    assert console is not None
    await console.staff.give_roles(1, "ann", ("support",), "test")
    assert (await ann.get("/desk/rules")).status_code == 403


async def test_az_10_the_way_on_after_logging_in_stays_at_the_desk(hire: Hire, stage: Stage) -> None:
    ann = await hire("ann", "support")
    for evil in ("https://evil.example", "//evil.example", "/\\evil", "/orders", "/desk/logout", "javascript:alert(1)"):
        answer = await ann.do("/desk/again", "/desk/again", code="1", next=evil)
        assert 'value="/desk"' in answer.text, evil


async def test_az_11_nobody_is_staff_before_the_operator_says_so(stage: Stage, shop_app: Any) -> None:
    assert await stage.house.database.value("select count(*) from staff") == 0
    browser = Browser(shop_app)
    for name in ("admin", "owner", "root"):
        answer = await browser.submit("/desk/login", "/desk/login", name=name, password=name, code="000000")
        assert answer.status_code == 422


def test_a_house_without_a_desk_has_no_doors_to_it(stage: Stage) -> None:
    bare = type(stage.house)(**{**{f: getattr(stage.house, f) for f in stage.house.__dataclass_fields__}, "console": None})
    assert make_app(bare) is not None


async def test_only_a_demo_shows_logins_and_codes_and_they_open(hire: Hire, stage: Stage) -> None:
    ann = await hire("ann", "owner", form=True)
    assert "Demo logins" not in (await ann.get("/desk/login")).text
    console = stage.house.console
    assert console is not None
    console.demo_logins = [DemoLogin("ann", ann.papers.password, "owner")]
    console.demo_code = partial(console.staff.code, 1)
    page = (await ann.get("/desk/login")).text
    found = re.search(r'data-label="Code"><code class="code">(\d{6})<', page)
    assert found is not None
    answer = await ann.do("/desk/login", "/desk/login", name="ann", password=ann.papers.password, code=found[1])
    assert answer.headers["location"] == "/desk"


async def test_a_frozen_user_reads_the_office_and_never_the_person(hire: Hire, stage: Stage, buyer: Browser) -> None:
    rui = await hire("rui", "risk")
    await stage.house.identity.freeze(stage.shop.user_id, actor=rui.actor, reason="risk_review", note="secret note", office="law")
    for path in ("/me", "/why"):
        page = (await buyer.get(path)).text
        assert "the legal office" in page, path
        assert "rui" not in page
        assert "secret note" not in page
