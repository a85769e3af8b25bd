"""The commands about one order, on an order whose money goes back."""

import asyncio
from functools import partial
from uuid import UUID

from tests.cli.conftest import Command
from tests.cli.test_server import last_line
from tests.flows.conftest import enrolment, shop  # noqa: F401 -- fixtures of the flows
from tests.flows.shop import Shop
from tests.flows.test_refunds import paid
from tests.patience import until

from daozhang import ids
from daozhang.channels import address


async def gone(shop: Shop, order_id: UUID) -> bool:  # noqa: F811
    """Whether the refund has come through."""
    await shop.work()
    return (await shop.order(order_id)).gone_fen == 1_234


async def test_a_refund_is_told_as_it_ends_and_the_order_shows_it(command: Command, shop: Shop) -> None:  # noqa: F811
    order = await paid(shop)

    async def run(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(command, "order", *words)

    for amount, words in (("0", "more than nothing"), ("50.01", "¥50"), ("1e1", "two decimals")):
        status, _, wrong = await run("refund", order.shown, amount, "x")
        assert (status, words in wrong) == (1, True), wrong
    shop.sim.fault("refund", "error", code="NOT_ENOUGH", http=403)
    status, _, wrong = await run("refund", order.shown, "1", "x")
    assert (status, "balance again" in wrong, "refund.merchant_funds_short" in wrong) == (1, True, True), wrong
    await shop.later(61)
    status, said, wrong = await run("refund", order.shown, "12.34", "买错了")
    assert (status, "on its way" in said) == (0, True), wrong
    status, _, wrong = await run("refund", order.shown, "1", "x")
    assert (status, "refund.apart" in wrong) == (1, True), wrong
    status, said, wrong = await run("show", order.shown)
    assert status == 0, wrong
    assert "returned: ¥0.00  on its way back: ¥12.34" in said
    assert said.count("refund.asked") == 2
    at_channel = shop.sim.books.order(shop.sim.merchant.mchid, await shop.number(order.id))
    assert at_channel is not None
    assert shop.sim.books.refunds_of(at_channel)[-1].notify_url == f"http://127.0.0.1:8420/notify/wechatpay/{shop.channel_id}"
    # Nobody serves at the address that the command's own settings give; the channel is asked all the same.
    await shop.later(120)
    await until(partial(gone, shop, order.id))
    status, said, _ = await run("show", order.shown, "--json")
    assert (status, last_line(said)["order"]["refunded_fen"]) == (0, 1_234)
    status, said, _ = await run("show", order.shown)
    assert "returned: ¥12.34" in said
    assert "on its way" not in said


async def test_a_refund_from_a_shell_names_the_address_at_which_the_program_serves(command: Command, shop: Shop) -> None:  # noqa: F811
    order = await paid(shop)
    await address.tell(shop.program.database, "https://before.example")
    await address.tell(shop.program.database, shop.url)
    status, _, wrong = await asyncio.to_thread(command, "order", "refund", order.shown, "12.34", "买错了")
    assert status == 0, wrong
    at_channel = shop.sim.books.order(shop.sim.merchant.mchid, await shop.number(order.id))
    assert at_channel is not None
    sent = shop.sim.books.refunds_of(at_channel)[-1]
    assert sent.notify_url == f"{shop.url}/notify/wechatpay/{shop.channel_id}"
    await shop.sim.quiet()
    await until(partial(gone, shop, order.id))


def test_an_order_that_nobody_placed_is_told_as_that(command: Command) -> None:
    nowhere = f"RC-{ids.text26(ids.new_id())}"
    for words in (
        ("refund", nowhere, "1", "x"),
        ("refuse", nowhere, "x"),
        ("fraud", nowhere, "x", "--actor", "a"),
        ("show", nowhere),
    ):
        status, _, wrong = command("order", *words)
        assert (status, wrong) == (1, "daozhang: there is no such order\n")
