"""Each of UnionPay's codes that a flow can receive is said by the simulator, and becomes the outcome and reason of its row."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.channels.rig import open_door
from tests.channels.unionpay_codes import ROWS, Case, cases, named
from tests.channels.unionpay_rig import UnionRig, keys_of, maker

from daozhang import clock
from daozhang.channels.kinds.unionpay.files import clearing_day
from daozhang.channels.native import native_codes, unmapped
from daozhang.channels.port import Outcome
from daozhang.outbound import Exchange
from daozhang.reasons import catalogue
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.unionpay.codes import DETAILS, spoken
from daozhang.simulators.unionpay.enrolment import enrol
from daozhang.simulators.unionpay.station import UnionPay as Station

CODES = native_codes("unionpay")
CHINAUMS = {row["name"] for row in ROWS if "ChinaUMS" in row.get("unreached", "")}


@pytest.fixture(scope="module")
async def rig() -> AsyncIterator[UnionRig]:
    """One UnionPay for all codes: each is said about an order of its own."""
    enrolment, exchanges = enrol(), list[Exchange]()
    async with Simulator(kinds=("unionpay",), makers={"unionpay": lambda world: Station(world, enrolment)}) as sim:
        made: list[Any] = []
        make = maker(sim, exchanges, keys_of(enrolment), made)
        channel = make()
        async with open_door(channel) as door:
            yield UnionRig(channel, make, sim, door, exchanges)
        for each in made:
            await each.close_connections()


def test_all_seventy_eight_codes_are_there_and_the_twenty_three_of_chinaums() -> None:
    names = {name for name in CODES.names() if "@" not in name}
    assert len(names) == 78 + len(CHINAUMS) == 78 + 23
    assert {f"{number:02d}" for number in (*range(1, 7), *range(10, 15), *range(30, 47), *range(60, 97), 98, 99)} <= names
    assert {"00", "A6"} | {f"[{digits}]" for digits in DETAILS} <= names


def test_every_reason_is_in_the_catalogue_and_reads_without_facts() -> None:
    for code in CODES.reasons():
        reason = catalogue().get(code)
        assert not reason.facts
        for locale in ("zh", "en"):
            told = reason.told(locale)
            assert told.title
            assert told.cure


def test_what_cannot_be_received_says_why() -> None:
    said = {row["name"]: row["unreached"] for row in ROWS if "unreached" in row}
    assert said.keys() - CHINAUMS == {"14", "40", "41", "44", "76", "80", "82", "84", "89"}
    assert all(len(why) > 10 for why in said.values())


@pytest.mark.parametrize("case", cases("state"), ids=named)
async def test_nf_07_what_became_of_a_payment(rig: UnionRig, case: Case) -> None:
    order = await rig.placed()
    if case.says in ("00", "A6"):
        rig.sim.phone.pay(order.out_trade_no, trick="flawed" if case.says == "A6" else "")
    else:
        rig.sim.phone.refuse(order.out_trade_no, case.says)
    answer = await rig.channel.query(order.out_trade_no)
    assert answer.outcome == case.outcome
    assert answer.reason == (None if case.outcome == "success" else case.reason)
    assert answer.native.code == spoken(case.says)[0]


@pytest.mark.parametrize("case", cases("order"), ids=named)
async def test_nf_07_why_no_code_was_given(rig: UnionRig, case: Case) -> None:
    order = rig.wish()
    rig.fault("order", "error", code=case.says)
    answer = await rig.channel.order(order)
    assert (answer.outcome, answer.reason, answer.native.code) == (case.outcome, case.reason, spoken(case.says)[0])


@pytest.mark.parametrize("case", cases("query"), ids=named)
async def test_nf_07_why_a_query_was_not_answered(rig: UnionRig, case: Case) -> None:
    order = await rig.placed()
    rig.fault("query", "error", code=case.says)
    answer = await rig.channel.query(order.out_trade_no)
    assert (answer.outcome, answer.reason, answer.native.code) == (case.outcome, case.reason, case.code)
    assert answer.exists is (False if case.says == "34" else None)


@pytest.mark.parametrize("case", cases("refund", "refund_query", "refund_state"), ids=named)
async def test_nf_05_nf_07_what_became_of_a_refund(rig: UnionRig, case: Case) -> None:
    order = await rig.placed()
    txn = rig.pay(order.out_trade_no)
    rig.sim.habits.refund_s = 10_000_000 if case.operation == "refund_state" else 0
    refund = rig.back(order, txn)
    if case.operation == "refund":
        rig.fault("refund", "error", code=case.says)
        answer = await rig.channel.refund(refund)
    else:
        assert (await rig.channel.refund(refund)).outcome is Outcome.PENDING
        if case.operation == "refund_state":
            books = rig.station.books
            books.doom(refund.out_refund_no, case.says)
            books.finish_return(books.returns_of(rig.station.hand.order(order.out_trade_no))[0])
        else:
            rig.fault("refund_query", "error", code=case.says)
        answer = await rig.channel.query_refund(refund.out_refund_no)
    assert answer.outcome == case.outcome
    assert answer.reason == (None if case.outcome == "success" else case.reason)
    assert answer.native.code == spoken(case.says)[0]


async def test_nf_07_the_settlement_file_is_not_there_yet(rig: UnionRig) -> None:
    (case,) = cases("bill")
    bill = await rig.channel.bill_file(clearing_day(clock.now()))
    assert (bill.outcome, bill.reason, bill.native.code) == (case.outcome, case.reason, case.says)


@pytest.mark.parametrize(
    ("operation", "outcome", "reason"),
    [
        ("order", "failure", "channel.refused_unexplained"),
        ("query", "unknown", "channel.unknown_answer"),
        ("state", "unknown", "channel.unknown_answer"),
        ("refund", "unknown", "channel.unknown_answer"),
    ],
)
async def test_nf_07_a_code_nobody_has_mapped(rig: UnionRig, operation: str, outcome: str, reason: str) -> None:
    order = await rig.placed()
    unmapped.clear()
    if operation == "state":
        rig.sim.phone.refuse(order.out_trade_no, "Z9")
        answer = await rig.channel.query(order.out_trade_no)
    else:
        txn = rig.pay(order.out_trade_no) if operation == "refund" else ""
        rig.fault(operation, "error", code="Z9", message="never heard")
        calls = {
            "order": lambda: rig.channel.order(rig.wish()),
            "query": lambda: rig.channel.query(order.out_trade_no),
            "refund": lambda: rig.channel.refund(rig.back(order, txn)),
        }
        answer = await calls[operation]()
    assert (answer.outcome, answer.reason, answer.native.code) == (outcome, reason, "Z9")
    assert [(each.kind, each.operation, each.code) for each in unmapped] == [("unionpay", operation, "Z9")]


@pytest.mark.parametrize("operation", ["query", "state", "refund", "refund_query", "refund_state"])
@pytest.mark.parametrize("code", ["03", "04", "05", "06", "34", "37", "83", "99", "11", "02", "Z9", ""])
def test_unknown_outcomes_are_never_failed(operation: str, code: str) -> None:
    assert CODES.read(operation, code, "", 200).outcome in (Outcome.UNKNOWN, Outcome.PENDING)


@pytest.mark.parametrize("http", [400, 403, 404, 500, 502, 503])
async def test_an_answer_that_is_no_answer_says_nothing_of_the_money(rig: UnionRig, http: int) -> None:
    order = await rig.placed()
    rig.fault("query", "error", http=http)
    answer = await rig.channel.query(order.out_trade_no)
    assert (answer.outcome, answer.exists) == (Outcome.UNKNOWN, None)


DRIVEN = ("state", "order", "query", "refund", "refund_query", "refund_state", "bill")


def test_every_row_that_can_be_received_is_driven() -> None:
    said = {(case.code, case.reason) for case in cases(*DRIVEN)}
    missing = {row["name"] for row in ROWS if "unreached" not in row and (row.get("code", row["name"]), row["reason"]) not in said}
    assert missing == set()
