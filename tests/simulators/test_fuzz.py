"""Whatever a merchant sends, the channel answers in its own form: a refusal is an `ApiError`, and nothing else escapes."""

import contextlib
import secrets
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from daozhang.simulators.habits import Habits
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.watch import Watch
from daozhang.simulators.wechatpay.books import Books
from daozhang.simulators.wechatpay.errors import ApiError
from daozhang.simulators.wechatpay.orders import Orders
from daozhang.simulators.wechatpay.refunds import Refunds
from daozhang.simulators.wechatpay.signing import read_authorization

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=40)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3))
NAMES = [
    *("appid", "mchid", "description", "out_trade_no", "attach", "notify_url", "amount", "payer", "scene_info", "time_expire"),
    *("out_refund_no", "transaction_id", "reason"),
]


@pytest.fixture(scope="module")
def books() -> Books:
    """Empty books."""
    return Books(":memory:", Watch())


@hypothesis.given(
    product=st.sampled_from(["native", "h5", "jsapi", "app"]), changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
)
@hypothesis.settings(max_examples=300, deadline=None)
def test_any_order_is_placed_or_refused(enrolment: Enrolment, books: Books, product: str, changes: dict[str, Any]) -> None:
    merchant = enrolment.merchant
    body: dict[str, Any] = {
        "appid": merchant.appid,
        "mchid": merchant.mchid,
        "description": "x",
        "out_trade_no": secrets.token_hex(13),
        "notify_url": "https://shop.example/n",
        "amount": {"total": 1, "currency": "CNY"},
        "payer": {"openid": "o"},
        "scene_info": {"payer_client_ip": "::1", "h5_info": {"type": "Wap"}},
    }
    orders = Orders(books, Watch(), "http://127.0.0.1:1")
    answer: dict[str, str] | None = None
    with contextlib.suppress(ApiError):
        answer = orders.place(product, merchant, msgspec.json.encode(body | changes))
    assert answer is None or set(answer) <= {"code_url", "h5_url", "prepay_id"}


@hypothesis.given(body=st.binary(max_size=200) | VALUES.map(msgspec.json.encode))
@hypothesis.settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused(enrolment: Enrolment, books: Books, body: bytes) -> None:
    refunds = Refunds(books, Watch(), Habits())
    orders = Orders(books, Watch(), "http://127.0.0.1:1")
    for door in (
        lambda: orders.place("native", enrolment.merchant, body),
        lambda: orders.close(enrolment.merchant, "NOBODYS1", body),
        lambda: refunds.ask(enrolment.merchant, body),
    ):
        with pytest.raises(ApiError):
            door()


@hypothesis.given(changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
@hypothesis.settings(max_examples=200, deadline=None)
def test_any_refund_of_nothing_is_refused(enrolment: Enrolment, books: Books, changes: dict[str, Any]) -> None:
    amount = {"refund": 1, "total": 1, "currency": "CNY"}
    body = {"out_trade_no": "NOBODYS1", "out_refund_no": "R1", "amount": amount, "notify_url": "https://shop.example/n"} | changes
    with pytest.raises(ApiError):
        Refunds(books, Watch(), Habits()).ask(enrolment.merchant, msgspec.json.encode(body))


@hypothesis.given(st.text(max_size=300))
def test_any_authorization_is_read_or_not(header: str) -> None:
    read_authorization(header)
    read_authorization(f"WECHATPAY2-SHA256-RSA2048 {header}")
