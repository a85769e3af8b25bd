"""A finding says what somebody told us, by whom, and nothing else; and it never leads anybody around a question."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.diagnosis.scenes import AT, considered, evidence, heard, judged, order, tried

from daozhang import ids
from daozhang.diagnosis.cures import ASKING
from daozhang.diagnosis.layers import CONSTANT, ORDER
from daozhang.diagnosis.model import Failed, Finding, Mark, Stopped
from daozhang.diagnosis.think import find, over
from daozhang.policy.model import Outcome
from daozhang.reasons import catalogue
from daozhang.recharge.model import RefundView
from daozhang.recharge.states import ORDER_STATES

FAILED = order("failed", reason="channel.bank_limit")


def marks(finding: Finding) -> dict[str, Mark]:
    return {layer.layer: layer.mark for layer in finding.layers}


def lines(finding: Finding) -> dict[str, Mark]:
    return {line.what: line.mark for layer in finding.layers for line in layer.lines}


def steps(finding: Finding) -> list[str]:
    return [cure.step for cure in finding.cures]


@pytest.mark.parametrize("state", ORDER_STATES)
def test_every_state_is_told_in_the_articles_order_of_layers(state: str) -> None:
    finding = find(evidence(order(state, reason="channel.bank_limit" if state == "failed" else None), attempts=(tried(),)))
    assert tuple(layer.layer for layer in finding.layers) == ORDER
    assert finding.told
    assert (finding.moved == "credited") == (state == "credited")


def test_what_a_channel_answered_is_the_cause_and_names_its_code() -> None:
    finding = find(evidence(FAILED, attempts=(tried(native="1000061", reason="channel.bank_limit"),)))
    assert (finding.told, finding.moved) == ("cause", "confirmed_none")
    assert finding.cause is not None
    assert (finding.cause.reason, finding.cause.source, finding.cause.native) == ("channel.bank_limit", "channel", "1000061")
    assert marks(finding)["channel"] is Mark.FAILED
    assert {marks(finding)[name] for name in ("account", "operation", "eligibility", "platform")} == {Mark.PASSED}
    assert steps(finding)[0] == "retry"
    assert finding.cures[0].post == {"method": "2:page"}


def test_what_happened_inside_a_wallet_is_not_told_and_is_asked_for() -> None:
    finding = find(evidence(order("expired", reason="operation.expired"), attempts=(tried(answered=True),)))
    assert (finding.told, finding.cause) == ("not_told", None)
    assert "phone" in steps(finding)
    assert "balance" in finding.ask
    assert lines(finding)["wallet.untold"] is Mark.UNKNOWN
    assert marks(finding)["channel"] is Mark.UNKNOWN


def test_who_cancelled_is_not_asked_what_the_phone_showed() -> None:
    called_off = order("cancelled", reason="operation.cancelled")
    finding = find(evidence(called_off, attempts=(tried(answered=True),)))
    assert finding.cause is not None
    assert finding.cause.reason == "operation.cancelled"
    assert "wallet.untold" not in lines(finding)
    assert marks(finding)["channel"] is not Mark.UNKNOWN
    unsure = find(evidence(called_off, attempts=(tried("unknown"),)))
    assert marks(unsure)["channel"] is Mark.UNKNOWN, "until the channel has confirmed it, it is an open question"


@pytest.mark.parametrize(
    ("pick", "reason", "layer"),
    [
        ("balance", "account.payer_balance_short", "channel"),
        ("risk", "risk.channel_stopped", "risk"),
        ("expired", "operation.link_expired", "operation"),
        ("limit_day", "account.wallet_limit_day", "channel"),
    ],
)
def test_the_payers_words_are_the_cause_with_the_payer_as_witness(pick: str, reason: str, layer: str) -> None:
    finding = find(
        evidence(order("expired", reason="operation.expired"), attempts=(tried(answered=True),), heard=heard(pick, reason))
    )
    assert finding.cause is not None
    assert (finding.told, finding.cause.reason, finding.cause.source, finding.cause.layer) == ("cause", reason, "user", layer)
    assert lines(finding)["wallet.words"] is Mark.FAILED
    assert finding.ask


def test_words_that_say_nothing_leave_it_not_told() -> None:
    finding = find(
        evidence(order("expired", reason="operation.expired"), attempts=(tried(answered=True),), heard=heard("other", None))
    )
    assert (finding.told, finding.cause) == ("not_told", None)


def test_a_phone_that_says_paid_leads_to_the_claim_and_to_no_cause() -> None:
    finding = find(
        evidence(order("expired", reason="operation.expired"), attempts=(tried(answered=True),), heard=heard("paid", None))
    )
    assert (finding.told, steps(finding)[0]) == ("not_told", "claim")


def test_a_refusal_that_the_channel_does_not_explain_is_not_told_and_asks_nobody() -> None:
    finding = find(evidence(order("failed", reason="channel.refused_unexplained"), attempts=(tried(native="X"),)))
    assert (finding.told, finding.ask) == ("not_told", ())


def test_money_is_said_not_to_have_moved_only_when_it_is_certain() -> None:
    assert find(evidence(order("refused", reason="limits.day", facts={"limit_fen": 1, "until_at": AT}))).moved == "never_asked"
    assert find(evidence(order("awaiting_payment"), attempts=(tried("open"),))).moved == "not_known"
    assert find(evidence(order("awaiting_payment", money="checking"), attempts=(tried("unknown"),))).moved == "checking"
    assert find(evidence(FAILED, attempts=(tried(),))).moved == "confirmed_none"


def test_doubt_says_not_to_pay_again_and_offers_no_other_way() -> None:
    finding = find(evidence(order("awaiting_payment", money="checking", reason="channel.checking"), attempts=(tried("unknown"),)))
    assert (finding.told, finding.ways) == ("checking", ())
    assert not {"retry", "again", "same"} & set(steps(finding))


REFUSALS = [reason for reason in catalogue() if reason.layer.value in ASKING]


@pytest.mark.parametrize("reason", REFUSALS, ids=lambda each: each.code)
def test_after_a_stop_of_risk_or_law_nothing_leads_around_it(reason: Any) -> None:
    facts = {name: AT if name.endswith("_at") else 5 for name in reason.facts}
    for state in ("refused", "failed", "reviewing", "held"):
        finding = find(evidence(order(state, reason=reason.code, facts=facts), attempts=(tried(),)))
        assert finding.ways == ()
        assert not {"retry", "again", "same", "shop"} & set(steps(finding)), (state, steps(finding))


def test_lines_of_family_and_law_are_the_same_whatever_they_said() -> None:
    hits = judged(risk__family=("risk.place_unusual", {}), regulation__screening=("account.frozen_by_law", {}))
    quiet = find(evidence(order("credited"), attempts=(tried("paid"),)))
    loud = find(evidence(FAILED, attempts=(tried(),), decisions=(hits,)))
    for finding in (quiet, loud):
        constant = [line for layer in finding.layers for line in layer.lines if line.what in CONSTANT]
        assert {(line.mark, line.reason) for line in constant} == {(Mark.CONSTANT, None)}
        assert marks(finding)["regulation"] is Mark.CONSTANT
        assert Mark.PASSED not in {marks(finding)["risk"], marks(finding)["regulation"]}


def test_a_legal_stop_shows_its_neutral_text_and_no_fact() -> None:
    finding = find(evidence(order("frozen_by_order", reason="risk.payer_flagged"), attempts=(tried("paid"),)))
    assert finding.cause is not None
    assert (finding.cause.reason, finding.cause.facts) == ("regulation.money_frozen", {})
    assert marks(finding)["regulation"] is Mark.CONSTANT


def test_fail_retry_fail_is_noticed() -> None:
    failures = tuple(
        Failed(f"RC-{n}", "failed", 5_000, "wechatpay", "native", "channel.bank_limit", AT - timedelta(minutes=n)) for n in range(3)
    )
    finding = find(evidence(FAILED, attempts=(tried(),), failures=failures))
    assert finding.loop is not None
    assert finding.loop.count == 3
    others = tuple(replace(each, reason="channel.busy") for each in failures)
    assert find(evidence(FAILED, attempts=(tried(),), failures=others)).loop is None
    old = tuple(replace(each, at=AT - timedelta(days=2)) for each in failures)
    assert find(evidence(FAILED, attempts=(tried(),), failures=old)).loop is None


def test_a_frozen_account_leads_with_its_state_and_its_case() -> None:
    stop = considered(outcome=Outcome.REFUSE, reason="account.frozen", facts={"why": "risk_review"}, check="account.standing")
    finding = find(evidence(None, standing="frozen", now=(stop,)))
    assert finding.cause is not None
    assert (finding.told, finding.cause.reason, finding.ways) == ("cause", "account.frozen", ())
    assert steps(finding)[0] == "unfreeze"
    assert steps(find(evidence(None, standing="frozen", now=(stop,), case="CA-1")))[0] == "case"


def test_in_general_one_way_that_goes_is_enough() -> None:
    down = considered(outcome=Outcome.REFUSE, reason="channel.down", facts={"kind": "wechatpay"})
    finding = find(evidence(None, now=(down, considered(2, "alipay", "page"))))
    assert (finding.told, [way.kind for way in finding.ways]) == ("clear", ["alipay"])
    none = find(evidence(None, now=(down,)))
    assert none.cause is not None
    assert (none.told, none.cause.reason, none.may_end) == ("cause", "channel.down", True)
    assert "watch" in steps(none)


def test_the_forms_own_tick_is_no_obstacle() -> None:
    tick = considered(outcome=Outcome.REFUSE, reason="eligibility.agreement", check="eligibility.agreement")
    assert find(evidence(None, now=(tick,))).told == "clear"


def test_a_watch_ends_when_the_very_way_goes_again() -> None:
    down = considered(outcome=Outcome.REFUSE, reason="channel.down", facts={"kind": "wechatpay"})
    other = considered(2, "alipay", "page")
    failed = order("failed", reason="channel.busy")
    cause = find(evidence(failed, attempts=(tried(),))).cause
    assert not over(evidence(failed, now=(down, other)), cause)
    assert over(evidence(failed, now=(considered(), other)), cause)
    assert not over(evidence(failed, now=()), cause)


def test_a_bank_day_limit_ends_with_the_day() -> None:
    cause = find(evidence(FAILED, attempts=(tried(),))).cause
    assert cause is not None
    assert not over(evidence(FAILED), cause)
    assert over(evidence(FAILED, at=AT + timedelta(days=1)), cause)


def test_the_same_evidence_is_the_same_finding() -> None:
    seen = evidence(FAILED, attempts=(tried(),))
    assert find(seen) == find(seen)


def test_no_fact_is_told_that_nobody_said() -> None:
    """Facts that a reason does not declare stay inside."""
    secret = order("failed", reason="channel.bank_limit", facts={"bank": "icbc", "card": "6222", "left_fen": 12})
    finding = find(evidence(secret, attempts=(tried(),)))
    assert finding.cause is not None
    assert finding.cause.facts == {}


def refund(state: str, reason: str | None, *, second: int = 0) -> RefundView:
    at = AT + timedelta(seconds=second)
    return RefundView(ids.new_id(), None, state, 5_000, at, at, reason, "cash", "wechatpay")


@pytest.mark.parametrize(
    ("state", "said", "anomalies", "reason", "first"),
    [
        ("failed", "refund.merchant_funds_short", (), "refund.merchant_funds_short", "refund"),
        ("failed", "refund.too_old", (), "refund.too_old", "wallet"),
        ("sent", "refund.in_progress", (), "refund.in_progress", "wallet"),
        # What a channel says of one call says nothing of the refund.
        ("sent", "channel.checking", (), "refund.in_progress", "wallet"),
        ("sent", "refund.in_progress", ("unresolved",), "refund.needs_hand", "wallet"),
    ],
)
def test_why_money_does_not_go_back_is_told_and_the_payment_is_not_called_failed(
    state: str, said: str, anomalies: tuple[str, ...], reason: str, first: str
) -> None:
    credited = order("credited", refunds=(refund("failed", "refund.failed"), refund(state, said, second=1)))
    finding = find(evidence(credited, attempts=(tried("paid"),), anomalies=anomalies))
    assert finding.cause is not None
    assert (finding.told, finding.moved, finding.cause.reason) == ("refund", "credited", reason)
    assert (lines(finding)["channel.answer"], steps(finding)[0]) == (Mark.PASSED, first)
    done = order("credited", refunds=(refund("failed", said), refund("done", None, second=1)))
    assert find(evidence(done, attempts=(tried("paid"),))).told == "arrived"


def test_a_channel_that_said_why_it_is_in_doubt_is_quoted_unless_that_leads_to_paying_again() -> None:
    for said, told in (
        ("channel.bank_fault", "channel.bank_fault"),
        ("channel.busy", "channel.checking"),
        (None, "channel.checking"),
    ):
        finding = find(evidence(order("awaiting_payment", money="checking"), attempts=(tried("unknown", reason=said),)))
        assert finding.cause is not None
        assert (finding.told, finding.cause.reason, finding.ways) == ("checking", told, ())


def test_what_the_balance_refused_stands_beside_and_a_waiting_order_leads_to_its_confirmation() -> None:
    short = Stopped("spend", "goods.balance_short", "account", "user", {"short_fen": 100}, AT)
    assert find(evidence(None, now=(considered(),), stopped=(short,))).stopped == (short,)
    waits = order("challenged", reason="operation.amount_odd", facts={"amount_fen": 8_800, "usual_fen": 880})
    assert steps(find(evidence(waits)))[0] == "confirm"
