"""Each of WeChat Pay's codes, said by the simulator: what its payer reads on the order's page, and where the money is."""

from tests.channels.test_wechatpay_codes import Case, cases
from tests.flows.shop import Shop
from tests.flows.test_refunds import paid

from daozhang.reasons import catalogue
from daozhang.simulators.wechatpay.errors import STATUSES


def said_at(operation: str) -> list[Case]:
    """The cases of an operation that name a code."""
    found = [case for case in cases() if case.operation == operation and case.code]
    assert len(found) > 10, operation
    return found


def cured(reason: str, facts: dict[str, object]) -> None:
    """It is told in both languages, with what to do, and with nothing left open in it."""
    for locale in ("zh", "en"):
        told = catalogue().get(reason).told(locale, facts)
        assert told.title
        assert told.cure
        assert "{" not in told.title + told.text + told.cure, reason


async def test_nf_07_every_refused_order_tells_its_payer_why_and_what_to_do(shop: Shop) -> None:
    for place, case in enumerate(said_at("order")):
        shop.sim.fault("order", "error", code=case.code, message=case.message, http=STATUSES.get(case.code, (403, ""))[0])
        order = await shop.place(1_000 + place)
        failed = case.outcome == "failure"
        # While nobody knows, the page says that it is being checked, whatever the word.
        assert order.reason == (case.reason if failed else "channel.checking"), case
        assert order.native_code == case.code, case
        assert (order.state, order.money) == (("failed", "none") if failed else ("created", "checking")), case
        cured(order.reason, order.reason_facts)


async def test_nf_07_every_refused_refund_tells_why_and_leaves_the_money_where_it_was(shop: Shop) -> None:
    for place, case in enumerate(said_at("refund")):
        order = await paid(shop, 1_000 + place)
        cash_fen = await shop.cash()
        http = STATUSES.get(case.code, (403, ""))[0]
        shop.sim.fault("refund", "error", code=case.code, message=case.message, http=http)
        refund = await shop.program.desk.refund(order.id, 1_000, "no longer wanted", "staff:1")
        if case.outcome == "failure" and http < 500:
            assert (refund.state, refund.reason) == ("failed", case.reason), case
            assert await shop.cash() == cash_fen, case
            cured(case.reason, {})
        else:
            assert refund.state == "sent", case
            assert await shop.cash() == cash_fen - 1_000, case
