"""True callbacks in every awkward way: again, at once, before we are ready, while the database is away, with our answer lost."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from tests.flows.conftest import proved
from tests.flows.knocks import Message, book, kept, knock, payment, post
from tests.flows.shop import PASSWORD, PHONE, Shop, open_shop
from tests.patience import until

from daozhang import ids
from daozhang.identity import Visitor
from daozhang.postgres import Database
from daozhang.postgres.supervisor import Supervisor
from daozhang.settings import Settings
from daozhang.simulators.merchant import enrol
from daozhang.web import wire
from daozhang.web.wire import Wire


async def credited_once(shop: Shop, amount_fen: int) -> None:
    """One credit of that amount, one fact, one booking."""
    assert await shop.cash() == amount_fen
    assert await shop.program.database.value("select count(*) from transfers") == 1
    assert await shop.program.database.value("select count(*) from fact_keys") == 1


async def test_cb_12_the_same_message_a_hundred_times(shop: Shop) -> None:
    order = await shop.place()
    message = payment(shop.enrolment, await shop.number(order.id))
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            assert (await knock(shop, message, session=session)).status == 204
    await credited_once(shop, 5_000)
    assert await shop.program.database.value("select seen from notification_keys") == 100


async def test_cb_12_five_hundred_duplicates_at_once(shop: Shop) -> None:
    order = await shop.place()
    message = payment(shop.enrolment, await shop.number(order.id))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=500)) as session:
        heard = await asyncio.gather(*(knock(shop, message, session=session) for _ in range(500)))
    assert {each.status for each in heard} == {204}
    await credited_once(shop, 5_000)
    assert len(await kept(shop.program.database, "settled")) == 1


async def test_cb_12_different_messages_about_one_payment_at_once(shop: Shop) -> None:
    """The channel may tell of one transaction in messages with ids of their own."""
    order = await shop.place()
    number = await shop.number(order.id)
    messages = [payment(shop.enrolment, number, txn="4200000000000001") for _ in range(50)]
    async with aiohttp.ClientSession() as session:
        heard = await asyncio.gather(*(knock(shop, message, session=session) for message in messages))
    assert {each.status for each in heard} == {204}
    await credited_once(shop, 5_000)
    assert len(await kept(shop.program.database, "settled")) == 50


async def test_callback_outruns_our_own_commit(shop: Shop) -> None:
    """The channel's answer to our order hangs; the payer has paid, the callback is here and the order is still `created`."""
    shop.sim.fault("order", "hang", seconds=60)
    placing = asyncio.create_task(shop.place(key="outruns-our-commit"))
    await until(lambda: shop.sim.dial.holds() == 1)
    assert await shop.program.database.value("select state from orders") == "created"
    shop.sim.phone.pay(ids.text26(await shop.program.database.value("select id from attempts")))
    await shop.sim.quiet()
    assert await shop.cash() == 5_000
    shop.sim.dial.release()
    seen = await placing
    assert (seen.state, seen.money, seen.anomalies) == ("credited", "credited", ())
    await credited_once(shop, 5_000)


async def test_two_callbacks_race_a_query(shop: Shop) -> None:
    for _ in range(5):
        order = await shop.place(1_000)
        shop.sim.fault("notice", "duplicate", copies=2)
        number = await shop.pay(order)
        await asyncio.gather(shop.program.desk.look(order.id), shop.program.desk.look(order.id))
        await shop.sim.quiet()
        assert (await shop.order(order.id)).state == "credited"
        assert all(send.acknowledged for send in shop.sim.books.sends(number))
    assert await shop.cash() == 5_000


async def test_cb_15_a_stale_message_is_refused_and_the_query_credits(shop: Shop) -> None:
    shop.sim.fault("notice", "stale")
    shop.sim.fault("notice", "silence")
    order = await shop.place()
    await shop.pay(order)
    await shop.sim.quiet()
    assert await shop.cash() == 0 or (await shop.order(order.id)).state == "credited"
    await shop.program.desk.look(order.id)
    assert (await shop.order(order.id)).state == "credited"
    assert await shop.cash() == 5_000


async def test_cb_18_a_late_failure_never_undoes_a_success(shop: Shop) -> None:
    order = await shop.place()
    number = await shop.number(order.id)
    assert (await knock(shop, payment(shop.enrolment, number))).status == 204
    before = await book(shop.program.database)
    for state in ("CLOSED", "NOTPAY", "PAYERROR", "REVOKED", "USERPAYING"):
        heard = await knock(shop, payment(shop.enrolment, number, trade_state=state))
        assert heard.status in (204, 400)
    assert await book(shop.program.database) == before
    assert await shop.cash() == 5_000


async def test_cb_27_a_signature_by_a_certificate_we_never_heard_of(
    database: Database, owner_database: Database, settings: Settings
) -> None:
    """The channel has changed its certificate: the new one is fetched and verified, and the message credits."""
    async with open_shop(database, settings, enrolment=enrol(certificates=2), certificates=1) as shop:
        shop.sim.habits.public_key_share = 0.0
        order = await shop.place()
        await shop.pay(order)
        await shop.reach(order.id, "credited")
        await shop.program.interface_log.drain()
        assert await shop.program.database.value("select count(*) from interface_log where operation = 'certificates'") == 1
        await proved(database)


