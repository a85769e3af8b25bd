"""A true signature in the wrong place: another moment, another body, another door, another clock."""

import pytest
from tests.flows.knocks import Message, book, kept, knock, payment, post, sealed, signed, told
from tests.flows.shop import Shop
from tests.flows.test_forged import Generous

from daozhang import clock


@pytest.fixture
async def number(stall: Shop) -> str:
    """An order that waits for its payment."""
    stall.program.asgi._limiter = Generous()  # type: ignore[attr-defined]
    return await stall.number((await stall.place(100)).id)


async def test_az_12_the_seal_of_one_message_holds_no_other(stall: Shop, number: str) -> None:
    """Signature, nonce and moment of a true message, over another body; and each of the three changed."""
    database, enrolment = stall.program.database, stall.enrolment
    true, other = payment(enrolment, number, 100), sealed(enrolment, told(enrolment, number, 100_000))
    before, junk = await book(database), len(await kept(database))
    changed = [
        Message(true.headers, other),
        Message(true.headers, true.body + b" "),
        Message(true.headers | {"Wechatpay-Nonce": "another"}, true.body),
        Message(true.headers | {"Wechatpay-Timestamp": str(int(clock.now_s()) + 1)}, true.body),
        Message(true.headers | {"Wechatpay-Signature": payment(enrolment, number).headers["Wechatpay-Signature"]}, true.body),
    ]
    for message in changed:
        assert (await knock(stall, message)).status == 401
    assert len(await kept(database)) == junk + len(changed)
    assert await book(database) == before
    assert (await knock(stall, true)).status == 204, "the true one is none the worse for it"


async def test_az_12_a_nonce_that_was_used_pays_nothing_again(stall: Shop, number: str) -> None:
    true = payment(stall.enrolment, number, 100)
    assert (await knock(stall, true)).status == 204
    before = await book(stall.program.database)
    assert (await knock(stall, true)).status == 204, "what we hold is acknowledged, so that it is sent no more"
    assert await book(stall.program.database) == before


async def test_az_12_a_true_message_at_another_door_is_nobodys(stall: Shop, number: str) -> None:
    """The path is no part of what is signed: so every door asks whether the message is its own."""
    database, true = stall.program.database, payment(stall.enrolment, number, 100)
    before = await book(database)
    here = stall.channel_id
    elsewhere = (f"wechatpay/{here + 7}", f"alipay/{here}", f"wechatpay/{here}/", f"wechatpay/0{here}", f"/wechatpay/{here}")
    for path in (*(f"/notify/{each}" for each in elsewhere), f"/NOTIFY/wechatpay/{here}", "/v1/preflight", "/recharge", "/login"):
        heard = await post(f"{stall.url}{path}", true)
        assert 400 <= heard.status < 500, (path, heard)
    assert await book(database) == before


@pytest.mark.parametrize(("skew_s", "held"), [(-290, True), (290, True), (-310, False), (310, False)])
async def test_az_12_clocks_may_differ_by_five_minutes(stall: Shop, number: str, skew_s: int, *, held: bool) -> None:
    body = sealed(stall.enrolment, told(stall.enrolment, number, 100))
    heard = await knock(stall, signed(stall.enrolment, body, age_s=skew_s))
    assert heard.status == (204 if held else 401)
