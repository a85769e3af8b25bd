"""Each of Alipay's codes that a flow can receive is said by the simulator, and becomes the outcome and reason of its row."""

import tomllib
from typing import Any, NamedTuple

import pytest
from tests.channels import test_alipay, test_alipay_contract
from tests.channels.alipay_rig import AlipayRig, alipay_keys, enrolled, rig
from tests.house.sources import SOURCE

from daozhang.channels.native import native_codes
from daozhang.channels.port import Outcome
from daozhang.reasons import catalogue
from daozhang.simulators.alipay.errors import codes

__all__ = ["alipay_keys", "enrolled", "rig"]
ROWS: list[dict[str, Any]] = tomllib.loads((SOURCE / "channels" / "kinds" / "alipay" / "errors.toml").read_text("utf-8"))["code"]
EVERYWHERE = ("order", "query", "close", "refund", "refund_query")


class Case(NamedTuple):
    """One native code at one operation, and what it has to become."""

    operation: str
    code: str
    outcome: str
    reason: str


def cases() -> list[Case]:
    found = []
    for row in ROWS:
        code = row.get("code", row["name"])
        if "unreached" in row or code.startswith(("TRADE_STATUS:", "REFUND_STATUS:", "aop.ACQ.")):
            continue
        for operation in row.get("on", EVERYWHERE):
            better = any(other.get("code", other["name"]) == code and operation in other.get("on", ()) for other in ROWS)
            if "on" not in row and better:
                continue
            outcome = row["outcome"]
            if "on" not in row and operation != "order" and outcome == "failure":
                outcome = "unknown"
            found.append(Case(operation, code, outcome, row["reason"]))
    return found


@pytest.mark.parametrize("operation", EVERYWHERE)
async def test_nf_07_a_code_means_what_its_row_says(rig: AlipayRig, operation: str) -> None:
    order = await rig.seen()
    paid = await rig.placed()
    refund = rig.back(paid, rig.pay(paid.out_trade_no))
    calls = {
        "order": lambda: rig.channel.order(rig.wish()),
        "query": lambda: rig.channel.query(order.out_trade_no),
        "close": lambda: rig.channel.close(order.out_trade_no),
        "refund": lambda: rig.channel.refund(refund),
        "refund_query": lambda: rig.channel.query_refund(refund.out_refund_no, paid.out_trade_no),
    }
    mine = [case for case in cases() if case.operation == operation]
    assert len(mine) > 40
    for case in mine:
        rig.fault(operation, "error", code=case.code)
        answer = await calls[operation]()
        assert (answer.outcome, answer.reason) == (case.outcome, case.reason), case
        assert answer.native is not None
        assert answer.native.code == case.code
        for locale in ("zh", "en"):
            told = catalogue().get(case.reason).told(locale)
            assert told.title, case
            assert told.text, case
            assert told.cure, case


async def test_a_prefix_that_the_gateway_puts_before_a_code_is_seen_through(rig: AlipayRig) -> None:
    rig.fault("refund", "error", code="aop.ACQ.SYSTEM_ERROR")
    answer = await rig.channel.refund(rig.back(rig.wish()))
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "refund.in_progress")


@pytest.mark.parametrize(
    ("code", "operation", "outcome", "reason"),
    [
        ("ACQ.NEVER_SEEN", "order", "failure", "channel.refused_unexplained"),
        ("ACQ.NEVER_SEEN", "query", "unknown", "channel.unknown_answer"),
        ("ACQ.NEVER_SEEN", "refund", "unknown", "channel.unknown_answer"),
        ("isp.never-seen", "order", "failure", "channel.refused_unexplained"),
    ],
)
async def test_a_code_that_nobody_has_mapped_ends_by_its_class(
    rig: AlipayRig, code: str, operation: str, outcome: str, reason: str
) -> None:
    rig.fault(operation, "error", code=code)
    order = rig.wish()
    answer = await {
        "order": lambda: rig.channel.order(order),
        "query": lambda: rig.channel.query(order.out_trade_no),
        "refund": lambda: rig.channel.refund(rig.back(order)),
    }[operation]()
    assert (answer.outcome, answer.reason) == (outcome, reason)


def test_the_simulator_can_say_every_code_that_stands_in_the_file() -> None:
    own = {row["name"] for row in ROWS if "@" not in row["name"]}
    sayable = codes().keys() | {"10000", "10003", "20000"}
    unsaid = {name for name in own - sayable if not name.startswith(("resultStatus=", "TRADE_STATUS:"))}
    assert unsaid == {"ALIN10146"}


def test_all_one_hundred_and_seventy_codes_of_the_documentation_are_there() -> None:
    assert len([row for row in ROWS if "@" not in row["name"]]) == 170
    assert native_codes("alipay").names() == {row["name"] for row in ROWS}
    for reason in native_codes("alipay").reasons():
        assert catalogue().get(reason), reason


@pytest.mark.parametrize("operation", ["query", "close", "refund", "refund_query"])
@pytest.mark.parametrize("code", ["ACQ.SYSTEM_ERROR", "20000", "isp.unknow-error", "aop.unknow-error", "isv.invalid-signature"])
def test_unknown_outcomes_are_never_failed(operation: str, code: str) -> None:
    assert native_codes("alipay").read(operation, code, "", 400).outcome is Outcome.UNKNOWN


def test_what_cannot_be_received_says_why() -> None:
    said = [row["unreached"] for row in ROWS if "unreached" in row]
    assert len(said) == 73
    assert all(len(why) > 10 for why in said)


def test_a_risk_stop_offers_no_way_round() -> None:
    told = catalogue().get("risk.channel_stopped").told("zh")
    assert not any(word in told.cure for word in ("换", "拆", "分几次", "其他"))


ELSEWHERE = {
    "aop.ACQ.SYSTEM_ERROR": "test_a_prefix_that_the_gateway_puts_before_a_code_is_seen_through",
    "TRADE_STATUS:WAIT_BUYER_PAY": "test_unpaid_is_pending_and_never_a_failure",
    "TRADE_STATUS:TRADE_CLOSED": "test_closing_is_re_entrant_and_refused_once_paid",
    "TRADE_STATUS:TRADE_CLOSED@paid": "test_a_refunded_payment_still_counts_as_paid",
    "REFUND_STATUS:REFUND_PROCESSING@state": "test_nf_05_a_refund_without_fund_change_is_not_done",
    "REFUND_STATUS:REFUND_FAIL@state": "test_nf_05_a_refund_without_fund_change_is_not_done",
}
"""States are no codes that a dial says: which test brings the simulator into each."""


def test_every_row_that_can_be_received_is_driven() -> None:
    said = {(case.code, case.reason) for case in cases()}
    reached = [row for row in ROWS if "unreached" not in row]
    assert {row["name"] for row in reached if (row.get("code", row["name"]), row["reason"]) not in said} == ELSEWHERE.keys()
    assert set(ELSEWHERE.values()) <= {*vars(test_alipay), *vars(test_alipay_contract), *globals()}
