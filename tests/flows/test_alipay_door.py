"""What knocks at Alipay's door in a whole shop: copies, forgeries, lies that are signed, junk, and money that comes late."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.copies import Copies
from tests.flows.ali import FORM, alipay_stall, knock, paid, place, silenced, station, truth, until
from tests.flows.knocks import book, kept
from tests.flows.shop import Shop
from tests.flows.test_forged import Generous

from daozhang.postgres.supervisor import Supervisor
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment


@pytest.fixture(scope="module")
async def shop(
    server: Supervisor, copies: Copies, enrolment: Enrolment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    settings = Settings(data=tmp_path_factory.mktemp("alipay"), test_mode=True)
    async with alipay_stall(server, copies, enrolment, settings) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def _calm(shop: Shop) -> AsyncIterator[None]:
    yield
    shop.sim.dial.clear()
    await shop.sim.quiet()


async def test_cb_16_the_same_notice_many_times_is_one_payment(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    told = await silenced(shop, order)
    for _ in range(5):
        assert await knock(shop, told) == (200, b"success")
    assert await shop.cash() == before + 5_000


async def test_cb_17_notices_in_parallel_and_a_query_meet_in_one_payment(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    told = await silenced(shop, order)
    heard = await asyncio.gather(*(knock(shop, told) for _ in range(8)), shop.program.desk.look(order.id))
    assert heard[:-1] == [(200, b"success")] * 8
    await shop.reach(order.id, "credited")
    assert await shop.cash() == before + 5_000


async def test_cb_18_a_payment_that_is_told_after_it_was_cancelled_is_money_all_the_same(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    number = await shop.number(order.id)
    shop.sim.phone.leave(number)
    assert (await shop.program.desk.cancel(shop.user_id, order.id)).state == "cancelled"
    ring = next(iter(station(shop).keyrings.values()))
    told = truth(ring.app, number)
    assert await knock(shop, told | {"sign": ring.sign_notice(told), "sign_type": "RSA2"}) == (200, b"success")
    seen = await shop.reach(order.id, "credited")
    assert "late" in seen.anomalies
    assert await shop.cash() == before + 5_000


async def test_cb_20_a_notice_of_a_payment_that_went_back_already_books_nothing_more(shop: Shop) -> None:
    order = await paid(shop)
    number = await shop.number(order.id)
    notice = station(shop).books.notices(number)[0]
    await shop.program.desk.refund(order.id, 5_000, "no longer wanted", "staff:1")
    await shop.sim.quiet()
    cash = await shop.cash()
    assert await knock(shop, station(shop).notices.message(notice)) == (200, b"success")
    assert (await shop.cash(), (await shop.order(order.id)).state) == (cash, "credited")


async def test_cb_27_junk_at_the_door_makes_no_call_to_alipay(shop: Shop) -> None:
    calls = shop.sim.calls["alipay"]
    for n in range(40):
        status, _ = await knock(shop, {"notify_id": str(n), "sign": "eA==", "sign_type": "RSA2", "alipay_cert_sn": f"{n:032x}"})
        assert status >= 400
    assert shop.sim.calls["alipay"] == calls


async def test_cb_24_a_body_that_never_ends_is_cut_off(shop: Shop) -> None:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(
                f"{shop.url}/notify/alipay/{shop.channel_id}", data=b"a=" + b"x" * 1_000_000, headers=FORM
            ) as answer:
                assert answer.status == 413
        except aiohttp.ClientError:
            return


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"total_amount": "5000.00"}, "signature"),
        ({"out_trade_no": "01K9ZZZZZZZZZZZZZZZZZZZZZZ"}, "signature"),
        ({"sign": "eA=="}, "signature"),
        ({"sign_type": "RSA"}, "downgrade"),
        ({"sign": ""}, "unsigned"),
        ({"extra&": "1"}, "malformed"),
    ],
    ids=str,
)
async def test_cb_01_cb_02_a_forged_notice_bounces_and_changes_nothing(shop: Shop, change: dict[str, str], why: str) -> None:
    # How much junk is kept is a test of its own.
    shop.program.asgi._limiter = Generous()  # type: ignore[attr-defined]
    order = await place(shop)
    told = await silenced(shop, order)
    database = shop.program.database
    before = await book(database)
    status, body = await knock(shop, told | change)
    assert (status >= 400, body) == (True, b"fail")
    assert await book(database) == before
    assert (await kept(database))[-1][0].startswith(why)
    # The true one is taken all the same.
    assert await knock(shop, told) == (200, b"success")
    await shop.reach(order.id, "credited")


@pytest.mark.parametrize("trick", ["forge", "tamper", "stale"])
async def test_cb_02_cb_15_a_false_notice_before_the_true_one(shop: Shop, trick: str) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.phone.pay(await shop.number(order.id), trick=trick)
    await shop.reach(order.id, "credited")
    assert await shop.cash() == before + 5_000


@pytest.mark.parametrize("kind", ["other_mchid", "other_appid", "other_currency"])
async def test_cb_08_a_signed_notice_of_somebody_elses_payment_moves_nothing(shop: Shop, kind: str) -> None:
    before = await shop.cash()
    order = await place(shop)
    number = await shop.number(order.id)
    shop.sim.fault("notice", kind, number=number)
    shop.sim.phone.pay(number)
    await shop.sim.quiet()
    assert (await shop.order(order.id)).state == "awaiting_payment"
    assert await shop.cash() == before
    await until(shop, order.id, "credited")


async def test_am_another_amount_in_a_signed_notice_is_kept_apart(shop: Shop) -> None:
    before = await shop.cash()
    order = await place(shop)
    shop.sim.phone.pay(await shop.number(order.id), trick="charged_otherwise", amount_fen=4_999)
    seen = await shop.reach(order.id, "misfit")
    assert (seen.money, await shop.cash()) == ("received", before)


async def test_a_notice_for_another_application_moves_nothing_though_one_key_signs_for_both(shop: Shop) -> None:
    """In certificate mode Alipay signs for all its merchants with one certificate: seller and application decide."""
    order = await place(shop)
    told = await silenced(shop, order)
    ring = next(iter(station(shop).keyrings.values()))
    before = await book(shop.program.database)
    for change in ({"app_id": "2021000000000009"}, {"seller_id": "2088000000000009"}, {"trans_currency": "USD"}):
        lie = {name: value for name, value in (told | change).items() if name not in ("sign", "sign_type")}
        assert await knock(shop, lie | {"sign": ring.sign_notice(lie), "notify_id": told["notify_id"]}) == (200, b"success")
        assert await book(shop.program.database) == before
    assert (await shop.order(order.id)).state == "awaiting_payment"
    await until(shop, order.id, "credited")
