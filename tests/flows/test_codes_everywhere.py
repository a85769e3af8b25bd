"""The codes of the other kinds, said by their simulators: what the payer reads on the order's page, and where the money is.

Those of WeChat Pay have a file of their own (`test_wechatpay_codes.py`).
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
from tests.channels import test_alipay_codes, unionpay_codes
from tests.channels.test_epay_codes import ROWS as EPAY_ROWS
from tests.flows.conftest import proved
from tests.flows.shop import Shop, open_shop
from tests.flows.test_wechatpay_codes import cured

from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.epay.station import Epay
from daozhang.simulators.epay.tongue import Rules
from daozhang.simulators.merchant import Enrolment

RULES: dict[str, dict[str, Any]] = {
    "msg:商户已被封禁": {"banned": True},
    "msg:商户未通过审核": {"unapproved": True},
    "msg:当前商户未完成实名认证": {"unverified": True},
    "msg:域名没过白": {"domain_unknown": True},
    "msg:商户保证金不足": {"deposit_short": True},
    "msg:当前商户余额不足": {"balance_short": True},
    "msg:最大支付金额是": {"most_fen": 900},
    "msg:最小支付金额是": {"least_fen": 6_000},
    "msg:当前支付方式单笔最大限额为": {"type_most_fen": 900},
    "msg:当前支付方式单笔最小限额为": {"type_least_fen": 6_000},
    "msg:你今天已无法再发起支付": {"payer_count_used": True},
    "msg:累积支付金额超过": {"payer_sum_used": True},
    "msg:系统异常无法完成付款": {"payer_blocked": True},
    "msg:超出订单并发量限制": {"crowded": True},
    "msg:本次支付需要安全验证": {"wants_page": True},
    "more:goods_forbidden": {"goods_forbidden": True},
}
"""What an operator of Epay has switched on when it refuses an order in these words."""


class Said(NamedTuple):
    """What a channel says at a call, and what has to become of it."""

    code: str
    outcome: str
    reason: str
    rules: dict[str, Any] | None = None


def said(kind: str, operation: str) -> Iterator[Said]:
    """What the flow of a kind can be told at a call, and how its row reads it."""
    if kind == "alipay":
        yield from (Said(c.code, c.outcome, c.reason) for c in test_alipay_codes.cases() if c.operation == operation)
    elif kind == "unionpay":
        yield from (Said(c.says, c.outcome, c.reason) for c in unionpay_codes.cases(operation))
    else:
        rows = {row["name"]: row for row in EPAY_ROWS}
        yield from (Said(name, rows[name]["outcome"], rows[name]["reason"], given) for name, given in RULES.items())


@pytest.fixture
async def shop(database: Database, free_clock: None, settings: Settings, enrolment: Enrolment) -> AsyncIterator[Shop]:
    async with open_shop(database, settings, enrolment=enrolment, kinds=("alipay", "unionpay", "epay")) as opened:
        yield opened
        await proved(database)


@pytest.mark.parametrize(("kind", "least"), [("alipay", 40), ("unionpay", 15), ("epay", 16)])
async def test_nf_07_every_refused_order_tells_its_payer_why_and_what_to_do(shop: Shop, kind: str, least: int) -> None:
    cases = list(said(kind, "order"))
    assert len(cases) >= least
    for place, case in enumerate(cases):
        arrange(shop, kind, "order", case)
        order = await shop.place_at(kind, "qr", 1_000 + place)
        failed = case.outcome == "failure"
        # While nobody knows, the page says that it is being checked, whatever the word.
        assert order.reason == (case.reason if failed else "channel.checking"), case
        assert (order.state, order.money) == (("failed", "none") if failed else ("created", "checking")), case
        assert order.native_code, case
        cured(order.reason, order.reason_facts)


@pytest.mark.parametrize(("kind", "least"), [("alipay", 10), ("unionpay", 5)])
async def test_nf_05_every_refused_refund_leaves_the_money_where_it_is_or_says_that_it_is_under_way(
    shop: Shop, kind: str, least: int
) -> None:
    cases = [case for case in said(kind, "refund") if case.reason.startswith("refund.") or case.outcome == "failure"]
    assert len(cases) >= least
    for place, case in enumerate(cases):
        order = await shop.place_at(kind, "qr", 1_000 + place)
        await shop.pay(order)
        await shop.reach(order.id, "credited")
        cash_fen = await shop.cash()
        arrange(shop, kind, "refund", case)
        refund = await shop.program.desk.refund(order.id, 1_000, "no longer wanted", "staff:1")
        shop.sim.dial.clear()
        if case.outcome == "failure":
            assert (refund.state, refund.reason) == ("failed", case.reason), case
            assert await shop.cash() == cash_fen, case
            cured(case.reason, {})
        else:
            assert refund.state == "sent", case
            assert await shop.cash() == cash_fen - 1_000, case


def arrange(shop: Shop, kind: str, operation: str, case: Said) -> None:
    """The channel says it at the next call: by its own rules where it is an operator of Epay, else by the dial."""
    if kind != "epay":
        shop.sim.fault(operation, "error", code=case.code, channel=kind)
        return
    rules = shop.sim.station(Epay).rules
    for name in Rules.__struct_fields__:
        setattr(rules, name, (case.rules or {}).get(name, getattr(Rules(), name)))
