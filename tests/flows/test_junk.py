"""Whatever strangers send to the doors of the channels, the channels themselves are hardly asked for it."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple

import aiohttp
import pytest
from tests.flows.payer import open_payment
from tests.flows.shop import Shop, open_shop
from tests.patience import until
from yarl import URL

from daozhang import clock
from daozhang.channels.catalogue import KINDS
from daozhang.events.interface_log import NUMBER
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.stations import KNOWN

ROUNDS = 60
AT_ONCE = 16


class Message(NamedTuple):
    """Headers and body; of a kind that is notified by GET the body is the query."""

    headers: dict[str, str]
    body: bytes


@pytest.fixture
async def street(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    """A shop with a channel of each kind; nothing in it asks anybody by itself."""
    async with open_shop(database, settings, enrolment=enrolment, kinds=tuple(KNOWN)) as opened:
        yield opened


@pytest.mark.parametrize("kind", KNOWN)
async def test_cb_27_junk_makes_us_ask_a_channel_at_most_once_a_minute(street: Shop, kind: str, seed: int) -> None:
    """A true message that was seen once, again and again: as it is, with a letter changed, under keys nobody knows; and noise."""
    dice = random.Random(seed)
    await pay_one(street, kind)
    true = await the_message(street, kind)
    junk = [each for _ in range(ROUNDS) for each in variations(dice, true)]
    calls, began = street.sim.calls[kind], clock.now_s()
    statuses = await send(street, kind, junk)
    minutes = 1 + int((clock.now_s() - began) / 60)
    assert street.sim.calls[kind] - calls <= minutes, f"seed {seed}: {street.sim.calls[kind] - calls} calls, {len(junk)} messages"
    assert 500 not in statuses
    assert len(set(statuses)) > 1, "the door took the true ones and refused the others"
    assert await street.program.database.value("select count(*) from notifications where state = 'invalid'") > 0
    assert await street.cash() == 5_000, "and none of it is money"
    await street.later(61)
    calls, began = street.sim.calls[kind], clock.now_s()
    await send(street, kind, junk)
    assert street.sim.calls[kind] - calls <= 1 + int((clock.now_s() - began) / 60)


@pytest.mark.parametrize("kind", KNOWN)
async def test_cb_27_forged_messages_that_come_first_cause_no_question_of_their_own(street: Shop, kind: str) -> None:
    own = 0
    for fault in ("forge", "tamper", "stale", "unknown_serial"):
        street.sim.fault("notice", fault, channel=kind)
        own += await pay_one(street, kind)
    # A kind that believes nobody asks once for each payment; one more call may ask for keys that we do not know.
    assert own <= 4 * KINDS[kind].asks_first + 1


async def pay_one(shop: Shop, kind: str) -> int:
    """Place an order, pay it and wait until its callback was taken in; how many calls came of the callback."""
    method = shop.sim.stations[kind].card()["methods"][0]
    order = await shop.place_at(kind, method)
    assert await open_payment(shop.sim, order)
    calls, number = shop.sim.calls[kind], await shop.number(order.id)
    shop.sim.phone.pay(number)
    await shop.reach(order.id, "credited")
    await until(lambda: shop.sim.stations[kind].hand.told(number).state == "acknowledged")
    return shop.sim.calls[kind] - calls


async def the_message(shop: Shop, kind: str) -> Message:
    """The callback of the payment, as it came."""
    newest = "where channel_id = $1 and state = 'settled' order by at desc limit 1"
    row = await shop.program.database.row(
        f"select headers::text as headers, body from notifications {newest}",
        shop.channels[kind],
    )
    assert row is not None
    headers = json.loads(row["headers"])
    headers.pop(NUMBER, None)
    return Message(headers, row["body"])


def variations(dice: random.Random, true: Message) -> Iterator[Message]:
    """What a stranger makes of it."""
    yield true
    at = dice.randrange(len(true.body))
    yield true._replace(body=true.body[:at] + bytes([true.body[at] ^ 1]) + true.body[at + 1 :])
    yield true._replace(headers={name: value[::-1] if "serial" in name else value for name, value in true.headers.items()})
    yield true._replace(body=true.body[: dice.randrange(len(true.body))])
    yield Message({}, dice.randbytes(dice.randrange(1, 2_000)))


async def send(shop: Shop, kind: str, messages: Sequence[Message]) -> list[int]:
    """Send them all to the kind's door; the answers' statuses."""
    url, by = f"{shop.url}/notify/{kind}/{shop.channels[kind]}", KINDS[kind].notified_by
    verb = "GET" if by == "EITHER" else by
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(session: aiohttp.ClientSession, message: Message) -> int:
        query = message.body.decode() if message.body.isascii() and message.body.decode().isprintable() else message.body.hex()
        target = URL(f"{url}?{query}" if verb == "GET" else url, encoded=True)
        data = message.body if verb == "POST" else None
        async with slots, session.request(verb, target, headers=message.headers, data=data, allow_redirects=False) as answer:
            return answer.status

    async with aiohttp.ClientSession() as session:
        return await asyncio.gather(*(one(session, message) for message in messages))
