"""Each code and message of an operator that a flow can receive becomes the outcome and the reason of its row.

The simulated operator says it for a cause of its own; the dial puts words into its mouth only where it has no such cause.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.channels.epay_rig import EpayRig
from tests.channels.rig import open_door
from tests.channels.test_epay_v1_contract import TRAITS

from daozhang.channels.native import native_codes, unmapped
from daozhang.channels.native_reference import rows_of
from daozhang.channels.port import Answer, Outcome, Prepay
from daozhang.reasons import catalogue
from daozhang.simulators.epay.enrolment import enrol
from daozhang.simulators.epay.station import Epay
from daozhang.simulators.epay.tongue import Rules
from daozhang.simulators.simulator import Simulator

CODES = native_codes("epay")
ROWS = rows_of("epay")

PUBLISHED = 43
"""Codes, messages and states in the operators' documents and in the platform that they run."""


class Desk:
    """One operator, and adapters of its merchant in both versions."""

    def __init__(self, v1: EpayRig, v2: EpayRig) -> None:
        self.v1, self.v2, self.station = v1, v2, v1.station

    def rule(self, **rules: Any) -> None:
        """What the operator has switched on from now."""
        for name, value in rules.items():
            setattr(self.station.rules, name, value)

    def calm(self) -> None:
        """Everything as it was."""
        self.v1.calm()
        self.v1.sim.watch.offset_s = 0.0
        usual = Rules()
        for name in Rules.__struct_fields__:
            setattr(self.station.rules, name, getattr(usual, name))

    async def order(self, **rules: Any) -> Prepay:
        self.rule(**rules)
        return await self.v1.channel.order(self.v1.wish())

    async def said(self, operation: str, code: str, message: str) -> Prepay | Answer:
        """The dial says it: for what an operator answers without a cause of its own."""
        order = await self.v1.placed()
        txn = self.v1.pay(order.out_trade_no) if operation == "refund" else ""
        self.v1.fault(operation, "error", code=code, message=message)
        calls: dict[str, Callable[[], Awaitable[Prepay | Answer]]] = {
            "order": lambda: self.v1.channel.order(self.v1.wish()),
            "query": lambda: self.v1.channel.query(order.out_trade_no),
            "refund": lambda: self.v1.channel.refund(self.v1.back(order, txn)),
        }
        return await calls[operation]()

    async def refund(self, amount_fen: int = 5_000, rig: EpayRig | None = None, **rules: Any) -> Answer:
        """A refund of a payment of 50 yuan under these rules."""
        rig = rig or self.v1
        order = await rig.placed()
        txn = rig.pay(order.out_trade_no)
        self.rule(**rules)
        return await rig.channel.refund(rig.back(order, txn, amount_fen=amount_fen))

    async def refunded_before(self, first_fen: int, then_fen: int) -> Answer:
        """A second refund (V2), after a first one that was made at the operator by hand."""
        order = await self.v2.placed()
        txn = self.v2.pay(order.out_trade_no)
        self.station.books.refund(self.station.hand.order(order.out_trade_no), "", first_fen)
        return await self.v2.channel.refund(self.v2.back(order, txn, amount_fen=then_fen))

    async def state(self, status: int) -> Answer:
        order = await self.v1.placed()
        if status:
            self.v1.pay(order.out_trade_no)
            self.station.books.set_status(self.station.hand.order(order.out_trade_no).trade_no, status)
        return await self.v1.channel.query(order.out_trade_no)

    async def with_keys(self, version: str, *, query: bool = False, merchant: str = "", **keys: Any) -> Prepay | Answer:
        """A call with other keys or another number than the operator gave."""
        rig = self.v1 if version == "v1" else self.v2
        card = self.station.card(version=version)
        card = card | {"keys": card["keys"] | keys, "merchant": merchant or card["merchant"]}
        channel = rig.make(card=card)
        return await channel.query(rig.wish().out_trade_no) if query else await channel.order(rig.wish())

    async def again(self, *, paid: bool, **changes: Any) -> Prepay:
        order = await self.v1.placed()
        if paid:
            self.v1.pay(order.out_trade_no)
        return await self.v1.channel.order(replace(order, **changes))

    async def closed(self, *, paid: bool = False, unknown: bool = False, **rules: Any) -> Answer:
        self.rule(**rules)
        order = self.v2.wish() if unknown else await self.v2.placed()
        if paid:
            self.v2.pay(order.out_trade_no)
        return await self.v2.channel.close(order.out_trade_no)

    async def skewed(self) -> Prepay:
        self.v2.sim.watch.offset_s = 1_000.0
        return await self.v2.channel.order(self.v2.wish())

    async def unpaid_refund(self) -> Answer:
        order = await self.v2.placed()
        return await self.v2.channel.refund(self.v2.back(order))


