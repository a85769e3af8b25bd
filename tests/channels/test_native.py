"""Every native code means something, and what nobody has mapped is never more than we know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.house.sources import ROOT, text

from daozhang.channels.catalogue import KINDS
from daozhang.channels.native import native_codes
from daozhang.channels.native_reference import page, rows_of
from daozhang.channels.port import Outcome
from daozhang.reasons import catalogue

CODES = native_codes("wechatpay")


def test_the_reference_page_is_current() -> None:
    current = text(ROOT / "docs" / "reference" / "native-codes.md")
    assert current == page(), "run python -m daozhang.channels.native_reference"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_says_what_its_codes_mean(kind: str) -> None:
    for row in rows_of(kind):
        assert row.get("meaning"), row["name"]
        assert row["reason"] in catalogue(), row["name"]
        assert len(row.get("unreached", "a reason of its own")) > 10, row["name"]


OPERATIONS = ("order", "query", "close", "refund", "refund_query", "state", "refund_state", "certificates", "bill", "client")


def test_all_ninety_five_codes_of_the_documentation_are_there() -> None:
    assert len([name for name in CODES.names() if "@" not in name]) == 95


def test_every_reason_is_in_the_catalogue() -> None:
    for code in CODES.reasons():
        assert catalogue().get(code), code


@pytest.mark.parametrize("operation", ["query", "close", "refund", "refund_query"])
@pytest.mark.parametrize(
    "code", ["SYSTEM_ERROR", "SYSTEMERROR", "BANKERROR", "BANK_ERROR", "FREQUENCY_LIMITED", "SERVICE_UNAVAILABLE", "SIGN_ERROR"]
)
def test_unknown_outcomes_are_never_failed(operation: str, code: str) -> None:
    assert CODES.read(operation, code, "", 500).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("state", "outcome"), [("NOTPAY", "pending"), ("USERPAYING", "pending"), ("CLOSED", "failure"), ("REFUND", "success")]
)
def test_trade_states(state: str, outcome: str) -> None:
    assert CODES.read("state", f"TRADE_STATE:{state}").outcome == outcome


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("商户号该产品权限未开通，请前往商户平台>产品中心检查后重试", "channel.product_not_enabled"),
        ("此商家的收款功能已被限制，暂无法支付", "channel.receiving_limited"),
        ("no permission", "channel.product_not_enabled"),
    ],
)
def test_the_message_tells_apart_what_one_code_hides(message: str, reason: str) -> None:
    assert CODES.read("order", "NO_AUTH", message, 403).reason == reason


@given(st.sampled_from(OPERATIONS), st.text(max_size=40), st.text(max_size=80), st.none() | st.integers(100, 599))
def test_any_answer_has_a_meaning_and_only_a_refused_order_fails_unmapped(
    operation: str, code: str, message: str, http: int | None
) -> None:
    meaning = CODES.read(operation, f"X{code}", message, http)
    if meaning.outcome is Outcome.FAILURE:
        assert operation == "order"
        assert http is not None
        assert 400 <= http < 500
    assert meaning.outcome is not Outcome.SUCCESS


@pytest.mark.parametrize("http", [500, 502, 503, 504, 429, 202, None])
def test_an_unmapped_code_behind_a_server_fault_is_unknown(http: int | None) -> None:
    assert CODES.read("order", "WHO_KNOWS", "", http).outcome is Outcome.UNKNOWN
