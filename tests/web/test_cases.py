"""The buyer's cases as pages: asked, answered with a picture, somebody else's not there."""

import re
from typing import Any

import pytest
from tests.cases.test_evidence import picture
from tests.flows.shop import PASSWORD
from tests.web.stage import Stage
from tests.web.test_sessions import Browser

from daozhang.postgres import Database


def multipart(fields: dict[str, str], pictures: list[bytes]) -> tuple[bytes, str]:
    edge = b"x" * 24
    form = b'--%b\r\ncontent-disposition: form-data; name="%b"'
    parts = [form % (edge, name.encode()) + b"\r\n\r\n" + value.encode() + b"\r\n" for name, value in fields.items()]
    for content in pictures:
        head = form % (edge, b"pictures") + b'; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'
        parts.append(head + content + b"\r\n")
    return b"".join(parts) + b"--%b--\r\n" % edge, f"multipart/form-data; boundary={edge.decode()}"


async def frozen(stage: Stage, buyer: Browser) -> str:
    """The address of the case of a frozen buyer who asks for the account."""
    await stage.house.identity.freeze(stage.shop.user_id, actor="staff:1", reason="risk_review")
    page = (await buyer.get("/me")).text
    assert "Ask to get the account back" in page
    assert (await buyer.submit("/me", "/me/unfreeze")).headers["location"] == "/me/unfreeze", "a proof is asked for first"
    answer = await buyer.submit("/me/unfreeze", "/me/unfreeze", password=PASSWORD)
    assert answer.status_code == 303
    return answer.headers["location"]


async def test_a_frozen_buyer_is_asked_answers_with_proof_and_sees_whose_turn_it_is(stage: Stage, buyer: Browser) -> None:
    address = await frozen(stage, buyer)
    page = (await buyer.get(address)).text
    assert "Your turn." in page
    body, kind = multipart({"csrf": await buyer.token(address), "text": "It was me <b>"}, [picture()])
    answer = await buyer.post(f"{address}/answer", body=body, content_type=kind)
    assert (answer.status_code, answer.headers["location"]) == (303, address)
    page = (await buyer.get(address)).text
    assert "Our turn." in page
    assert "It was me &lt;b&gt;" in page
    shown = re.search(rf'href="({address}/evidence/[0-9a-f-]+)"', page)
    assert shown is not None
    proof = await buyer.get(shown[1])
    assert (proof.headers["content-type"], proof.content[:2]) == ("image/jpeg", b"\xff\xd8")
    assert "Waiting for us" in (await buyer.get("/cases")).text


@pytest.mark.usefixtures("services")
async def test_az_14_whoever_changed_the_password_lately_asks_for_a_frozen_account_with_a_code_alone(
    stage: Stage, buyer: Browser, owner_database: Database
) -> None:
    """A thief who is in and has set a password of his own has nothing that is older than himself; the owner has the number."""
    younger = "a kettle sings at dusk 9"
    await owner_database.transact(lambda tx: tx.run("update users set created_at = created_at - interval '30 days'"))
    await buyer.submit("/me", "/me/password", old=PASSWORD, password=younger)
    await stage.house.identity.freeze(stage.shop.user_id, actor="staff:1", reason="risk_review")
    page = (await buyer.get("/me/unfreeze")).text
    assert 'name="password"' not in page
    refused = await buyer.submit("/me/unfreeze", "/me/unfreeze", password=younger)
    assert (refused.status_code, "A code is needed here" in refused.text) == (403, True)
    refused = await buyer.submit("/me/unfreeze", "/me/unfreeze", code="123456")
    assert refused.status_code == 409
    assert await stage.house.cases.of_user(stage.shop.user_id) == []
    await buyer.submit("/me/unfreeze", "/me/unfreeze", send="1")
    message = stage.shop.sim.services.messages[0].text
    found = re.search(r"[0-9]{6}", message)
    assert found is not None
    assert "unfreezing your account" in message or "恢复账户" in message
    answer = await buyer.submit("/me/unfreeze", "/me/unfreeze", code=found[0])
    assert answer.headers["location"].startswith("/cases/CA-")
    assert (await buyer.get("/me/unfreeze")).headers["location"] == answer.headers["location"], "there is one case"


async def test_what_the_law_froze_cannot_be_asked_back_here_and_can_be_appealed(stage: Stage, buyer: Browser) -> None:
    await stage.house.identity.freeze(stage.shop.user_id, actor="staff:1", reason="court_order")
    page = await buyer.get("/me/unfreeze")
    assert (page.status_code, 'name="password"' in page.text) == (403, False)
    assert (await buyer.submit("/me/unfreeze", "/me/unfreeze", password=PASSWORD)).status_code == 403
    assert await stage.house.cases.of_user(stage.shop.user_id) == []
    answer = await buyer.submit("/me/unfreeze", "/why/person")
    assert answer.headers["location"].startswith("/cases/CA-")
    assert [each.kind for each in await stage.house.cases.of_user(stage.shop.user_id)] == ["complaint"]


async def test_what_cannot_be_taken_is_said_and_the_text_stays(stage: Stage, buyer: Browser) -> None:
    address = await frozen(stage, buyer)
    for pictures, words in (([b"no picture"], "no picture we can read"), ([b""], ""), ([picture()] * 5, "Too many pictures")):
        body, kind = multipart({"csrf": await buyer.token(address), "text": "kept words"}, pictures)
        answer = await buyer.post(f"{address}/answer", body=body, content_type=kind)
        if words:
            assert answer.status_code == 422
            assert words in answer.text
    broken = await buyer.post(f"{address}/answer", body=b"x", content_type="multipart/form-data; boundary=q")
    assert broken.status_code in (400, 403, 422)


async def test_az_01_a_case_is_there_for_its_owner_alone(stage: Stage, buyer: Browser, shop_app: Any) -> None:
    address = await frozen(stage, buyer)
    stranger = Browser(shop_app, ip="198.51.100.7")
    await stranger.submit("/register", "/register", phone="13712345678", password="tea at four by the river")
    await stranger.login("13712345678", "tea at four by the river")
    assert (await stranger.get(address)).status_code == 404
    assert (await stranger.submit("/me", f"{address}/withdraw")).status_code == 404
    assert "No cases" in (await stranger.get("/cases")).text


async def test_held_money_shows_its_question_on_the_order(stage: Stage, buyer: Browser) -> None:
    placed = await stage.shop.place()
    await stage.house.identity.freeze(stage.shop.user_id, actor="staff:1", reason="risk_review")
    await stage.shop.pay(placed)
    await stage.shop.reach(placed.id, "held")
    page = (await buyer.get(f"/orders/{placed.shown}")).text
    assert "where this money comes from" in page
    assert "/cases/CA-" in page