OTHER_KEY = "n3wQ7wErTy9uIoP1aSdF5gHjKl2zXcVb"
Cause = Callable[[Desk], Awaitable[Prepay | Answer]]
CAUSES: dict[str, Cause] = {
    "-1": lambda d: d.said("order", "-1", "今天心情不好"),
    "-2": lambda d: d.order(plugin_down="上游没有给出二维码"),
    "-3": lambda d: d.said("order", "-3", "verify sign failed"),
    "-4": lambda d: d.said("order", "-4", "未传入任何参数"),
    "-5": lambda d: d.said("order", "-5", "接口方法不存在"),
    "msg:MD5签名校验失败": lambda d: d.with_keys("v1", key=OTHER_KEY),
    "msg:RSA签名校验失败": lambda d: d.with_keys("v2", private_key=d.station.enrolment.merchants[1].private_key),
    "msg:时间戳字段不正确": lambda d: d.skewed(),
    "msg:该商户只能使用RSA签名类型": lambda d: d.order(rsa_only=True),
    "msg:商户ID不存在": lambda d: d.with_keys("v1", merchant="9999"),
    "msg:商户密钥错误": lambda d: d.with_keys("v1", query=True, key=OTHER_KEY),
    "msg:商户已被封禁": lambda d: d.order(banned=True),
    "msg:商户未通过审核": lambda d: d.order(unapproved=True),
    "msg:当前商户未完成实名认证": lambda d: d.order(unverified=True),
    "msg:域名没过白": lambda d: d.order(domain_unknown=True),
    "msg:商户保证金不足": lambda d: d.order(deposit_short=True),
    "msg:当前商户余额不足": lambda d: d.order(balance_short=True),
    "msg:金额不合法": lambda d: d.v1.channel.order(d.v1.wish(amount_fen=0)),
    "msg:最大支付金额是": lambda d: d.order(most_fen=4_000),
    "msg:最小支付金额是": lambda d: d.order(least_fen=6_000),
    "msg:当前支付方式单笔最大限额为": lambda d: d.order(type_most_fen=4_000),
    "msg:当前支付方式单笔最小限额为": lambda d: d.order(type_least_fen=6_000),
    "msg:订单号格式不正确": lambda d: d.v1.channel.order(d.v1.wish(out_trade_no="订单一")),
    "msg:已完成支付，请勿重复发起": lambda d: d.again(paid=True),
    "msg:支付参数有变化": lambda d: d.again(paid=False, amount_fen=6_000),
    "msg:创建订单失败": lambda d: d.order(broken=True),
    "msg:你今天已无法再发起支付": lambda d: d.order(payer_count_used=True),
    "msg:累积支付金额超过": lambda d: d.order(payer_sum_used=True),
    "msg:系统异常无法完成付款": lambda d: d.order(payer_blocked=True),
    "msg:超出订单并发量限制": lambda d: d.order(crowded=True),
    "msg:本次支付需要安全验证": lambda d: d.order(wants_page=True),
    "msg:订单号不存在": lambda d: d.v1.channel.query(d.v1.wish().out_trade_no),
    "msg:未开启商户后台自助退款": lambda d: d.refund(refunds_off=True),
    "msg:该订单已全额退款": lambda d: d.refunded_before(5_000, 1_000),
    "msg:退款金额不能超过该订单剩余可退款金额": lambda d: d.refunded_before(3_000, 3_000),
    "msg:商户余额不足，请先充值": lambda d: d.refund(funds_short=True),
    "msg:当前支付通道不支持API退款": lambda d: d.refund(wallet_refunds_off=True),
    **{f"status:{status}": lambda d, status=status: d.state(status) for status in (0, 2, 3, 4)},  # type: ignore[misc]
    "status:1@state": lambda d: d.state(1),
    "more:refund_failed": lambda d: d.refund(refund_trouble="银行卡已注销"),
    "more:refund_state": lambda d: d.unpaid_refund(),
    "more:refund_order_unknown": lambda d: d.v2.channel.refund(d.v2.back(d.v2.wish())),
    "more:refund_unknown": lambda d: d.v2.channel.query_refund(d.v2.wish().out_trade_no),
    "more:close_unknown": lambda d: d.closed(unknown=True),
    "more:close_paid": lambda d: d.closed(paid=True),
    "more:field_missing": lambda d: d.v1.channel.order(d.v1.wish(client_ip="")),
    "more:goods_forbidden": lambda d: d.order(goods_forbidden=True),
    "-1@close": lambda d: d.closed(wallet_closes=False),
    "-1@query": lambda d: d.said("query", "-1", "系统繁忙"),
    "-1@refund": lambda d: d.said("refund", "-1", "今天心情不好"),
    "-2@refund": lambda d: d.said("refund", "-2", "今天心情不好"),
}
"""What makes the operator say each of them."""


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Desk]:
    """One operator for all codes: each is said about an order of its own."""
    enrolment = enrol("1001", "1002")
    async with Simulator(kinds=("epay",), makers={"epay": lambda world: Epay(world, enrolment)}) as sim:
        v1, v2 = EpayRig(TRAITS, sim), EpayRig(TRAITS, sim, version="v2")
        async with open_door(v1.channel) as one, open_door(v2.channel) as two:
            v1.door, v2.door = one, two
            yield Desk(v1, v2)
        for rig in (v1, v2):
            await rig.close()


