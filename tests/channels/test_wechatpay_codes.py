"""Each of WeChat Pay's codes that a flow can receive is said by the simulator, and becomes the outcome and reason of its row."""

import tomllib
from typing import NamedTuple

import pytest
from tests.channels import test_wechatpay_contract
from tests.channels.elsewhere import saying_nothing_but
from tests.channels.test_wechatpay_contract import WechatRig
from tests.channels.test_wechatpay_contract import rig as rig  # noqa: PLC0414 - the fixture
from tests.house.sources import SOURCE

from daozhang.channels.port import Outcome
from daozhang.reasons import catalogue
from daozhang.simulators.wechatpay.errors import STATUSES

ROWS = tomllib.loads((SOURCE / "channels" / "kinds" / "wechatpay" / "errors.toml").read_text("utf-8"))["code"]
EVERYWHERE = ("order", "query", "close", "refund", "refund_query")


class Case(NamedTuple):
    """One native code at one operation, the message that tells it apart, and what it has to become."""

    operation: str
    code: str
    message: str
    outcome: str
    reason: str


def cases() -> list[Case]:
    found = []
    for row in ROWS:
        code = row.get("code", row["name"])
        if "unreached" in row or code.startswith(("HTTP_", "TRADE_STATE:", "REFUND_STATUS:")):
            continue
        for operation in row.get("on", EVERYWHERE):
            outcome = row["outcome"]
            if "on" not in row and operation != "order" and outcome == "failure":
                outcome = "unknown"
            if not _better(row, code, operation):
                found.append(Case(operation, code, (row.get("says") or ["no more words"])[0], outcome, row["reason"]))
    return found


def _better(row: dict[str, object], code: str, operation: str) -> bool:
    """Whether another row of the same code was written for just this operation, or tells the message better."""
    others = [o for o in ROWS if o is not row and o.get("code", o["name"]) == code and ("says" in o) <= ("says" in row)]
    return "on" not in row and any(operation in o.get("on", ()) for o in others)


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.operation}-{case.code or case.message}")
async def test_nf_07_a_code_means_what_its_row_says(rig: WechatRig, case: Case) -> None:
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no) if case.operation.startswith("refund") else ""
    refund = rig.back(order, txn) if txn else None
    if case.operation == "refund_query":
        assert refund is not None
        assert (await rig.channel.refund(refund)).outcome is Outcome.PENDING
    http = STATUSES.get(case.code, (403, ""))[0]
    rig.fault(case.operation, "error", code=case.code or "PARAM_ERROR", message=case.message, http=http)
    calls = {
        "order": lambda: rig.channel.order(rig.wish()),
        "query": lambda: rig.channel.query(order.out_trade_no),
        "close": lambda: rig.channel.close(order.out_trade_no),
        "refund": lambda: rig.channel.refund(refund) if refund else None,
        "refund_query": lambda: rig.channel.query_refund(refund.out_refund_no) if refund else None,
    }
    answer = await calls[case.operation]()  # type: ignore[misc]
    # Behind a server fault nothing but an order's refusal is certain.
    expected = "unknown" if http >= 500 and case.outcome == "failure" and case.operation != "order" else case.outcome
    assert (answer.outcome, answer.reason) == (expected, case.reason), answer
    told = catalogue().get(case.reason)
    for locale in ("zh", "en"):
        assert told.told(locale).cure


def test_what_cannot_be_received_says_why() -> None:
    said = [row["unreached"] for row in ROWS if "unreached" in row]
    assert len(said) == 40
    assert all(len(why) > 10 for why in said)


@pytest.mark.parametrize("status", [404, 405])
async def test_a_bare_status_means_what_its_row_says(rig: WechatRig, status: int) -> None:
    async with saying_nothing_but(status) as url:
        channel = rig.make(hosts=(url,))
        for answer in (await channel.order(rig.wish()), await channel.query(rig.wish().out_trade_no)):
            assert answer.reason == "channel.request_rejected"
            assert answer.native is not None
            assert answer.native.code == f"HTTP_{status}_EMPTY"


ELSEWHERE = {
    "HTTP_404_EMPTY": "test_a_bare_status_means_what_its_row_says",
    "HTTP_405_EMPTY": "test_a_bare_status_means_what_its_row_says",
    "TRADE_STATE:NOTPAY": "test_unpaid_is_pending_and_never_a_failure",
    "TRADE_STATE:CLOSED": "test_closing_is_re_entrant_and_refused_once_paid",
    "TRADE_STATE:REFUND": "test_a_refunded_payment_still_counts_as_paid",
    "REFUND_STATUS:PROCESSING": "test_a_refund_is_accepted_done_and_told_once_per_number",
    "REFUND_STATUS:CLOSED": "test_nf_05_a_refund_that_the_channel_could_not_finish",
    "REFUND_STATUS:ABNORMAL": "test_nf_05_a_refund_that_the_channel_could_not_finish",
}
"""States are no codes that a dial says: which test brings the simulator into each."""


def test_every_row_that_can_be_received_is_driven() -> None:
    said = {(case.code, case.reason) for case in cases()}
    reached = [row for row in ROWS if "unreached" not in row]
    assert {row["name"] for row in reached if (row.get("code", row["name"]), row["reason"]) not in said} == ELSEWHERE.keys()
    assert set(ELSEWHERE.values()) <= {*vars(test_wechatpay_contract), *globals()}
