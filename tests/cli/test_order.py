"""The commands about one order, on an order whose money goes back."""

import asyncio

from tests.cli.conftest import Command
from tests.cli.test_server import last_line
from tests.flows.conftest import enrolment, shop  # noqa: F401 -- fixtures of the flows
from tests.flows.shop import Shop
from tests.flows.test_refunds import paid
from tests.patience import until


async def test_a_refund_is_told_as_it_ends_and_the_order_shows_it(command: Command, shop: Shop) -> None:  # noqa: F811
    order = await paid(shop)

    async def run(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(command, "order", *words)

    async def gone() -> bool:
        await shop.work()
        return (await shop.order(order.id)).gone_fen == 1_234

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
    # The notice goes where the command's own settings say; the channel is asked all the same.
    await shop.later(120)
    await until(gone)
    status, said, _ = await run("show", order.shown, "--json")
    assert (status, last_line(said)["order"]["refunded_fen"]) == (0, 1_234)
    status, said, _ = await run("show", order.shown)
    assert "returned: ¥12.34" in said
    assert "on its way" not in said
