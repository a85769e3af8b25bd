"""What a person reads when UnionPay or the bank says no: each code that can be received, from the phone to the page."""

from collections.abc import AsyncIterator
from html import escape

import pytest
from tests.channels.unionpay_codes import Case, cases, named
from tests.copies import Copies
from tests.flows.shop import Shop
from tests.flows.union import place, union_stall
from tests.web.test_sessions import Browser

from daozhang.postgres.supervisor import Supervisor
from daozhang.reasons import catalogue
from daozhang.settings import Settings
from daozhang.web.doors import make_app


@pytest.fixture(scope="module")
async def shop(server: Supervisor, copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with union_stall(server, copies, Settings(data=tmp_path_factory.mktemp("reader"), test_mode=True)) as opened:
        yield opened


@pytest.fixture(scope="module")
async def readers(shop: Shop) -> dict[str, Browser]:
    """The same user, reading Chinese and English."""
    app = make_app(shop.program.house)
    found = {}
    for language in ("zh", "en"):
        found[language] = Browser(app, language="zh-CN" if language == "zh" else "en")
        await found[language].login()
    return found


async def reads(readers: dict[str, Browser], shown: str, reason: str) -> None:
    """The order's page tells this reason with its cure."""
    for language, browser in readers.items():
        told = catalogue().get(reason).told(language)
        page = (await browser.get(f"/orders/{shown}")).text
        assert escape(told.title, quote=False) in page.replace("&#39;", "'").replace("&#34;", '"'), told.title
        assert escape(told.cure, quote=False) in page.replace("&#39;", "'").replace("&#34;", '"'), told.cure


@pytest.mark.parametrize("case", [case for case in cases("state") if case.outcome == "failure"], ids=named)
async def test_nf_07_why_the_payment_failed(shop: Shop, readers: dict[str, Browser], case: Case) -> None:
    order = await place(shop, amount_fen=100)
    shop.sim.phone.refuse(await shop.number(order.id), case.says)
    await shop.program.desk.look(order.id)
    seen = await shop.order(order.id)
    assert (seen.state, seen.money, seen.reason, seen.native_code) == ("failed", "none", case.reason, case.code or seen.native_code)
    await reads(readers, order.shown, case.reason)


@pytest.mark.parametrize("case", [case for case in cases("order") if case.outcome == "failure"], ids=named)
async def test_nf_07_why_no_payment_was_begun(shop: Shop, readers: dict[str, Browser], case: Case) -> None:
    shop.sim.fault("order", "error", code=case.says)
    order = await place(shop, amount_fen=100)
    assert (order.state, order.money, order.reason) == ("failed", "none", case.reason)
    await reads(readers, order.shown, case.reason)


@pytest.mark.parametrize("case", [case for case in cases("state", "order") if case.outcome in ("unknown", "pending")], ids=named)
async def test_nf_07_while_nobody_knows_nothing_has_failed(shop: Shop, readers: dict[str, Browser], case: Case) -> None:
    if case.operation == "order":
        shop.sim.fault("order", "error", code=case.says)
    order = await place(shop, amount_fen=100)
    if case.operation == "state":
        shop.sim.phone.refuse(await shop.number(order.id), case.says)
        await shop.program.desk.look(order.id)
    seen = await shop.order(order.id)
    assert seen.state == ("created" if case.operation == "order" else "awaiting_payment")
    assert (seen.credited_at, seen.terminal) == (None, False)
    assert (await readers["zh"].get(f"/orders/{order.shown}")).status_code == 200


@pytest.mark.parametrize("case", [case for case in cases("refund") if case.outcome == "failure"], ids=named)
async def test_nf_07_why_a_refund_failed(shop: Shop, case: Case) -> None:
    order = await place(shop, amount_fen=100)
    shop.sim.phone.pay(await shop.number(order.id))
    await shop.reach(order.id, "credited")
    shop.sim.fault("refund", "error", code=case.says)
    refund = await shop.program.desk.refund(order.id, 100, "no longer wanted", "staff:1")
    view = await shop.program.desk.refunds.view(refund.id)
    assert (view.state, view.reason) == ("failed", case.reason)