@pytest.fixture
def desk(shared: Desk) -> Desk:
    shared.calm()
    return shared


def test_all_forty_three_of_the_documents_are_there() -> None:
    assert len([name for name in CODES.names() if "@" not in name and not name.startswith("more:")]) == PUBLISHED


def test_every_row_that_can_be_received_has_a_cause_here() -> None:
    assert {row["name"] for row in ROWS if "unreached" not in row} == set(CAUSES)


@pytest.mark.parametrize("row", [row for row in ROWS if row["name"] in CAUSES], ids=lambda row: row["name"])
async def test_nf_07_a_code_means_what_its_row_says(desk: Desk, row: dict[str, Any]) -> None:
    answer = await CAUSES[row["name"]](desk)
    assert answer.native is not None
    if row.get("says"):
        assert any(text in answer.native.message for text in row["says"]), answer
    outcome, reason = row["outcome"], row["reason"]
    if "on" not in row and isinstance(answer, Answer) and outcome == "failure":
        outcome = "unknown"
    # Paid as it should be needs no reason.
    assert (answer.outcome, answer.reason) == (outcome, None if row["name"] == "status:1@state" else reason), answer
    for locale in ("zh", "en"):
        assert catalogue().get(reason).told(locale).cure


async def test_v2_says_its_refusals_of_refunds_signed_and_a_forged_one_is_not_believed(desk: Desk) -> None:
    refused = await desk.refund(rig=desk.v2, funds_short=True)
    assert (refused.outcome, refused.reason) == (Outcome.FAILURE, "refund.merchant_funds_short")
    desk.calm()
    desk.v2.fault("refund", "forge")
    forged = await desk.refund(rig=desk.v2, funds_short=True)
    assert (forged.outcome, forged.reason) == (Outcome.UNKNOWN, "channel.unknown_answer")


async def test_nf_07_a_message_that_nobody_has_mapped_is_told_safely_and_noted(desk: Desk) -> None:
    unmapped.clear()
    answer = await desk.said("order", "-1", "渠道ABC123的第88号规则不允许")
    assert (answer.outcome, answer.reason) == (Outcome.FAILURE, "channel.trade_refused")
    # What changes from order to order is left out, so that one cause rings one alarm.
    assert [(each.kind, each.operation, each.code) for each in unmapped] == [("epay", "order", "-1 渠道*的第*号规则不允许")]
    unmapped.clear()
    answer = await desk.said("query", "-9", "")
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "channel.unknown_answer")
    assert [each.code for each in unmapped] == ["-9"]
    unmapped.clear()


@pytest.mark.parametrize("code", ["-1", "-2", "-3", "-4", "-5", "-9", "7"])
@pytest.mark.parametrize("operation", ["query", "refund", "close", "refund_query"])
def test_nf_04_what_is_not_plainly_refused_is_never_failed(operation: str, code: str) -> None:
    assert CODES.read(operation, code, "whatever", 200).outcome is Outcome.UNKNOWN


def test_no_cure_leads_around_a_stop() -> None:
    """After a stop for risk nothing proposes another way round it."""
    stops = {
        row["reason"]
        for row in ROWS
        if row["name"] in ("msg:系统异常无法完成付款", "msg:你今天已无法再发起支付", "msg:累积支付金额超过")
    }
    for reason in stops:
        told = catalogue().get(reason)
        assert told.retry not in ("other_channel", "now")
        assert not any(word in told.told("zh").cure for word in ("换", "分成", "拆", "另一"))
