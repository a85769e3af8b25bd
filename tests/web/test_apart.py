"""Who may speak for whom: a session of one shop is none at another, and no header takes a session's place."""

from typing import Any

import pytest
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang.postgres import Database


@pytest.fixture
async def other(stage: Stage, owner_database: Database, shop_app: Any) -> Browser:
    """A browser at another shop of the same house, without cookies of its own."""
    await owner_database.transact(
        lambda tx: tx.run("insert into shops (name, host, created_at) values ('other', 'other.localhost', clock_now())")
    )
    stage.house.identity._shops = (0.0, [])
    return Browser(shop_app, origin="http://other.localhost:8420", ip="198.51.100.7")


async def test_az_13_a_session_of_one_shop_opens_nothing_at_another(stage: Stage, buyer: Browser, other: Browser) -> None:
    """Even where the very cookies are carried over, which no browser does."""
    placed = await stage.shop.place()
    other.jar = dict(buyer.jar)
    for path in ("/me", "/wallet", f"/orders/{placed.shown}", f"/orders/{placed.shown}/state", "/cases", "/orders"):
        assert (await buyer.get(path)).status_code == 200, path
        answer = await other.get(path)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login"), path
    token = await buyer.token("/me")
    answer = await other.post(f"/orders/{placed.shown}/cancel", {"csrf": token})
    assert answer.status_code in {303, 403}
    assert (await stage.shop.order(placed.id)).state == "awaiting_payment"
    asked = await other.post(
        "/v1/preflight", body=b'{"amount": "50.00"}', content_type="application/json", accept="application/json"
    )
    assert (asked.status_code, asked.json()["code"]) == (401, "account.login_required")


async def test_az_13_numbers_and_passwords_belong_to_one_shop(stage: Stage, buyer: Browser, other: Browser) -> None:
    from tests.web.stage import PASSWORD, PHONE  # noqa: PLC0415 - told where it is used

    assert (await other.login(PHONE, PASSWORD)).status_code == 401
    assert (await other.submit("/register", "/register", phone=PHONE, password="tea at four by the river")).status_code == 200
    assert (await other.login(PHONE, "tea at four by the river")).status_code == 303
    assert (await buyer.get("/me")).status_code == 200, "and here nothing changed"
    assert await stage.house.database.value("select count(*) from users") == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer 1"},
        {"authorization": "Basic YWRtaW46YWRtaW4="},
        {"authorization": 'WECHATPAY2-SHA256-RSA2048 mchid="1",nonce_str="1",signature="1",timestamp="1",serial_no="1"'},
        {"x-api-key": "1"},
        {"x-user-id": "1"},
        {"x-signature": "1", "x-timestamp": "0", "x-nonce": "1"},
        {"cookie": "__Host-dz_session=" + "A" * 43},
        {"cookie": "dz_session=" + "A" * 43},
    ],
)
async def test_az_12_az_13_no_header_takes_the_place_of_a_session(
    stage: Stage, buyer: Browser, shop_app: Any, headers: dict[str, str]
) -> None:
    """There is no key and no signature of ours that a program could bring: whoever brings one is nobody."""
    placed = await stage.shop.place()
    del buyer
    nobody = Browser(shop_app, ip="198.51.100.7")
    for path in ("/me", "/wallet", f"/orders/{placed.shown}", f"/orders/{placed.shown}/state"):
        assert (await nobody.get(path, accept="application/json", **headers)).status_code == 401, path
    asked = await nobody.post(
        "/v1/preflight", body=b'{"amount": "50.00"}', content_type="application/json", accept="application/json", **headers
    )
    assert asked.status_code == 401
    desk = await nobody.get("/desk", **headers)
    assert (desk.status_code, desk.headers["location"].partition("?")[0]) == (303, "/desk/login")