async def test_cb_27_unknown_serials_cause_one_fetch_a_minute(shop: Shop) -> None:
    order = await shop.place()
    message = payment(shop.enrolment, await shop.number(order.id))
    async with aiohttp.ClientSession() as session:
        for n in range(30):
            strange = message.headers | {"Wechatpay-Serial": f"{n:040X}"}
            assert (await knock(shop, Message(strange, message.body), session=session)).status == 503
    await shop.program.interface_log.drain()
    assert await shop.program.database.value("select count(*) from interface_log where operation = 'certificates'") <= 1
    assert (await knock(shop, message)).status == 204


async def test_cb_28_the_browsers_return_never_credits(shop: Shop) -> None:
    """The address the payer comes back to takes no word for it, with and without a login."""
    order = await shop.place()
    visitor = Visitor("127.0.0.1", "127.0.0.0/24")
    login = await shop.program.house.identity.login(1, PHONE, PASSWORD, visitor)
    before = await book(shop.program.database)
    url = f"{shop.url}/orders/{order.shown}?trade_state=SUCCESS&total_fee=5000&transaction_id=4200000000000001&sign=x"
    async with aiohttp.ClientSession() as session:
        assert (await post(url, Message({}, b""), method="GET", session=session)).status in (302, 303, 401)
        heard = await post(url, Message({"Cookie": f"__Host-dz_session={login.token}"}, b""), method="GET", session=session)
        assert heard.status in (200, 302, 303)
        assert (await post(url, Message({}, b"trade_state=SUCCESS"), session=session)).status >= 400
    assert await book(shop.program.database) == before
    assert (await shop.order(order.id)).state == "awaiting_payment"


async def test_cb_31_the_database_is_away(shop: Shop, server: Supervisor) -> None:
    order = await shop.place()
    message = payment(shop.enrolment, await shop.number(order.id))
    name = str(urlsplit(shop.program.database.dsn).path).lstrip("/")
    admin = await asyncpg.connect(server.dsn("superuser", "postgres"))
    await admin.execute(f'alter database "{name}" with allow_connections false')
    ending = "select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity where datname = $1) as ended"

    async def away() -> bool:
        """A backend ends when it comes to it: until then it would still answer."""
        return bool(await admin.fetchval(ending, name) == 0)

    try:
        await until(away)
        heard = [await knock(shop, message) for _ in range(3)]
        assert {each.status for each in heard} == {503}
    finally:
        await admin.execute(f'alter database "{name}" with allow_connections true')
        await admin.close()
    assert await shop.cash() == 0
    assert await shop.program.database.value("select count(*) from notifications") == 0
    assert (await knock(shop, message)).status == 204
    await credited_once(shop, 5_000)


async def test_cb_32_our_answer_is_lost_after_the_commit(shop: Shop) -> None:
    order = await shop.place()
    message = payment(shop.enrolment, await shop.number(order.id))
    parts = urlsplit(shop.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(_request(shop, message) + message.body)
    await shop.reach(order.id, "credited")
    writer.close()
    for _ in range(3):
        assert (await knock(shop, message)).status == 204
    await credited_once(shop, 5_000)


async def test_cb_33_slow_bodies_do_not_delay_others(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be waited for all day, so who has to wait for them is never answered; when their time is over they are told so."""
    waiting: set[Wire] = set()
    monkeypatch.setattr(wire, "DOOR_WAIT_S", 86_400.0)
    monkeypatch.setattr(Wire, "_bound", _noted(Wire._bound, waiting))
    order = await shop.place()
    message = payment(shop.enrolment, await shop.number(order.id))
    parts = urlsplit(shop.url)
    slow = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(500)]
    for _, writer in slow:
        writer.write(_request(shop, message) + message.body[:10])
    await until(lambda: len(waiting) == len(slow))
    assert (await knock(shop, message)).status == 204
    await credited_once(shop, 5_000)
    for each in waiting:
        each._late()
    heads = await asyncio.gather(*(reader.read(16) for reader, _ in slow))
    assert {head[:12] for head in heads} == {b"HTTP/1.1 408"}
    for _, writer in slow:
        writer.close()


def _noted(bound: Callable[[Wire, bytes], None], waiting: set[Wire]) -> Callable[[Wire, bytes], None]:
    """Each connection whose message is waited for is noted."""

    def noted(self: Wire, data: bytes) -> None:
        bound(self, data)
        waiting.add(self)

    return noted


async def test_cb_34_an_unknown_number_is_answered_like_a_known_one(shop: Shop) -> None:
    order = await shop.place()
    known = await knock(shop, payment(shop.enrolment, await shop.number(order.id)))
    unknown = await knock(shop, payment(shop.enrolment, ids.text26(ids.new_id())))
    assert (known.status, known.body) == (unknown.status, unknown.body) == (204, b"")
    assert await shop.program.desk.order(shop.user_id + 1, order.id) is None
    assert await shop.program.desk.order(shop.user_id, ids.new_id()) is None


def test_cb_34_order_numbers_cannot_be_guessed() -> None:
    """Of the 128 bits 48 are the time and 6 are fixed; each of the others is as often one as zero."""
    made = [ids.new_id().int & ((1 << 62) - 1) | ((ids.new_id().int >> 64 & 0xFFF) << 62) for _ in range(4_000)]
    ones = [sum(value >> bit & 1 for value in made) for bit in range(74)]
    assert all(1_700 < count < 2_300 for count in ones)


def _request(shop: Shop, message: Message) -> bytes:
    lines = [f"POST /notify/wechatpay/{shop.channel_id} HTTP/1.1", "Host: shop", f"Content-Length: {len(message.body)}"]
    lines += [f"{name}: {value}" for name, value in message.headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"
