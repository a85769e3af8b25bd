"""Ways to pay, best first: state, fitness, handiness, cost; and nothing that the device cannot do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daozhang.limits.model import Limit
from daozhang.recharge.route import NOWHERE, OPEN, MethodChoice, Standing, best_first, choice
from daozhang.web.front.device import handiness

AT = datetime(2026, 11, 22, 6, 2, tzinfo=UTC)


def limit(**given: Any) -> Limit:
    return Limit(**{"id": 1, "owner": "channel", "at": AT, "day_ends_at": AT + timedelta(hours=10),
                    "month_ends_at": AT + timedelta(days=8), **given})  # fmt: skip


def way(kind: str, method: str, *limits: Limit, standing: Standing = OPEN, amount_fen: int | None = 5_000) -> MethodChoice:
    return choice(len(kind), kind, method, standing, limits, amount_fen)


def names(ways: list[MethodChoice], *, phone: bool = False, wechat: bool = False) -> list[str]:
    return [f"{w.kind}.{w.method}" for w in best_first(ways, lambda each: handiness(each, phone=phone, wechat=wechat))]


DOWN = Standing("suspended", usable=False, why="channel.unreachable")
SLOW = Standing("degraded", why="channel.busy")


def test_state_then_fitness_then_handiness_then_cost() -> None:
    ways = [
        way("wechatpay", "native", standing=DOWN),
        way("alipay", "qr", limit(single_fen=4_999)),
        way("unionpay", "qr", limit(fee_bp=60)),
        way("epay", "qr", limit(fee_bp=38)),
        way("epay", "page", limit(fee_bp=1)),
        way("other", "qr", standing=SLOW),
    ]
    assert names(ways) == ["epay.qr", "unionpay.qr", "epay.page", "other.qr", "alipay.qr", "wechatpay.native"]


def test_a_limit_that_was_contradicted_comes_after_one_that_was_not() -> None:
    ways = [way("wechatpay", "native", limit(single_fen=9_000, changed_axis="single", changed_fen=8_000, fee_bp=1)),
            way("alipay", "qr", limit(fee_bp=60))]  # fmt: skip
    assert names(ways) == ["alipay.qr", "wechatpay.native"]


@pytest.mark.parametrize(
    ("amount_fen", "fits", "why"), [(5_000, True, None), (5_001, False, "channel.limit.single"), (None, True, None)]
)
def test_what_does_not_take_the_amount_may_be_chosen_and_says_why(amount_fen: int | None, fits: bool, why: str | None) -> None:  # noqa: FBT001
    seen = way("alipay", "qr", limit(single_fen=5_000), amount_fen=amount_fen)
    assert (seen.open, seen.fits, seen.why) == (True, fits, why)


def test_what_is_closed_cannot_be_chosen_whatever_the_amount() -> None:
    closed = way("unionpay", "qr", limit(opens_min=0, closes_min=60))
    assert (closed.open, closed.fits, closed.why) == (False, False, "channel.limit.hours")
    both = way("unionpay", "qr", limit(single_fen=1), standing=DOWN)
    assert (both.open, both.why) == (False, "channel.unreachable")
    slow = way("unionpay", "qr", limit(single_fen=1), standing=SLOW)
    assert (slow.open, slow.why, slow.state) == (True, "channel.limit.single", "degraded")


EVERY = [
    way(kind, method)
    for kind, methods in (("wechatpay", "native h5 jsapi"), ("alipay", "qr page h5"), ("unionpay", "page qr"), ("epay", "page"))
    for method in methods.split()
]


def test_inside_wechat_nothing_is_offered_that_wechat_blocks() -> None:
    inside = names(EVERY, phone=True, wechat=True)
    assert inside[0] == "wechatpay.jsapi"
    assert not {"alipay.page", "alipay.h5", "wechatpay.h5"} & set(inside)
    assert inside[-1] == "alipay.qr"


def test_on_a_phone_pages_come_before_codes_and_nothing_of_wechats_own() -> None:
    phone = names(EVERY, phone=True)
    assert phone[0].endswith(".h5")
    assert "wechatpay.jsapi" not in phone
    assert [each.endswith((".qr", ".native")) for each in phone] == sorted(each.endswith((".qr", ".native")) for each in phone)


def test_on_a_desk_codes_come_first_and_no_app_is_opened() -> None:
    desk = names(EVERY)
    assert desk[0].endswith((".qr", ".native"))
    assert not any(each.endswith((".h5", ".jsapi")) for each in desk)


def test_where_nothing_works_everything_is_shown() -> None:
    only = [way("wechatpay", "jsapi")]
    assert handiness(only[0], phone=False, wechat=False) == NOWHERE
    assert names(only) == ["wechatpay.jsapi"]
