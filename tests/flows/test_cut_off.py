"""A callback that breaks off: what came of it is kept with why, nothing is booked, and the whole one is taken when it comes."""

import asyncio
from urllib.parse import urlsplit

import pytest
from tests.flows.knocks import Message, book, kept, knock, payment
from tests.flows.shop import Shop
from tests.patience import until


async def half(shop: Shop, message: Message, many: int, *, chunked: bool = False) -> None:
    """Send the head of a message and `many` bytes of its body, then hang up."""
    address = urlsplit(shop.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(message.body)}"
    lines = [f"POST /notify/wechatpay/{shop.channel_id} HTTP/1.1", f"Host: {address.netloc}", length]
    lines += [f"{name}: {value}" for name, value in message.headers.items()]
    part = message.body[:many]
    writer.write("\r\n".join([*lines, "", ""]).encode() + (b"%x\r\n%s\r\n" % (len(part), part) if chunked and part else part))
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_cb_24_a_callback_cut_off_is_kept_with_why_and_books_nothing(shop: Shop, *, chunked: bool) -> None:
    order = await shop.place()
    message = payment(shop.enrolment, await shop.number(order.id))
    before = await book(shop.program.database)
    for many in (0, 1, len(message.body) - 1):
        await half(shop, message, many, chunked=chunked)
        await until(lambda: seen(shop, many))  # noqa: B023 - awaited within the turn
    assert await book(shop.program.database) == before
    assert await shop.program.database.value("select count(*) from notifications where state <> 'invalid'") == 0
    assert await shop.program.database.value("select count(*) from notification_keys") == 0, "the whole one is no repetition"
    assert (await knock(shop, message)).status == 204
    assert (await shop.reach(order.id, "credited")).anomalies == ()


async def seen(shop: Shop, many: int) -> bool:
    """Whether a piece of that length was kept, with why."""
    return (f"cut_off: {many} bytes", many) in [(why, len(body)) for why, body in await kept(shop.program.database)]
