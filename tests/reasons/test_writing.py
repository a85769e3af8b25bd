"""Facts are written by the unit in their name, and foreign text stays short and printable."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang import clock
from daozhang.reasons.writing import duration, fill, moment, money, write

WORDS = {"kind": {"wechatpay": {"zh": "微信支付", "en": "WeChat Pay"}, "other": {"zh": "渠道", "en": "the channel"}}}


@pytest.mark.parametrize(
    ("name", "value", "zh", "en"),
    [
        ("limit_fen", 500_000, "¥5,000", "¥5,000"),
        ("limit_fen", 1_050, "¥10.50", "¥10.50"),
        ("limit_fen", 0, "¥0", "¥0"),
        ("left_fen", -5, "-¥0.05", "-¥0.05"),
        ("wait_s", 1, "1 秒", "1 second"),
        ("wait_s", 0, "1 秒", "1 second"),
        ("wait_s", 59.2, "1 分钟", "1 minute"),
        ("wait_s", 61, "2 分钟", "2 minutes"),
        ("wait_s", 3_600, "1 小时", "1 hour"),
        ("wait_s", 90_000, "25 小时", "25 hours"),
        ("wait_s", 172_801, "3 天", "3 days"),
        ("left_count", 1_234, "1,234", "1,234"),
        ("kind", "wechatpay", "微信支付", "WeChat Pay"),
        ("kind", "nobody knows", "渠道", "the channel"),
        ("host", "api.example\x00\n" + "x" * 100, "api.example" + "x" * 53, "api.example" + "x" * 53),
    ],
)
def test_a_fact_is_written_by_its_unit(name: str, value: Any, zh: str, en: str) -> None:
    assert (write(name, value, "zh", WORDS), write(name, value, "en", WORDS)) == (zh, en)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit_fen", "500000"),
        ("limit_fen", 1.5),
        ("limit_fen", True),
        ("limit_fen", None),
        ("wait_s", "soon"),
        ("until_at", "tomorrow"),
        ("until_at", 1_700_000_000),
        ("until_at", datetime(2026, 1, 1)),  # noqa: DTZ001 -- a moment without a zone is what is tested
        ("host", ""),
    ],
)
def test_a_fact_that_breaks_the_promise_of_its_name_is_not_written(name: str, value: Any) -> None:
    assert write(name, value, "zh", WORDS) is None


def test_moments_near_today_are_told_as_such() -> None:
    noon = clock.day_start(clock.now()) + timedelta(hours=12)
    assert (moment(noon, "zh"), moment(noon, "en")) == ("今天 12:00", "12:00 today (Beijing time)")
    assert moment(noon + timedelta(hours=12), "zh") == "明天 00:00"
    assert moment(noon - timedelta(days=1), "en") == "12:00 yesterday (Beijing time)"
    assert moment(datetime(2019, 12, 31, 16, 5, tzinfo=UTC), "zh") == "2020年1月1日 00:05"


@given(st.integers(min_value=1, max_value=10**9))
def test_a_wait_is_never_told_shorter_than_it_is(seconds: int) -> None:
    count, unit = duration(seconds, "en").split(" ")
    size_s = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}[unit.removesuffix("s")]
    assert seconds <= int(count) * size_s < 2 * seconds + size_s


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_money_reads_back(amount_fen: int) -> None:
    text = money(amount_fen).replace("¥", "").replace(",", "")
    whole, _, fraction = text.lstrip("-").partition(".")
    assert (int(whole) * 100 + int(fraction or 0)) * (-1 if text.startswith("-") else 1) == amount_fen


def test_a_fact_with_braces_is_text_and_no_template() -> None:
    assert fill("在 {host} 上。", {"host": "{limit_fen} {0}"}, "zh", WORDS) == "在 {limit_fen} {0} 上。"
    assert fill("One {host}. Two.", {}, "en", WORDS) == "Two."
